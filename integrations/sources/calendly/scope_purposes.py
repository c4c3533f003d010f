"""What each scope of a token is needed for, in the words of what staff would miss without it.

Source: https://developer.calendly.com/scopes
"""

from collections.abc import Mapping

PURPOSES: Mapping[str, str] = {
    "users:read": "who people are, and whose token this is",
    "organizations:read": "who belongs to the organization, and in which role",
    "groups:read": "groups and who is in them",
    "event_types:read": "event types, and being told when one changes",
    "scheduled_events:read": "bookings, invitees and no-shows, and being told of them",
    "scheduled_events:write": "marking a no-show where somebody presses the button for it",
    "routing_forms:read": "routing forms and what was answered in them",
    "webhooks:read": "seeing whether the subscriptions still work",
    "webhooks:write": "subscribing, so that bookings arrive within seconds",
    "availability:read": "when hosts are free",
    "locations:read": "where hosts meet",
    "contacts:read": "contacts",
}
