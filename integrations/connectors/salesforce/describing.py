"""Write the Event's description: what a salesperson wants to know before the meeting, in plain lines."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookings.meeting import Meeting, Person

#: Room for one answer, so that a long one does not push the link to the booking out of the field.
_ANSWER_LENGTH = 2_000
_LENGTH = 31_000
#: Control characters but line breaks and tabs, and halves of a character.
_NOT_STORABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def description(meeting: Meeting, *, booking_url: str) -> str:
    """Return the description, the link to the booking always included."""
    text = storable("\n".join(_lines(meeting)))[:_LENGTH]
    return f"{text}\n\nBooking: {booking_url}" if booking_url else text


def storable(text: str) -> str:
    """Return the text without what no field of Salesforce can hold."""
    return _NOT_STORABLE.sub("", text)


def local_time(moment: datetime, zone: str) -> str:
    """Return a moment as it reads in a time zone; in UTC when the zone is unknown."""
    try:
        local = moment.astimezone(ZoneInfo(zone) if zone else UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        local, zone = moment.astimezone(UTC), ""
    return f"{local:%A, %d %B %Y, %H:%M} ({zone or 'UTC'}, UTC{_offset(local)})"


def _lines(meeting: Meeting) -> Iterator[str]:
    yield from _state(meeting)
    yield f"Who: {_named(meeting.invitee_name, meeting.email)}"
    yield f"When: {local_time(meeting.start_at, meeting.timezone)}"
    for host in meeting.hosts:
        yield f"Host: {_host(host)}"
    if meeting.guests:
        yield f"Guests: {', '.join(meeting.guests)}"
    if meeting.join_url:
        yield f"Join: {meeting.join_url}"
    if meeting.location_text:
        yield f"Location: {meeting.location_text}"
    yield from _extras(meeting)


def _state(meeting: Meeting) -> Iterator[str]:
    if meeting.is_canceled:
        by = f" by {meeting.canceled_by}" if meeting.canceled_by else ""
        why = f": {meeting.cancel_reason}" if meeting.cancel_reason else ""
        yield f"Canceled{by}{why}"
    if meeting.is_no_show:
        yield "The invitee did not come."
    if meeting.reschedule_count:
        yield f"Rescheduled {meeting.reschedule_count} time{'s' if meeting.reschedule_count > 1 else ''}"
    if meeting.previous_start_at:
        yield f"Before: {local_time(meeting.previous_start_at, meeting.timezone)}"


def _extras(meeting: Meeting) -> Iterator[str]:
    if meeting.answers:
        yield ""
    for item in meeting.answers:
        yield f"{item.question}: {item.answer[:_ANSWER_LENGTH]}"
    given = {name: value for name, value in meeting.tracking.items() if value}
    if given:
        yield ""
    for name, value in given.items():
        yield f"{name}: {value}"


def _host(host: Person) -> str:
    return _named(host.name, host.email)


def _named(name: str, email: str) -> str:
    return f"{name} <{email}>" if name and email else name or email or "unknown"


def _offset(local: datetime) -> str:
    offset = local.strftime("%z")
    return f"{offset[:3]}:{offset[3:]}"
