"""How a fact is compared: its types, and the operators of each."""

import enum
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: A fact's value; None where nobody told.
Value = str | int | float | bool | datetime | tuple[str, ...] | None

#: Longer texts and lists, and larger numbers, are refused.
MOST_TEXT = 500
MOST_ITEMS = 200
MOST_NUMBER = 10**15


class Type(enum.StrEnum):
    """What sort of value a fact has."""

    TEXT = "text"
    NUMBER = "number"
    YES_NO = "yes or no"
    MOMENT = "date and time"
    LIST = "list of texts"


class Takes(enum.StrEnum):
    """What an operator compares with."""

    NOTHING = "nothing"
    ONE = "one value"
    MANY = "a list of values"
    RANGE = "two values, the lower one first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Name a comparison; `words` and `denied` say it and its opposite, with `{}` for what it compares with.

    `test` takes the fact's value and what it is compared with, both made comparable by `comparable`.
    """

    name: str
    words: str
    denied: str
    test: Callable[[Any, Any], bool]
    takes: Takes = Takes.ONE


def folded(text: str) -> str:
    """Return a text without what people see no difference in: case, how wide blanks are, and how an accent is encoded."""
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()


def comparable(kind: Type, value: object) -> Any:
    """Return a value as the operators of the type compare it, or None where it is not of the type."""
    match kind:
        case Type.TEXT:
            return folded(value) if isinstance(value, str) else None
        case Type.NUMBER:
            return value if _is_number(value) else None
        case Type.YES_NO:
            return value if isinstance(value, bool) else None
        case Type.MOMENT:
            return _moment(value)
        case Type.LIST:
            return _texts(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not (isinstance(value, float) and math.isnan(value)) and abs(value) <= MOST_NUMBER


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            return None
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _texts(value: object) -> frozenset[str] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        return None
    return frozenset(map(folded, value))


def _text_operators() -> tuple[Operator, ...]:
    return (
        Operator(name="is", words="is {}", denied="is not {}", test=lambda a, b: a == b),
        Operator(name="is not", words="is not {}", denied="is {}", test=lambda a, b: a != b),
        Operator(name="contains", words="contains {}", denied="does not contain {}", test=lambda a, b: b in a),
        Operator(name="does not contain", words="does not contain {}", denied="contains {}", test=lambda a, b: b not in a),
        Operator(name="starts with", words="starts with {}", denied="does not start with {}", test=lambda a, b: a.startswith(b)),
        Operator(name="ends with", words="ends with {}", denied="does not end with {}", test=lambda a, b: a.endswith(b)),
        Operator(name="is one of", words="is one of {}", denied="is none of {}", takes=Takes.MANY, test=lambda a, b: a in b),
        Operator(name="is none of", words="is none of {}", denied="is one of {}", takes=Takes.MANY, test=lambda a, b: a not in b),
        Operator(name="is empty", words="is empty", denied="is not empty", takes=Takes.NOTHING, test=lambda a, _: not a),
        Operator(name="is not empty", words="is not empty", denied="is empty", takes=Takes.NOTHING, test=lambda a, _: bool(a)),
    )  # fmt: skip


def _number_operators() -> tuple[Operator, ...]:
    return (
        Operator(name="=", words="is {}", denied="is not {}", test=lambda a, b: a == b),
        Operator(name="!=", words="is not {}", denied="is {}", test=lambda a, b: a != b),
        Operator(name="<", words="is less than {}", denied="is at least {}", test=lambda a, b: a < b),
        Operator(name="<=", words="is at most {}", denied="is more than {}", test=lambda a, b: a <= b),
        Operator(name=">", words="is more than {}", denied="is at most {}", test=lambda a, b: a > b),
        Operator(name=">=", words="is at least {}", denied="is less than {}", test=lambda a, b: a >= b),
        Operator(name="between", words="is between {}", denied="is not between {}", takes=Takes.RANGE, test=lambda a, b: b[0] <= a <= b[1]),
    )  # fmt: skip


def _list_operators() -> tuple[Operator, ...]:
    return (
        Operator(name="has", words="has {}", denied="does not have {}", test=lambda a, b: b in a),
        Operator(name="has any of", words="has any of {}", denied="has none of {}", takes=Takes.MANY, test=lambda a, b: not a.isdisjoint(b)),
        Operator(name="has none of", words="has none of {}", denied="has any of {}", takes=Takes.MANY, test=lambda a, b: a.isdisjoint(b)),
        Operator(name="has all of", words="has all of {}", denied="does not have all of {}", takes=Takes.MANY, test=lambda a, b: a.issuperset(b)),
        Operator(name="is empty", words="is empty", denied="is not empty", takes=Takes.NOTHING, test=lambda a, _: not a),
    )  # fmt: skip


def _named(operators: tuple[Operator, ...]) -> Mapping[str, Operator]:
    return {operator.name: operator for operator in operators}


#: Every operator of each type by its name, in the order in which they are offered.
OPERATORS: Mapping[Type, Mapping[str, Operator]] = {
    Type.TEXT: _named(_text_operators()),
    Type.NUMBER: _named(_number_operators()),
    Type.YES_NO: _named((
        Operator(name="is", words="is {}", denied="is not {}", test=lambda a, b: a == b),
    )),
    Type.MOMENT: _named((
        Operator(name="before", words="is before {}", denied="is not before {}", test=lambda a, b: a < b),
        Operator(name="after", words="is after {}", denied="is not after {}", test=lambda a, b: a > b),
    )),
    Type.LIST: _named(_list_operators()),
}  # fmt: skip
