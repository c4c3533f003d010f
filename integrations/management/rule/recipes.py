"""`manage.py rule recipes [NAME]`: the recipes that come with Calsync."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.recipes import as_text, recipes

NAME = "recipes"
HELP = "List the recipes, or print one."


def add_arguments(parser: CommandParser) -> None:
    """Take which one to print."""
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="which one to print")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print them. Raises CommandError: there is no such recipe."""
    name = options["name"]
    if name and name not in recipes():
        raise CommandError(f"There is no recipe {name}. There are {', '.join(recipes())}.")
    if name:
        command.stdout.write(as_text(name), ending="")
        return
    for key, recipe in recipes().items():
        command.stdout.write(f"{key}: {recipe.title}\n    {recipe.about}")
