"""Control actions on many bookings at once, and on what vanishes without a webhook."""

from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.calendly import history, missed, removals
from integrations.sandbox.calendly.call import instant
from integrations.sandbox.calendly.limits import Budget
from integrations.sandbox.calendly.world import CalendlyWorld
from integrations.sandbox.control_calendly import find_event, find_event_type, find_user, locked
from integrations.sandbox.web import Json

SHARES = ("canceled_share", "rescheduled_share", "no_show_share", "group_share")
DEFAULT_DAYS = 60


def seed_bookings(world: CalendlyWorld, data: Json) -> Json:
    """Make `count` bookings over `days` from `start`; by default half lie in the past."""
    days, start = int(data.get("days", DEFAULT_DAYS)), data.get("start")
    shares: dict[str, Any] = {name: float(data[name]) for name in SHARES if name in data}
    plan = history.Plan(
        count=int(data["count"]),
        start=instant("start", start) if start else _middle(world, days),
        days=days,
        seed=int(data.get("seed", 1)),
        **shares,
    )
    return history.make(world, plan)


def _middle(world: CalendlyWorld, days: int) -> datetime:
    midnight = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days // 2)


def change_bookings(world: CalendlyWorld, data: Json) -> Json:
    """Change a `share` of the active bookings silently; return how many in which way."""
    return missed.change(world, share=float(data.get("share", 0.5)), seed=int(data.get("seed", 2)))


def erase_event(world: CalendlyWorld, data: Json) -> Json:
    """Erase a meeting as data compliance does; return the URIs that are gone."""
    return {"erased": removals.erase_event(world, find_event(world, data))}


def remove_member(world: CalendlyWorld, data: Json) -> Json:
    """Take a user out of the organization; return the membership."""
    return removals.remove_member(world, find_user(world, str(data["user"])))


def delete_event_type(world: CalendlyWorld, data: Json) -> Json:
    """Delete an event type silently; return it."""
    key = find_event_type(world, str(data["event_type"]))
    return removals.retire_event_type(world, world.event_types[key])


def erase_event_type(world: CalendlyWorld, data: Json) -> Json:
    """Erase an event type; return it."""
    key = find_event_type(world, str(data["event_type"]))
    return removals.erase_event_type(world, key)


def reset_budgets(world: CalendlyWorld, data: Json) -> Json:
    """Give every app and user a fresh budget."""
    world.budget = Budget()
    return {"reset": True}


ACTIONS = {
    ("POST", "/calendly/seed_bookings"): locked(seed_bookings),
    ("POST", "/calendly/change_bookings"): locked(change_bookings),
    ("POST", "/calendly/erase_event"): locked(erase_event),
    ("POST", "/calendly/remove_member"): locked(remove_member),
    ("POST", "/calendly/delete_event_type"): locked(delete_event_type),
    ("POST", "/calendly/erase_event_type"): locked(erase_event_type),
    ("POST", "/calendly/reset_budgets"): locked(reset_budgets),
}
