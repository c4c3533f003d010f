"""Bookings as the rows of a spreadsheet, one an invitee. Pure: rows in, texts out.

Whatever a person wrote may be read as a formula by the program that opens the file. Such a text gets a quote before it.
Source: https://owasp.org/www-community/attacks/CSV_Injection
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from bookings.discretion import Discretion
from bookings.models import Booking, Invitee

#: Questions with a column of their own; the other answers share one.
MOST_QUESTIONS = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}",
            "\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")  # fmt: skip

BEFORE_ANSWERS = (
    "Starts (UTC)", "Ends (UTC)", "Event", "Event type", "Status", "No-show", "Hosts", "Hosts' e-mail", "Invitee", "E-mail",
    "Time zone", "Starts (their time)", "Booked (UTC)", "Canceled (UTC)", "Canceled by", "Reason", "Place", "Join link",
    "UTM source", "UTM medium", "UTM campaign",
)  # fmt: skip
OTHER_ANSWERS = "Other answers"


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    begins = text.startswith(_FORMULA) or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if begins else text


def headings(questions: Sequence[str], destinations: Sequence[str]) -> list[str]:
    """Return the first line."""
    return [safe(name) for name in (*BEFORE_ANSWERS, *questions, OTHER_ANSWERS, *destinations)]


def questions_of(invitees: Iterable[Invitee]) -> tuple[str, ...]:
    """Return the questions with a column of their own: the most usual of these invitees, in alphabetical order."""
    asked = Counter(question for invitee in invitees for question, _ in _answers(invitee))
    return tuple(sorted(question for question, _ in asked.most_common(MOST_QUESTIONS)))


def row(
    booking: Booking,
    invitee: Invitee | None,
    *,
    questions: Sequence[str],
    states: Sequence[str],
    discretion: Discretion,
) -> list[str]:
    """Return an invitee's line; that of a booking of which no invitee is known has only what is the booking's."""
    cells = [
        *_of_meeting(booking, invitee, discretion),
        *_of_person(booking, invitee, discretion),
        *_of_answers(invitee, questions, discretion),
        *states,
    ]
    return [safe(cell) for cell in cells]


def _of_meeting(
    booking: Booking, invitee: Invitee | None, discretion: Discretion
) -> tuple[str, ...]:
    kind = str(booking.event_type) if booking.event_type else ""
    hosts = [place.host for place in booking.booking_hosts.all()]
    return (
        _utc(booking.start_at),
        _utc(booking.end_at),
        booking.name if discretion.is_clear else kind,
        kind,
        _status(booking, invitee),
        "yes" if invitee and invitee.is_no_show else "no",
        ", ".join(discretion.name(str(host)) for host in hosts),
        ", ".join(discretion.email(host.email) for host in hosts),
    )


def _of_person(
    booking: Booking, invitee: Invitee | None, discretion: Discretion
) -> tuple[str, ...]:
    who = invitee or Invitee()
    canceled = invitee or booking
    text = discretion.text
    return (
        discretion.name(who.name),
        discretion.email(who.email),
        who.timezone,
        _local(booking.start_at, who.timezone),
        _utc((invitee or booking).created_at),
        _utc(canceled.canceled_at),
        text(canceled.canceled_by),
        text(canceled.cancel_reason),
        text(booking.location_text or booking.location_type),
        text(booking.join_url),
        *(text(str(who.tracking.get(f"utm_{name}") or "")) for name in ("source", "medium", "campaign")),
    )  # fmt: skip


def _of_answers(
    invitee: Invitee | None, questions: Sequence[str], discretion: Discretion
) -> list[str]:
    own: dict[str, str] = {}
    others = []
    for question, answer in _answers(invitee) if invitee else ():
        if question in questions and question not in own:
            own[question] = answer
        else:
            others.append(f"{question}: {answer}")
    told = [own.get(question, "") for question in questions]
    return [discretion.text(cell) for cell in (*told, " | ".join(others))]


def _answers(invitee: Invitee) -> list[tuple[str, str]]:
    told: list[dict[str, Any]] = invitee.answers
    return [
        (" ".join(str(answer.get("question") or "").split()), str(answer["answer"]))
        for answer in told
        if answer.get("answer")
    ]


def _status(booking: Booking, invitee: Invitee | None) -> str:
    if invitee and invitee.is_canceled and (invitee.rescheduled or invitee.new_invitee_uri):
        return "rescheduled"
    return invitee.status if invitee else booking.status


def _utc(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def _local(moment: datetime, zone: str) -> str:
    try:
        return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" if zone else ""
    except (KeyError, ValueError, OSError):
        return ""
