"""`manage.py calendly ...`: connect Calendly accounts and look after them."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.errors import IntegrationError
from integrations.management.calendly import SUBCOMMANDS
from integrations.management.database import DatabaseCommand


class Command(DatabaseCommand):
    """Hand the work to the module of the subcommand; a failure of Calendly's is told with its hint."""

    help = "Connect Calendly accounts and look after them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a subcommand and its own arguments."""
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        for module in SUBCOMMANDS:
            own = subparsers.add_parser(module.NAME, help=module.HELP, description=module.HELP)
            module.add_arguments(own)
            own.set_defaults(run=module.handle)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the subcommand. Raises CommandError."""
        try:
            options["run"](self, options)
        except IntegrationError as error:
            raise CommandError(error.answer) from error
