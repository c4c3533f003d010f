"""What is so about an event and its meeting, as conditions ask for it.

The facts are the state at planning: of the meeting as the mirror has it then, and of the event. A later change is another
event, which is decided anew. Meetings and earlier bookings are loaded for all events of a plan together, and not
before a condition asks.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookings import answers
from bookings.free_mail import FREE_MAIL
from bookings.meeting import Meeting, load_meetings
from bookings.models import BookingEvent, Invitee
from bookings.personal import folded
from integrations.conditions import Facts, Type, Value
from integrations.conditions.catalogue import CHANGED, UTM, WEEKDAYS
from integrations.conditions.operators import folded as as_asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Count what the same address booked before, by how it stands now."""

    bookings: int = 0
    no_shows: int = 0
    cancels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """Hold how one meeting of an address stands; `booked` puts them in the order in which they were booked."""

    booked: tuple[datetime, int]
    is_no_show: bool
    is_canceled: bool


class PlanFacts:
    """Answer what conditions ask about the events of one plan; whatever is loaded is loaded once, for all."""

    def __init__(self, events: Iterable[BookingEvent]) -> None:
        self._chains = {event.chain_id for event in events if event.chain_id is not None}

    def of(self, event: BookingEvent) -> Facts:
        """Return the facts of one event."""
        return partial(self._read, event)

    def _read(self, event: BookingEvent, name: str, argument: str) -> Value:
        if name in _OF_EVENT:
            return _OF_EVENT[name](event, argument)
        meeting = self._meetings.get(event.chain_id or 0)
        if meeting is None:
            return None
        if name in _OF_PRIOR:
            prior = self._prior(meeting)
            return _OF_PRIOR[name](prior) if prior else None
        return _OF_MEETING[name](meeting, event, argument)

    @cached_property
    def _meetings(self) -> Mapping[int, Meeting]:
        return load_meetings(self._chains)

    def _prior(self, meeting: Meeting) -> Prior | None:
        """Count what the meeting's address booked before it; None where there is no address."""
        chains = self._by_address.get(folded(meeting.email), {})
        this = chains.get(meeting.chain_id)
        if this is None:
            return None
        before = [row for row in chains.values() if row.booked < this.booked]
        return Prior(
            bookings=len(before),
            no_shows=sum(row.is_no_show for row in before),
            cancels=sum(row.is_canceled for row in before),
        )

    @cached_property
    def _by_address(self) -> Mapping[str, Mapping[int, _Earlier]]:
        """Return each address's meetings; of a chain its newest member says how it stands, its first when it was booked."""
        addresses = {folded(meeting.email) for meeting in self._meetings.values()} - {""}
        rows = (
            Invitee.objects.filter(email_folded__in=addresses, chain__isnull=False)
            .order_by("created_at", "id")
            .values_list(
                "email_folded", "chain_id", "created_at", "id", "no_show_uri", "cancel_announced_at"
            )
        )
        found: dict[str, dict[int, _Earlier]] = defaultdict(dict)
        for address, chain_id, created_at, pk, no_show, canceled_at in rows:
            first = found[address].get(chain_id or 0)
            found[address][chain_id or 0] = _Earlier(
                booked=first.booked if first else (created_at, pk),
                is_no_show=bool(no_show),
                is_canceled=canceled_at is not None,
            )
        return found


_OF_PRIOR: Mapping[str, Callable[[Prior], int]] = {
    "invitee.prior_bookings": lambda prior: prior.bookings,
    "invitee.prior_no_shows": lambda prior: prior.no_shows,
    "invitee.prior_cancels": lambda prior: prior.cancels,
}


def _side(event: BookingEvent, name: str, side: int) -> Any:
    """Return what a fact was (0) or became (1) by the event; None where it did not change."""
    pair = event.changes.get(name)
    return pair[side] if isinstance(pair, list) and len(pair) == 2 else None


def _changed(event: BookingEvent, _: str, *, name: str, side: int) -> Value:
    value = _side(event, name, side)
    if name not in event.changes:
        return None
    match CHANGED[name][0]:
        case Type.LIST:
            return tuple(value or ())
        case Type.TEXT:
            return value or ""
    return value  # type: ignore[no-any-return]  # a moment in ISO 8601, or yes or no: as JSON holds it


def _changed_answer(event: BookingEvent, question: str, *, side: int) -> str | None:
    pairs = [(row["question"], row["answer"]) for row in _side(event, "answers", side) or ()]
    return _answer_to(question, pairs)


def _answer_to(question: str, pairs: Iterable[tuple[str, str]]) -> str | None:
    """Return an answer by its question: the exact text goes before one that differs in case and blanks alone."""
    pairs = list(pairs)
    exact = (answer for asked, answer in pairs if asked == question)
    alike = (answer for asked, answer in pairs if as_asked(asked) == as_asked(question))
    found = next(exact, None) or next(alike, None)
    return (found or "").strip() or None


