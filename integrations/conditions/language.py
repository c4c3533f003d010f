"""Read a condition: what it says, or what is wrong with it and where."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.conditions.catalogue import FACTS, Fact
from integrations.conditions.operators import (
    MOST_ITEMS,
    MOST_TEXT,
    OPERATORS,
    Operator,
    Takes,
    Type,
    comparable,
    folded,
)

#: How deep conditions may stand in each other, and how many comparisons there may be.
MOST_DEPTH = 6
MOST_COMPARISONS = 100

#: Where something stands in a condition: names, and numbers of what stands in a list, from 0.
Path = tuple[int | str, ...]

_PARTS = frozenset({"fact", "argument", "op", "value"})
_EXAMPLE = '{"fact": "booking.duration", "op": ">=", "value": 30}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Say what is wrong with a condition, and where; without a path it is the whole."""

    path: Path
    message: str

    @property
    def place(self) -> str:
        """Return where, for people: `and > 2nd > value`."""
        return " > ".join(
            _ordinal(part + 1) if isinstance(part, int) else part for part in self.path
        )

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Compare one fact; `value` is what was typed, `wanted` the same, made comparable."""

    fact: Fact
    argument: str
    operator: Operator
    value: Any
    wanted: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Combine parts: `and` where it asks for `every` one, else `or`. Every one of none is always true."""

    every: bool
    parts: "tuple[Node, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Ask for the opposite."""

    part: "Node"


Node = Comparison | Group | Denial


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """Hold what a condition says; None where there are problems."""

    node: Node | None
    problems: tuple[Problem, ...] = ()


def check(tree: object) -> list[Problem]:
    """Return everything that is wrong with a condition; nothing where it can be used."""
    return list(parse(tree).problems)


def parse(tree: object) -> Parsed:
    """Read a condition, however broken it is."""
    if tree == {}:
        return Parsed(node=Group(every=True))
    reader = _Reader()
    node = reader.read(tree, ())
    if node is None or reader.problems:
        return Parsed(node=None, problems=tuple(reader.problems))
    return Parsed(node=node)


