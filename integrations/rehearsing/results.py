"""What is kept of a simulation: a row for each booking, small, and without who was erased meanwhile."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from integrations.connectors.base import Skip
from integrations.deliver import Preview
from integrations.endings import Written
from integrations.erasure.late import erased_since
from integrations.models import BulkOperation, SimulationResult
from integrations.rehearsing.trying import NOTHING, Foreseen, Rehearsal

Verdict = SimulationResult.Verdict

#: Characters of the differences that are kept of one booking, and of a reason.
MOST_CHANGES = 8_000
MOST_REASON = 1_000
#: What a connector says of what is as it should be already.
_EQUAL = "already equal"


def keep(operation: BulkOperation, rehearsal: Rehearsal, *, asked_at: datetime) -> int:
    """Write down what was found, in the caller's transaction; return of how many bookings the rule would act.

    Where somebody was erased meanwhile, or is being erased, nothing is kept that may name them.
    """
    rows = _rows(operation, rehearsal)
    if erased_since(asked_at):
        for row in rows:
            row.reason, row.hint, row.changes = "(not kept: somebody was erased meanwhile)", "", {}
    SimulationResult.objects.bulk_create(rows)
    return len({item.occasion.chain_id for item in rehearsal.found if item.acts})


def verdict_of(found: Foreseen) -> SimulationResult.Verdict:
    """Return in a word what would happen."""
    if found.preview is None:
        return Verdict.ACT if found.acts else Verdict.LEFT
    return _of_preview(found.preview)


def _of_preview(preview: Preview) -> SimulationResult.Verdict:
    match preview.outcome:
        case Written(applied=applied) if applied.changed:
            return Verdict.UPDATE if preview.is_known else Verdict.CREATE
        case Written():
            return Verdict.EQUAL
        case Skip(reason=reason):
            return Verdict.EQUAL if reason == _EQUAL else Verdict.SKIP
    return Verdict.FAIL


def _rows(operation: BulkOperation, rehearsal: Rehearsal) -> list[SimulationResult]:
    decided = {item.occasion.chain_id for item in rehearsal.found}
    silent = [chain for chain in rehearsal.chains if chain not in decided]
    return [
        *(_row(operation, item) for item in rehearsal.found),
        *(
            SimulationResult(operation=operation, chain_id=chain, verdict=Verdict.NOTHING, reason=NOTHING)
            for chain in silent
        ),
    ]  # fmt: skip


def _row(operation: BulkOperation, found: Foreseen) -> SimulationResult:
    event, settled = found.occasion.event, found.preview.settlement if found.preview else None
    reason = (settled.error or settled.result) if settled else found.reason
    return SimulationResult(
        operation=operation, chain_id=found.occasion.chain_id, kind=event.kind, happened_at=event.occurred_at,
        verdict=verdict_of(found), reason=reason[:MOST_REASON],
        hint=settled.hint[:MOST_REASON] if settled else "",
        changes=_capped(settled.changes) if settled else {},
        is_backfilled=found.occasion.is_backfilled,
    )  # fmt: skip


def _capped(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the differences of as many records as fit, and the names of the others."""
    kept: dict[str, Any] = {}
    left = MOST_CHANGES
    for record, fields in changes.items():
        left -= len(json.dumps(fields, default=str))
        kept[record] = dict(fields) if left >= 0 else {"(too long to keep)": ["", ""]}
    return kept


def counts(results: Iterable[tuple[str, int]]) -> list[tuple[str, str, int]]:
    """Return each verdict, its words and how many there are, those that occur alone, in their order."""
    found = dict(results)
    return [(name, str(label), found[name]) for name, label in Verdict.choices if found.get(name)]
