"""Say what a meeting is in words and moments. Pure: a meeting in, cleaned text or text objects out."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookings.meeting import Meeting, Person
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.routing import digest
from integrations.connectors.slack.text import clean, link, marked, mask, plain, words

#: Stands in a planned card for a host who is found in Slack when it is sent.
SOMEBODY = "U0"


def status(meeting: Meeting) -> str:
    """Return how the meeting stands, in a word."""
    if meeting.is_canceled:
        return "Canceled"
    if meeting.is_no_show:
        return "No-show"
    return "Rescheduled" if meeting.reschedule_count else "Booked"


def date_token(moment: datetime) -> str:
    """Return a moment that Slack shows in each reader's own time zone.

    Source: https://docs.slack.dev/messaging/formatting-message-text#date-formatting
    """
    return f"<!date^{int(moment.timestamp())}^{{date_long_pretty}} {{time}}|{in_utc(moment)}>"


def in_utc(moment: datetime) -> str:
    """Return a moment in words, in UTC."""
    return f"{moment.astimezone(UTC):%a, %d %b %Y %H:%M} UTC"


def in_zone(moment: datetime, zone: str) -> str:
    """Return a moment as the invitee's clock shows it, or nothing when the zone is unknown."""
    try:
        local = moment.astimezone(ZoneInfo(zone)) if zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ""
    return f"{local:%a, %d %b %H:%M} {zone}" if local else ""


def who(meeting: Meeting, *, options: SlackOptions) -> str:
    """Return the invitee's name and address in one line."""
    address = _address(meeting.email, options)
    name = discreet(meeting.invitee_name, meeting=meeting, options=options)
    both = f"{name} ({address})" if name and address and name != address else name or address
    return clean(both or "unknown", limit=300)


def what(meeting: Meeting) -> str:
    """Return the event type's name where the title does not say it, or nothing."""
    name = clean(meeting.event_type_name, limit=150)
    return name if name != clean(meeting.name, limit=150) else ""


def hosts(meeting: Meeting, *, options: SlackOptions) -> str:
    """Return the hosts' names in one line."""
    return clean(", ".join(_name(host, options) for host in meeting.hosts), limit=300)


def mentioned_hosts(
    meeting: Meeting, *, options: SlackOptions, mentions: Mapping[str, str]
) -> dict[str, Any]:
    """Return the hosts as a text object; those of whom a Slack user is known (by digest) are mentioned."""
    ids = [mentions.get(digest(host.email), "") for host in meeting.hosts]
    found = " ".join(f"<@{user}>" for user in ids if user)
    named = hosts(meeting, options=options)
    return marked(f"{words(named)} {found}") if found else plain(named)


def hosts_before(names: object, *, options: SlackOptions) -> str:
    """Return who the hosts were, of what an event tells of them."""
    if not isinstance(names, list | tuple):
        return ""
    told = (mask(name) if "@" in name and options.mask_email else name for name in map(str, names))
    return clean(", ".join(told), limit=300)


def place(meeting: Meeting, *, options: SlackOptions) -> dict[str, Any]:
    """Return where to meet as a text object: the join link, or what was typed."""
    joined = link(meeting.join_url, "Join the meeting")
    typed = discreet(meeting.location_text, meeting=meeting, options=options)
    return marked(joined) if joined else plain(clean(typed, limit=500))


def canceled_by(meeting: Meeting, *, options: SlackOptions) -> str:
    """Return who canceled, and why."""
    said = (meeting.canceled_by or meeting.canceler_type or "unknown", meeting.cancel_reason)
    told = ": ".join(part for part in said if part)
    return clean(discreet(told, meeting=meeting, options=options), limit=600)


def discreet(text: str, *, meeting: Meeting, options: SlackOptions) -> str:
    """Return a text in which the invitee's address stands as the rule wants it."""
    email = meeting.email.strip()
    if not (email and options.mask_email):
        return text
    return re.sub(re.escape(email), lambda _: mask(email), text, flags=re.IGNORECASE)


def _name(host: Person, options: SlackOptions) -> str:
    return host.name or _address(host.email, options)


def _address(email: str, options: SlackOptions) -> str:
    return mask(email) if options.mask_email else email
