"""`manage.py calendly disconnect NAME`: unsubscribe, revoke what was granted, forget the tokens, and pause."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from integrations import connecting
from integrations.management.calendly.naming import add_name, find_connection

NAME = "disconnect"
HELP = "Delete a connection's webhook subscriptions, revoke its grant, forget its tokens, and pause it."


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    add_name(parser)


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Disconnect, and say what is left to do."""
    connection = find_connection(options["name"])
    connecting.disconnect(connection, by="the command line", now=timezone.now())
    command.stdout.write(f"“{connection}” is disconnected. {connection.state_hint}")
