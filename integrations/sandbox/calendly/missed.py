"""A share of the bookings changes and nobody is told, as if every webhook had been lost."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from integrations.sandbox.calendly import bookings, changes, edits, messages
from integrations.sandbox.calendly.world import CalendlyWorld, tail
from integrations.sandbox.clock import parse_time
from integrations.sandbox.web import Json

Change = Callable[[CalendlyWorld, Json, datetime], str]
FORTNIGHT_IN_HOURS = 14 * 24


def change(world: CalendlyWorld, *, share: float, seed: int) -> dict[str, int]:
    """Change a share of the active bookings, each in one way; return how many in which."""
    active = [row for row in world.invitees.values() if row["status"] == "active"]
    with messages.silence(world), world.drawing(f"{seed}:{len(world.invitees)}"):
        chosen = world.draw.sample(active, round(len(active) * share))
        return Counter(
            CHANGES[number % len(CHANGES)](world, row, world.clock.now())
            for number, row in enumerate(chosen)
        )


def _cancel(world: CalendlyWorld, invitee: Json, at: datetime) -> str:
    by = world.draw.choice(("host", "invitee"))
    changes.cancel(world, invitee, at=at, reason="Not announced", canceler_type=by)
    return "canceled"


def _reschedule(world: CalendlyWorld, invitee: Json, at: datetime) -> str:
    event = _event(world, invitee)
    hosts = world.hosts_of.get(tail(event["event_type"]), [])
    if world.users.keys().isdisjoint(hosts):
        return _answers(world, invitee, at)
    start = parse_time(event["start_time"]) + timedelta(
        hours=world.draw.randint(1, FORTNIGHT_IN_HOURS)
    )
    while not bookings.has_room(world, tail(event["event_type"]), start=start):
        start += timedelta(hours=1)
    changes.reschedule(world, invitee, start=start, at=at)
    return "rescheduled"


def _no_show(world: CalendlyWorld, invitee: Json, at: datetime) -> str:
    if invitee["no_show"]:
        changes.unmark_no_show(world, world.no_shows[tail(invitee["no_show"]["uri"])], at=at)
        return "no_show_removed"
    changes.mark_no_show(world, invitee, at=at)
    return "no_show"


def _host(world: CalendlyWorld, invitee: Json, at: datetime) -> str:
    event = _event(world, invitee)
    present = {tail(host["user"]) for host in event["event_memberships"]}
    others = [key for key in world.users if key not in present]
    if not others:
        return _answers(world, invitee, at)
    edits.edit_event(world, event, {"host": world.draw.choice(others)}, at=at)
    return "host"


def _location(world: CalendlyWorld, invitee: Json, at: datetime) -> str:
    room = {"kind": "physical", "location": f"Room {world.draw.randrange(10**6)}"}
    place = world.draw.choice(({"kind": "zoom_conference"}, room))
    edits.edit_event(world, _event(world, invitee), {"location": place}, at=at)
    return "location"


def _answers(world: CalendlyWorld, invitee: Json, at: datetime) -> str:
    number = world.draw.randrange(10**6)
    given = [dict(row) for row in invitee["questions_and_answers"]]
    given = given or [{"question": "Anything else?", "answer": "", "position": 0}]
    given[-1]["answer"] = f"Changed to {number}"
    edits.edit_invitee(invitee, {"questions_and_answers": given}, at=at)
    return "answers"


def _event(world: CalendlyWorld, invitee: Json) -> Json:
    return world.events[tail(invitee["event"])]


CHANGES: tuple[Change, ...] = (_cancel, _reschedule, _no_show, _host, _location, _answers)
