"""`manage.py salesforce setup NAME`: what the organisation lacks for a connection's settings, and how to add it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import deliver
from integrations.connectors.base import Requirement
from integrations.models import Connection

NAME = "setup"
HELP = "Say which fields a connection's settings need in the organisation, which are missing, and how to add them."
PROVIDER = "salesforce"


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    parser.add_argument("name", metavar="NAME", help="The connection's name, as in the admin.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Ask Salesforce and print a line for each thing. Raises CommandError when something is missing."""
    found = deliver.set_up(_find(options["name"]), now=timezone.now())
    for item in found:
        command.stdout.write(_line(item))
    lacking = sum(not item.ok for item in found)
    if lacking:
        raise CommandError(f"{lacking} of {len(found)} missing; see above.")


def _find(name: str) -> Connection:
    connections = Connection.objects.filter(provider=PROVIDER)
    found = connections.filter(name=name).first()
    if found is None:
        names = ", ".join(f"“{row}”" for row in connections) or "none"
        raise CommandError(f"There is no Salesforce connection “{name}”. There are: {names}.")
    return found


def _line(item: Requirement) -> str:
    told = f"{'ok' if item.ok else 'MISSING':8}{item.name}: {item.detail}"
    return f"{told}\n        {item.hint}" if item.hint else told
