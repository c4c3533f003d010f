"""`manage.py rule import FILE`: rules from YAML."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import recipes
from integrations.admin import rule_changes
from integrations.management.rule.noting import account_id
from integrations.recipes.reading import MOST_TEXT

NAME = "import"
HELP = "Check a file, and make its rules so: all of it, or nothing."


def add_arguments(parser: CommandParser) -> None:
    """Take the file."""
    parser.add_argument("file", metavar="FILE", help="- for standard input")
    parser.add_argument("--dry-run", action="store_true", help="only say what would become of each rule")  # fmt: skip


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Import it, and print what became of each rule. Raises CommandError, UnusableFileError."""
    text, dry_run = _read(options["file"]), options["dry_run"]
    now = timezone.now()
    if dry_run:
        changes = recipes.load(text, now=now, dry_run=True)
    else:
        changes = rule_changes.load_noted(text, now=now, user_id=account_id())
    for change in changes:
        command.stdout.write(f"{change.what}: {change.rule}")
        for line in change.diff:
            command.stdout.write(f"    {line}")
    if dry_run:
        command.stdout.write("Nothing was changed: this was a dry run.")


def _read(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read(MOST_TEXT + 1)
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(MOST_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
