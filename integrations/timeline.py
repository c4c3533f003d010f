"""Tell a booking's story: what came in, what was decided, what was sent, what came back, and where it stands.

Reads only, in a number of queries that does not grow with the story. The unit is the reschedule chain: a booking's
page tells what happened in the chain's other bookings too.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from bookings.models import (
    Booking,
    BookingEvent,
    Invitee,
    RefetchRequest,
    RoutingSubmission,
)
from integrations import clock
from integrations.models import (
    ClockEntry,
    Delivery,
    DeliveryAttempt,
    InboundWebhook,
    RemoteRecord,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Say in words what one fact was and became."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEntry:
    """Hold one delivery with its attempts, oldest first, and what exists over there because of it."""

    delivery: Delivery
    attempts: tuple[DeliveryAttempt, ...]
    records: tuple[RemoteRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEntry:
    """Hold a webhook that came in for one of the chain's bookings."""

    template: ClassVar[str] = "admin/calsync/entry_webhook.html"
    at: datetime
    webhook: InboundWebhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Name a rule that asks for an event's kind and did not act on it, and why, as it was when the event was planned."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """Hold a decided change, its cause, its deliveries, and the rules that left it alone."""

    template: ClassVar[str] = "admin/calsync/entry_event.html"
    at: datetime
    event: BookingEvent
    changes: tuple[Change, ...]
    deliveries: tuple[DeliveryEntry, ...]
    withheld: tuple[Withheld, ...] = ()

    @property
    def clock_reason(self) -> str:
        """Return why a rule of the clock acted otherwise than at its moment, if it did."""
        entry = getattr(self.event, "clock_entry", None)
        return entry.reason if entry else ""

    @property
    def webhook_id(self) -> int | None:
        """Return the inbound webhook that caused it, if one did."""
        return self.event.cause_id if self.event.cause == BookingEvent.Cause.WEBHOOK else None

    @property
    def backfill_id(self) -> int | None:
        """Return the backfill that found it, if one did."""
        return self.event.cause_id if self.event.cause == BookingEvent.Cause.BACKFILL else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEntry:
    """Say what the booking waits for; `given_up` when nobody asks any more."""

    template: ClassVar[str] = "admin/calsync/entry_waiting.html"
    at: datetime
    reason: str
    due_at: datetime | None = None
    attempts: int = 0
    error: str = ""
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLine:
    """Say when a rule will act on the meeting, or, with a `reason`, why it did not at its moment."""

    template: ClassVar[str] = "admin/calsync/entry_clock.html"
    at: datetime
    rule: str
    kind: str
    reason: str = ""


Entry = WebhookEntry | EventEntry | WaitingEntry | ClockLine

_ORDER = {WebhookEntry: 0, EventEntry: 1, WaitingEntry: 2, ClockLine: 3}


def timeline(booking: Booking, *, now: datetime | None = None) -> list[Entry]:
    """Return everything that happened to the booking's chains, and what the clock is to bring, oldest first."""
    members = _members(booking)
    events = list(_events(members))
    webhooks = _webhooks(booking, members, caused_by=_causes(events))
    by_clock = _by_clock(members, now=now or timezone.now())
    entries: list[Entry] = [*webhooks, *events, *_waiting(booking, members), *by_clock]
    return sorted(entries, key=lambda entry: (entry.at, _ORDER[type(entry)]))


def _members(booking: Booking) -> list[Invitee]:
    chains = booking.invitees.filter(chain__isnull=False).values_list("chain_id", flat=True)
    mine = Q(booking=booking) | Q(chain_id__in=list(chains))
    return list(Invitee.objects.filter(mine).select_related("booking").defer("raw", "booking__raw"))


def _chain_ids(members: Iterable[Invitee]) -> set[int]:
    return {member.chain_id for member in members if member.chain_id}


def _events(members: Collection[Invitee]) -> Iterator[EventEntry]:
    chains = _chain_ids(members)
    records = _records(chains)
    for event in _event_rows(members, chains):
        yield EventEntry(
            at=event.created_at,
            event=event,
            changes=tuple(changes_in_words(event.changes)),
            deliveries=tuple(_delivery_entry(row, records) for row in event.deliveries.all()),
            withheld=tuple(_withheld(event)),
        )


def _withheld(event: BookingEvent) -> Iterator[Withheld]:
    """Yield what was written down of the rules that left the event alone."""
    plan = getattr(event, "plan", None)
    for entry in plan.withheld if plan else ():
        yield Withheld(rule=entry["name"], reason=entry["reason"])


def _by_clock(members: Collection[Invitee], *, now: datetime) -> Iterator[ClockLine]:
    """Yield what rules of the clock left alone, and what they are still to do."""
    rows = ClockEntry.objects.filter(chain__in=_chain_ids(members)).select_related("rule")
    decided = set()
    for row in rows:
        decided.add((row.rule_id, row.chain_id, row.kind, row.anchor_at))
        if row.state == ClockEntry.State.SKIPPED:
            name = row.rule.name if row.rule else "a deleted rule"
            yield ClockLine(at=row.created_at, rule=name, kind=row.kind, reason=row.reason)
    for due in clock.coming(members, clock.clock_rules(), now=now):
        if (due.rule.pk, due.chain_id, due.kind, due.anchor_at) not in decided:
            yield ClockLine(at=due.due_at, rule=due.rule.name, kind=due.kind)


