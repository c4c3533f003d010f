"""Install a recipe: its rules, at the connections that were chosen for its roles, in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.models import Connection, Rule
from integrations.recipes import files
from integrations.recipes.entry import LINKS, Entry
from integrations.recipes.reading import Document, Path, Problem, UnusableFileError
from integrations.recipes.shape import Ask, Recipe, RecipeRule, answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Say which rules were made, and which were there already and are as they were."""

    made: Sequence[Rule]
    found: Sequence[Rule]


@transaction.atomic
def install(
    recipe: Recipe,
    *,
    connections: Mapping[str, Connection],
    answers: Mapping[str, str],
    event_types: Sequence[str] = (),
    enabled: bool = False,
    now: datetime,
) -> Installed:
    """Make the recipe's rules that are not there yet, by their names, last in the list.

    A role without a connection is left out, if it may be. With event types (their names), the rules are about those alone.

    Raises:
        UnusableFileError: a role lacks its connection, an answer cannot be used, a rule cannot work; nothing was made.
    """
    _require_roles(recipe, connections)
    wanted = [rule for rule in recipe.rules if rule.role in connections]
    given = _answers(recipe, answers, roles=connections.keys())
    there = list(Rule.objects.filter(name__in=[rule.name for rule in wanted]).order_by("position", "pk"))  # fmt: skip
    names = {rule.name for rule in there}
    entries: list[tuple[Path, Entry]] = [
        ((), entry)
        for rule in wanted
        if rule.name not in names
        for entry in [_entry(rule, connections[rule.role], given, names={row.name for row in wanted}, event_types=event_types, enabled=enabled)]
    ]  # fmt: skip
    made = files.make(entries, document=Document(data=None), now=now)
    return Installed(made=[change.rule for change in made], found=there)


def _entry(
    rule: RecipeRule, connection: Connection, answers: Mapping[str, Any], *,
    names: set[str], event_types: Sequence[str], enabled: bool,
) -> Entry:  # fmt: skip
    said = rule.model_dump(exclude={"role"})
    links = {name: said[name] if said[name] in names else "" for name in LINKS}
    return Entry(
        **{
            **said, **links, "connection": connection.name, "enabled": enabled,
            "options": answered(said["options"], answers),
            "conditions": _of_types(said["conditions"], event_types),
        }
    )  # fmt: skip


def _of_types(conditions: dict[str, Any], event_types: Sequence[str]) -> dict[str, Any]:
    """Return conditions that hold for some event types alone."""
    if not event_types:
        return conditions
    ours = {"fact": "event_type.name", "op": "is one of", "value": list(event_types)}
    return {"and": [ours, conditions]} if conditions else ours


def _require_roles(recipe: Recipe, connections: Mapping[str, Connection]) -> None:
    lacking = [role.title for name, role in recipe.roles.items() if not role.optional and name not in connections]  # fmt: skip
    wrong = [
        Problem(line=0, message=f"{connection} cannot be used for {recipe.roles[name].title}.")
        for name, connection in connections.items()
        if connection.provider not in recipe.roles[name].providers
    ]
    wrong += [Problem(line=0, message=f"Choose a connection for {title}.") for title in lacking]
    if wrong:
        raise UnusableFileError(wrong)


def _answers(recipe: Recipe, answers: Mapping[str, str], *, roles: Any) -> dict[str, Any]:
    """Return what is asked for, as the rules take it. Raises UnusableFileError."""
    asked = {name: ask for name, ask in recipe.asks.items() if ask.role in roles}
    given = {name: answers.get(name, ask.begins).strip() for name, ask in asked.items()}
    if wrong := list(unusable(asked, given)):
        raise UnusableFileError([Problem(line=0, message=f"{asked[name].title}: {words}") for name, words in wrong])  # fmt: skip
    return {name: int(text) if asked[name].kind == "number" else text for name, text in given.items()}  # fmt: skip


def unusable(asked: Mapping[str, Ask], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield which answers cannot be used, and why."""
    for name, ask in asked.items():
        text = given.get(name, "").strip()
        if not text:
            yield name, "This is needed."
        elif ask.kind == "number" and not (text.isascii() and text.isdigit() and len(text) < 16):
            yield name, "Write a number, such as 2."
