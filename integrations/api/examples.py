"""What an answer looks like, for the document: a booking that was moved once and could not be written to Salesforce."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_API = "https://api.calendly.com"
_EVENT = f"{_API}/scheduled_events/5F2ZKQ"
_INVITEE = f"{_EVENT}/invitees/7M3XPB"
_PREVIOUS = {"booking_id": 4080, "invitee_id": 5120, "invitee_uri": f"{_API}/scheduled_events/4E1YJP/invitees/6L2WNA"}  # fmt: skip

_MEMBER: dict[str, Any] = {
    "id": 5131, "uri": _INVITEE, "booking_id": 4096, "chain": 5120, "previous": _PREVIOUS, "next": None, "status": "active",
    "rescheduled": False, "name": "Ines Invitee", "first_name": "", "last_name": "", "email": "ines@example.com",
    "timezone": "Europe/Berlin", "text_reminder_number": "",
    "questions_and_answers": [{"question": "Company?", "answer": "Example Ltd", "position": 0}],
    "tracking": {"utm_source": "newsletter"}, "cancellation": None, "no_show": None,
    "cancel_url": "https://calendly.com/cancellations/7M3XPB", "reschedule_url": "https://calendly.com/reschedulings/7M3XPB",
    "routing_form_submission": None, "created_at": "2026-11-20T09:00:00Z", "updated_at": "2026-11-20T09:00:01Z",
    "calendly_updated_at": "2026-11-20T09:00:00Z", "vanished_at": None, "erased_at": None,
}  # fmt: skip

_SYNC: dict[str, Any] = {
    "connection": {"id": 2, "name": "Sales", "provider": "salesforce"}, "state": "failed",
    "records": [
        {"object_type": "Lead", "remote_id": "00Q000000000001", "url": "https://example.my.salesforce.com/00Q000000000001",
         "updated_at": "2026-11-20T09:00:03Z"},
    ],
    "error": "Salesforce answered: FIELD_CUSTOM_VALIDATION_EXCEPTION.", "hint": "Mend the record or the validation rule, then retry.",
    "delivery_id": 8192, "updated_at": "2026-11-20T09:00:03Z",
}  # fmt: skip

BOOKING = OpenApiExample(
    "A booking that was moved once, and could not be written to Salesforce",
    response_only=True,
    value={
        "id": 4096, "uri": _EVENT, "name": "Product demo", "status": "active", "start_time": "2026-11-24T14:00:00Z",
        "end_time": "2026-11-24T14:30:00Z", "created_at": "2026-11-20T09:00:00Z", "updated_at": "2026-11-20T09:00:01Z",
        "calendly_updated_at": "2026-11-20T09:00:00Z", "vanished_at": None, "erased_at": None,
        "event_type": {"id": 3, "uri": f"{_API}/event_types/DEMO", "name": "Product demo"},
        "hosts": [{"id": 7, "uri": f"{_API}/users/HARPER", "name": "Harper Host", "email": "harper@example.com"}],
        "location": {"type": "zoom", "status": "pushed", "location": "", "join_url": "https://zoom.us/j/123456789"},
        "event_guests": [{"email": "gus@example.com"}], "invitees_counter": {"total": 1, "active": 1, "limit": 1},
        "cancellation": None, "chain": 5120, "previous": _PREVIOUS, "next": None, "no_show": False, "invitees": [_MEMBER],
        "admin_url": "https://calsync.example.com/admin/bookings/booking/4096/change/", "sync": [_SYNC],
    },
)  # fmt: skip
