"""`manage.py calendly test NAME`: the self-test of a connection's subscriptions."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.management.calendly.naming import add_name, find_connection
from integrations.subscriptions import Checked, self_test

NAME = "test"
HELP = "Test a connection's webhook subscriptions: state, sample, and a signed probe through the public URL."


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    add_name(parser)


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Test each subscription and print what was found. Raises CommandError when something failed."""
    connection = find_connection(options["name"])
    rows = connection.subscriptions.filter(retired_at=None).exclude(managed=True, uri="")
    checks: list[Checked] = []
    for row in rows.select_related("connection"):
        command.stdout.write(row.get_purpose_display())
        found = self_test(row, now=timezone.now())
        command.stdout.write("\n".join(map(_line, found)))
        checks += found
    if not checks:
        raise CommandError("Nothing is subscribed: run subscribe first.")
    if not all(check.ok for check in checks):
        raise CommandError("The self-test found trouble; see above.")


def _line(check: Checked) -> str:
    return (
        f"  {'ok' if check.ok else 'FAILED':6}  {check.name}: {check.detail} {check.hint}".rstrip()
    )
