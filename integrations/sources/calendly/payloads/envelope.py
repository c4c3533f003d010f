"""A webhook's body: `{"event", "created_at", "created_by", "payload"}` -> snapshots.

`created_by` is who made the subscription, never the host, and is not read.
Source: https://developer.calendly.com/api-docs/overview/webhooks/webhook-payload
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from bookings.snapshots import NoShowSnapshot
from integrations.sources.base import NotUnderstood, Parsed, Understood
from integrations.sources.calendly.payloads import directory, parts, shapes
from integrations.sources.calendly.payloads.reading import Fields, UnreadableError, load

#: A reschedule is a cancel and a booking; `invitee.rescheduled` is sent by test tools only, and read by its state.
_INVITEE_KINDS = frozenset({"invitee.created", "invitee.canceled", "invitee.rescheduled"})
_NO_SHOW_KINDS = frozenset({"invitee_no_show.created", "invitee_no_show.deleted"})
_EVENT_TYPE_KINDS = frozenset({"event_type.created", "event_type.updated", "event_type.deleted"})
_NOT_MIRRORED = {
    "calsync": "A probe of Calsync's own, sent by the self-test: the way from the public URL to here is open.",
    "contact": "Calsync mirrors meetings, not Calendly's contacts.",
    "meeting_recap": "Calsync mirrors meetings, not the notes that Calendly takes in them.",
}
_KIND_LENGTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Hold what surrounds a payload; `sent_at` is the envelope's time, else when it was received."""

    kind: str
    payload: Fields
    sent_at: datetime


def parse_webhook(body: bytes, *, received_at: datetime) -> Parsed:
    """Read a webhook's body; never raises for bad input."""
    try:
        top = Fields.of(load(body))
    except UnreadableError as error:
        return NotUnderstood(reason=str(error))
    kind = top.get("event")
    if not isinstance(kind, str) or not kind.strip():
        return NotUnderstood(reason="It names no event, so it is no webhook of Calendly's.")
    kind = kind.strip()[:_KIND_LENGTH]
    sent_at = top.moment("created_at") or top.moment("time") or received_at
    return _read(Envelope(kind=kind, payload=top.child("payload"), sent_at=sent_at))


def _read(envelope: Envelope) -> Parsed:
    kind, payload = envelope.kind, envelope.payload
    if kind.partition(".")[0] in _NOT_MIRRORED:
        return NotUnderstood(kind=kind, reason=_NOT_MIRRORED[kind.partition(".")[0]])
    if not payload:
        return NotUnderstood(kind=kind, reason="The webhook has no payload to read.")
    if _is_version_1(payload):
        return NotUnderstood(
            kind=kind,
            reason="This is a webhook of Calendly's API v1, which ended in August 2025; subscribe by API v2.",
        )
    if kind in _NO_SHOW_KINDS and "invitee" in payload:
        return _bare_no_show(envelope)
    if kind in _INVITEE_KINDS | _NO_SHOW_KINDS:
        return _invitee(envelope)
    if kind in _EVENT_TYPE_KINDS:
        return _event_type(envelope)
    if kind == "routing_form_submission.created":
        return _routing_submission(envelope)
    return NotUnderstood(kind=kind, reason=f"Calsync does not know the event “{kind}”.")


def _is_version_1(payload: Fields) -> bool:
    return bool(payload.child("invitee")) and bool(payload.child("event") or payload.child("event_type"))  # fmt: skip


def _invitee(envelope: Envelope) -> Parsed:
    payload = envelope.payload
    event = payload.child("scheduled_event") or payload.child("event")
    names = shapes.identify(payload, event)
    if names is None:
        return NotUnderstood(
            kind=envelope.kind,
            reason="It names neither an invitee nor an e-mail address with a start time.",
        )
    meeting = shapes.meeting(payload, event, names=names, kind=envelope.kind, now=envelope.sent_at)
    no_show = meeting.invitees[0].no_show
    no_show_uri = getattr(no_show, "uri", "") if envelope.kind in _NO_SHOW_KINDS else ""
    return Understood(
        kind=envelope.kind,
        delivery_key=_key(envelope.kind, names.invitee_uri, no_show_uri),
        snapshots=(meeting,),
    )


def _bare_no_show(envelope: Envelope) -> Parsed:
    """Read `{uri, invitee, created_at}`: what the API answers, and what some tools send as a webhook."""
    payload = envelope.payload
    invitee_uri = payload.uri("invitee") or payload.child("invitee").uri("uri")
    if not invitee_uri:
        return NotUnderstood(kind=envelope.kind, reason="The no-show does not name its invitee.")
    mark = parts.read_no_show(Fields({**payload.raw, "invitee": invitee_uri}))
    snapshot = NoShowSnapshot(
        invitee_uri=invitee_uri,
        booking_uri=shapes.booking_of_invitee_uri(invitee_uri)
        or parts.synthetic_uri("booking", invitee_uri),
        no_show=None if envelope.kind == "invitee_no_show.deleted" else mark,
        observed_at=envelope.sent_at,
    )
    key = _key(envelope.kind, invitee_uri, mark.uri)
    return Understood(kind=envelope.kind, delivery_key=key, snapshots=(snapshot,))


def _event_type(envelope: Envelope) -> Parsed:
    item = directory.read_event_type(envelope.payload, now=envelope.sent_at)
    if item is None:
        return NotUnderstood(kind=envelope.kind, reason="The event type has no URI.")
    if envelope.kind == "event_type.deleted":
        item = replace(item, active=False, deleted_at=item.deleted_at or envelope.sent_at)
    key = _key(envelope.kind, item.uri, item.updated_at.isoformat())
    return Understood(kind=envelope.kind, delivery_key=key, snapshots=(item,))


def _routing_submission(envelope: Envelope) -> Parsed:
    item = directory.read_submission(envelope.payload, now=envelope.sent_at)
    if item is None:
        return NotUnderstood(kind=envelope.kind, reason="The routing form submission has no URI.")
    key = _key(envelope.kind, item.uri)
    return Understood(kind=envelope.kind, delivery_key=key, snapshots=(item,))


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
