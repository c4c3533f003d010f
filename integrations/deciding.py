"""Which rules act on an event: each on its own, from the first to the last, and what is written down of those that do not.

A rule acts unless it is deaf to what only a backfill found, its conditions do not hold, or a rule before it stops the
others. What was decided once stands: an event that is planned again is decided for new rules alone, and for those that
were only deaf to a backfill's finding, once a webhook tells of it.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from bookings.models import BookingEvent
from integrations import conditions
from integrations.conditions import Verdict
from integrations.facts import PlanFacts
from integrations.models import EventPlan, Rule

logger = logging.getLogger(__name__)

#: What is written down of a rule that did not act: `rule`, `name`, `reason`, and `silent` where only a backfill's silence withheld it.
Entry = Mapping[str, Any]

_FAULT = "its conditions could not be decided, by a fault of ours; it is in the log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Hold which rules act on an event, and the entries of `EventPlan.withheld` for the others.

    `before` is what was written down of an earlier plan, None where nothing was.
    """

    event: BookingEvent
    acting: tuple[Rule, ...]
    withheld: tuple[Entry, ...]
    before: Sequence[Entry] | None


@dataclass(slots=True)
class _Past:
    """Hold what was decided of an event before: which rules acted, and the entries of the others."""

    acted: set[int] = field(default_factory=set)
    withheld: Sequence[Entry] | None = None


def decide(
    events: Collection[BookingEvent], rules: Iterable[Rule], *, now: datetime
) -> list[Decision]:
    """Decide for each event which of the rules that ask for its kind act on it; the rules come in their order."""
    decider = _Decider(events, now=now)
    rules = list(rules)
    past = _past(events) if rules else {}
    return [
        decider.decide(
            event, [r for r in rules if event.kind in r.kinds], past.get(event.pk) or _Past()
        )
        for event in events
    ]


def foresee(
    events: Collection[BookingEvent], rules: Iterable[Rule], *, now: datetime
) -> list[Decision]:
    """Decide as if each event were planned now for the first time, stored or not; nothing is to be kept of it."""
    decider, rules = _Decider(events, now=now), list(rules)
    return [
        decider.decide(event, [rule for rule in rules if event.kind in rule.kinds], _Past())
        for event in events
    ]


def keep(decisions: Iterable[Decision]) -> None:
    """Write down which rules did not act and why, once for each event; in the transaction of the deliveries."""
    told = [decision for decision in decisions if decision.withheld or decision.before]
    new = [_row(decision) for decision in told if decision.before is None]
    changed = [
        _row(decision)
        for decision in told
        if decision.before is not None and list(decision.before) != list(decision.withheld)
    ]
    if new:
        EventPlan.objects.bulk_create(new, ignore_conflicts=True)
    if changed:
        EventPlan.objects.bulk_update(changed, ["withheld"])


def _row(decision: Decision) -> EventPlan:
    return EventPlan(event=decision.event, withheld=list(decision.withheld))


def _past(events: Collection[BookingEvent]) -> Mapping[int, _Past]:
    """Return what was decided of these events before: by a backfill whose finding a webhook tells of now."""
    planned = BookingEvent.objects.filter(pk__in=[event.pk for event in events]).filter(
        Q(plan__isnull=False) | Q(deliveries__isnull=False)
    )
    rows = planned.order_by().values_list("pk", "plan__withheld", "deliveries__rule_id")
    found: dict[int, _Past] = defaultdict(_Past)
    for pk, withheld, rule_id in rows:
        found[pk].withheld = withheld
        found[pk].acted |= {rule_id} - {None}
    return found


class _Decider:
    """Decide event by event, with the facts and the conditions of one plan."""

    def __init__(self, events: Collection[BookingEvent], *, now: datetime) -> None:
        self._facts = PlanFacts(events)
        self._now = now
        self._parsed: dict[int, conditions.Parsed] = {}

    def decide(self, event: BookingEvent, rules: Iterable[Rule], past: _Past) -> Decision:
        """Ask each rule in its turn, until one that acts stops the others."""
        standing = _standing(event, past)
        acting: list[Rule] = []
        withheld: list[Entry] = []
        stopper: Rule | None = None
        for rule in rules:
            entry = standing.pop(rule.pk, None)
            if entry is None and rule.pk not in past.acted:
                entry = self._withhold(rule, event, stopper)
            if entry:
                withheld.append(entry)
                continue
            acting.append(rule)
            stopper = stopper or (rule if rule.stops else None)
        return Decision(
            event=event, acting=tuple(acting), withheld=(*withheld, *standing.values()),
            before=past.withheld,
        )  # fmt: skip

    def _withhold(self, rule: Rule, event: BookingEvent, stopper: Rule | None) -> Entry | None:
        """Return what to write down of a rule that does not act; None where it does."""
        silence = _silence(rule, event, now=self._now)
        stop = f"“{stopper}” acted and stops further rules" if stopper else ""
        reason = silence or stop or self._unmet(rule, event)
        if not reason:
            return None
        entry = {"rule": rule.pk, "name": rule.name, "reason": reason}
        return {**entry, "silent": True} if silence else entry

    def _unmet(self, rule: Rule, event: BookingEvent) -> str:
        """Return why the rule's conditions do not hold; an empty text if they do.

        What crashes withholds this rule alone, and loses neither the event nor what other rules do.
        """
        try:
            verdict = self._verdict(rule, event)
        except DatabaseError:
            raise
        except Exception:
            logger.exception("Conditions crashed: rule=%s event=%s", rule.pk, event.pk)
            return _FAULT
        return "" if verdict.holds else verdict.reason

    def _verdict(self, rule: Rule, event: BookingEvent) -> Verdict:
        if rule.pk not in self._parsed:
            self._parsed[rule.pk] = conditions.parse(rule.conditions)
        return conditions.judge(self._parsed[rule.pk], self._facts.of(event))


def _standing(event: BookingEvent, past: _Past) -> dict[int, Entry]:
    """Return the entries that stand; those of a backfill's silence do not once the event is loud."""
    entries = past.withheld or ()
    return {entry["rule"]: entry for entry in entries if event.silent or not entry.get("silent")}


def _silence(rule: Rule, event: BookingEvent, *, now: datetime) -> str:
    """Return why the rule is deaf to what only a backfill found; an empty text if it is not."""
    if not event.silent:
        return ""
    if not rule.acts_on_backfill:
        return "it does not act on what only a backfill found"
    days = rule.backfill_max_age_days
    if days is not None and now - event.occurred_at > timedelta(days=days):
        return f"it acts on what a backfill found up to {days} days after it happened"
    return ""
