"""Answers about scheduled events, invitees and no-shows.

Source: https://developer.calendly.com/api-docs (scheduled events, Scheduling API).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.calendly import bookings, changes, groups
from integrations.sandbox.calendly.call import Call, instant, require_keys
from integrations.sandbox.calendly.directory import resource
from integrations.sandbox.calendly.errors import ApiError, forbidden, invalid, invalid_all
from integrations.sandbox.calendly.paging import order_of, ordered, page
from integrations.sandbox.calendly.world import CalendlyWorld, fetch, tail
from integrations.sandbox.clock import micro
from integrations.sandbox.web import Json

STATUSES = ("active", "canceled")
MAX_GUESTS = 10
MAX_REASON = 10_000


def events(call: Call) -> Json:
    """List meetings of a user, of a group's members or of the organization."""
    wanted = _Wanted(
        hosts=_whose(call),
        status=call.choice("status", STATUSES),
        email=call.query.get("invitee_email", "").lower(),
        first=_bound(call, "min_start_time"),
        last=_bound(call, "max_start_time"),
        descending=order_of(call, keys=("start_time",), default="start_time:asc")[1],
    )
    answer = page(call, _found(call.world, wanted))
    answer["collection"] = [call.world.events[key] for key in answer["collection"]]
    return answer


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """The filters of a list of meetings; empty ones let everything pass."""

    hosts: frozenset[str] | None
    status: str
    email: str
    first: str | None
    last: str | None
    descending: bool

    def passes(self, world: CalendlyWorld, key: str) -> bool:
        row = world.events[key]
        return (
            (self.hosts is None or _hosted_by(row, self.hosts))
            and self.status in ("", row["status"])
            and (not self.email or self.email in _emails(world, key))
        )


def _found(world: CalendlyWorld, wanted: _Wanted) -> list[str]:
    """Return the meetings in order; kept for the next pages until something changes."""
    if wanted not in world.listings:
        keys = world.timetable.between(wanted.first, wanted.last)
        if wanted.hosts is not None or wanted.status or wanted.email:
            keys = [key for key in keys if wanted.passes(world, key)]
        world.listings[wanted] = keys[::-1] if wanted.descending else keys
    return world.listings[wanted]


def _whose(call: Call) -> frozenset[str] | None:
    """Return the URIs of the hosts whose meetings may be listed; None is everybody's."""
    query = call.query
    if not any(query.get(name) for name in ("user", "organization", "group")):
        names = ("user", "organization", "group")
        raise invalid_all([(name, "one of these is required") for name in names])
    if query.get("organization"):
        call.require_organization(query["organization"])
    named = [
        find(call, query[name])
        for name, find in (("group", _group), ("user", _user))
        if query.get(name)
    ]
    return frozenset.intersection(*named) if named else None


def _group(call: Call, uri: str) -> frozenset[str]:
    groups.require_leader(call, fetch(call.world.groups, tail(uri)))
    return frozenset(call.world.uri("users", key) for key in call.world.group_members(uri))


def _user(call: Call, uri: str) -> frozenset[str]:
    host = call.require_user(uri)
    if host != call.token.user and not call.query.get("organization"):
        raise forbidden(
            "Please also specify organization when requesting events for a user within your"
            " organization."
        )
    return frozenset({call.world.uri("users", host)})


def _bound(call: Call, name: str) -> str | None:
    given = call.query.get(name)
    return micro(instant(name, given)) if given else None


def _hosted_by(row: Json, users: Collection[str]) -> bool:
    return any(host["user"] in users for host in row["event_memberships"])


def _emails(world: CalendlyWorld, key: str) -> set[str]:
    return {world.invitees[one]["email"].lower() for one in world.invitees_of[key]}


def _visible(call: Call, key: str) -> Json:
    row = fetch(call.world.events, key)
    seen = {call.world.uri("users", user) for user in groups.led_by(call)}
    if not call.is_admin and not _hosted_by(row, seen):
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
    if row["start_time"] < world.stamp():
        raise forbidden("Event in the past")
    name = world.users[call.token.user]["name"]
    cancellation = changes.cancel_event(
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
    return resource(changes.mark_no_show(call.world, row, at=call.world.clock.now()))


def no_show(call: Call, key: str) -> Json:
    """Return a no-show."""
    return resource(fetch(call.world.no_shows, key))


def delete_no_show(call: Call, key: str) -> None:
    """Take a no-show back."""
    row = fetch(call.world.no_shows, key)
    changes.unmark_no_show(call.world, row, at=call.world.clock.now())
