"""`manage.py rule export [NAME ...]`: rules as YAML."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations import recipes

NAME = "export"
HELP = "Write rules, or all of them, as YAML."


def add_arguments(parser: CommandParser) -> None:
    """Take the names of rules."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a rule")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print them. Raises UnusableFileError: there is no such rule."""
    command.stdout.write(recipes.export(options["names"]), ending="")