def _event_rows(members: Collection[Invitee], chains: set[int]) -> QuerySet[BookingEvent]:
    forms = {member.routing_submission_uri for member in members} - {""}
    submissions = RoutingSubmission.objects.filter(uri__in=forms).values_list("pk", flat=True)
    deliveries = Delivery.objects.select_related("connection", "rule", "waits_for").order_by("id")
    return (
        BookingEvent.objects.filter(
            Q(chain_id__in=chains) | Q(routing_submission_id__in=list(submissions))
        )
        .select_related("booking", "invitee", "routing_submission", "plan", "clock_entry")
        .defer("booking__raw", "invitee__raw")
        .prefetch_related(Prefetch("deliveries", deliveries), "deliveries__attempts")
    )


Records = Mapping[tuple[int, int], list[RemoteRecord]]


def _records(chains: Collection[int]) -> Records:
    found: dict[tuple[int, int], list[RemoteRecord]] = defaultdict(list)
    for record in RemoteRecord.objects.filter(chain_id__in=chains).order_by("-updated_at", "-id"):
        found[record.connection_id, record.chain_id].append(record)
    return found


def _delivery_entry(delivery: Delivery, records: Records) -> DeliveryEntry:
    return DeliveryEntry(
        delivery=delivery,
        attempts=tuple(delivery.attempts.all()),
        records=tuple(
            r for r in records.get((delivery.connection_id, delivery.chain_id), ()) if r.url
        ),
    )


def delivery_entry(delivery: Delivery) -> DeliveryEntry:
    """Return one delivery as its own page shows it."""
    return _delivery_entry(delivery, _records([delivery.chain_id]))


def _causes(events: Iterable[EventEntry]) -> set[int]:
    return {entry.webhook_id for entry in events if entry.webhook_id is not None}


def _webhooks(
    booking: Booking, members: Collection[Invitee], *, caused_by: set[int]
) -> Iterator[WebhookEntry]:
    whose = Q(booking_id__in=_whole_bookings(booking, members)) | Q(pk__in=caused_by)
    for webhook in InboundWebhook.objects.filter(whose).order_by("id"):
        yield WebhookEntry(at=webhook.received_at, webhook=webhook)


def _whole_bookings(booking: Booking, members: Collection[Invitee]) -> set[int]:
    """Return the bookings whose every webhook belongs here: not those shared with strangers' chains."""
    bookings = {member.booking_id for member in members}
    strangers = Invitee.objects.filter(booking_id__in=bookings).exclude(
        pk__in=[member.pk for member in members]
    )
    return bookings - set(strangers.values_list("booking_id", flat=True)) | {booking.pk}


def _waiting(booking: Booking, members: Collection[Invitee]) -> Iterator[WaitingEntry]:
    uris = {booking.uri} | {member.booking.uri for member in members}
    subjects = {member.uri for member in members}
    asked = Q(object_uri__in=uris) | Q(subject_uri__in=subjects)
    requests = list(RefetchRequest.objects.filter(asked))
    yield from (_request_entry(request) for request in requests)
    explained = {request.subject_uri for request in requests}
    for member in members:
        reason = _partner_missing(member, members)
        if reason and member.uri not in explained:
            yield WaitingEntry(at=member.observed_at or member.created_at, reason=reason)


def _request_entry(request: RefetchRequest) -> WaitingEntry:
    return WaitingEntry(
        at=request.created_at,
        reason=request.get_reason_display(),
        due_at=request.due_at,
        attempts=request.attempts,
        error=request.last_error,
        given_up=request.due_at is None,
    )


def _partner_missing(invitee: Invitee, members: Collection[Invitee]) -> str:
    if invitee.announced_at is None:
        return f"{invitee} waits for the booking it was rescheduled from"
    moved = invitee.is_canceled and (invitee.rescheduled or invitee.new_invitee_uri)
    settled = invitee.cancel_announced_at or invitee.unpaired_at
    if moved and not settled and not any(m.old_invitee_uri == invitee.uri for m in members):
        return f"{invitee} waits for the booking it was rescheduled to"
    return ""


def changes_in_words(changes: Mapping[str, Any]) -> Iterator[Change]:
    """Put an event's `{"start_at": [before, after]}` into words, one change a fact."""
    for name, (before, after) in changes.items():
        label = name.removesuffix("_at").replace("_", " ")
        yield Change(name=label, before=_in_words(before), after=_in_words(after))


def _in_words(value: object) -> str:
    match value:
        case None | "" | []:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_in_words(item) for item in value)
        case {"question": question, "answer": answer}:
            return f"{question}: {answer}"
        case str():
            return _time_in_words(value)
    return str(value)


def _time_in_words(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{moment.astimezone(UTC):%a %d %b %Y, %H:%M} UTC" if moment.tzinfo else text
