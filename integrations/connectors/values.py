"""Where the values of a field mapping come from: one list for every connector, and one function that reads them.

Pure: a meeting in, a text, number, yes-or-no or moment out. None says that nobody told (the question was not asked or
not answered, the link carried no such parameter), and clears nothing over there. An empty text says that there is none:
a meeting without a place, or that nobody canceled.
"""

import difflib
import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.template import TemplateSyntaxError

from bookings.answers import company, line, phone
from bookings.meeting import Meeting
from bookings.snapshots import Answer
from integrations.connectors import templating
from integrations.connectors.templating import folded

Value = str | int | float | bool | datetime | None

#: How alike two questions are when one may be the other, renamed; 1.0 is equal.
_ALIKE = 0.6


class Kind(enum.StrEnum):
    """What sort of value a source gives."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "yes or no"
    MOMENT = "date and time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold everything that a value is read from."""

    meeting: Meeting
    booking_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold a value, and what there is to tell about it in words for staff."""

    value: Value
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Name a value that staff can choose; `argument` says what it needs, in a word, or nothing."""

    name: str
    label: str
    group: str
    read: Callable[[Facts, str], Value | Reading]
    kind: Kind = Kind.TEXT
    argument: str = ""


def read(
    name: str, argument: str, facts: Facts, *, more: Mapping[str, Source] | None = None
) -> Reading:
    """Return a source's value for a meeting; `more` are a connector's own sources."""
    source = SOURCES.get(name) or (more or {}).get(name)
    if source is None:
        return Reading(value=None, notes=(f"There is no value called {name!r}.",))
    found = source.read(facts, argument)
    return found if isinstance(found, Reading) else Reading(value=found)


def problem(name: str, argument: str, *, more: Mapping[str, Source] | None = None) -> str:
    """Return why a source cannot be used with an argument, in words for staff, or nothing."""
    source = SOURCES.get(name) or (more or {}).get(name)
    if source is None:
        return f"There is no value called {name!r}." if name else "Choose a value."
    if source.argument and not argument.strip():
        return f"{source.label} needs the {source.argument}."
    if not source.argument and argument.strip():
        return f"{source.label} needs nothing beside it; leave it empty."
    if name == "template":
        return templating.problem(argument, names=EXAMPLE)
    return ""


def split_name(*, first: str, last: str, full: str) -> tuple[str, str]:
    """Return first and last name: as given, else the last word is the last name, and a single word is one."""
    first, last, full = line(first), line(last), line(full)
    if last:
        return first, last
    before, _, final = (full or first).rpartition(" ")
    return before, final


