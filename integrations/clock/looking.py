"""Look at the clock: which meetings' moment has come for a rule and was not decided yet; decide each, and plan what follows.

One worker at a time looks for a rule. What is decided, its event and its delivery commit together.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from bookings.models import BookingEvent, Invitee, Status
from integrations import rules
from integrations.clock import moments
from integrations.clock.moments import STARTING, Moment, Verdict
from integrations.models import ClockEntry, Rule

logger = logging.getLogger(__name__)

Kind = BookingEvent.Kind
State = ClockEntry.State

#: Meetings decided in one transaction.
AT_ONCE = 200
#: How long ago a meeting may have started, or its moment after the end have come, to be decided at all.
LOOKS_BACK = timedelta(days=3)
#: How far a look came: the start or end of whom it decided last, and the id.
Mark = tuple[datetime, int]
#: Kinds of event that may have set a meeting's start or end.
_SETTING = (Kind.BOOKED, Kind.RESCHEDULED, Kind.UPDATED)


@dataclass(slots=True)
class Drained:
    """Count the moments that were decided, and name the connections that have deliveries to send."""

    decided: int = 0
    connections: set[int] = field(default_factory=set)
    more: bool = False


def has_rules() -> bool:
    """Tell whether a rule asks for the clock at all."""
    return bool(clock_rules())


def clock_rules() -> list[Rule]:
    """Return the enabled rules that ask for the clock, in their order."""
    return [rule for rule in Rule.objects.filter(enabled=True) if rule.clock_kinds]


def drain(*, until: datetime, clock: Callable[[], datetime]) -> Drained:
    """Decide every moment that has come, rule by rule, until none is left or the time is up."""
    drained = Drained()
    for rule in clock_rules():
        for kind in rule.clock_kinds:
            behind: Mark | None = None
            more = True
            while more and (now := clock()) < until:
                behind = _look(rule, kind, drained, behind, now=now)
                more = behind is not None
            drained.more |= more
    return drained


def _look(
    rule: Rule, kind: str, drained: Drained, behind: Mark | None, *, now: datetime
) -> Mark | None:
    """Decide some; return how far that went, None where there are no more."""
    if rule.clock_since is None:  # made by a statement that asks no model: it begins with now, too
        Rule.objects.filter(pk=rule.pk, clock_since=None).update(clock_since=now)
        return None
    if not _due(rule, kind, behind, now=now).exists():
        return None
    return _decide(rule.pk, kind, drained, behind, now=now)


@transaction.atomic
def _decide(
    rule_id: int, kind: str, drained: Drained, behind: Mark | None, *, now: datetime
) -> Mark | None:
    """Decide up to `AT_ONCE` meetings, and plan what follows; one worker at a time does so for a rule."""
    rule = _locked(rule_id)
    if rule is None or not rule.enabled or kind not in rule.clock_kinds:
        return None
    anchor = moments.anchor_of(kind)
    due = _due(rule, kind, behind, now=now).select_related("booking").defer("raw", "booking__raw")
    invitees = list(due.order_by(f"booking__{anchor}", "pk")[:AT_ONCE])
    found = moments_of(kind, invitees)
    verdicts = [moments.judge(moment, rule, now=now) for moment in found]
    events = _write(rule, found, invitees, verdicts, now=now)
    by: Mapping[Rule | None, list[BookingEvent]] = _by_rule(verdicts, events)
    for other, those in by.items():
        drained.connections |= rules.plan(those, now=now, only=rule, by=other)
    drained.decided += len(invitees)
    logger.info(
        "The clock: rule=%s kind=%s fired=%s skipped=%s",
        rule.pk, kind, len(events), len(invitees) - len(events),
    )  # fmt: skip
    if len(invitees) < AT_ONCE:
        return None
    return getattr(invitees[-1].booking, anchor), invitees[-1].pk


def _locked(rule_id: int) -> Rule | None:
    """Return the rule, locked against another worker's look; None where one looks just now."""
    rows = Rule.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    return rows.select_related("connection", "late_rule__connection").filter(pk=rule_id).first()


def _due(rule: Rule, kind: str, behind: Mark | None, *, now: datetime) -> QuerySet[Invitee]:
    """Return whose moment has come and was not decided: of each chain its newest member, if that is active.

    A moment before the rule was there is none of its business, unless the meeting was booked since. What a look decided is
    not gone through again by its next slice, which goes on `behind` it.
    """
    anchor, since = moments.anchor_of(kind), cast("datetime", rule.clock_since)
    offset = timedelta(minutes=rule.offset_minutes) * (1 if kind == STARTING else -1)
    first = now - LOOKS_BACK + min(offset, timedelta())
    rows = active().filter(
        Q(**{f"booking__{anchor}__gte": since + offset}) | Q(created_at__gte=since),
        ~Exists(_decided(rule, kind, anchor)),
        **{f"booking__{anchor}__gt": first, f"booking__{anchor}__lte": now + offset},
    )
    if behind is None:
        return rows
    at, pk = behind
    later = Q(**{f"booking__{anchor}__gt": at}) | Q(pk__gt=pk)
    return rows.filter(later, **{f"booking__{anchor}__gte": at})


