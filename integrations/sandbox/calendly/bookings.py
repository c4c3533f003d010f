"""What invitees do first: they book a meeting, or a seat in one.

Every function changes the world and announces it; the caller holds the world's lock.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from integrations.sandbox.calendly import locations, messages
from integrations.sandbox.calendly.errors import invalid
from integrations.sandbox.calendly.world import CalendlyWorld, fetch, tail
from integrations.sandbox.clock import later, micro
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
    fetch(world.event_types, order.event_type)
    event = _open_group(world, order) or _new_event(world, order)
    if order.guests:
        event["event_guests"] += _guests(order)
    return _seat(world, order, event=event)


def _open_group(world: CalendlyWorld, order: Order) -> Json | None:
    event = _group_at(world, order.event_type, start=order.start)
    if event is None:
        return None
    if _is_full(event):
        raise invalid("start_time", "is no longer available")
    event["updated_at"] = later(event["updated_at"], order.at)
    return event


def _group_at(world: CalendlyWorld, event_type: str, *, start: datetime) -> Json | None:
    if world.limit_of[event_type] < 2:
        return None
    wanted = (world.uri("event_types", event_type), "active")
    rows = (world.events[key] for key in world.timetable.at(micro(start)))
    return next((row for row in rows if (row["event_type"], row["status"]) == wanted), None)


def _is_full(event: Json) -> bool:
    counter = event["invitees_counter"]
    return bool(counter["active"] >= counter["limit"])


def has_room(world: CalendlyWorld, event_type: str, *, start: datetime) -> bool:
    """Tell whether an invitee can be taken at a time; only a group meeting can be full."""
    event = _group_at(world, event_type, start=start)
    return event is None or not _is_full(event)


def _new_event(world: CalendlyWorld, order: Order) -> Json:
    key, event_type = world.new_id(), fetch(world.event_types, order.event_type)
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
            choice,
            event_id=key,
            processing=_conference_delay(world, order) > 0,
            draw=world.draw,
        ),
        "invitees_counter": {"total": 0, "active": 0, "limit": world.limit_of[order.event_type]},
        "created_at": stamp,
        "updated_at": stamp,
        "event_memberships": _hosts(world, order, start=order.start, end=end),
        "event_guests": [],
        "calendar_event": {"kind": "google", "external_id": key.replace("-", "")[:26]},
    }
    world.timetable.add(key, start=micro(order.start))
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
            event["location"] = locations.push(event["location"], event_id=key, draw=world.draw)
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
    key, stamp = world.new_id(), micro(order.at)
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