def as_text(value: Value) -> str:
    """Return a value as people read it; moments in UTC."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return "" if value is None else str(value)


def _names(meeting: Meeting) -> tuple[str, str]:
    return split_name(first=meeting.first_name, last=meeting.last_name, full=meeting.invitee_name)


def _answer(facts: Facts, question: str) -> Reading:
    """Return an answer by its question: the exact text goes before one that differs in case and blanks alone."""
    answers = facts.meeting.answers
    found = next((item for item in answers if item.question == question), None)
    if found is None:
        alike = folded(question)
        found = next((item for item in answers if folded(item.question) == alike), None)
    if found is not None:
        return Reading(value=found.answer.strip() or None)
    return Reading(value=None, notes=(_not_asked(question, answers),))


def _not_asked(question: str, answers: Sequence[Answer]) -> str:
    asked = {folded(item.question): item.question for item in answers}
    close = difflib.get_close_matches(folded(question), list(asked), n=1, cutoff=_ALIKE)
    if close:
        return (
            f"The question {question!r} was not asked, but {asked[close[0]]!r} was: "
            "if it was renamed, correct the field mapping."
        )
    return f"The question {question!r} was not asked."


def _constant(_: Facts, text: str) -> str:
    return text


def _template(facts: Facts, text: str) -> Reading:
    try:
        made, unknown = templating.render(text, names=template_names(facts))
    except TemplateSyntaxError as error:
        return Reading(value=None, notes=(f"The template could not be filled in: {error}.",))
    notes = tuple(f"The template names {name!r}, which there is not." for name in unknown)
    return Reading(value=made.strip() or None, notes=notes)


def template_names(facts: Facts) -> dict[str, Any]:
    """Return what a template may name: plain values alone, every name there for every meeting."""
    meeting, (first, last) = facts.meeting, _names(facts.meeting)
    host = next(iter(meeting.hosts), None)
    return {
        "invitee": {
            "name": meeting.invitee_name, "first_name": first, "last_name": last, "email": meeting.email,
            "phone": phone(meeting) or "", "company": company(meeting) or "", "timezone": meeting.timezone,
        },
        "host": {"name": host.name if host else "", "email": host.email if host else "", "timezone": host.timezone if host else ""},
        "event_type": {"name": meeting.name},
        "booking": {
            "start_at": meeting.start_at, "end_at": meeting.end_at, "duration": _minutes(meeting),
            "location": meeting.location_text, "join_url": meeting.join_url, "status": _status(meeting),
            "is_canceled": meeting.is_canceled, "is_no_show": meeting.is_no_show,
            "cancel_reason": meeting.cancel_reason, "canceled_by": meeting.canceled_by,
            "reschedule_count": meeting.reschedule_count, "url": facts.booking_url,
        },
        "answers": [{"question": item.question, "answer": item.answer} for item in meeting.answers],
        "guests": list(meeting.guests),
        "utm": {name: meeting.tracking.get(f"utm_{name}") or "" for name in _UTM},
        "salesforce_uuid": meeting.tracking.get("salesforce_uuid") or "",
    }  # fmt: skip


def _minutes(meeting: Meeting) -> int:
    return round((meeting.end_at - meeting.start_at).total_seconds() / 60)


def _status(meeting: Meeting) -> str:
    """Return one word for how the meeting stands."""
    if meeting.is_canceled:
        return "canceled"
    if meeting.is_no_show:
        return "no-show"
    return "rescheduled" if meeting.reschedule_count else "booked"


_UTM = ("source", "medium", "campaign", "term", "content")


def _of(read_meeting: Callable[[Meeting], Value]) -> Callable[[Facts, str], Value]:
    return lambda facts, _: read_meeting(facts.meeting)


def _tracked(name: str) -> Callable[[Facts, str], Value]:
    return lambda facts, _: facts.meeting.tracking.get(name) or None


def _sources() -> tuple[Source, ...]:
    person, link, event, other = "Invitee", "Booking link", "Meeting", "Your own"
    return (
        Source(name="invitee.name", label="Name", group=person, read=_of(lambda m: m.invitee_name or None)),
        Source(name="invitee.first_name", label="First name", group=person, read=_of(lambda m: _names(m)[0] or None)),
        Source(name="invitee.last_name", label="Last name", group=person, read=_of(lambda m: _names(m)[1] or None)),
        Source(name="invitee.email", label="E-mail address", group=person, read=_of(lambda m: m.email.strip() or None)),
        Source(name="invitee.phone", label="Phone number", group=person, read=_of(phone)),
        Source(name="invitee.company", label="Company (from the question for it)", group=person, read=_of(company)),
        Source(name="invitee.timezone", label="Time zone", group=person, read=_of(lambda m: m.timezone or None)),
        Source(name="answer", label="Answer to a question", group=person, argument="question", read=_answer),
        *(
            Source(name=f"utm_{name}", label=f"UTM {name}", group=link, read=_tracked(f"utm_{name}"))
            for name in _UTM
        ),
        Source(name="salesforce_uuid", label="Salesforce id in the link", group=link, read=_tracked("salesforce_uuid")),
        Source(name="event_type.name", label="Name of the event type", group=event, read=_of(lambda m: m.name or None)),
        Source(name="host.name", label="Host's name", group=event, read=_of(lambda m: m.hosts[0].name if m.hosts else None)),
        Source(name="host.email", label="Host's e-mail address", group=event, read=_of(lambda m: m.hosts[0].email if m.hosts else None)),
        Source(name="booking.start_at", label="Start", group=event, kind=Kind.MOMENT, read=_of(lambda m: m.start_at)),
        Source(name="booking.end_at", label="End", group=event, kind=Kind.MOMENT, read=_of(lambda m: max(m.start_at, m.end_at))),
        Source(name="booking.duration", label="Duration in minutes", group=event, kind=Kind.NUMBER, read=_of(_minutes)),
        Source(name="booking.place", label="Join link, or the place", group=event, read=_of(lambda m: m.join_url or m.location_text)),
        Source(name="booking.location", label="Place", group=event, read=_of(lambda m: m.location_text)),
        Source(name="booking.join_url", label="Join link", group=event, read=_of(lambda m: m.join_url)),
        Source(name="booking.status", label="Status (booked, rescheduled, canceled, no-show)", group=event, read=_of(_status)),
        Source(name="booking.is_canceled", label="Is canceled", group=event, kind=Kind.BOOLEAN, read=_of(lambda m: m.is_canceled)),
        Source(name="booking.is_no_show", label="Is a no-show", group=event, kind=Kind.BOOLEAN, read=_of(lambda m: m.is_no_show)),
        Source(name="booking.cancel_reason", label="Reason of the cancellation", group=event, read=_of(lambda m: m.cancel_reason)),
        Source(name="booking.canceled_by", label="Who canceled", group=event, read=_of(lambda m: m.canceled_by)),
        Source(name="booking.reschedule_count", label="How often it was moved", group=event, kind=Kind.NUMBER, read=_of(lambda m: m.reschedule_count)),
        Source(name="booking.url", label="Link to the booking in Calsync", group=event, read=lambda facts, _: facts.booking_url or None),
        Source(name="guests", label="Guests' addresses", group=event, read=_of(lambda m: ", ".join(m.guests))),
        Source(name="constant", label="Always the same", group=other, argument="text", read=_constant),
        Source(name="template", label="Template", group=other, argument="template", read=_template),
    )  # fmt: skip


#: Every source by its name, in the order in which they are offered.
SOURCES: Mapping[str, Source] = {source.name: source for source in _sources()}

_SOMETIME = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
#: What a template is tried with when it is saved.
EXAMPLE = template_names(
    Facts(
        meeting=Meeting(
            key="", chain_id=0, booking_id=0, booking_uri="", invitee_uri="", is_canceled=True, is_no_show=False,
            name="Demo", start_at=_SOMETIME, end_at=_SOMETIME, previous_start_at=None, reschedule_count=1,
            location_type="", location_status="", location_text="Room", join_url="https://x.example", hosts=(),
            guests=("guest@x.example",), invitee_name="Ida Invitee", first_name="", last_name="", email="ida@x.example",
            timezone="UTC", text_reminder_number="1", answers=(Answer(question="Question", answer="Answer"),),
            tracking={}, canceled_by="Ida", cancel_reason="Ill", canceler_type="", cancel_url="", reschedule_url="",
        ),
        booking_url="https://x.example/booking",
    )
)  # fmt: skip
