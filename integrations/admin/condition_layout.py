"""Conditions as a form shows them: groups of rows, each row a comparison written in texts; and the way back to JSON.

Two levels cover nearly everything. What stands deeper, or could not come back as it was, has no layout: it is told in
words, and edited as JSON.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from integrations import conditions
from integrations.conditions import FACTS, OPERATORS, Fact, Operator, Takes, Type

ALL, ANY, NOT_ALL, NONE = "all", "any", "not_all", "none"
#: How the rows of a group belong together, in words.
MODES = {
    ALL: "all of these",
    ANY: "any of these",
    NOT_ALL: "not all of these",
    NONE: "none of these",
}
_DENIED = {ALL: NOT_ALL, ANY: NONE}
_WORDS = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one comparison as it is typed; of several values each has its line."""

    fact: str = ""
    argument: str = ""
    op: str = ""
    value: str = ""

    @property
    def is_blank(self) -> bool:
        """Tell whether nothing was typed: an operator alone says nothing."""
        return not (self.fact or self.argument or self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroup:
    """Hold rows, and how they belong together."""

    mode: str = ALL
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Hold groups, and whether all of them or any has to hold; without groups it holds always."""

    join: str = ALL
    groups: tuple[RowGroup, ...] = ()


def settled(layout: Layout) -> Layout:
    """Return a layout without blank rows, empty groups, and words that make no difference."""
    groups = tuple(_settled(group) for group in layout.groups)
    filled = tuple(group for group in groups if group.rows)
    return Layout(join=layout.join if len(filled) > 1 else ALL, groups=filled)


def _settled(group: RowGroup) -> RowGroup:
    rows = tuple(row for row in group.rows if not row.is_blank)
    mode = group.mode
    if len(rows) == 1:
        mode = ALL if mode in _DENIED else NONE
    return RowGroup(mode=mode, rows=rows)


def layout_of(tree: object) -> Layout | None:
    """Return how a form shows a condition; None where it cannot."""
    if tree == {}:
        return Layout()
    group = _group(tree)
    if group is not None:
        return settled(Layout(groups=(group,)))
    mode, parts = _combined(tree)
    groups = list(_groups(parts, loose=mode)) if mode else []
    if not groups or None in groups:
        return None
    return settled(Layout(join=mode, groups=tuple(group for group in groups if group)))


def _groups(parts: list[object], *, loose: str) -> Iterator[RowGroup | None]:
    """Yield the groups that stand beside each other; neighbours that are in none make one."""
    rows: list[Row] = []
    for part in parts:
        if (row := _row(part)) is not None:
            rows.append(row)
            continue
        if rows:
            yield RowGroup(mode=loose, rows=tuple(rows))
        rows = []
        yield _group(part)
    if rows:
        yield RowGroup(mode=loose, rows=tuple(rows))


def _group(tree: object) -> RowGroup | None:
    """Return comparisons that are combined once, and perhaps denied; None for anything else."""
    if isinstance(tree, Mapping) and tree.keys() == {"not"}:
        inner = _group(tree["not"])
        if inner is None or inner.mode not in _DENIED:
            return None
        return replace(inner, mode=_DENIED[inner.mode])
    if (row := _row(tree)) is not None:
        return RowGroup(rows=(row,))
    mode, parts = _combined(tree)
    rows = [_row(part) for part in parts]
    if not rows or None in rows:
        return None
    return RowGroup(mode=mode, rows=tuple(row for row in rows if row))


def _combined(tree: object) -> tuple[str, list[object]]:
    """Return how parts are combined, and the parts; nothing where they are not."""
    for name, mode in (("and", ALL), ("or", ANY)):
        if isinstance(tree, Mapping) and tree.keys() == {name} and isinstance(tree[name], list):
            return mode, tree[name]
    return "", []


def _row(tree: object) -> Row | None:
    """Return a comparison in texts; None where it is none, is wrong, or would come back as another."""
    node = conditions.parse(tree).node
    if not isinstance(tree, Mapping) or "fact" not in tree or node is None:
        return None
    fact, value = FACTS[tree["fact"]], tree.get("value")
    row = Row(
        fact=fact.name,
        argument="".join(str(tree.get("argument", "")).splitlines()).strip(),
        op=tree["op"],
        value="\n".join(_texts(fact, OPERATORS[fact.type][tree["op"]], value)),
    )
    back = conditions.parse(comparison_of(row)).node
    is_same = back is not None and _meant(back) == _meant(node)
    return row if is_same else None


def _meant(node: Any) -> tuple[Any, ...]:
    return node.fact, node.argument.strip(), node.operator.name, node.wanted


def _texts(fact: Fact, operator: Operator, value: Any) -> Iterator[str]:
    if operator.takes is Takes.NOTHING:
        return
    for one in value if isinstance(value, list) else [value]:
        yield _text(fact, one)


def _text(fact: Fact, value: Any) -> str:
    if isinstance(value, bool):
        return _WORDS[value]
    if fact.type is Type.MOMENT:
        moment = datetime.fromisoformat(value).astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S" if moment.second else "%Y-%m-%dT%H:%M")
    if not isinstance(value, str):
        return json.dumps(value)
    text = " ".join(value.split())
    spelled = {choice.casefold(): choice for choice in fact.choices}
    return spelled.get(text.casefold(), " ".join(value.splitlines()).strip())


def tree_of(layout: Layout) -> dict[str, Any]:
    """Return the condition that a layout stands for, with everything typed in it, right or wrong."""
    layout = settled(layout)
    if not layout.groups:
        return {}
    if len(layout.groups) == 1:
        return _tree(layout.groups[0])
    parts: list[dict[str, Any]] = []
    for group in layout.groups:
        if group.mode == layout.join:
            parts += [comparison_of(row) for row in group.rows]
        else:
            parts.append(_tree(group))
    return _combine(layout.join, parts)


def _tree(group: RowGroup) -> dict[str, Any]:
    plain = {denied: mode for mode, denied in _DENIED.items()}
    inner = _combine(plain.get(group.mode, group.mode), [comparison_of(row) for row in group.rows])
    return {"not": inner} if group.mode in plain else inner


def _combine(mode: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {"or" if mode == ANY else "and": parts}


def comparison_of(row: Row) -> dict[str, Any]:
    """Return the comparison of a row; what cannot be read stays as it was typed, for `conditions.check` to tell."""
    fact = FACTS.get(row.fact)
    operator = OPERATORS[fact.type].get(row.op) if fact else None
    made: dict[str, Any] = {"fact": row.fact}
    if row.argument.strip():
        made["argument"] = row.argument.strip()
    made["op"] = row.op
    if row.value.strip() or (operator and operator.takes is not Takes.NOTHING):
        made["value"] = _value(row, fact.type if fact else Type.TEXT, operator)
    return made


def _value(row: Row, kind: Type, operator: Operator | None) -> Any:
    if operator and operator.takes in {Takes.MANY, Takes.RANGE}:
        return [_read(kind, text) for line in row.value.splitlines() if (text := line.strip())]
    return _read(kind, row.value.strip())


def _read(kind: Type, text: str) -> Any:
    match kind:
        case Type.NUMBER:
            return _number(text)
        case Type.YES_NO:
            return {"yes": True, "no": False}.get(text.casefold(), text)
        case Type.MOMENT:
            return _moment(text)
    return text


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _moment(text: str) -> str:
    """Return a moment with its time zone: UTC, where none is named."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
