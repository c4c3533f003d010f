"""`manage.py rule disable NAME`: switch a rule off."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from integrations import ordering
from integrations.management.rule.naming import find
from integrations.management.rule.noting import note

NAME = "disable"
HELP = "Switch a rule off; what it planned before is still sent."


def add_arguments(parser: CommandParser) -> None:
    """Take the rule's name."""
    parser.add_argument("name", metavar="NAME")


@transaction.atomic
def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Switch it off. Raises CommandError."""
    rule = find(options["name"])
    if not ordering.switch(rule, on=False):
        command.stdout.write(f"“{rule}” is off already.")
        return
    note(rule, "Switched off.")
    command.stdout.write(f"“{rule}” is off.")
