"""`manage.py rule enable NAME`: switch a rule on."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from integrations import ordering
from integrations.management.rule.naming import find
from integrations.management.rule.noting import note

NAME = "enable"
HELP = "Switch a rule on."


def add_arguments(parser: CommandParser) -> None:
    """Take the rule's name."""
    parser.add_argument("name", metavar="NAME")


@transaction.atomic
def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Switch it on. Raises CommandError."""
    rule = find(options["name"])
    if not ordering.switch(rule, on=True):
        command.stdout.write(f"“{rule}” is on already.")
        return
    note(rule, "Switched on.")
    command.stdout.write(f"“{rule}” is on.")
