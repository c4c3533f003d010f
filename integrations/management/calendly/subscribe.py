"""`manage.py calendly subscribe NAME`: subscribe what a connection should have; may be repeated."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from integrations import profiles, subscriptions
from integrations.management.calendly.naming import add_name, find_connection

NAME = "subscribe"
HELP = "Subscribe Calsync's URLs to a connection's webhooks, and replace what no longer fits."


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    add_name(parser)


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Subscribe by what the account may do today, and print what became of each subscription."""
    connection = find_connection(options["name"])
    profiles.refresh(connection, now=timezone.now())
    for item in subscriptions.ensure(connection, now=timezone.now()):
        command.stdout.write(str(item))
