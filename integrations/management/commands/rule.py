"""`manage.py rule ...`: see the rules, try one out, switch it on or off; rules as files, and recipes."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.management.database import DatabaseCommand
from integrations.management.rule import SUBCOMMANDS
from integrations.recipes import UnusableFileError


class Command(DatabaseCommand):
    """Do at the terminal what the admin does on the pages of rules, by the same functions."""

    help = "See the rules, try one out before it goes live, switch it on or off; write rules to files and read them again."

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
        except UnusableFileError as error:
            raise CommandError(str(error)) from error
