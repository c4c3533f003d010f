"""Ready-made connections and rules for interfaces that many use: one JSON file each, filled in by staff.

`CHANGE-ME` stands where something of the reader's own belongs; it is refused when the form is saved.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeRule:
    """Hold what a rule's form begins with."""

    name: str
    kinds: Sequence[str]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Say what a recipe does, what its connection needs, and which rules belong to it.

    `secrets` are those to enter, with where to find them; `docs` the provider's own pages.
    """

    name: str
    title: str
    about: str
    docs: Sequence[str]
    connection: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    rules: Sequence[RecipeRule]


@cache
def recipes() -> Mapping[str, Recipe]:
    """Return every recipe by its name."""
    files = sorted(Path(__file__).parent.glob("*.json"))
    return {file.stem: _read(file) for file in files}


def as_text(recipe: Recipe) -> str:
    """Return the recipe as its file holds it."""
    return (Path(__file__).parent / f"{recipe.name}.json").read_text()


def _read(file: Path) -> Recipe:
    found = json.loads(file.read_text())
    rules = tuple(RecipeRule(**rule) for rule in found.pop("rules"))
    return Recipe(name=file.stem, rules=rules, **found)
