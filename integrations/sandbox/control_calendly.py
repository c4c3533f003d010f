"""Control actions for Calendly: what invitees, hosts and administrators do."""

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.calendly import bookings, changes, edits, messages
from integrations.sandbox.calendly.call import instant
from integrations.sandbox.calendly.errors import invalid, not_found
from integrations.sandbox.calendly.seeds import seed_id
from integrations.sandbox.calendly.world import CalendlyWorld, fetch, tail
from integrations.sandbox.clock import micro
from integrations.sandbox.state import SandboxState
from integrations.sandbox.web import Json

Act = Callable[[CalendlyWorld, Json], Any]
PASSED_ON = (
    "first_name",
    "last_name",
    "timezone",
    "text_reminder_number",
    "tracking",
    "guests",
    "location",
    "conference_delay",
    "payment",
    "scheduling_method",
    "routing_form_submission",
)


def locked(act: Act) -> Callable[[SandboxState, Json], Any]:
    """Return an action that runs under the world's lock and answers with a copy.

    With `silently` it sends no webhook.
    """

    def action(state: SandboxState, data: Json) -> Any:
        world = state.calendly
        with world.lock, messages.silence(world, when=bool(data.get("silently"))):
            world.settle()
            world.listings.clear()
            return copy.deepcopy(act(world, data))

    return action


def book(world: CalendlyWorld, data: Json) -> Json:
    """Book a meeting; by default the first event type, tomorrow, on the hour."""
    at = world.clock.at(data.get("now") or data.get("created_at"))
    key = find_event_type(world, data.get("event_type") or "sales-demo")
    start = data.get("start_time")
    order = bookings.Order(
        event_type=key,
        name=str(data.get("name", "")),
        email=str(data.get("email", "")),
        start=instant("start_time", start) if start else _tomorrow(world),
        end=instant("end_time", data["end_time"]) if data.get("end_time") else None,
        at=at,
        host=find_user(world, data["host"]) if data.get("host") else None,
        answers=_answers(data.get("answers")),
        **{name: data[name] for name in PASSED_ON if data.get(name) is not None},
    )
    return bookings.book(world, order)


def _tomorrow(world: CalendlyWorld) -> datetime:
    hour = world.clock.now().replace(minute=0, second=0, microsecond=0)
    start = hour.replace(hour=9) + timedelta(days=1)
    while world.timetable.at(micro(start)):
        start += timedelta(hours=1)
    return start


def _answers(given: Any) -> list[Json]:
    """Return answers as the API lists them; `given` may be a dict of question to answer."""
    if isinstance(given, list):
        return given
    return [
        {"question": question, "answer": answer, "position": position}
        for position, (question, answer) in enumerate((given or {}).items())
    ]


def find_event_type(world: CalendlyWorld, given: str) -> str:
    """Return the identifier of an event type named by URI, identifier, slug or name."""
    for key, row in world.event_types.items():
        if given in (key, row["uri"], row["slug"], row["name"]):
            return key
    raise invalid("event_type", f"there is no event type {given!r}")


def find_user(world: CalendlyWorld, given: str) -> str:
    """Return the identifier of a user named by URI, identifier, e-mail address or role."""
    for key, row in world.users.items():
        if given in (key, row["uri"], row["email"]) or key == seed_id(given):
            return key
    raise invalid("host", f"there is no user {given!r}")


def find_invitee(world: CalendlyWorld, data: Json) -> Json:
    """Return the invitee named by `invitee`, a URI or identifier."""
    return fetch(world.invitees, tail(str(data.get("invitee"))))


def find_event(world: CalendlyWorld, data: Json) -> Json:
    """Return the meeting named by `event`, or that of `invitee`."""
    uri = data.get("event") or find_invitee(world, data)["event"]
    return fetch(world.events, tail(str(uri)))


def reschedule(world: CalendlyWorld, data: Json) -> Json:
    """Move an invitee; return the new one."""
    return changes.reschedule(
        world,
        find_invitee(world, data),
        start=instant("start_time", data.get("start_time")),
        end=instant("end_time", data["end_time"]) if data.get("end_time") else None,
        at=world.clock.at(data.get("now")),
        reason=data.get("reason"),
        canceler_type=data.get("canceler_type", "invitee"),
    )


