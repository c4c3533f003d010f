"""A condition in words: the whole of it in a sentence, and why one comparison does not let a rule act."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.conditions.catalogue import Fact
from integrations.conditions.language import Comparison, Denial, Group, Node, parse
from integrations.conditions.operators import Takes, Type, Value

#: How much of a long text and of a long list a reason quotes.
_MOST_TEXT = 80
_MOST_ITEMS = 5


def in_words(tree: object) -> str:
    """Return a condition as one sentence without its full stop; nothing where it cannot be read."""
    node = parse(tree).node
    return _node(node) if node else ""


def _node(node: Node) -> str:
    match node:
        case Comparison():
            return claim(node)
        case Denial(part=Comparison() as part):
            return claim(part, denied=True)
        case Denial(part=part):
            return f"not ({_node(part)})"
        case Group(parts=()):
            return "always"
        case Group(every=every, parts=parts):
            return (" and " if every else " or ").join(map(_part, parts))


def _part(node: Node) -> str:
    several = isinstance(node, Group) and len(node.parts) > 1
    return f"({_node(node)})" if several else _node(node)


def claim(comparison: Comparison, *, denied: bool = False) -> str:
    """Return what a comparison, or its denial, claims."""
    fact = comparison.fact
    if fact.type is Type.YES_NO:
        return _yes_or_no(fact, is_true=comparison.wanted is not denied)
    return f"{subject(comparison)} {_asked(comparison, denied=denied)}"


def subject(comparison: Comparison) -> str:
    """Return the words for what is compared."""
    words = comparison.fact.words
    return f"{words} “{_short(comparison.argument)}”" if comparison.argument.strip() else words


def not_known(comparison: Comparison) -> str:
    """Return that nobody told what is compared."""
    fact = comparison.fact
    if fact.type is Type.YES_NO:
        return f"it is not known whether {fact.words}"
    return f"{subject(comparison)} is not known"


def held(comparison: Comparison, *, denied: bool) -> str:
    """Return that a comparison, or its denial, is true; nothing that may name a person is quoted."""
    if comparison.fact.names_person:
        return f"{subject(comparison)} is what the rule asks for"
    return claim(comparison, denied=denied)


def against(comparison: Comparison, value: Value, *, denied: bool) -> str:
    """Return why a comparison, or its denial, is false; nothing that may name a person is quoted."""
    fact = comparison.fact
    if fact.type is Type.YES_NO:
        return _yes_or_no(fact, is_true=comparison.wanted is denied)
    if fact.names_person:
        return f"{subject(comparison)} is not what the rule asks for"
    asked = _asked(comparison, denied=denied)
    return f"{subject(comparison)} {_is(fact, value)}, and the rule asks that it {asked}"


def _yes_or_no(fact: Fact, *, is_true: bool) -> str:
    return fact.words if is_true else f"it is not so that {fact.words}"


def _is(fact: Fact, value: Value) -> str:
    if value in (None, "", ()):
        return "is empty"
    return f"has {_shown(value)}" if fact.type is Type.LIST else f"is {_shown(value)}"


def _asked(comparison: Comparison, *, denied: bool) -> str:
    operator, value = comparison.operator, comparison.value
    words = operator.denied if denied else operator.words
    if operator.takes is Takes.RANGE:
        return words.format(f"{_shown(value[0])} and {_shown(value[1])}")
    return words.format(_shown(comparison.wanted if comparison.fact.type is Type.MOMENT else value))


def _shown(value: Any) -> str:
    match value:
        case str():
            return f"“{_short(' '.join(value.split()))}”"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        case float():
            return f"{value:.2f}".rstrip("0").rstrip(".")
        case list() | tuple():
            return _several(value)
    return str(value)


def _several(values: Sequence[Any]) -> str:
    told = ", ".join(_shown(value) for value in values[:_MOST_ITEMS])
    more = len(values) - _MOST_ITEMS
    return f"{told} and {more} more" if more > 0 else told


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}…"
