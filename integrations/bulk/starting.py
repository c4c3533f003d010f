"""Start something for many rows, stop it, and go on with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.bulk.kinds import Did, Kind
from integrations.models import BulkOperation

State = BulkOperation.State

#: Rows that are done at once, while somebody waits.
AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Hold what was done at once, to which rows, or the operation that a worker carries on."""

    did: Did
    pks: tuple[int, ...] = ()
    operation: BulkOperation | None = None


def count(kind: Kind, choice: Mapping[str, Any], *, now: datetime) -> int:
    """Return how many rows are chosen, counted to the cap of an operation at the most."""
    rows = kind.frozen(choice, at=now).order_by()
    return int(rows[: BulkOperation.MOST_COUNTED].count())


def start(
    kind: Kind, choice: Mapping[str, Any], *, label: str, by: str, now: datetime, options: Mapping[str, Any] | None = None
) -> Started:  # fmt: skip
    """Do it to few rows at once; for many, and where somebody is asked, write down an operation for a worker to carry out.

    Raises:
        ValueError: the choice is not understood.
    """
    options = dict(options or {})
    rows = kind.frozen(choice, at=now).order_by("pk").values_list("pk", flat=True)
    few = list(rows[: AT_ONCE + 1])
    if kind.ask is None and len(few) <= AT_ONCE:
        with transaction.atomic():
            did = kind.carry_out(kind.model.objects.filter(pk__in=few), by, options, now)
        return Started(did=did, pks=tuple(few))
    operation = BulkOperation.objects.create(
        kind=kind.name, choice=dict(choice), options=options, label=label, requested_by=by, created_at=now,
        upto=kind.model.objects.order_by("-pk").values_list("pk", flat=True).first(),
        total=count(kind, choice, now=now),
    )  # fmt: skip
    return Started(did=Did(), operation=operation)


def request_stop(operation: BulkOperation, *, now: datetime) -> bool:
    """Have it end after the slice that is being worked on; False when it has ended already."""
    mine = BulkOperation.objects.filter(pk=operation.pk)
    if mine.filter(state=State.WAITING).update(state=State.STOPPED, finished_at=now):
        return True
    return bool(mine.filter(state=State.RUNNING).update(state=State.STOPPING))


def resume(operation: BulkOperation, *, now: datetime) -> bool:
    """Go on behind the last row that was looked at; False when there is nothing to go on with."""
    ended = BulkOperation.objects.filter(pk=operation.pk, state__in=[State.STOPPED, State.FAILED])
    return bool(
        ended.update(
            state=State.WAITING, error="", finished_at=None, lease_token=None, lease_expires_at=None
        )
    )
