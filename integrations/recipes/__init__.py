"""Rules as files, and recipes: rules that belong together, installed at connections by the role that each plays.

`files` writes rules as YAML and makes a file's rules so; `shipped` are the recipes of this folder, `installing` makes
their rules.
"""

from integrations.recipes.files import Change, What, export, load
from integrations.recipes.installing import Installed, install
from integrations.recipes.reading import Problem, UnusableFileError
from integrations.recipes.shape import Ask, Recipe, Role
from integrations.recipes.shipped import as_text, recipes

__all__ = [
    "Ask",
    "Change",
    "Installed",
    "Problem",
    "Recipe",
    "Role",
    "UnusableFileError",
    "What",
    "as_text",
    "export",
    "install",
    "load",
    "recipes",
]
