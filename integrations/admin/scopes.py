"""What each scope of a token is needed for, in the words of what staff would miss without it.

Sources: https://developer.calendly.com/scopes and https://docs.slack.dev/reference/scopes
"""

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.granting import Profile

_PURPOSES: Mapping[str, str] = {
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
    "chat:write": "posting and updating cards",
    "channels:read": "finding a channel by its name",
    "channels:join": "joining the public channel that a rule names",
    "channels:history": "finding a card whose answer was lost, rather than posting a second one",
    "users:read.email": "telling whether who pressed a button may",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRow:
    """Say what a needed scope is for, and whether it was granted; None where the provider does not tell."""

    name: str
    purpose: str
    is_granted: bool | None


def scope_rows(profile: Profile) -> tuple[ScopeRow, ...]:
    """Return a row for each scope that is needed."""
    is_told = profile.granted is not None
    return tuple(
        ScopeRow(
            name=scope,
            purpose=_PURPOSES.get(scope, ""),
            is_granted=scope not in profile.missing if is_told else None,
        )
        for scope in profile.needed
    )
