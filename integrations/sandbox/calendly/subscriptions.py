"""Webhook subscriptions: create, list, delete, sample data.

Source: https://developer.calendly.com/api-docs (webhook subscriptions).
"""

from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.calendly import groups, messages
from integrations.sandbox.calendly.call import Call, require_keys
from integrations.sandbox.calendly.directory import resource
from integrations.sandbox.calendly.errors import ApiError, forbidden, invalid, not_found
from integrations.sandbox.calendly.paging import ordered, page
from integrations.sandbox.calendly.world import fetch, tail
from integrations.sandbox.web import Json

SCOPES = ("organization", "user", "group")


def create(call: Call) -> Json:
    """Subscribe a URL to events. The signing key is kept and never shown."""
    body = call.body()
    require_keys(body, "url", "events", "organization", "scope")
    if not call.world.config.calendly_plan_allows_webhooks:
        raise forbidden("Please upgrade your Calendly account to Professional")
    _check_target(body)
    _check_events(call, body["events"], scope=body["scope"])
    _check_scope(call, body)
    world, now = call.world, call.world.stamp()
    if any(row["callback_url"] == body["url"] for row in world.subscriptions.values()):
        raise ApiError(409, message="Hook with this url already exists")
    key = world.new_id()
    world.signing_keys[key] = body.get("signing_key") or _app_key(call)
    world.subscriptions[key] = {
        "uri": world.uri("webhook_subscriptions", key),
        "callback_url": body["url"],
        "created_at": now,
        "updated_at": now,
        "retry_started_at": None,
        "state": "active",
        "events": list(body["events"]),
        "scope": body["scope"],
        "organization": body["organization"],
        "user": body.get("user") if body["scope"] == "user" else None,
        "group": body.get("group") if body["scope"] == "group" else None,
        "creator": world.users[call.token.user]["uri"],
    }
    return resource(world.subscriptions[key])


def _app_key(call: Call) -> str | None:
    return None if call.token.is_personal else call.world.config.calendly_app_signing_key


def _check_target(body: Json) -> None:
    url = body["url"]
    parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid("url", "invalid")
    if body["scope"] not in SCOPES:
        raise invalid("scope", f"must be one of: {', '.join(SCOPES)}")


def _check_events(call: Call, events: Any, *, scope: str) -> None:
    known = messages.EVENT_SCOPES
    if not isinstance(events, list) or not set(events) <= set(known):
        raise invalid("events", f"must be one of: {', '.join(known)}")
    asked = set(events)
    if scope != "organization" and asked & messages.ORGANIZATION_ONLY:
        raise invalid("events", "needs the organization scope")
    if scope != "user" and asked & messages.USER_ONLY:
        raise invalid("events", "needs the user scope")
    if not all(call.token.allows(known[event]) for event in events):
        raise ApiError(400)


def _check_scope(call: Call, body: Json) -> None:
    call.require_organization(body["organization"], admin=body["scope"] == "organization")
    if body["scope"] == "group":
        require_keys(body, "group")
        groups.require_leader(call, fetch(call.world.groups, tail(body["group"])))
    if body["scope"] == "user":
        require_keys(body, "user")
        if call.require_user(body["user"]) != call.token.user and not call.is_admin:
            raise forbidden()


def listing(call: Call) -> Json:
    """List the subscriptions of one scope."""
    organization = call.needed("organization")
    call.needed("scope")
    scope = call.choice("scope", SCOPES)
    call.require_organization(organization, admin=scope == "organization")
    wanted = call.needed(scope)
    if scope == "group":
        groups.require_leader(call, fetch(call.world.groups, tail(wanted)))
    if scope == "user" and call.require_user(wanted) != call.token.user and not call.is_admin:
        raise forbidden()
    rows = [
        row
        for row in call.world.subscriptions.values()
        if row["scope"] == scope and row[scope] == wanted
    ]
    return page(call, ordered(call, rows, keys=("created_at",), default="created_at:asc"))


def one(call: Call, key: str) -> Json:
    """Return a subscription."""
    return resource(_own(call, key))


def delete(call: Call, key: str) -> None:
    """Delete a subscription and what is queued for it."""
    _own(call, key)
    del call.world.subscriptions[key]
    call.world.signing_keys.pop(key, None)
    call.world.sender.forget(key)


def _own(call: Call, key: str) -> Json:
    row = fetch(call.world.subscriptions, key)
    if row["scope"] == "group":
        groups.require_leader(call, fetch(call.world.groups, tail(row["group"])))
    elif tail(row["user"] or "") != call.token.user and not call.is_admin:
        raise forbidden()
    return row


def sample(call: Call) -> Json:
    """Return a message as a subscription would get it, from the latest meeting."""
    world, event = call.world, call.needed("event")
    call.require_organization(call.needed("organization"), admin=False)
    call.needed("scope")
    call.choice("scope", SCOPES)
    if event not in messages.EVENT_SCOPES:
        raise invalid("event", f"must be one of: {', '.join(messages.EVENT_SCOPES)}")
    payload = _latest(call, event)
    creator = world.users[call.token.user]["uri"]
    return messages.envelope(event, payload, creator=creator, at=world.clock.now())


def _latest(call: Call, event: str) -> Json:
    world = call.world
    rows: dict[str, Json] = {
        "routing_form_submission": world.submissions,
        "event_type": world.event_types,
    }.get(event.partition(".")[0], world.invitees)
    if not rows:
        raise not_found()
    newest: Json = list(rows.values())[-1]
    return messages.invitee_payload(world, newest) if rows is world.invitees else newest
