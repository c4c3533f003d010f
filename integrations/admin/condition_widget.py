"""Rows of conditions on a page: which controls each needs, and what came back of them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from bookings.models import Invitee
from integrations import conditions
from integrations.admin.condition_layout import (
    ALL,
    ANY,
    MODES,
    Layout,
    Row,
    RowGroup,
    settled,
    tree_of,
)
from integrations.conditions import FACTS, OPERATORS, Fact, Operator, Problem, Takes, Type

#: A row's place: the number of its group and its own.
Place = tuple[int, int]

_TEMPLATE = "admin/integrations/rule/conditions.html"
_BEYOND = "admin/integrations/rule/conditions_beyond.html"
_KEY = re.compile(r"^(\d{1,4})-(\d{1,4})-(fact|argument|op|value)$")
_MODE = re.compile(r"^(\d{1,4})-mode$")
#: Rows that are ready to be filled in where a browser runs no scripts.
_SPARE = 2
#: How many recent invitees are looked at for questions, and how many questions are offered.
_INVITEES, _QUESTIONS = 200, 50
_PARTIAL = frozenset({"contains", "does not contain", "starts with", "ends with"})
_KINDS = {Type.NUMBER: "number", Type.YES_NO: "yes_no", Type.MOMENT: "moment"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Say how a row is drawn: its name, its operators, how its value is written, and what is wrong with it."""

    name: str
    row: Row
    fact: Fact | None = None
    operators: tuple[tuple[str, str, str], ...] = ()
    kind: str = "any"
    problem: Problem | None = None

    @property
    def wrong(self) -> str:
        """Return which of its controls is wrong: fact, argument, op or value."""
        return self.problem.place if self.problem else ""

    @property
    def values(self) -> list[str]:
        """Return the values, one for each line; two for a range."""
        lines = self.row.value.splitlines()
        return [*lines, "", ""][: max(2, len(lines))] if self.kind == "range" else lines

    @property
    def size(self) -> int:
        """Return how many choices are seen at once."""
        return min(8, len(self.fact.choices)) if self.fact else 5

    @property
    def strange(self) -> list[str]:
        """Return values that are none of the choices: they are shown and refused, not lost."""
        known = self.fact.choices if self.fact else ()
        return [value for value in self.row.value.splitlines() if value not in known]


class ConditionsWidget(forms.Widget):
    """Show conditions as rows that can be added and removed."""

    class Media:
        js: ClassVar = ("integrations/conditions.js",)
        css: ClassVar = {"all": ("integrations/rule.css",)}

    problems: Mapping[Place, Problem] = {}
    #: Conditions that have no rows, in words; empty where they cannot be read. None: they have rows.
    beyond: str | None = None
    questions: Sequence[str] = ()

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Layout:
        """Return the rows that were sent, in the order of their numbers."""
        return settled(_read(data, name))

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        """Tell that rows are never left out: none is none."""
        return False

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the rows, templates for more, and what a script has to know of the facts."""
        if self.beyond is not None:
            return render_to_string(_BEYOND, {"sentence": self.beyond})
        layout = value if isinstance(value, Layout) else Layout()
        return render_to_string(
            _TEMPLATE, {**_context(name, layout, self.problems), "questions": self.questions}
        )


class ConditionsField(forms.Field):
    """Take conditions as a layout; the form checks them, with each fault at its row."""

    widget = ConditionsWidget

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Leave it to the JSON to tell what was changed."""
        return False


def problems_of(layout: Layout) -> dict[Place, Problem]:
    """Return what is wrong, at most one thing for a row."""
    return {
        (g, r): found[0]
        for g, group in enumerate(layout.groups)
        for r, row in enumerate(group.rows)
        if (found := conditions.check(tree_of(Layout(groups=(RowGroup(rows=(row,)),)))))
    }


def known_questions() -> list[str]:
    """Return what invitees were asked lately; the newest of them alone are looked at."""
    recent = Invitee.objects.order_by("-id").values_list("answers", flat=True)[:_INVITEES]
    found = {
        str(answer.get("question", "")): None
        for answers in recent
        for answer in answers or ()
        if isinstance(answer, dict)
    }
    return [question for question in found if question][:_QUESTIONS]


