"""Who gets a message: a rule's list and a meeting in, people out. Pure.

Each person gets a message of their own, so that nobody sees who else was written to. No address comes from what a
stranger typed unless the rule names the question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookings.meeting import Meeting
from integrations.connectors.email import addresses
from integrations.connectors.email.options import ANSWER, GUESTS, HOST, INVITEE
from integrations.connectors.templating import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Name a person who is written to; `role` is host, invitee, guest or other, `timezone` an IANA name."""

    email: str
    name: str = ""
    role: str = "other"
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Hold whom a list names at this meeting, and why some of it names nobody."""

    people: tuple[Recipient, ...] = ()
    notes: tuple[str, ...] = field(default=())


def find(entries: Sequence[str], meeting: Meeting) -> Found:
    """Return the people whom a rule's list names, each once, in the list's order."""
    people: dict[str, Recipient] = {}
    notes: list[str] = []
    for entry in entries:
        named = [(person, addresses.address(person.email)) for person in _people(entry, meeting)]
        if not any(email for _, email in named) and (named or entry != GUESTS):
            notes.append(_nobody(entry, meeting))
        for person, email in named:
            if email:
                made = Recipient(
                    email=email, name=addresses.line(person.name, limit=80), role=person.role, timezone=_zone(person.timezone)
                )  # fmt: skip
                people.setdefault(addresses.folded(email), made)
    return Found(people=tuple(people.values()), notes=tuple(notes))


def _people(entry: str, meeting: Meeting) -> Iterator[Recipient]:
    where = _host_zone(meeting)
    match entry:
        case "host":
            for host in meeting.hosts:
                zone = host.timezone or meeting.timezone
                yield Recipient(email=host.email, name=host.name, role=HOST, timezone=zone)
        case "invitee":
            yield Recipient(
                email=meeting.email, name=meeting.invitee_name, role=INVITEE, timezone=meeting.timezone or where
            )  # fmt: skip
        case "guests":
            for guest in meeting.guests:
                yield Recipient(email=guest, role="guest", timezone=meeting.timezone or where)
        case _ if entry.startswith(ANSWER):
            yield Recipient(email=_answer(entry, meeting), timezone=where)
        case _:
            yield Recipient(email=entry, timezone=where)


def _answer(entry: str, meeting: Meeting) -> str:
    wanted = folded(entry.removeprefix(ANSWER))
    found = (item.answer for item in meeting.answers if folded(item.question) == wanted)
    return next(found, "")


def _host_zone(meeting: Meeting) -> str:
    return next((host.timezone for host in meeting.hosts if host.timezone), meeting.timezone)


def _zone(given: str) -> str:
    try:
        return ZoneInfo(given).key if given else "UTC"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "UTC"


def _nobody(entry: str, meeting: Meeting) -> str:
    if entry.startswith(ANSWER):
        answered = "is no e-mail address" if _answer(entry, meeting) else "was not given"
        return f"The answer to {entry.removeprefix(ANSWER).strip()!r} {answered}: nobody is written to for it."  # fmt: skip
    if entry == GUESTS:
        return "There are no guests with an e-mail address."
    return f"There is no e-mail address of the {entry}."
