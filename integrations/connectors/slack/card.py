"""Draw a meeting's card from its present state. Pure: a meeting in, text and blocks out.

Limits: https://docs.slack.dev/reference/block-kit/blocks - 50 blocks, a header of 150 characters, 10 fields
of 2,000; undocumented, all blocks together below about 13,200: https://github.com/slackapi/bolt-js/issues/2509
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bookings.meeting import Meeting
from integrations.connectors.base import Link
from integrations.connectors.slack import wording
from integrations.connectors.slack.buttons import draw_buttons
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.text import clean, link, marked, plain, words
from integrations.connectors.slack.wording import date_token, in_utc, in_zone

#: What the card uses of the 10,000 characters that are safe: there is room for one more block.
MAX_CHARACTERS = 8_000
_MAX_FIELDS = 10
_MAX_ANSWERS = 20
_MAX_CONTEXT = 1_500
_NOBODY: Mapping[str, str] = MappingProxyType({})
_UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
#: The most telling record first.
_ORDER = ("Event", "Contact", "Lead", "Account")

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


def draw_card(
    meeting: Meeting,
    *,
    options: SlackOptions,
    booking_url: str,
    links: Sequence[Link] = (),
    mentions: Mapping[str, str] = _NOBODY,
    buttons: bool = False,
) -> Message:
    """Return the card; it depends on the present state alone, never on the event that caused it.

    `mentions` are the Slack users of hosts, by the digest of their addresses. `buttons`
    are drawn below everything else.
    """
    title = clean(f"{wording.status(meeting)}: {meeting.name or 'Meeting'}", limit=150)
    blocks: list[Block] = [{"type": "header", "text": plain(title)}]
    blocks.extend(_facts(meeting, options, mentions))
    if options.show_utm:
        blocks.extend(_utm(meeting, options))
    context = _joined(_context(meeting, "" if buttons else booking_url, links))
    tail: list[Block] = [{"type": "context", "elements": [marked(context)]}] if context else []
    tail += draw_buttons(meeting, booking_url=booking_url) if buttons else []
    if options.show_answers:
        room = MAX_CHARACTERS - size([*blocks, *tail])
        blocks.extend(_answers(meeting, options, room=room))
    text = f"{title} - {wording.who(meeting, options=options)}, {in_utc(meeting.start_at)}"
    return Message(text=words(text), blocks=(*blocks, *tail))


def size(blocks: list[Block]) -> int:
    """Return how much of Slack's allowance the blocks use, counted generously."""
    return len(json.dumps(blocks, ensure_ascii=False).encode("utf-16-le")) // 2


def _facts(meeting: Meeting, options: SlackOptions, mentions: Mapping[str, str]) -> Iterator[Block]:
    fields = list(_fields(meeting, options, mentions))
    for start in range(0, len(fields), _MAX_FIELDS):
        yield {"type": "section", "fields": fields[start : start + _MAX_FIELDS]}


def _fields(
    meeting: Meeting, options: SlackOptions, mentions: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    yield from (marked("*Who*"), plain(wording.who(meeting, options=options)))
    if wording.what(meeting):
        yield from (marked("*What*"), plain(wording.what(meeting)))
    yield from (marked("*When*"), marked("\n".join(_when(meeting))))
    if meeting.hosts:
        named = wording.mentioned_hosts(meeting, options=options, mentions=mentions)
        yield from (marked("*Host*"), named)
    if meeting.join_url or meeting.location_text:
        yield from (marked("*Where*"), wording.place(meeting, options=options))
    if meeting.is_canceled:
        yield from (marked("*Canceled by*"), plain(wording.canceled_by(meeting, options=options)))


def _when(meeting: Meeting) -> Iterator[str]:
    if meeting.previous_start_at and meeting.previous_start_at != meeting.start_at:
        yield f"~{date_token(meeting.previous_start_at)}~"
    start = date_token(meeting.start_at)
    yield f"~{start}~" if meeting.is_canceled else start
    local = in_zone(meeting.start_at, meeting.timezone)
    if local:
        yield words(f"Invitee: {clean(local, limit=100)}")


def _context(meeting: Meeting, booking_url: str, links: Sequence[Link]) -> Iterator[str]:
    if meeting.reschedule_count:
        times = meeting.reschedule_count
        yield "Rescheduled once" if times == 1 else f"Rescheduled {times} times"
    if meeting.guests:
        yield f"{len(meeting.guests)} guest{'s' if len(meeting.guests) > 1 else ''}"
    yield link(booking_url, "Open in Calsync")
    for item in sorted(links, key=_rank):
        yield link(item.url, _label(item))


def _rank(item: Link) -> int:
    return _ORDER.index(item.object_type) if item.object_type in _ORDER else len(_ORDER)


def _label(item: Link) -> str:
    """Name a record first, then whose it is: "Lead in Salesforce"."""
    owner, _, rest = item.label.partition(": ")
    return f"{rest[:1].upper()}{rest[1:]} in {owner}" if rest else item.label


def _joined(parts: Iterator[str]) -> str:
    """Join what there is, and leave out what has no room."""
    joined = ""
    for part in dict.fromkeys(filter(None, parts)):
        longer = f"{joined} · {part}" if joined else part
        joined = longer if len(longer) <= _MAX_CONTEXT else joined
    return joined


def _utm(meeting: Meeting, options: SlackOptions) -> Iterator[Block]:
    given = ((name, str(meeting.tracking.get(name) or "")) for name in _UTM)
    told = ((name, wording.discreet(value, meeting=meeting, options=options)) for name, value in given)  # fmt: skip
    lines = [f"{name}: {clean(value, limit=120)}" for name, value in told if value.strip()]
    if lines:
        yield {"type": "section", "text": plain("\n".join(lines))}


def _answers(meeting: Meeting, options: SlackOptions, *, room: int) -> Iterator[Block]:
    """Yield one section an answer while there is room, then how many were left out."""
    given = [item for item in meeting.answers if item.answer.strip()]
    for number, item in enumerate(given):
        block = _answer(item.question, wording.discreet(item.answer, meeting=meeting, options=options))  # fmt: skip
        room -= size([block])
        if number >= _MAX_ANSWERS or room < 0:
            count = len(given) - number
            left = plain(f"and {count} more answer{'s' if count > 1 else ''}")
            yield {"type": "context", "elements": [left]}
            return
        yield block


def _answer(question: str, answer: str) -> Block:
    asked, said = clean(question, limit=200), clean(answer, limit=500)
    return {"type": "section", "text": plain(f"{asked}\n{said}")}
