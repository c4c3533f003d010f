"""The connection that a subcommand is about, named on the command line."""

from django.core.management.base import CommandError, CommandParser

from integrations.models import Connection

PROVIDER = "calendly"


def add_name(parser: CommandParser) -> None:
    """Take the connection's name."""
    parser.add_argument("name", metavar="NAME", help="The connection's name, as in the admin.")


def find_connection(name: str) -> Connection:
    """Return the Calendly connection of this name. Raises CommandError, with the names there are."""
    connections = Connection.objects.filter(provider=PROVIDER)
    found = connections.filter(name=name).first()
    if found is None:
        names = ", ".join(f"“{row}”" for row in connections) or "none"
        raise CommandError(f"There is no Calendly connection “{name}”. There are: {names}.")
    return found
