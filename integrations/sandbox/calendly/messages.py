"""Webhook messages: who gets one and what is in it.

Source: https://developer.calendly.com/api-docs (webhook payload).
"""

import contextlib
import json
from collections.abc import Iterator
from datetime import datetime

from integrations.sandbox.calendly.world import CalendlyWorld, tail
from integrations.sandbox.clock import whole
from integrations.sandbox.web import Json

EVENT_SCOPES = {
    "invitee.created": "scheduled_events:read",
    "invitee.canceled": "scheduled_events:read",
    "invitee_no_show.created": "scheduled_events:read",
    "invitee_no_show.deleted": "scheduled_events:read",
    "routing_form_submission.created": "routing_forms:read",
    "event_type.created": "event_types:read",
    "event_type.updated": "event_types:read",
    "event_type.deleted": "event_types:read",
    "contact.created": "contacts:read",
    "contact.updated": "contacts:read",
    "contact.deleted": "contacts:read",
    "meeting_recap.created": "meeting_recaps:read",
    "meeting_recap.updated": "meeting_recaps:read",
    "meeting_recap.deleted": "meeting_recaps:read",
}
ORGANIZATION_ONLY = frozenset({"routing_form_submission.created"})
USER_ONLY = frozenset({"meeting_recap.created", "meeting_recap.updated", "meeting_recap.deleted"})
NOT_IN_WEBHOOKS = ("buffered_start_time", "buffered_end_time")


def invitee_payload(world: CalendlyWorld, invitee: Json) -> Json:
    """Return an invitee with its meeting, as the webhooks carry it."""
    event = world.events[tail(invitee["event"])]
    meeting = {name: value for name, value in event.items() if name != "calendar_event"}
    meeting["event_memberships"] = [
        {name: value for name, value in host.items() if name not in NOT_IN_WEBHOOKS}
        for host in event["event_memberships"]
    ]
    return invitee | {"scheduled_event": meeting}


def announce(world: CalendlyWorld, event: str, *, invitee: Json, at: datetime) -> None:
    """Send a webhook about an invitee to every subscription that covers it."""
    payload = invitee_payload(world, invitee)
    members = payload["scheduled_event"]["event_memberships"]
    hosts = [tail(host["user"]) for host in members]
    publish(world, event, payload=payload, hosts=hosts, at=at)


def publish(
    world: CalendlyWorld, event: str, *, payload: Json, hosts: list[str], at: datetime
) -> None:
    """Send a webhook to every active subscription that asks for the event and covers a host."""
    if world.muted:
        return
    for key, subscription in world.subscriptions.items():
        if subscription["state"] == "active" and covers(world, subscription, event, hosts=hosts):
            body = encode(envelope(event, payload, creator=subscription["creator"], at=at))
            world.sender.publish(
                subscription=key,
                url=subscription["callback_url"],
                event=event,
                subject=str(payload.get("uri", "")),
                body=body,
                signing_key=world.signing_keys[key],
            )


@contextlib.contextmanager
def silence(world: CalendlyWorld, *, when: bool = True) -> Iterator[None]:
    """Announce nothing of what happens inside, as if every webhook of it were lost."""
    before, world.muted = world.muted, world.muted or when
    try:
        yield
    finally:
        world.muted = before


@contextlib.contextmanager
def together(world: CalendlyWorld) -> Iterator[None]:
    """Hold what is published inside, and send it in the opposite order afterwards.

    A reschedule makes the new invitee before it cancels the old one, but announces the
    cancellation first.
    """
    with world.sender.reversed_group():
        yield


def covers(world: CalendlyWorld, subscription: Json, event: str, *, hosts: list[str]) -> bool:
    """Tell whether a subscription asks for an event of one of these hosts."""
    if event not in subscription["events"]:
        return False
    if subscription["scope"] == "organization":
        return True
    if subscription["scope"] == "group":
        return not world.group_members(subscription["group"]).isdisjoint(hosts)
    return tail(subscription["user"]) in hosts


def envelope(event: str, payload: Json, *, creator: str, at: datetime) -> Json:
    """Return the message around a payload."""
    return {"event": event, "created_at": whole(at), "created_by": creator, "payload": payload}


def encode(message: Json) -> bytes:
    """Return the bytes that are signed and sent."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
