"""Decide whether a condition holds: true, false, or not known, of which only true lets a rule act."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from integrations.conditions import words
from integrations.conditions.language import Comparison, Denial, Group, Node, Parsed, parse
from integrations.conditions.operators import Takes, Type, Value, comparable

#: Return a fact's value by its name and argument; None where nobody told. It must not raise.
Facts = Callable[[str, str], Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say whether a condition holds, and the first thing that decided, in words that name no person."""

    holds: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Hold what is known of a part: true, false, or None; and why."""

    truth: bool | None
    reason: str


def evaluate(tree: object, facts: Facts) -> Verdict:
    """Decide whether a condition holds."""
    return judge(parse(tree), facts)


def judge(parsed: Parsed, facts: Facts) -> Verdict:
    """Decide whether a condition that was read before holds. One that could not be read does not."""
    if parsed.node is None:
        return Verdict(
            holds=False, reason="its conditions cannot be read; correct them in the rule"
        )
    found = _judge(parsed.node, facts, denied=False)
    return Verdict(holds=found.truth is True, reason=found.reason)


def judge_part(node: Node, facts: Facts, *, denied: bool) -> tuple[bool | None, str]:
    """Return whether a part, or its denial, is true (None: not known), and why."""
    found = _judge(node, facts, denied=denied)
    return found.truth, found.reason


def _judge(node: Node, facts: Facts, *, denied: bool) -> _Judged:
    """Judge a part, or its denial: that of `and` is the `or` of the denials, and the other way round."""
    match node:
        case Comparison():
            return _compare(node, facts, denied=denied)
        case Denial(part=part):
            return _judge(part, facts, denied=not denied)
        case Group(every=every, parts=parts):
            judged = (_judge(part, facts, denied=denied) for part in parts)
            return _all_of(judged) if every is not denied else _any_of(judged)


def _all_of(parts: Iterator[_Judged]) -> _Judged:
    unknown: _Judged | None = None
    for part in parts:
        if part.truth is False:
            return part
        unknown = unknown or (part if part.truth is None else None)
    return unknown or _Judged(truth=True, reason="all that the rule asks for is so")


def _any_of(parts: Iterator[_Judged]) -> _Judged:
    false: _Judged | None = None
    unknown: _Judged | None = None
    for part in parts:
        if part.truth:
            return part
        if part.truth is None:
            unknown = unknown or part
        false = false or part
    told = unknown or false
    return _Judged(
        truth=None if unknown else False,
        reason=f"no alternative is so: {told.reason if told else 'there is none'}",
    )


def _compare(comparison: Comparison, facts: Facts, *, denied: bool) -> _Judged:
    fact, operator = comparison.fact, comparison.operator
    value = facts(fact.name, comparison.argument)
    actual = comparable(fact.type, value)
    is_about_nothing = value is None and operator.takes is Takes.NOTHING
    if actual is None and not is_about_nothing:
        return _Judged(truth=None, reason=words.not_known(comparison))
    if operator.test(actual, comparison.wanted) is denied:
        shown = actual if fact.type is Type.MOMENT else value
        return _Judged(truth=False, reason=words.against(comparison, shown, denied=denied))
    return _Judged(truth=True, reason=words.held(comparison, denied=denied))
