"""A simulation: a rule tried out on the last bookings, slice by slice, as an operation on many rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count

from integrations.deliver import Clock
from integrations.models import BulkOperation, Rule, SimulationResult
from integrations.rehearsing import occasions
from integrations.rehearsing.results import counts
from integrations.rehearsing.trying import Rehearsal, rehearse

#: Bookings of one simulation, and of a slice of it.
MOST = 500
USUAL = 100
SLICE = 20
#: How long a slice may ask a provider.
PATIENCE = timedelta(seconds=20)


class ChangedRuleError(Exception):
    """The rule is not what was to be simulated any more."""


def asked_for(
    rule: Rule, *, last: int, conditions_only: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the choice and the options of a simulation, as an operation holds them.

    Raises:
        ValueError: there is nothing to simulate, or that is too much.
    """
    if not 1 <= last <= MOST:
        raise ValueError(f"Choose from 1 to {MOST} bookings.")
    chains = occasions.newest(rule, most=last)
    if not chains:
        raise ValueError("There is no booking yet to which something happened that the rule asks for.")  # fmt: skip
    options = {
        "rule": rule.pk, "as_of": rule.updated_at.isoformat(), "conditions_only": conditions_only
    }  # fmt: skip
    return {"pks": sorted(chains)}, options


def simulate(
    chains: Sequence[int], options: Mapping[str, Any], *, clock: Clock
) -> tuple[Rehearsal, datetime]:
    """Try the rule out on a slice, outside of any transaction; return what was found, and since when it was looked for.

    Raises:
        ChangedRuleError: the rule was changed or deleted since the simulation was asked for.
    """
    rule = rule_of(options)
    if rule is None or rule.updated_at.isoformat() != options.get("as_of"):
        raise ChangedRuleError(
            "The rule was changed or deleted meanwhile. Start another simulation; this one cannot go on."
        )
    began = clock()
    asks = not options.get("conditions_only")
    return rehearse(rule, chains, clock=clock, asks=asks, until=began + PATIENCE), began


def rule_of(options: Mapping[str, Any]) -> Rule | None:
    """Return the rule of a simulation, if it is still there."""
    rows = Rule.objects.select_related("connection", "late_rule__connection")
    return rows.filter(pk=options.get("rule") or 0).first()


def summary(operation: BulkOperation) -> list[tuple[str, str, int]]:
    """Return how many bookings each verdict has: its name, its words, the number."""
    mine = SimulationResult.objects.filter(operation=operation).order_by()
    rows = mine.values_list("verdict").annotate(count=Count("pk"))
    return counts((verdict, count) for verdict, count in rows)
