"""An invitee, and the booking it belongs to -> snapshots.

`now` is the fallback for times that the object lacks: when the source said so.
Source: https://developer.calendly.com/api-docs
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime

from bookings.snapshots import (
    BookingSnapshot,
    InviteeSnapshot,
    MeetingSnapshot,
)
from integrations.sources.calendly.payloads import parts
from integrations.sources.calendly.payloads.reading import Fields

_INVITEE_URI = re.compile(r"^(?P<booking>.+/scheduled_events/[^/]+)/invitees/[^/]+$")


def booking_of_invitee_uri(uri: str) -> str:
    """Return the booking's URI that an invitee's URI begins with, or empty text."""
    found = _INVITEE_URI.match(uri)
    return found["booking"] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Hold the names of a booking and of an invitee in it."""

    booking_uri: str
    invitee_uri: str


def identify(invitee: Fields, event: Fields) -> Identity | None:
    """Return the names, made up from e-mail address, start and type where the body has none; None without these."""
    invitee_uri = invitee.uri("uri")
    booking_uri = event.uri("uri") or invitee.uri("event") or booking_of_invitee_uri(invitee_uri)
    person = invitee.text("email").casefold() or invitee.text("name").casefold()
    start = event.moment("start_time")
    if not invitee_uri and not (person and (booking_uri or start)):
        return None
    facts = (person, str(start), parts.read_event_type(event)[1] or event.text("name"))
    booking_uri = booking_uri or parts.synthetic_uri(
        "booking", *((invitee_uri,) if invitee_uri else facts)
    )
    invitee_uri = invitee_uri or parts.synthetic_uri("invitee", booking_uri, person)
    return Identity(booking_uri=booking_uri, invitee_uri=invitee_uri)


def meeting(
    invitee: Fields, event: Fields, *, names: Identity, kind: str, now: datetime
) -> MeetingSnapshot:
    """Return an invitee together with the booking it came with, if that is usable."""
    person = read_invitee(invitee, event, names=names, kind=kind, now=now)
    # A booking without times of its own is as old as its invitee, or a late repeat would look new.
    booking = read_booking(event, uri=names.booking_uri, now=person.updated_at)
    if booking and person.status == parts.CANCELED:
        booking = _ended_with(booking, person)
    if booking:
        own = {key: value for key, value in invitee.raw.items() if key != "scheduled_event"}
        person = replace(person, raw=own)
    return MeetingSnapshot(booking=booking, invitees=(person,), observed_at=now)


def _ended_with(booking: BookingSnapshot, person: InviteeSnapshot) -> BookingSnapshot:
    """Return the booking as canceled when its only invitee is: official examples leave it active.

    A booking whose name was made up from its invitee has no other.
    Source: https://developer.calendly.com/api-docs/overview/webhooks/webhook-payload
    """
    single = booking.invitees_limit is not None and booking.invitees_limit <= 1
    if not single and not parts.is_synthetic(booking.uri):
        return booking
    cancellation = booking.cancellation or person.cancellation
    return replace(booking, status=parts.CANCELED, cancellation=cancellation)


def read_booking(event: Fields, *, uri: str, now: datetime) -> BookingSnapshot | None:
    """Return a scheduled event, or None without a start and an end."""
    start, end = event.moment("start_time"), event.moment("end_time")
    if not start or not end:
        return None
    created, updated = event.moment("created_at"), event.moment("updated_at")
    type_uri, type_name = parts.read_event_type(event)
    status = parts.read_status(event, default=parts.ACTIVE)
    counter = event.child("invitees_counter")
    return BookingSnapshot(
        uri=uri,
        name=event.text("name", 255) or type_name,
        status=status,
        start_at=start,
        end_at=end,
        created_at=created or updated or now,
        updated_at=updated or created or now,
        event_type_uri=type_uri,
        event_type_name=type_name,
        location=parts.read_location(event.get("location")),
        hosts=parts.read_hosts(event),
        guests=parts.read_guests(event),
        invitees_total=counter.count("total"),
        invitees_active=counter.count("active"),
        invitees_limit=counter.count("limit"),
        cancellation=parts.read_cancellation(event, status=status),
        raw=event.raw,
    )


def read_invitee(
    invitee: Fields, event: Fields, *, names: Identity, kind: str = "", now: datetime
) -> InviteeSnapshot:
    """Return an invitee of a scheduled event. `kind` is the webhook's event, empty for an answer of the API."""
    created = invitee.moment("created_at")
    status = parts.read_status(
        invitee, default=parts.CANCELED if kind == "invitee.canceled" else parts.ACTIVE
    )
    new_invitee = invitee.uri("new_invitee")
    first, last = invitee.text("first_name", 255), invitee.text("last_name", 255)
    return InviteeSnapshot(
        uri=names.invitee_uri,
        booking_uri=names.booking_uri,
        status=status,
        created_at=created or now,
        updated_at=invitee.moment("updated_at") or created or now,
        email=invitee.text("email", 320),
        name=invitee.text("name", 255) or f"{first} {last}".strip()[:255],
        first_name=first,
        last_name=last,
        timezone=invitee.text("timezone", 64),
        text_reminder_number=invitee.text("text_reminder_number", 64),
        answers=parts.read_answers(invitee),
        # A tutorial in circulation shows it on the event; Calendly has it on the invitee.
        tracking=dict(invitee.texts("tracking")) or dict(event.texts("tracking")),
        # Some mark the new invitee; Calendly documents the flag for the old one, which is canceled.
        rescheduled=status == parts.CANCELED and (invitee.flag("rescheduled") or bool(new_invitee)),
        old_invitee_uri=invitee.uri("old_invitee"),
        new_invitee_uri=new_invitee,
        cancellation=parts.read_cancellation(invitee, status=status),
        no_show=parts.no_show_of(invitee, kind=kind, invitee_uri=names.invitee_uri),
        cancel_url=invitee.link("cancel_url", 1024),
        reschedule_url=invitee.link("reschedule_url", 1024),
        routing_submission_uri=invitee.uri("routing_form_submission"),
        raw=invitee.raw,
    )
