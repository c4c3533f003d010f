"""Draw what belongs to no meeting: a digest, an alert. Pure: a notice in, text and blocks out.

Limits: see `card`; a section's text has 3,000 characters. https://docs.slack.dev/reference/block-kit/blocks/section-block
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from integrations.connectors.base import Notice, NoticeLine, NoticeSection
from integrations.connectors.slack.card import MAX_CHARACTERS, Block, Message, size
from integrations.connectors.slack.text import clean, link, marked, plain, words
from integrations.connectors.slack.wording import date_token

#: Makes the button by which a person says that they have seen these deliveries' failures.
Button = Callable[[tuple[int, ...]], Block]

#: Two of Slack's fifty are left for what was cut and for the link to more.
_MOST_BLOCKS = 48
_SECTION = 2_900
#: How much of a line and of what is beside it is shown; less where escaping makes it too long.
_LENGTHS = ((300, 600), (150, 150), (60, 0))
_FALLBACK = 2_000


def draw_notice(notice: Notice, *, button: Button | None = None) -> Message:
    """Return the message; `button` stands beside each line that has something to acknowledge."""
    title = clean(notice.title, limit=150)
    blocks: list[Block] = [{"type": "header", "text": plain(title)}]
    tail = list(_tail(notice))
    blocks += _fitting(notice, button, room=MAX_CHARACTERS - size([*blocks, *tail]))
    return Message(text=_fallback(title, notice), blocks=(*blocks, *tail))


def _fitting(notice: Notice, button: Button | None, *, room: int) -> Iterator[Block]:
    """Yield blocks while there is room, then how many lines were left out."""
    drawn = [pair for section in notice.sections for pair in _section(section, button)]
    blocks_left = _MOST_BLOCKS - 1
    for place, (block, _) in enumerate(drawn):
        room, blocks_left = room - size([block]), blocks_left - 1
        if room < 0 or blocks_left < 0:
            yield _left_out(sum(lines for _, lines in drawn[place:]))
            return
        yield block


def _left_out(lines: int) -> Block:
    return {"type": "context", "elements": [plain(f"and {lines} more")]}


def _section(section: NoticeSection, button: Button | None) -> Iterator[tuple[Block, int]]:
    """Yield the section's blocks, each with how many lines it holds; lines without a button share one."""
    texts: list[str] = [f"*{words(clean(section.heading, limit=150))}*"] if section.heading else []
    held = 0
    for line in section.lines:
        drawn, has_button = _line(line), bool(button and line.acknowledges)
        if texts and (has_button or len("\n".join([*texts, drawn])) > _SECTION):
            yield _block(texts), held
            texts, held = [], 0
        if button and line.acknowledges:
            yield {**_block([drawn]), "accessory": button(line.acknowledges)}, 1
        else:
            texts, held = [*texts, drawn], held + 1
    if texts:
        yield _block(texts), held


def _block(texts: Sequence[str]) -> Block:
    return {"type": "section", "text": marked("\n".join(texts))}


def _line(line: NoticeLine) -> str:
    """Return a line and what is beside it, every value escaped, as long as a section can take."""
    drawn = (_drawn(line, most=most, beside=beside) for most, beside in _LENGTHS)
    return next((text for text in drawn if len(text) <= _SECTION), words(clean(line.text, limit=60)))  # fmt: skip


def _drawn(line: NoticeLine, *, most: int, beside: int) -> str:
    text = clean(line.text, limit=most)
    said = link(line.url, text, limit=most) or words(text)
    when = f"{date_token(line.at)}  " if line.at else ""
    detail = _with_links(clean(line.detail, limit=beside)) if beside else ""
    return f"• {when}{said}" + (f"\n    {detail}" if detail else "")


def _with_links(text: str) -> str:
    """Return harmless text in which a web address can be opened, and nothing else is a link."""
    return " ".join(link(word, word) or words(word) for word in text.split())


def _tail(notice: Notice) -> Iterator[dict[str, Any]]:
    if opened := link(notice.url, "Open in Calsync"):
        yield {"type": "context", "elements": [marked(opened)]}


def _fallback(title: str, notice: Notice) -> str:
    """Return the words for notifications, screen readers, and for where the layout is refused."""
    lines = (line.text for section in notice.sections for line in section.lines)
    return words(clean(". ".join([title, *lines]), limit=_FALLBACK))
