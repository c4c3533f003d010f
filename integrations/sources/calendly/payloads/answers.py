"""What the API answers: `{"resource": ...}`, `{"collection": [...]}` or a bare object -> snapshots.

Objects are known by the path of their URI, since answers do not say what they are.
"""

import re
from datetime import datetime
from typing import Any, Protocol

from bookings.snapshots import MeetingSnapshot, NoShowSnapshot, Snapshot
from integrations.sources.base import NotUnderstood, Parsed, Understood
from integrations.sources.calendly.payloads import directory, parts, shapes
from integrations.sources.calendly.payloads.reading import Fields, UnreadableError, load


class Reader(Protocol):
    """Turn an object into a snapshot; `now` is when Calendly answered, None means that it lacks what names it."""

    def __call__(self, item: Fields, *, now: datetime) -> Snapshot | None:
        """Return the snapshot, or None."""


def parse_api(body: bytes, *, observed_at: datetime) -> Parsed:
    """Read an answer of the API, one object or a page of them; never raises for bad input."""
    try:
        value = load(body)
    except UnreadableError as error:
        return NotUnderstood(reason=str(error))
    items = _items(value)
    if not items:
        return NotUnderstood(reason="There is nothing in it.")
    names = {name: None for item in items if (name := what_is(item))}
    snapshots = tuple(found for item in items if (found := read_object(item, now=observed_at)))
    if not snapshots:
        return NotUnderstood(reason=_why_nothing(names, items), kind=next(iter(names), ""))
    return Understood(kind=", ".join(names), delivery_key="", snapshots=snapshots)


def meeting_of_answers(
    event: Any, invitees: list[Any], *, booking_uri: str, observed_at: datetime
) -> MeetingSnapshot | None:
    """Return a scheduled event with all its invitees; None when it lacks a URI, a start or an end."""
    fields = Fields.of(event)
    uri = fields.uri("uri") or booking_uri
    booking = shapes.read_booking(fields, uri=uri, now=observed_at) if uri else None
    if booking is None:
        return None
    named = Fields({**fields.raw, "uri": uri})
    people = tuple(
        shapes.read_invitee(item, named, names=names, now=observed_at)
        for item in map(Fields.of, invitees)
        if (names := shapes.identify(item, named))
    )
    return MeetingSnapshot(booking=booking, invitees=people, observed_at=observed_at)


def read_object(item: Fields, *, now: datetime) -> Snapshot | None:
    """Return what one object says; None when it is not mirrored, or lacks what names it."""
    reader = _READERS.get(what_is(item))
    return reader(item, now=now) if reader else None


def what_is(item: Fields) -> str:
    """Return what the object is, in the API's own plural (`scheduled_events`), or empty text."""
    uri = item.uri("uri")
    for name, pattern in _PATHS.items():
        if pattern.search(uri):
            return name
    for name, keys in _KEYS.items():
        if keys <= item.raw.keys():
            return name
    return ""


def _items(value: Any) -> list[Fields]:
    if isinstance(value, dict):
        inner = next((value[key] for key in ("collection", "resource") if key in value), value)
        value = inner
    values = value if isinstance(value, list) else [value]
    return [Fields(item) for item in values if isinstance(item, dict) and item]


def _why_nothing(names: dict[str, None], items: list[Fields]) -> str:
    if "errors" in names:
        said = ": ".join(filter(None, (items[0].text("title"), items[0].text("message"))))
        return f"This is an error that Calendly answered ({said})."
    if any(name in _READERS for name in names):
        return "It lacks what names it: a URI, or a start and an end."
    if not names:
        return "It is no object of Calendly's API that Calsync knows."
    what = " and ".join(names).replace("_", " ")
    return f"It holds {what}; {_WHY_NOT.get(next(iter(names)), _MIRRORED)}."


def _scheduled_event(item: Fields, *, now: datetime) -> Snapshot | None:
    return meeting_of_answers(item.raw, [], booking_uri=item.uri("uri"), observed_at=now)


def _invitee(item: Fields, *, now: datetime) -> Snapshot | None:
    event = item.child("scheduled_event") or item.child("event")
    names = shapes.identify(item, event)
    return shapes.meeting(item, event, names=names, kind="", now=now) if names else None


def _no_show(item: Fields, *, now: datetime) -> Snapshot | None:
    invitee_uri = item.uri("invitee")
    booking_uri = shapes.booking_of_invitee_uri(invitee_uri)
    if not booking_uri:
        return None
    mark = parts.read_no_show(item)
    return NoShowSnapshot(
        invitee_uri=invitee_uri, booking_uri=booking_uri, no_show=mark, observed_at=now
    )


_MIRRORED = "Calsync mirrors hosts, memberships, groups, event types, meetings, no-shows and routing forms only"
_WHY_NOT = {
    "access_tokens": "a secret, which belongs to the connection and not into the mirror",
    "answers": "they are read with their invitee",
    "cancellations": "the booking that was canceled is read instead",
    "custom_questions": "they are kept with their event type",
    "locations": "a place is read with its booking",
    "routing_results": "they are read with their submission",
    "webhook_subscriptions": "they are looked after by the connection, not mirrored",
}
_READERS: dict[str, Reader] = {
    "users": directory.read_host,
    "organization_memberships": directory.read_membership,
    "groups": directory.read_group,
    "group_relationships": directory.read_group_relationship,
    "event_types": directory.read_event_type,
    "scheduled_events": _scheduled_event,
    "invitees": _invitee,
    "invitee_no_shows": _no_show,
    "routing_forms": directory.read_routing_form,
    "routing_form_submissions": directory.read_submission,
}
_PATHS: dict[str, re.Pattern[str]] = {
    "invitees": re.compile(r"/(?:scheduled_events/[^/]+/invitees|scheduled_event_invitees)/[^/]+$"),
    "organization_invitations": re.compile(r"/organizations/[^/]+/invitations/[^/]+$"),
    "availability_schedules": re.compile(r"/user_availability_schedules?/[^/]+$"),
} | {
    name: re.compile(rf"/{name}/[^/]+$")
    for name in (
        "users",
        "organization_memberships",
        "event_types",
        "scheduled_events",
        "invitee_no_shows",
        "routing_form_submissions",
        "routing_forms",
        "webhook_subscriptions",
        "organizations",
        "groups",
        "group_relationships",
        "teams",
        "activity_log_entries",
        "contacts",
        "meeting_recaps",
    )
}
#: For what has no URI; the first whose keys are all there.
_KEYS: dict[str, frozenset[str]] = {
    "errors": frozenset({"title", "message"}),
    "access_tokens": frozenset({"access_token"}),
    "webhook_subscription_requests": frozenset({"url", "events"}),
    "booking_requests": frozenset({"event_type", "start_time", "invitee"}),
    "available_times": frozenset({"invitees_remaining", "start_time"}),
    "outgoing_communications": frozenset({"sender_uri", "body"}),
    "busy_times": frozenset({"type", "start_time", "end_time"}),
    "shares": frozenset({"share_override"}),
    "scheduling_links": frozenset({"booking_url"}),
    "cancellations": frozenset({"canceled_by"}),
    "custom_questions": frozenset({"answer_choices", "name"}),
    "answers": frozenset({"question", "answer"}),
    "routing_results": frozenset({"type", "value"}),
    "scheduled_events": frozenset({"start_time", "end_time", "event_type"}),
    "invitees": frozenset({"email", "timezone"}),
    "locations": frozenset({"type"}),
}