def active() -> QuerySet[Invitee]:
    """Return the newest members of chains whose meeting takes place, as far as the mirror knows."""
    chain = Invitee.objects.filter(chain=OuterRef("chain"), created_at__gte=OuterRef("created_at"))
    later = chain.filter(Q(created_at__gt=OuterRef("created_at")) | Q(pk__gt=OuterRef("pk")))
    return Invitee.objects.filter(
        ~Exists(later), status=Status.ACTIVE, announced_at__isnull=False, vanished_at=None, erased_at=None,
        booking__status=Status.ACTIVE, booking__vanished_at=None,
    )  # fmt: skip


def _decided(rule: Rule, kind: str, anchor: str) -> QuerySet[ClockEntry]:
    return ClockEntry.objects.filter(
        rule=rule, chain=OuterRef("chain"), kind=kind, anchor_at=OuterRef(f"booking__{anchor}")
    )


def moments_of(kind: str, invitees: Sequence[Invitee]) -> list[Moment]:
    """Return each meeting's moment, with when its start or end was set: booked, or moved to there."""
    anchor = moments.anchor_of(kind)
    told = BookingEvent.objects.filter(invitee__in=invitees, kind__in=_SETTING).order_by("id")
    setting: dict[int | None, BookingEvent] = {}
    for event in told:
        if event.kind != Kind.UPDATED or anchor in event.changes:
            setting[event.invitee_id] = event
    return [_moment(kind, anchor, invitee, setting.get(invitee.pk)) for invitee in invitees]


def _moment(kind: str, anchor: str, invitee: Invitee, event: BookingEvent | None) -> Moment:
    booking = invitee.booking
    return Moment(
        kind=kind, anchor_at=getattr(booking, anchor), start_at=booking.start_at,
        set_at=event.occurred_at if event else invitee.created_at,
        heard_at=event.created_at if event else invitee.announced_at or invitee.created_at,
        is_move=event is not None and event.kind != Kind.BOOKED, is_no_show=invitee.is_no_show,
    )  # fmt: skip


def _write(
    rule: Rule, found: Sequence[Moment], invitees: Sequence[Invitee], verdicts: Sequence[Verdict], *,
    now: datetime,
) -> list[BookingEvent]:  # fmt: skip
    """Write down what was decided of each, and return the events of those that the rule acts on."""
    events = BookingEvent.objects.bulk_create(
        event_of(rule, moment, invitee, now=now)
        for moment, invitee, verdict in zip(found, invitees, verdicts, strict=True)
        if verdict.acts
    )
    made = iter(events)
    ClockEntry.objects.bulk_create(
        ClockEntry(
            rule=rule, chain_id=cast("int", invitee.chain_id), kind=moment.kind, anchor_at=moment.anchor_at,
            due_at=moments.due_at(rule, moment.kind, moment.anchor_at), reason=verdict.reason, created_at=now,
            state=State.FIRED if verdict.acts else State.SKIPPED,
            event=next(made) if verdict.acts else None,
        )
        for moment, invitee, verdict in zip(found, invitees, verdicts, strict=True)
    )  # fmt: skip
    return events


def event_of(rule: Rule, moment: Moment, invitee: Invitee, *, now: datetime) -> BookingEvent:
    """Return the event that a moment brings, unsaved."""
    return BookingEvent(
        kind=moment.kind, booking=invitee.booking, invitee=invitee, chain_id=invitee.chain_id,
        cause=BookingEvent.Cause.CLOCK, cause_id=rule.pk, created_at=now,
        occurred_at=moments.due_at(rule, moment.kind, moment.anchor_at),
    )  # fmt: skip


def _by_rule(
    verdicts: Iterable[Verdict], events: Iterable[BookingEvent]
) -> dict[Rule | None, list[BookingEvent]]:
    """Return the events by the rule that acts instead; None for the rule itself."""
    found: dict[Rule | None, list[BookingEvent]] = {}
    acting = (verdict for verdict in verdicts if verdict.acts)
    for verdict, event in zip(acting, events, strict=True):
        found.setdefault(verdict.by, []).append(event)
    return found
