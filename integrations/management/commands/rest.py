"""`manage.py rest recipes`: what the REST connector has ready, without a database."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.connectors.rest.recipes import as_text, recipes


class Command(BaseCommand):
    """List the recipes, or print one as JSON."""

    help = "Show the ready-made connections and rules of the REST connector."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take a recipe's name, or none."""
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        about = "List the recipes, or print one as JSON."
        own = subparsers.add_parser("recipes", help=about, description=about)
        own.add_argument("name", nargs="?", default="", help="which one to print")

    def handle(self, *args: Any, **options: Any) -> None:
        """List or print. Raises CommandError."""
        name = options["name"]
        if name and name not in recipes():
            raise CommandError(f"There is no recipe {name}. There are {', '.join(recipes())}.")
        if name:
            self.stdout.write(as_text(recipes()[name]))
            return
        for recipe in recipes().values():
            self.stdout.write(f"{recipe.name}: {recipe.title}\n    {recipe.about}")
