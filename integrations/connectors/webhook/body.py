"""Write a message: the meeting as it stands now, and what the event changed. Pure.

`docs/schemas/booking-event.v1.json` describes it; a receiver relies on that, so a field is added in both or in neither.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bookings.meeting import Meeting
from integrations.connectors.base import Task
from integrations.connectors.webhook.options import WebhookOptions

VERSION = 1
#: A longer message is cut until it fits. The specification asks for less than 20 kB.
MOST_BYTES = 19_500
#: How many characters of a text and items of a list are kept, tried in turn.
_CUTS = ((4_000, 100), (1_000, 50), (300, 25), (80, 10), (40, 5))
_CUT = " [cut]"
#: Texts that are of no use in part.
_WHOLE = frozenset({
    "key", "id", "uri", "booking_url", "join_url", "cancel_url", "reschedule_url", "email", "guests",
})  # fmt: skip
_LONGEST_WHOLE = 2_048
#: A place in words may be the invitee's telephone number.
_CONTACT_CHANGES = frozenset(
    {"email", "text_reminder_number", "first_name", "last_name", "guests", "location_text"}
)

Body = dict[str, Any]


def write_body(task: Task, *, options: WebhookOptions, message_id: str) -> bytes:
    """Return the bytes of the message, the same whenever they are asked for."""
    moment = _moment(task.occurred_at)
    data = {
        "version": VERSION,
        "sequence": task.event_id,
        "truncated": False,
        "event": {
            "id": message_id, "kind": task.kind, "occurred_at": moment, "changes": _changes(task, options),
        },
        "meeting": _meeting(task, options),
    }  # fmt: skip
    return _fitting({"type": f"booking.{task.kind}", "timestamp": moment, "data": data})


def _changes(task: Task, options: WebhookOptions) -> Body:
    hidden = set() if options.include_contact else set(_CONTACT_CHANGES)
    hidden |= set() if options.include_answers else {"answers"}
    return {name: pair for name, pair in task.changes.items() if name not in hidden}


def _meeting(task: Task, options: WebhookOptions) -> Body:
    meeting, contact = task.meeting, options.include_contact
    return {
        "key": meeting.key,
        "uri": meeting.booking_uri,
        "booking_url": task.booking_url or None,
        "name": meeting.name,
        "status": "canceled" if meeting.is_canceled else "active",
        "no_show": meeting.is_no_show,
        "start_at": _moment(meeting.start_at),
        "end_at": _moment(meeting.end_at),
        "previous_start_at": _moment(meeting.previous_start_at),
        "reschedule_count": meeting.reschedule_count,
        "event_type": {
            "uri": meeting.event_type_uri or None, "name": meeting.event_type_name or None,
            "slug": meeting.event_type_slug or None,
        },
        "location": {
            "type": meeting.location_type or None,
            "text": (meeting.location_text or None) if contact else None,
            "join_url": meeting.join_url or None,
        },
        "hosts": [
            {"name": host.name, "email": host.email, "timezone": host.timezone or None}
            for host in meeting.hosts
        ],
        "teams": list(meeting.teams),
        "invitee": _invitee(meeting, contact=contact),
        "guests": list(meeting.guests) if contact else None,
        "answers": _answers(meeting) if options.include_answers else None,
        "tracking": {name: value for name, value in meeting.tracking.items() if value},
        "cancellation": _cancellation(meeting, contact=contact),
    }  # fmt: skip


def _invitee(meeting: Meeting, *, contact: bool) -> Body:
    told = {
        "name": meeting.invitee_name, "first_name": meeting.first_name, "last_name": meeting.last_name,
        "email": meeting.email, "phone": meeting.text_reminder_number, "cancel_url": meeting.cancel_url,
        "reschedule_url": meeting.reschedule_url,
    }  # fmt: skip
    known = {name: (text or None) if contact else None for name, text in told.items()}
    return {"uri": meeting.invitee_uri, "timezone": meeting.timezone or None, **known}


def _answers(meeting: Meeting) -> list[Body]:
    return [{"question": item.question, "answer": item.answer} for item in meeting.answers]


def _cancellation(meeting: Meeting, *, contact: bool) -> Body | None:
    if not meeting.is_canceled:
        return None
    return {
        "canceler_type": meeting.canceler_type or None,
        "canceled_by": (meeting.canceled_by or None) if contact else None,
        "reason": (meeting.cancel_reason or None) if contact else None,
    }


def _moment(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _fitting(body: Body) -> bytes:
    """Return the body as JSON; what is too long is marked as truncated, with long texts and lists cut until it fits."""
    made = _as_json(body)
    for characters, items in _CUTS:
        if len(made) <= MOST_BYTES:
            break
        shorter = _cut(body["data"], characters, items)
        made = _as_json(body | {"data": shorter | {"truncated": True}})
    return made


def _cut(value: Any, characters: int, items: int) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _cut(item, _LONGEST_WHOLE if name in _WHOLE else characters, items)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cut(item, characters, items) for item in value[:items]]
    if isinstance(value, str) and len(value) > characters:
        return value[:characters] + _CUT
    return value


def _as_json(body: Body) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