def cancel(world: CalendlyWorld, data: Json) -> Json:
    """Cancel an invitee; return it."""
    return changes.cancel(
        world,
        find_invitee(world, data),
        at=world.clock.at(data.get("now")),
        reason=data.get("reason"),
        canceler_type=data.get("canceler_type", "invitee"),
        canceled_by=data.get("canceled_by"),
    )


def no_show(world: CalendlyWorld, data: Json) -> Json:
    """Mark an invitee as a no-show; return the no-show."""
    at = world.clock.at(data.get("now"))
    return changes.mark_no_show(world, find_invitee(world, data), at=at)


def remove_no_show(world: CalendlyWorld, data: Json) -> Json:
    """Take an invitee's no-show back; return the invitee."""
    invitee = find_invitee(world, data)
    if not invitee["no_show"]:
        raise not_found()
    row = fetch(world.no_shows, tail(invitee["no_show"]["uri"]))
    return changes.unmark_no_show(world, row, at=world.clock.at(data.get("now")))


def reassign_host(world: CalendlyWorld, data: Json) -> Json:
    """Give a meeting to another host; return the meeting."""
    changes = {"host": find_user(world, str(data.get("host")))}
    event = find_event(world, data)
    return edits.edit_event(world, event, changes, at=world.clock.at(data.get("now")))


def edit(world: CalendlyWorld, data: Json) -> Json:
    """Change a meeting (`event`) or an invitee (`invitee`) without a webhook; return it."""
    at, changes = world.clock.at(data.get("now")), data.get("changes") or {}
    if data.get("event"):
        return edits.edit_event(world, find_event(world, data), changes, at=at)
    return edits.edit_invitee(find_invitee(world, data), changes, at=at)


def edit_event_type(world: CalendlyWorld, data: Json) -> Json:
    """Change or retire an event type; return it."""
    row = world.event_types[find_event_type(world, str(data.get("event_type")))]
    at = world.clock.at(data.get("now"))
    return edits.edit_event_type(world, row, data.get("changes") or {}, at=at)


def submit_form(world: CalendlyWorld, data: Json) -> Json:
    """Fill in the routing form; return the submission."""
    form = next(iter(world.forms.values()))
    return edits.submit_form(
        world,
        form,
        answers=data.get("answers") or {},
        result=data.get("result"),
        submitter=data.get("submitter"),
        tracking=data.get("tracking"),
        at=world.clock.at(data.get("now")),
    )


def make_token(world: CalendlyWorld, data: Json) -> Json:
    """Make a personal access token for a `user`, with `scopes` if given."""
    scopes = data.get("scopes")
    token = world.tokens.add_personal(
        user=find_user(world, data.get("user", "owner")),
        scopes=None if scopes is None else frozenset(scopes),
    )
    return {"token": token.value}


def state(world: CalendlyWorld, data: Json) -> Json:
    """Return everything that the world holds."""
    return {
        "organization": world.organization,
        "users": [row | {"role": world.role(key)} for key, row in world.users.items()],
        "groups": list(world.groups.values()),
        "group_relationships": list(world.group_relationships.values()),
        "event_types": list(world.event_types.values()),
        "events": list(world.events.values()),
        "invitees": list(world.invitees.values()),
        "no_shows": list(world.no_shows.values()),
        "routing_forms": list(world.forms.values()),
        "routing_form_submissions": list(world.submissions.values()),
    }


ACTIONS = {
    ("POST", "/calendly/book"): locked(book),
    ("POST", "/calendly/reschedule"): locked(reschedule),
    ("POST", "/calendly/cancel"): locked(cancel),
    ("POST", "/calendly/no_show"): locked(no_show),
    ("POST", "/calendly/no_show/remove"): locked(remove_no_show),
    ("POST", "/calendly/reassign_host"): locked(reassign_host),
    ("POST", "/calendly/edit"): locked(edit),
    ("POST", "/calendly/edit_event_type"): locked(edit_event_type),
    ("POST", "/calendly/routing_submission"): locked(submit_form),
    ("POST", "/calendly/tokens"): locked(make_token),
    ("GET", "/calendly/state"): locked(state),
}
