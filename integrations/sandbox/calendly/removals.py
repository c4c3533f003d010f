"""What vanishes from Calendly without a word: meetings, members, event types.

No webhook tells of any of it; the caller holds the world's lock.
Source: https://developer.calendly.com/api-docs (data compliance, organization memberships).
"""

from integrations.sandbox.calendly import edits, messages
from integrations.sandbox.calendly.errors import forbidden
from integrations.sandbox.calendly.world import CalendlyWorld, tail
from integrations.sandbox.web import Json


def erase_event(world: CalendlyWorld, event: Json) -> list[str]:
    """Erase a meeting with its invitees and no-shows; return the URIs that answer 404 now."""
    key = tail(event["uri"])
    invitees = [world.invitees.pop(one) for one in world.invitees_of.pop(key, [])]
    marks = [row["no_show"] for row in invitees if row["no_show"]]
    for mark in marks:
        del world.no_shows[tail(mark["uri"])]
    world.timetable.remove(key, start=event["start_time"])
    del world.events[key]
    return [str(row["uri"]) for row in [event, *invitees, *marks]]


def remove_member(world: CalendlyWorld, user: str) -> Json:
    """Take a user out of the organization and return the membership that is gone.

    The user answers 404, their tokens 401 and their own webhooks stop. Meetings stay and are listed
    for the organization only. Event types of this user alone are retired; other pools shrink.
    """
    if world.role(user) == "owner":
        raise forbidden("You cannot remove the owner of the organization")
    uri = world.users[user]["uri"]
    key = next(key for key, row in world.memberships.items() if row["user"]["uri"] == uri)
    del world.users[user]
    world.tokens.forget_user(user)
    for subscription in world.subscriptions.values():
        if subscription["user"] == uri:
            subscription["state"] = "disabled"
    _leave_event_types(world, user)
    _leave_groups(world, world.memberships[key])
    return world.memberships.pop(key)


def _leave_groups(world: CalendlyWorld, membership: Json) -> None:
    for key, row in list(world.group_relationships.items()):
        if row["owner"]["uri"] == membership["uri"]:
            group = world.groups[tail(row["group"])]
            group["member_count"] -= 1
            group["updated_at"] = world.stamp()
            del world.group_relationships[key]


def _leave_event_types(world: CalendlyWorld, user: str) -> None:
    for key, hosts in world.hosts_of.items():
        if hosts == [user]:
            retire_event_type(world, world.event_types[key])
        elif user in hosts:
            hosts.remove(user)


def retire_event_type(world: CalendlyWorld, event_type: Json) -> Json:
    """Delete an event type: it leaves the list and stays readable by its identifier."""
    if event_type["deleted_at"] is None:
        with messages.silence(world):
            edits.edit_event_type(world, event_type, {"deleted": True}, at=world.clock.now())
    return event_type


def erase_event_type(world: CalendlyWorld, key: str) -> Json:
    """Erase an event type, which answers 404 then; return what it was."""
    world.hosts_of.pop(key)
    world.limit_of.pop(key)
    return world.event_types.pop(key)
