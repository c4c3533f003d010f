"""`manage.py rule enable NAME`: switch a rule on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations import ordering
from integrations.management.rule.naming import find

NAME = "enable"
HELP = "Switch a rule on."


def add_arguments(parser: CommandParser) -> None:
    """Take the rule's name."""
    parser.add_argument("name", metavar="NAME")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Switch it on. Raises CommandError."""
    rule = find(options["name"])
    already = "" if ordering.switch(rule, on=True) else " already"
    command.stdout.write(f"“{rule}” is on{already}.")
