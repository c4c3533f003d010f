"""`manage.py calendly rotate-key NAME`: new signing keys, without a lost delivery."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import subscriptions
from integrations.management.calendly.naming import add_name, find_connection

NAME = "rotate-key"
HELP = (
    "Give a connection's webhook subscriptions new signing keys. With a personal access token each is replaced; "
    "with OAuth, first change CALENDLY_WEBHOOK_SIGNING_KEY. The keys before stay valid."
)


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    add_name(parser)


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Rotate and print what became of each subscription. Raises CommandError where there is none."""
    connection = find_connection(options["name"])
    found = subscriptions.rotate(connection, now=timezone.now())
    if not found:
        raise CommandError("Nothing is subscribed: run subscribe first.")
    for item in found:
        command.stdout.write(str(item))