def _read(data: Any, name: str) -> Layout:
    rows: dict[int, dict[int, dict[str, str]]] = {}
    modes: dict[int, str] = {}
    for key in data:
        rest = key.removeprefix(f"{name}__")
        if rest == key:
            continue
        if found := _KEY.match(rest):
            text = "\n".join(line.strip() for line in _lines(data, key))
            rows.setdefault(int(found[1]), {}).setdefault(int(found[2]), {})[found[3]] = text
        elif found := _MODE.match(rest):
            modes[int(found[1])] = data[key] if data[key] in MODES else ALL
    groups = tuple(
        RowGroup(mode=modes.get(g, ALL), rows=tuple(Row(**rows[g][r]) for r in sorted(rows[g])))
        for g in sorted(rows)
    )
    return Layout(join=ANY if data.get(f"{name}__join") == ANY else ALL, groups=groups)


def _lines(data: Any, key: str) -> Iterator[str]:
    """Yield the lines of one control, or the values of several."""
    values: Iterable[str] = data.getlist(key) if isinstance(data, QueryDict) else [data[key]]
    for value in values:
        yield from (line for line in str(value).splitlines() if line.strip())


def _context(name: str, layout: Layout, problems: Mapping[Place, Problem]) -> dict[str, Any]:
    groups = [
        {
            "name": f"{name}__{g}",
            "mode": group.mode,
            "rows": [_control(name, g, r, row, problems.get((g, r))) for r, row in enumerate(group.rows)],
            "spare": [_control(name, g, len(group.rows) + r, Row()) for r in range(_SPARE)],
        }
        for g, group in enumerate(layout.groups or (RowGroup(),))
    ]  # fmt: skip
    further = len(groups)
    return {
        "name": name, "join": layout.join, "groups": groups, "modes": MODES.items(), "facts": _grouped(),
        "sentence": conditions.in_words(tree_of(layout)), "is_empty": not layout.groups,
        "further": {"name": f"{name}__{further}", "mode": ALL, "rows": [_control(name, further, r, Row()) for r in range(_SPARE)], "spare": []},
        "blank_group": {"name": f"{name}__9999", "mode": ALL, "rows": [], "spare": []},
        "blank": Control(name=f"{name}__9999-9999", row=Row()), "kinds": _BLANK_VALUES,
        "all_operators": _all_operators(), "catalogue": _catalogue(),
    }  # fmt: skip


def _control(name: str, g: int, r: int, row: Row, problem: Problem | None = None) -> Control:
    fact = FACTS.get(row.fact)
    offered = tuple(_operators(fact)) if fact else ()
    kind = next((kind for op, _, kind in offered if op == row.op), "any")
    return Control(
        name=f"{name}__{g}-{r}", row=row, fact=fact, operators=offered, kind=kind, problem=problem
    )


def _operators(fact: Fact) -> Iterator[tuple[str, str, str]]:
    """Yield a fact's operators: the name, the words, and how the value is written."""
    for operator in OPERATORS[fact.type].values():
        yield operator.name, _words(operator), _kind(fact, operator)


def _words(operator: Operator) -> str:
    return operator.words.replace("{}", "").strip()


def _kind(fact: Fact, operator: Operator) -> str:
    has_choices = bool(fact.choices) and operator.name not in _PARTIAL
    match operator.takes:
        case Takes.NOTHING:
            return "nothing"
        case Takes.MANY:
            return "choices" if has_choices else "lines"
        case Takes.RANGE:
            return "range"
    return "choice" if has_choices else _KINDS.get(fact.type, "text")


#: An empty control for each way to write a value, to be copied by the script.
_BLANK_VALUES = [
    Control(name="", row=Row(), kind=kind)
    for kind in ("nothing", "text", "number", "range", "yes_no", "moment", "lines", "choice", "choices", "any")
]  # fmt: skip


@cache
def _grouped() -> list[tuple[str, list[Fact]]]:
    groups: dict[str, list[Fact]] = {}
    for fact in FACTS.values():
        groups.setdefault(fact.group, []).append(fact)
    return list(groups.items())


@cache
def _all_operators() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return every operator by the type of fact, for rows whose fact is not known yet."""
    return [
        (str(kind), [(operator.name, _words(operator)) for operator in known.values()])
        for kind, known in OPERATORS.items()
    ]


@cache
def _catalogue() -> dict[str, Any]:
    """Return what the script has to know: of each fact its operators, argument and choices."""
    return {
        fact.name: {"operators": list(_operators(fact)), "argument": fact.argument, "choices": fact.choices}
        for fact in FACTS.values()
    }  # fmt: skip
