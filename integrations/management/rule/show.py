"""`manage.py rule list`: the rules in their order, each in a sentence."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from integrations.admin.rule_words import in_a_sentence
from integrations.models import Rule

NAME = "list"
HELP = "Say of each rule, in their order, whether it is on and what it does."


def add_arguments(_parser: CommandParser) -> None:
    """Take nothing."""


def handle(command: BaseCommand, _options: dict[str, Any]) -> None:
    """Print a line for each rule."""
    for rule in Rule.objects.select_related("connection"):
        state = "paused" if rule.paused_at else "on" if rule.enabled else "off"
        command.stdout.write(f"{state:<7} {rule.name}: {in_a_sentence(rule)}")
