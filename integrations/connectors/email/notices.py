"""A digest or an alert as a message: text and HTML, every word escaped."""

from collections.abc import Iterator
from datetime import UTC

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrations.connectors.base import Notice, NoticeLine, NoticeSection
from integrations.connectors.email import addresses, layout
from integrations.connectors.email.rendering import Content, web_address


def draw(notice: Notice, *, sender: str) -> Content:
    """Return what a notice says."""
    title = addresses.line(notice.title) or "Calsync"
    sections = format_html_join("", "{}", ((_section(section),) for section in notice.sections))
    link = web_address(notice.url)
    more = format_html('<p><a class="button" href="{}">Open in Calsync</a></p>', link) if link else SafeString("")  # fmt: skip
    body = format_html("<h1>{}</h1>{}{}", title, sections, more)
    return Content(
        subject=title,
        text="\n".join(_text(notice, title, link)).strip() + "\n",
        html=layout.wrap(body, title=title, sender=sender),
    )


def _text(notice: Notice, title: str, link: str) -> Iterator[str]:
    yield title
    for section in notice.sections:
        yield from ("", addresses.line(section.heading))
        for item in section.lines:
            parts = (_when(item), addresses.line(item.text, limit=500), web_address(item.url))
            yield "- " + " ".join(part for part in parts if part)
            if item.detail:
                yield "  " + addresses.line(item.detail, limit=500)
    if link:
        yield from ("", link)


def _section(section: NoticeSection) -> SafeString:
    lines = format_html_join("", "<li>{}</li>", ((_line(item),) for item in section.lines))
    return format_html("<h2>{}</h2><ul>{}</ul>", addresses.line(section.heading), lines)


def _line(item: NoticeLine) -> SafeString:
    text, link, when = addresses.line(item.text, limit=500), web_address(item.url), _when(item)
    said = format_html('<a href="{}">{}</a>', link, text) if link else format_html("{}", text)
    before = format_html('<span class="quiet">{}</span> ', when) if when else SafeString("")
    detail = addresses.line(item.detail, limit=500)
    after = format_html('<br><span class="quiet">{}</span>', detail) if detail else SafeString("")
    return format_html("{}{}{}", before, said, after)


def _when(item: NoticeLine) -> str:
    return f"{item.at.astimezone(UTC):%a %d %b %H:%M} UTC" if item.at else ""
