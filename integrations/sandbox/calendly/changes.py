"""What becomes of a booking: canceled, moved to another time, marked as a no-show.

Every function changes the world and announces it; the caller holds the world's lock.
"""

from dataclasses import replace
from datetime import datetime

from integrations.sandbox.calendly import bookings, messages
from integrations.sandbox.calendly.errors import ApiError, forbidden, invalid
from integrations.sandbox.calendly.world import CalendlyWorld, tail
from integrations.sandbox.clock import later, micro, parse_time
from integrations.sandbox.web import Json


def cancel(
    world: CalendlyWorld,
    invitee: Json,
    *,
    at: datetime,
    reason: str | None = None,
    canceler_type: str = "invitee",
    canceled_by: str | None = None,
    rescheduled_to: Json | None = None,
) -> Json:
    """Cancel one invitee; the meeting ends with its last active one. Return the invitee."""
    if invitee["status"] == "canceled":
        raise forbidden("You are not allowed to cancel this event")
    event = world.events[tail(invitee["event"])]
    cancellation = {
        "canceled_by": canceled_by or _canceler(event, invitee, canceler_type),
        "reason": reason,
        "canceler_type": canceler_type,
        "created_at": micro(at),
    }
    stamp = later(invitee["updated_at"], at)
    invitee |= {"status": "canceled", "cancellation": cancellation, "updated_at": stamp}
    if rescheduled_to:
        invitee |= {"rescheduled": True, "new_invitee": rescheduled_to["uri"]}
    event["invitees_counter"]["active"] -= 1
    event["updated_at"] = later(event["updated_at"], at)
    if event["invitees_counter"]["active"] == 0:
        event |= {"status": "canceled", "cancellation": cancellation}
    messages.announce(world, "invitee.canceled", invitee=invitee, at=at)
    return invitee


def _canceler(event: Json, invitee: Json, canceler_type: str) -> str:
    if canceler_type == "host":
        return str(event["event_memberships"][0]["user_name"])
    return str(invitee["name"])


def cancel_event(
    world: CalendlyWorld, event: Json, *, at: datetime, reason: str | None, canceled_by: str
) -> Json:
    """Cancel a whole meeting as its host; return the cancellation."""
    rows = [world.invitees[key] for key in world.invitees_of[tail(event["uri"])]]
    active = [row for row in rows if row["status"] == "active"]
    if not active:
        raise forbidden("Event is already canceled")
    for invitee in active:
        cancel(
            world,
            invitee,
            at=at,
            reason=reason,
            canceler_type="host",
            canceled_by=canceled_by,
        )
    cancellation: Json = event["cancellation"]
    return cancellation


def reschedule(
    world: CalendlyWorld,
    invitee: Json,
    *,
    start: datetime,
    at: datetime,
    end: datetime | None = None,
    reason: str | None = None,
    canceler_type: str = "invitee",
) -> Json:
    """Move an invitee to another time: a new invitee in a new meeting, which is returned."""
    if invitee["status"] == "canceled":
        raise ApiError(403, message="This event was canceled")
    event = world.events[tail(invitee["event"])]
    order = _same_again(world, invitee, event, start=start, at=at, end=end)
    with messages.together(world):
        successor = bookings.book(world, order)
        cancel(
            world,
            invitee,
            at=at,
            reason=reason,
            canceler_type=canceler_type,
            rescheduled_to=successor,
        )
    return successor


def _host_again(world: CalendlyWorld, event: Json) -> str | None:
    host = tail(event["event_memberships"][0]["user"])
    return host if host in world.users else None


def _same_again(
    world: CalendlyWorld,
    invitee: Json,
    event: Json,
    *,
    start: datetime,
    at: datetime,
    end: datetime | None,
) -> bookings.Order:
    length = parse_time(event["end_time"]) - parse_time(event["start_time"])
    location = event["location"] or {}
    order = bookings.Order(
        event_type=tail(event["event_type"]),
        name=invitee["name"],
        email=invitee["email"],
        start=start,
        end=end or start + length,
        at=at,
        old_invitee=invitee["uri"],
    )
    return replace(
        order,
        first_name=invitee["first_name"],
        last_name=invitee["last_name"],
        timezone=invitee["timezone"],
        text_reminder_number=invitee["text_reminder_number"],
        answers=[dict(answer) for answer in invitee["questions_and_answers"]],
        tracking=dict(invitee["tracking"]),
        guests=[guest["email"] for guest in event["event_guests"]],
        location={"kind": location["type"], **location} if location else None,
        host=_host_again(world, event),
        payment=invitee["payment"],
        scheduling_method=invitee["scheduling_method"],
        routing_form_submission=invitee["routing_form_submission"],
    )


def mark_no_show(world: CalendlyWorld, invitee: Json, *, at: datetime) -> Json:
    """Mark an invitee as absent; return the no-show. Moves no `updated_at`."""
    if invitee["no_show"]:
        raise invalid("invitee", "is already marked as a no-show")
    key, stamp = world.new_id(), micro(at)
    uri = world.uri("invitee_no_shows", key)
    world.no_shows[key] = {"uri": uri, "invitee": invitee["uri"], "created_at": stamp}
    invitee["no_show"] = {"uri": uri, "created_at": stamp}
    messages.announce(world, "invitee_no_show.created", invitee=invitee, at=at)
    return world.no_shows[key]


def unmark_no_show(world: CalendlyWorld, no_show: Json, *, at: datetime) -> Json:
    """Take a no-show back; return the invitee. Moves no `updated_at`."""
    invitee = world.invitees[tail(no_show["invitee"])]
    del world.no_shows[tail(no_show["uri"])]
    invitee["no_show"] = None
    messages.announce(world, "invitee_no_show.deleted", invitee=invitee, at=at)
    return invitee
