"""Calendar invitations by iTIP: what a participant's calendar is told. Pure; the stamp comes in.

One UID for a meeting's life; SEQUENCE grows with every change: calendars may keep the old words otherwise. Times are UTC: a VTIMEZONE is read
differently by every calendar. Source: https://www.rfc-editor.org/rfc/rfc5546, https://www.rfc-editor.org/rfc/rfc5545
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from icalendar import Calendar, Event, vCalAddress, vText, vUri

from bookings.meeting import Meeting
from integrations.connectors.email import addresses
from integrations.connectors.email.recipients import Recipient
from integrations.connectors.email.rendering import web_address

Method = Literal["REQUEST", "CANCEL"]

_ROLES = {"host": "CHAIR", "invitee": "REQ-PARTICIPANT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold one meeting as calendars show it, without number and stamp."""

    uid: str
    start_at: datetime
    end_at: datetime
    summary: str
    place: str
    url: str
    description: str
    organizer: str
    organizer_name: str
    attendees: tuple[Recipient, ...]
    is_canceled: bool

    @property
    def content_hash(self) -> str:
        """Return what tells two versions apart."""
        when, people = (
            (self.start_at.isoformat(), self.end_at.isoformat()),
            [[person.email, person.name, person.role] for person in self.attendees],
        )
        words = [
            self.summary,
            self.place,
            self.url,
            self.description,
            self.organizer,
            self.organizer_name,
        ]
        return hashlib.sha256(
            json.dumps([when, words, self.is_canceled, people]).encode()
        ).hexdigest()


def entry_of(
    meeting: Meeting, *, uid: str, organizer: str, organizer_name: str, attendees: Sequence[Recipient]
) -> Entry:  # fmt: skip
    """Return a meeting as its participants' calendars should show it."""
    joined = web_address(meeting.join_url)
    return Entry(
        uid=uid, start_at=meeting.start_at, end_at=max(meeting.start_at, meeting.end_at),
        summary=addresses.line(meeting.name) or "Meeting", place=joined or addresses.line(meeting.location_text, limit=500),
        url=joined, description=_description(meeting, joined), organizer=organizer, organizer_name=organizer_name,
        attendees=tuple(attendees), is_canceled=meeting.is_canceled,
    )  # fmt: skip


def draw(entry: Entry, *, method: Method, sequence: int, stamp: datetime, to: Sequence[Recipient]) -> bytes:  # fmt: skip
    """Return the calendar's bytes; `to` are the participants that it names."""
    event = Event()
    event.add("uid", entry.uid)
    event.add("sequence", sequence)
    for name, moment in (("dtstamp", stamp), ("dtstart", entry.start_at), ("dtend", entry.end_at)):
        event.add(name, moment.astimezone(UTC))
    event.add("summary", entry.summary)
    if entry.place:
        event.add("location", entry.place)
    if entry.url:
        event.add("url", vUri(entry.url))
    event.add("description", entry.description)
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("transp", "OPAQUE")
    event.add("organizer", _organizer(entry), encode=False)
    for person in to:
        event.add("attendee", _attendee(person, method), encode=False)
    calendar = Calendar()
    for name, value in (("prodid", "-//Calsync//Calsync//EN"), ("version", "2.0"), ("calscale", "GREGORIAN"), ("method", method)):  # fmt: skip
        calendar.add(name, value)
    calendar.add_component(event)
    drawn: bytes = calendar.to_ical()
    return drawn


def _organizer(entry: Entry) -> vCalAddress:
    made = vCalAddress(f"mailto:{entry.organizer}")
    if entry.organizer_name:
        made.params["CN"] = vText(entry.organizer_name)
    return made


def _attendee(person: Recipient, method: Method) -> vCalAddress:
    made = vCalAddress(f"mailto:{person.email}")
    made.params["CN"] = vText(addresses.name(person.name) or person.email)
    made.params["CUTYPE"] = vText("INDIVIDUAL")
    made.params["ROLE"] = vText(_ROLES.get(person.role, "OPT-PARTICIPANT"))
    if method == "REQUEST":
        made.params["PARTSTAT"] = vText("NEEDS-ACTION")
        made.params["RSVP"] = vText("TRUE")
    return made


def _description(meeting: Meeting, joined: str) -> str:
    """Return where to join, and how to change or cancel."""
    links = (("Join", joined), ("Reschedule", web_address(meeting.reschedule_url)), ("Cancel", web_address(meeting.cancel_url)))  # fmt: skip
    said = [f"{words}: {link}" for words, link in links if link]
    return "\n".join([addresses.line(meeting.name) or "Meeting", *said])
