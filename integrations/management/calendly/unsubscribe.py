"""`manage.py calendly unsubscribe NAME`: delete what Calsync subscribed; may be repeated."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from integrations import subscriptions
from integrations.management.calendly.naming import add_name, find_connection

NAME = "unsubscribe"
HELP = "Delete a connection's webhook subscriptions; those that were entered by hand stay."


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    add_name(parser)


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Unsubscribe and print what was deleted."""
    connection = find_connection(options["name"])
    found = subscriptions.unsubscribe(connection, now=timezone.now())
    for item in found:
        command.stdout.write(str(item))
    if not found:
        command.stdout.write("Nothing was subscribed.")
