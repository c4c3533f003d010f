"""Draw a meeting's card from its present state. Pure: a meeting in, text and blocks out.

Limits: https://docs.slack.dev/reference/block-kit/blocks - 50 blocks, a header of 150 characters, 10 fields
of 2,000; undocumented, all blocks together below about 13,200: https://github.com/slackapi/bolt-js/issues/2509
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookings.meeting import Meeting
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.text import clean, escape, link, marked, mask, plain

MAX_CHARACTERS = 9_000
_MAX_ANSWERS = 20

Block = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Hold what is posted: the words for notifications and screen readers, and the layout."""

    text: str
    blocks: tuple[Mapping[str, Any], ...]

    @property
    def content_hash(self) -> str:
        """Return what tells two contents apart."""
        content = json.dumps([self.text, self.blocks], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def draw_card(meeting: Meeting, *, options: SlackOptions, booking_url: str) -> Message:
    """Return the card; it depends on the present state alone, never on the event that caused it."""
    title = clean(f"{status(meeting)}: {meeting.name or 'Meeting'}", limit=150)
    blocks: list[Block] = [{"type": "header", "text": plain(title)}]
    blocks.append({"type": "section", "fields": list(_fields(meeting, options))})
    context = " · ".join(_context(meeting, booking_url))
    tail: list[Block] = [{"type": "context", "elements": [marked(context)]}] if context else []
    if options.show_answers:
        blocks.extend(_answers(meeting, room=MAX_CHARACTERS - size([*blocks, *tail])))
    text = f"{title} - {_who(meeting, options)}, {in_utc(meeting.start_at)}"
    return Message(text=escape(text), blocks=(*blocks, *tail))


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


def hosts(meeting: Meeting, *, options: SlackOptions) -> str:
    """Return the hosts' names in one line."""
    names = (host.name or _address(host.email, options) for host in meeting.hosts)
    return clean(", ".join(names), limit=300)


def place(meeting: Meeting) -> dict[str, Any]:
    """Return where to meet as a text object: the join link, or what was typed."""
    joined = link(meeting.join_url, "Join the meeting")
    return marked(joined) if joined else plain(clean(meeting.location_text, limit=500))


def size(blocks: list[Block]) -> int:
    """Return how much of Slack's allowance the blocks use, counted generously."""
    return len(json.dumps(blocks, ensure_ascii=False).encode("utf-16-le")) // 2


def _fields(meeting: Meeting, options: SlackOptions) -> Iterator[Mapping[str, Any]]:
    yield from (marked("*Who*"), plain(_who(meeting, options)))
    yield from (marked("*When*"), marked("\n".join(_when(meeting))))
    if meeting.hosts:
        yield from (marked("*Host*"), plain(hosts(meeting, options=options)))
    if meeting.join_url or meeting.location_text:
        yield from (marked("*Where*"), place(meeting))
    if meeting.is_canceled:
        yield from (marked("*Canceled by*"), plain(canceled_by(meeting)))


def canceled_by(meeting: Meeting) -> str:
    """Return who canceled, and why."""
    said = (meeting.canceled_by or meeting.canceler_type or "unknown", meeting.cancel_reason)
    return clean(": ".join(part for part in said if part), limit=600)


def _when(meeting: Meeting) -> Iterator[str]:
    if meeting.previous_start_at and meeting.previous_start_at != meeting.start_at:
        yield f"~{date_token(meeting.previous_start_at)}~"
    yield date_token(meeting.start_at)
    local = in_zone(meeting.start_at, meeting.timezone)
    if local:
        yield escape(f"Invitee: {clean(local, limit=100)}")


def _who(meeting: Meeting, options: SlackOptions) -> str:
    address = _address(meeting.email, options)
    name = meeting.invitee_name
    if meeting.email and options.mask_email:
        name = name.replace(meeting.email, address)
    who = f"{name} ({address})" if name and address and name != address else name or address
    return clean(who or "unknown", limit=300)


def _address(email: str, options: SlackOptions) -> str:
    return mask(email) if options.mask_email else email


def _context(meeting: Meeting, booking_url: str) -> Iterator[str]:
    if meeting.reschedule_count:
        times = meeting.reschedule_count
        yield "Rescheduled once" if times == 1 else f"Rescheduled {times} times"
    if meeting.guests:
        yield f"{len(meeting.guests)} guest{'s' if len(meeting.guests) > 1 else ''}"
    opened = link(booking_url, "Open in Calsync")
    if opened:
        yield opened


def _answers(meeting: Meeting, *, room: int) -> Iterator[Block]:
    """Yield one section an answer while there is room, then how many were left out."""
    given = [item for item in meeting.answers if item.answer.strip()]
    for number, item in enumerate(given):
        question, answer = clean(item.question, limit=200), clean(item.answer, limit=500)
        block: Block = {"type": "section", "text": plain(f"{question}\n{answer}")}
        room -= size([block])
        if number >= _MAX_ANSWERS or room < 0:
            left = plain(f"and {len(given) - number} more answers")
            yield {"type": "context", "elements": [left]}
            return
        yield block
