"""What people do in Calendly: book, reschedule, cancel, mark a no-show.

Every function changes the world and announces it; the caller holds the world's lock.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from integrations.sandbox.calendly import locations, messages
from integrations.sandbox.calendly.errors import ApiError, forbidden, invalid
from integrations.sandbox.calendly.world import CalendlyWorld, fetch, new_id, tail
from integrations.sandbox.clock import later, micro, parse_time
from integrations.sandbox.web import Json

TRACKING = (
    "utm_campaign",
    "utm_source",
    "utm_medium",
    "utm_content",
    "utm_term",
    "salesforce_uuid",
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """Say what is booked. `event_type` and `host` are identifiers, `at` is when it is done."""

    event_type: str
    name: str
    email: str
    start: datetime
    at: datetime
    end: datetime | None = None
    host: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    timezone: str = "Europe/London"
    text_reminder_number: str | None = None
    answers: list[Json] = field(default_factory=list)
    tracking: Json = field(default_factory=dict)
    guests: list[str] = field(default_factory=list)
    location: Json | None = None
    conference_delay: float = 0
    payment: Json | None = None
    scheduling_method: str | None = None
    scheduled_by: str | None = None
    routing_form_submission: str | None = None
    old_invitee: str | None = None


def book(world: CalendlyWorld, order: Order) -> Json:
    """Book a meeting, or a seat in a group meeting of that time; return the invitee."""
    if not order.name.strip() or "@" not in order.email:
        raise invalid("invitee", "needs a name and an email")
    event = _open_group(world, order) or _new_event(world, order)
    if order.guests:
        event["event_guests"] += _guests(order)
    return _seat(world, order, event=event)


def _open_group(world: CalendlyWorld, order: Order) -> Json | None:
    if world.limit_of[order.event_type] < 2:
        return None
    uri, start = world.uri("event_types", order.event_type), micro(order.start)
    for event in world.events.values():
        same = (event["event_type"], event["start_time"], event["status"])
        if same == (uri, start, "active"):
            counter = event["invitees_counter"]
            if counter["active"] >= counter["limit"]:
                raise invalid("start_time", "is no longer available")
            event["updated_at"] = later(event["updated_at"], order.at)
            return event
    return None


def _new_event(world: CalendlyWorld, order: Order) -> Json:
    key, event_type = new_id(), fetch(world.event_types, order.event_type)
    end = order.end or order.start + timedelta(minutes=event_type["duration"])
    if end <= order.start:
        raise invalid("end_time", "must be after start_time")
    stamp = micro(order.at)
    choice = order.location or next(iter(event_type["locations"] or []), None)
    world.events[key] = {
        "uri": world.uri("scheduled_events", key),
        "name": event_type["name"],
        "meeting_notes_plain": None,
        "meeting_notes_html": None,
        "status": "active",
        "start_time": micro(order.start),
        "end_time": micro(end),
        "event_type": event_type["uri"],
        "location": locations.build(
            choice, event_id=key, processing=_conference_delay(world, order) > 0
        ),
        "invitees_counter": {"total": 0, "active": 0, "limit": world.limit_of[order.event_type]},
        "created_at": stamp,
        "updated_at": stamp,
        "event_memberships": _hosts(world, order, start=order.start, end=end),
        "event_guests": [],
        "calendar_event": {"kind": "google", "external_id": key.replace("-", "")[:26]},
    }
    _await_conference(world, order, key=key)
    return world.events[key]


def _conference_delay(world: CalendlyWorld, order: Order) -> float:
    return order.conference_delay or world.config.calendly_conference_delay


def _await_conference(world: CalendlyWorld, order: Order, *, key: str) -> None:
    event, delay = world.events[key], _conference_delay(world, order)
    if not locations.is_processing(event["location"]):
        return

    def fill() -> None:
        if locations.is_processing(event["location"]):
            event["location"] = locations.push(event["location"], event_id=key)
            moment = order.at + timedelta(seconds=delay)
            event["updated_at"] = later(event["updated_at"], moment)

    world.after(delay, fill)


def _hosts(world: CalendlyWorld, order: Order, *, start: datetime, end: datetime) -> list[Json]:
    pool = world.hosts_of[order.event_type]
    pooling = world.event_types[order.event_type]["pooling_type"]
    chosen = pool if pooling == "collective" else [pool[len(world.events) % len(pool)]]
    if order.host:
        fetch(world.users, order.host)
        chosen = [order.host]
    return [member(world, key, start=micro(start), end=micro(end)) for key in chosen]


def member(world: CalendlyWorld, user: str, *, start: str, end: str) -> Json:
    """Return the membership of a host in a meeting, with its buffers."""
    person = fetch(world.users, user)
    return {
        "user": person["uri"],
        "user_email": person["email"],
        "user_name": person["name"],
        "buffered_start_time": start,
        "buffered_end_time": end,
    }


def _guests(order: Order) -> list[Json]:
    stamp = micro(order.at)
    return [{"email": email, "created_at": stamp, "updated_at": stamp} for email in order.guests]


def _seat(world: CalendlyWorld, order: Order, *, event: Json) -> Json:
    key, stamp = new_id(), micro(order.at)
    invitee: Json = {
        "uri": f"{event['uri']}/invitees/{key}",
        "email": order.email,
        "name": order.name,
        "first_name": order.first_name,
        "last_name": order.last_name,
        "status": "active",
        "timezone": order.timezone,
        "event": event["uri"],
        "text_reminder_number": order.text_reminder_number,
        "questions_and_answers": order.answers,
        "tracking": {name: order.tracking.get(name) for name in TRACKING},
        "rescheduled": False,
        "old_invitee": order.old_invitee,
        "new_invitee": None,
        "cancel_url": f"https://calendly.com/cancellations/{key}",
        "reschedule_url": f"https://calendly.com/reschedulings/{key}",
        "routing_form_submission": order.routing_form_submission,
        "payment": order.payment,
        "no_show": None,
        "reconfirmation": None,
        "scheduling_method": order.scheduling_method,
        "invitee_scheduled_by": order.scheduled_by,
        "created_at": stamp,
        "updated_at": stamp,
    }
    world.invitees[key] = invitee
    world.invitees_of[tail(event["uri"])].append(key)
    event["invitees_counter"]["total"] += 1
    event["invitees_counter"]["active"] += 1
    messages.announce(world, "invitee.created", invitee=invitee, at=order.at)
    return invitee


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
        raise forbidden("You are not allowed to cancel this event")
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
    order = _same_again(invitee, event, start=start, at=at, end=end)
    with messages.together(world):
        successor = book(world, order)
        cancel(
            world,
            invitee,
            at=at,
            reason=reason,
            canceler_type=canceler_type,
            rescheduled_to=successor,
        )
    return successor


def _same_again(
    invitee: Json, event: Json, *, start: datetime, at: datetime, end: datetime | None
) -> Order:
    length = parse_time(event["end_time"]) - parse_time(event["start_time"])
    location = event["location"] or {}
    order = Order(
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
        host=tail(event["event_memberships"][0]["user"]),
        payment=invitee["payment"],
        scheduling_method=invitee["scheduling_method"],
        routing_form_submission=invitee["routing_form_submission"],
    )


def mark_no_show(world: CalendlyWorld, invitee: Json, *, at: datetime) -> Json:
    """Mark an invitee as absent; return the no-show. Moves no `updated_at`."""
    if invitee["no_show"]:
        raise invalid("invitee", "is already marked as a no-show")
    key, stamp = new_id(), micro(at)
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