class _WrongError(Exception):
    """Leave the part of the condition that is wrong."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(path=path, message=message)


@dataclass(slots=True)
class _Reader:
    """Read part by part; of one that is wrong note why, and go on with its neighbour."""

    problems: list[Problem] = field(default_factory=list)
    comparisons: int = 0

    def read(self, tree: object, path: Path, depth: int = 0) -> Node | None:
        """Return what a part of the condition says; None where it is wrong."""
        try:
            return self._node(tree, path, depth)
        except _WrongError as error:
            self.problems.append(error.problem)
            return None

    def _node(self, tree: object, path: Path, depth: int) -> Node | None:
        if not isinstance(tree, Mapping):
            raise _WrongError(path, f"Write an object, such as {_EXAMPLE}.")
        name = next((name for name in ("and", "or", "not") if name in tree), None)
        if name is None:
            return self._comparison(tree, path)
        if len(tree) > 1:
            raise _WrongError(path, f"“{name}” stands alone; put what is beside it inside.")
        if depth == MOST_DEPTH:
            raise _WrongError(path, f"At most {MOST_DEPTH} conditions may stand in each other.")
        inner = (*path, name)
        if name == "not":
            part = self.read(tree[name], inner, depth + 1)
            return Denial(part=part) if part else None
        return Group(every=name == "and", parts=tuple(self._parts(tree[name], inner, depth + 1)))

    def _parts(self, parts: object, path: Path, depth: int) -> Iterator[Node]:
        if not isinstance(parts, list) or not parts:
            raise _WrongError(path, "Write a list with one condition at least.")
        if self.comparisons + len(parts) > MOST_COMPARISONS:
            raise _WrongError(path, f"There may be at most {MOST_COMPARISONS} comparisons.")
        for number, part in enumerate(parts):
            node = self.read(part, (*path, number), depth)
            if node:
                yield node

    def _comparison(self, tree: Mapping[Any, Any], path: Path) -> Comparison:
        self.comparisons += 1
        for name in sorted(str(name) for name in tree if name not in _PARTS):
            known = "fact, argument, op and value; or and, or, not alone"
            raise _WrongError(path, f"“{_short(name)}” is not known here. Known are {known}.")
        fact = _fact(tree.get("fact"), (*path, "fact"))
        argument = _argument(fact, tree.get("argument", ""), (*path, "argument"))
        operator = _operator(fact, tree.get("op"), (*path, "op"))
        value = tree.get("value")
        if told := next(_problems_of_value(fact, operator, value), ""):
            raise _WrongError((*path, "value"), told)
        wanted = _wanted(fact.type, operator, value)
        return Comparison(
            fact=fact, argument=argument, operator=operator, value=value, wanted=wanted
        )


def _fact(name: object, path: Path) -> Fact:
    if not isinstance(name, str) or not name:
        raise _WrongError(path, "Name a fact, such as “booking.duration”.")
    if name not in FACTS:
        close = difflib.get_close_matches(name[:MOST_TEXT], FACTS, n=1)
        hint = f" Did you mean “{close[0]}”?" if close else ""
        raise _WrongError(path, f"There is no fact “{_short(name)}”.{hint}")
    return FACTS[name]


def _argument(fact: Fact, argument: object, path: Path) -> str:
    if not isinstance(argument, str) or len(argument) > MOST_TEXT:
        raise _WrongError(path, f"Write a text of at most {MOST_TEXT} characters.")
    if fact.argument and not argument.strip():
        raise _WrongError(path, f"Write the {fact.argument} that is meant.")
    if not fact.argument and argument.strip():
        raise _WrongError(path, f"“{fact.name}” needs nothing beside it; leave it out.")
    return argument


def _operator(fact: Fact, name: object, path: Path) -> Operator:
    known = OPERATORS[fact.type]
    if not isinstance(name, str) or name not in known:
        told = ", ".join(f"“{operator}”" for operator in known)
        raise _WrongError(path, f"“{fact.name}” ({fact.type}) is compared by {told}.")
    return known[name]


def _problems_of_value(fact: Fact, operator: Operator, value: object) -> Iterator[str]:
    match operator.takes:
        case Takes.NOTHING:
            if value is not None:
                yield f"“{operator.name}” needs no value; leave it out."
        case Takes.ONE:
            yield from _problems_of_one(fact, operator, value)
        case Takes.MANY:
            if not isinstance(value, list) or not 0 < len(value) <= MOST_ITEMS:
                yield f"Write one to {MOST_ITEMS} texts; in JSON a list of them."
                return
            for item in value:
                yield from _problems_of_one(fact, operator, item)
        case Takes.RANGE:
            bounds = value if isinstance(value, list) else []
            numbers = [comparable(fact.type, bound) for bound in bounds]
            if len(numbers) != 2 or None in numbers or numbers[0] > numbers[1]:
                yield "Write two numbers, the lower one first; in JSON a list of them."


def _problems_of_one(fact: Fact, operator: Operator, value: object) -> Iterator[str]:
    match fact.type:
        case Type.TEXT | Type.LIST:
            if not isinstance(value, str) or not value.strip() or len(value) > MOST_TEXT:
                yield f"Write a text of one to {MOST_TEXT} characters; in JSON in quotes."
            elif _is_no_choice(fact, operator, value):
                yield f"“{_short(value)}” is none of its values: {', '.join(fact.choices)}."
        case Type.NUMBER if comparable(fact.type, value) is None:
            yield "Write a number; in JSON without quotes."
        case Type.YES_NO if comparable(fact.type, value) is None:
            yield "Say yes or no; in JSON true or false, without quotes."
        case Type.MOMENT if not isinstance(value, str) or comparable(fact.type, value) is None:
            yield "Write a moment with its time zone, such as “2027-01-31T09:00:00+01:00”."


def _is_no_choice(fact: Fact, operator: Operator, value: str) -> bool:
    """Tell whether a fact with known values can never have this one; a part of a value may be anything."""
    if operator.name in {"contains", "does not contain", "starts with", "ends with"}:
        return False
    return bool(fact.choices) and folded(value) not in map(folded, fact.choices)


def _wanted(kind: Type, operator: Operator, value: Any) -> Any:
    """Return a checked value as the operator compares with it."""
    match operator.takes:
        case Takes.NOTHING:
            return None
        case Takes.MANY:
            return comparable(Type.LIST, value)
        case Takes.RANGE:
            return tuple(value)
    return comparable(Type.TEXT if kind is Type.LIST else kind, value)


def _ordinal(number: int) -> str:
    teens = 10 < number % 100 < 14
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