_OF_EVENT: Mapping[str, Callable[[BookingEvent, str], Value]] = {
    "event.kind": lambda event, _: event.kind,
    "event.cause": lambda event, _: event.cause,
    "changed": lambda event, _: tuple(event.changes),
    **{
        f"{word}.{name}": partial(_changed, name=name, side=side)
        for side, word in enumerate(("before", "after"))
        for name in CHANGED
    },
    "before.answer": partial(_changed_answer, side=0),
    "after.answer": partial(_changed_answer, side=1),
}


def _local_start(meeting: Meeting) -> datetime | None:
    """Return the start by the first host's clock; None where their time zone is unknown."""
    zone = meeting.hosts[0].timezone if meeting.hosts else ""
    try:
        return meeting.start_at.astimezone(ZoneInfo(zone)) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _weekday(meeting: Meeting) -> str | None:
    start = _local_start(meeting)
    return WEEKDAYS[start.weekday()] if start else None


def _hour(meeting: Meeting) -> int | None:
    start = _local_start(meeting)
    return start.hour if start else None


def _status(meeting: Meeting) -> str:
    if meeting.is_canceled:
        return "canceled"
    if meeting.is_no_show:
        return "no-show"
    return "rescheduled" if meeting.reschedule_count else "booked"


def _domain(meeting: Meeting) -> str | None:
    return folded(meeting.email).rpartition("@")[2] or None


def _is_free_mail(meeting: Meeting) -> bool | None:
    domain = _domain(meeting)
    return domain in FREE_MAIL if domain else None


def _first_host(meeting: Meeting, name: str) -> str | None:
    return getattr(meeting.hosts[0], name) or None if meeting.hosts else None


def _hours(meeting: Meeting, event: BookingEvent) -> float:
    return (meeting.start_at - event.occurred_at).total_seconds() / 3600


_Reader = Callable[[Meeting, BookingEvent, str], Value]


def _tracked(name: str) -> _Reader:
    return lambda meeting, *_: meeting.tracking.get(name) or None


_OF_MEETING: Mapping[str, _Reader] = {
    "booking.status": lambda meeting, *_: _status(meeting),
    "booking.start_at": lambda meeting, *_: meeting.start_at,
    "booking.hours_ahead": lambda meeting, event, _: _hours(meeting, event),
    "booking.weekday": lambda meeting, *_: _weekday(meeting),
    "booking.hour": lambda meeting, *_: _hour(meeting),
    "booking.duration": lambda meeting, *_: round((meeting.end_at - meeting.start_at).total_seconds() / 60),
    "booking.location_type": lambda meeting, *_: meeting.location_type,
    "booking.reschedule_count": lambda meeting, *_: meeting.reschedule_count,
    "booking.is_canceled": lambda meeting, *_: meeting.is_canceled,
    "booking.is_no_show": lambda meeting, *_: meeting.is_no_show,
    "booking.cancel_reason": lambda meeting, *_: meeting.cancel_reason if meeting.is_canceled else None,
    "booking.canceler_type": lambda meeting, *_: (meeting.canceler_type or None) if meeting.is_canceled else None,
    "booking.guest_count": lambda meeting, *_: len(meeting.guests),
    "invitee.name": lambda meeting, *_: meeting.invitee_name or None,
    "invitee.email": lambda meeting, *_: meeting.email or None,
    "invitee.email_domain": lambda meeting, *_: _domain(meeting),
    "invitee.is_free_mail": lambda meeting, *_: _is_free_mail(meeting),
    "invitee.company": lambda meeting, *_: answers.company(meeting),
    "invitee.has_phone": lambda meeting, *_: bool(answers.phone(meeting)),
    "invitee.timezone": lambda meeting, *_: meeting.timezone or None,
    "answer": lambda meeting, _, question: _answer_to(question, ((row.question, row.answer) for row in meeting.answers)),
    **{f"utm_{name}": _tracked(f"utm_{name}") for name in UTM},
    "salesforce_uuid": _tracked("salesforce_uuid"),
    "host.name": lambda meeting, *_: _first_host(meeting, "name"),
    "host.email": lambda meeting, *_: _first_host(meeting, "email"),
    "host.emails": lambda meeting, *_: tuple(host.email for host in meeting.hosts if host.email),
    "host.teams": lambda meeting, *_: meeting.teams,
    "event_type.name": lambda meeting, *_: meeting.event_type_name or meeting.name or None,
    "event_type.slug": lambda meeting, *_: meeting.event_type_slug or None,
    "event_type.uri": lambda meeting, *_: meeting.event_type_uri or None,
}  # fmt: skip
