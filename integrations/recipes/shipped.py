"""The recipes that come with Calsync: a YAML file each, beside this module."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from integrations.recipes.files import shape_problems
from integrations.recipes.reading import UnusableFileError, read
from integrations.recipes.shape import Recipe

#: Those that make up a whole story come first.
_FIRST = ("sales", "consulting", "recruiting")


@cache
def recipes() -> Mapping[str, Recipe]:
    """Return every recipe by its name, with the ones that it includes in it.

    Raises:
        UnusableFileError: a file is no recipe; with the line.
    """
    found = {file.stem: parse(file.read_text()) for file in sorted(_folder().glob("*.yaml"))}
    whole = {
        name: recipe.with_parts([found[part] for part in recipe.includes])
        for name, recipe in found.items()
    }
    names = [*_FIRST, *(name for name in whole if name not in _FIRST)]
    return {name: whole[name] for name in names}


def parse(text: str) -> Recipe:
    """Read a recipe's file. Raises UnusableFileError."""
    document = read(text)
    try:
        return Recipe.model_validate(document.data)
    except ValidationError as error:
        raise UnusableFileError(list(shape_problems(error, (), document=document, whose=None))) from error  # fmt: skip


def as_text(name: str) -> str:
    """Return a recipe as its file holds it."""
    return (_folder() / f"{name}.yaml").read_text()


def _folder() -> Path:
    return Path(__file__).parent
