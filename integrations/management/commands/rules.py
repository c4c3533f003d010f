"""`manage.py rules`: rules as files, and recipes."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.recipes import UnusableFileError, as_text, export, load, recipes
from integrations.recipes.reading import MOST_TEXT


class Command(BaseCommand):
    """Write rules as YAML, make a file's rules so, or show the recipes."""

    help = "Rules as files: export, import, and the recipes that come with Calsync."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what is to be done."""
        subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
        about = "Write rules, or all of them, as YAML."
        own = subparsers.add_parser("export", help=about, description=about)
        own.add_argument("names", nargs="*", metavar="NAME", help="of a rule")
        about = "Check a file, and make its rules so: all of it, or nothing."
        own = subparsers.add_parser("import", help=about, description=about)
        own.add_argument("file", help="- for standard input")
        own.add_argument("--dry-run", action="store_true", help="only say what would become of each rule")  # fmt: skip
        about = "List the recipes, or print one."
        own = subparsers.add_parser("recipes", help=about, description=about)
        own.add_argument("name", nargs="?", default="", help="which one to print")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it. Raises CommandError."""
        try:
            match options["subcommand"]:
                case "export":
                    self.stdout.write(export(options["names"]), ending="")
                case "import":
                    self._import(_read(options["file"]), dry_run=options["dry_run"])
                case _:
                    self._recipes(options["name"])
        except UnusableFileError as error:
            raise CommandError(str(error)) from error

    def _import(self, text: str, *, dry_run: bool) -> None:
        changes = load(text, now=timezone.now(), dry_run=dry_run)
        for change in changes:
            self.stdout.write(f"{change.what}: {change.rule}")
            for line in change.diff:
                self.stdout.write(f"    {line}")
        if dry_run:
            self.stdout.write("Nothing was changed: this was a dry run.")

    def _recipes(self, name: str) -> None:
        if name and name not in recipes():
            raise CommandError(f"There is no recipe {name}. There are {', '.join(recipes())}.")
        if name:
            self.stdout.write(as_text(name), ending="")
            return
        for key, recipe in recipes().items():
            self.stdout.write(f"{key}: {recipe.title}\n    {recipe.about}")


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read(MOST_TEXT + 1)
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(MOST_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
