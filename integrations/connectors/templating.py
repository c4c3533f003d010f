"""Templates that staff write into a mapping: Django's own, with nothing in reach but the values they are given.

No files, no loading, no settings, no clock; a few tags and filters of Django's, none of which can be made to use
much memory or time. Nothing is escaped, as what comes out is text for a field; `as_html` escapes every value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.template import Context, Engine, Library, Template, TemplateSyntaxError
from django.template import defaultfilters as filters
from django.template import defaulttags as tags
from django.template.base import TextNode
from django.template.defaulttags import ForNode

#: Longer templates are refused, and longer texts are cut.
MOST_TEMPLATE = 8_000
MOST_TEXT = 131_072

register = Library()
for _tag in (tags.do_if, tags.do_for, tags.do_with, tags.comment, tags.firstof):
    register.tag(_tag.__name__.removeprefix("do_"), _tag)
for _filter in (
    filters.capfirst, filters.cut, filters.date, filters.default, filters.force_escape, filters.join, filters.length,
    filters.lower, filters.pluralize, filters.striptags, filters.time, filters.title, filters.truncatechars,
    filters.truncatewords, filters.upper, filters.wordcount, filters.yesno,
):  # fmt: skip
    register.filter(_filter.__name__, _filter)


@register.filter
def local(moment: object, zone: object) -> object:
    """Return a moment as a clock in a time zone shows it; in UTC where the zone is unknown."""
    if not isinstance(moment, datetime):
        return ""
    try:
        return moment.astimezone(ZoneInfo(str(zone)) if zone else UTC).replace(tzinfo=None)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment.astimezone(UTC).replace(tzinfo=None)


@register.simple_tag(takes_context=True)
def answer(context: Context, question: object) -> str:
    """Return the answer to a question; nothing where it was not asked."""
    wanted = folded(str(question))
    found = (item["answer"] for item in context["answers"] if folded(item["question"]) == wanted)
    return next(found, "")


class _Closed(Engine):
    """Django's engine without anything that reaches outside."""

    default_builtins: ClassVar = [__name__]


#: What stands where a name is unknown, until it is taken out again and told.
_UNKNOWN = re.compile("\ufdd0(.*?)\ufdd1", re.DOTALL)
_MARKED = "\ufdd0%s\ufdd1"
_engines = {
    as_html: _Closed(loaders=[], autoescape=as_html, string_if_invalid=_MARKED)
    for as_html in (False, True)
}


def folded(text: str) -> str:
    """Return a text without what people do not see a difference in: case, and how wide the blanks are."""
    return " ".join(text.split()).casefold()


def problem(text: str, *, names: Mapping[str, Any], as_html: bool = False) -> str:
    """Return why a template cannot be used, with the place, or nothing; `names` are all that may be named."""
    if len(text) > MOST_TEMPLATE:
        return f"The template is longer than {MOST_TEMPLATE} characters."
    try:
        template = _compiled(text, as_html)
    except TemplateSyntaxError as error:
        return f"The template cannot be read{_place(text, error)}: {error}"
    if _nested(template):
        return "The template has a loop inside a loop; that is not allowed."
    try:
        _, unknown = render(text, names=names, as_html=as_html)
    except TemplateSyntaxError as error:
        return f"The template cannot be used: {error}."
    return f"The template names {unknown[0]!r}, which there is not." if unknown else ""


def render(
    text: str,
    *,
    names: Mapping[str, Any],
    as_html: bool = False,
    encode: Callable[[str], str] | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Return the text that the template makes of the names, and the names in it that there are not.

    `as_html` escapes what the names stand for, and leaves the template's own markup as it is. `encode` is applied to
    whatever a tag or a value makes, and not to what stands between them.

    Raises:
        TemplateSyntaxError: it cannot be read, or a filter does not fit its value.
    """
    template, context = _compiled(text, as_html), Context(dict(names), autoescape=as_html)
    try:
        made = template.render(context) if encode is None else _encoded(template, context, encode)
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
        raise TemplateSyntaxError(f"a tag or filter does not fit its value ({error})") from error
    unknown = tuple(dict.fromkeys(_UNKNOWN.findall(made)))
    return str(_UNKNOWN.sub("", made))[:MOST_TEXT], unknown


def _encoded(template: Template, context: Context, encode: Callable[[str], str]) -> str:
    with context.render_context.push_state(template), context.bind_template(template):
        return "".join(
            node.s
            if isinstance(node, TextNode)
            else _encode(str(node.render_annotated(context)), encode)
            for node in template.nodelist
        )


def _encode(made: str, encode: Callable[[str], str]) -> str:
    """Encode what a tag made; the names that there are not stay marked, and make nothing."""
    unknown = "".join(match.group() for match in _UNKNOWN.finditer(made))
    return encode(_UNKNOWN.sub("", made)) + unknown


@lru_cache(maxsize=512)
def _compiled(text: str, as_html: bool) -> Template:  # positional, for the cache
    return Template(text, engine=_engines[as_html])


def _nested(template: Template) -> bool:
    loops: list[Any] = template.nodelist.get_nodes_by_type(ForNode)
    return any(len(loop.nodelist_loop.get_nodes_by_type(ForNode)) > 0 for loop in loops)


def _place(text: str, error: TemplateSyntaxError) -> str:
    """Return the line of the tag that a syntax error is about, where Django says which it is."""
    token = getattr(error, "token", None)
    line = getattr(token, "lineno", None)
    if line is None:
        return ""
    return f" in line {line}, at {token.contents.split(chr(10))[0][:40]!r}" if token else ""
