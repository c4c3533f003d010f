"""Answers about scheduled events, invitees and no-shows.

Source: https://developer.calendly.com/api-docs (scheduled events, Scheduling API).
"""

from collections.abc import Callable
from typing import Any

from integrations.sandbox.calendly import bookings
from integrations.sandbox.calendly.call import Call, instant, require_keys
from integrations.sandbox.calendly.directory import resource
from integrations.sandbox.calendly.errors import ApiError, forbidden, invalid, invalid_all
from integrations.sandbox.calendly.paging import ordered, page
from integrations.sandbox.calendly.world import fetch, tail
from integrations.sandbox.clock import parse_time
from integrations.sandbox.web import Json

STATUSES = ("active", "canceled")
MAX_GUESTS = 10
MAX_REASON = 10_000


def events(call: Call) -> Json:
    """List meetings of a user or of the organization."""
    query = call.query
    host = _whose(call)
    status = call.choice("status", STATUSES)
    in_window = _window(call)
    email = query.get("invitee_email", "").lower()
    rows = [
        row
        for row in call.world.events.values()
        if (host is None or _hosted_by(row, host))
        and (not status or row["status"] == status)
        and (not email or email in _emails(call, row))
        and in_window(row)
    ]
    rows = [] if query.get("group") else rows
    return page(call, ordered(call, rows, keys=("start_time",), default="start_time:asc"))


def _whose(call: Call) -> str | None:
    """Return whose meetings may be listed; None is everybody's."""
    query = call.query
    if not any(query.get(name) for name in ("user", "organization", "group")):
        names = ("user", "organization", "group")
        raise invalid_all([(name, "one of these is required") for name in names])
    if query.get("organization"):
        call.require_organization(query["organization"])
    if not query.get("user"):
        return None
    host = call.require_user(query["user"])
    if host != call.token.user and not query.get("organization"):
        raise forbidden(
            "Please also specify organization when requesting events for a user within your"
            " organization."
        )
    return host


def _window(call: Call) -> Callable[[Json], bool]:
    first, last = call.query.get("min_start_time"), call.query.get("max_start_time")
    low = instant("min_start_time", first) if first else None
    high = instant("max_start_time", last) if last else None

    def inside(row: Json) -> bool:
        start = parse_time(row["start_time"])
        return (low is None or start >= low) and (high is None or start <= high)

    return inside


def _hosted_by(row: Json, user: str) -> bool:
    return any(tail(host["user"]) == user for host in row["event_memberships"])


def _emails(call: Call, row: Json) -> set[str]:
    keys = call.world.invitees_of[tail(row["uri"])]
    return {call.world.invitees[key]["email"].lower() for key in keys}


def _visible(call: Call, key: str) -> Json:
    row = fetch(call.world.events, key)
    if not call.is_admin and not _hosted_by(row, call.token.user):
        raise forbidden("You are not allowed to view this event")
    return row


def event(call: Call, key: str) -> Json:
    """Return one meeting."""
    return resource(_visible(call, key))


def invitees(call: Call, key: str) -> Json:
    """List a meeting's invitees."""
    _visible(call, key)
    status, email = call.choice("status", STATUSES), call.query.get("email", "").lower()
    rows = [
        row
        for row in (call.world.invitees[one] for one in call.world.invitees_of[key])
        if (not status or row["status"] == status) and (not email or row["email"].lower() == email)
    ]
    return page(call, ordered(call, rows, keys=("created_at",), default="created_at:asc"))


def invitee(call: Call, event_key: str, key: str) -> Json:
    """Return one invitee."""
    meeting = _visible(call, event_key)
    row = fetch(call.world.invitees, key)
    if row["event"] != meeting["uri"]:
        raise ApiError(404)
    return resource(row)


def cancel(call: Call, key: str) -> Json:
    """Cancel a whole meeting."""
    row = _visible(call, key)
    reason = call.body().get("reason")
    if reason is not None and (not isinstance(reason, str) or len(reason) > MAX_REASON):
        raise invalid("reason", f"must be text of at most {MAX_REASON} characters")
    world = call.world
    name = world.users[call.token.user]["name"]
    cancellation = bookings.cancel_event(
        world, row, at=world.clock.now(), reason=reason, canceled_by=name
    )
    return resource(cancellation)


def create_invitee(call: Call) -> Json:
    """Book through the API."""
    body = call.body()
    _spend_booking(call)
    require_keys(body, "event_type", "start_time", "invitee")
    person = body["invitee"]
    if not isinstance(person, dict):
        raise invalid("invitee", "must be an object")
    require_keys(person, "email", "timezone")
    order = _order(call, body, person)
    return resource(bookings.book(call.world, order))


def _spend_booking(call: Call) -> None:
    used, _ = call.world.budget.spend(f"bookings:{call.token.user}")
    if used > call.world.config.calendly_bookings_per_minute:
        raise ApiError(429)


def _order(call: Call, body: Json, person: Json) -> bookings.Order:
    world, key = call.world, tail(body["event_type"])
    if not fetch(world.event_types, key)["active"]:
        raise invalid("event_type", "is not active")
    start, now = instant("start_time", body["start_time"]), world.clock.now()
    if start <= now:
        raise invalid("start_time", "must be in the future")
    guests = body.get("event_guests") or []
    if len(guests) > MAX_GUESTS:
        raise invalid("event_guests", f"has more than {MAX_GUESTS} entries")
    first, last = person.get("first_name"), person.get("last_name")
    return bookings.Order(
        event_type=key,
        name=person.get("name") or " ".join(filter(None, [first, last])),
        email=person["email"],
        first_name=first,
        last_name=last,
        timezone=person["timezone"],
        text_reminder_number=person.get("text_reminder_number"),
        start=start,
        at=now,
        answers=_answers(body.get("questions_and_answers")),
        tracking=body.get("tracking") or {},
        guests=guests,
        location=body.get("location"),
        scheduling_method="api",
        scheduled_by=world.users[call.token.user]["uri"],
    )


def _answers(given: Any) -> list[Json]:
    rows = given if isinstance(given, list) else []
    return [
        {
            "question": row.get("question"),
            "answer": row.get("answer"),
            "position": row.get("position", number),
        }
        for number, row in enumerate(rows)
    ]


def create_no_show(call: Call) -> Json:
    """Mark an invitee as a no-show."""
    body = call.body()
    require_keys(body, "invitee")
    row = fetch(call.world.invitees, tail(body["invitee"]))
    _visible(call, tail(row["event"]))
    return resource(bookings.mark_no_show(call.world, row, at=call.world.clock.now()))


def no_show(call: Call, key: str) -> Json:
    """Return a no-show."""
    return resource(fetch(call.world.no_shows, key))


def delete_no_show(call: Call, key: str) -> None:
    """Take a no-show back."""
    row = fetch(call.world.no_shows, key)
    bookings.unmark_no_show(call.world, row, at=call.world.clock.now())
