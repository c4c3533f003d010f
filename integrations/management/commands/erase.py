"""`manage.py erase EMAIL`: erase a person's data, here and now."""

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations import erasure
from integrations.errors import ConfigurationError
from integrations.management.database import DatabaseCommand
from integrations.models import ErasureRequest

_BY = "command line"


class Command(DatabaseCommand):
    """Count what there is, ask, erase it, and say what remains at other systems."""

    help = (
        "Erases what Calsync holds of a person. Calendly's, Salesforce's and Slack's data stay: what to delete there is "
        "printed. Exits with 1 when something was still on its way; run it again then, or let the worker end it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address."""
        parser.add_argument("email", metavar="EMAIL")
        parser.add_argument("--dry-run", action="store_true", help="only count; change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask before")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase the person. Raises CommandError."""
        try:
            self._handle(options["email"], dry_run=options["dry_run"], sure=options["yes"])
        except ValidationError as error:
            raise CommandError("This is no e-mail address.") from error
        except ConfigurationError as error:
            raise CommandError(f"{error} {error.hint}") from error

    def _handle(self, email: str, *, dry_run: bool, sure: bool) -> None:
        self._say_counts(erasure.preview(email, now=timezone.now()))
        if dry_run or not (sure or self._confirmed()):
            self.stdout.write("Nothing was changed.")
            return
        request = erasure.request(email, requested_by=_BY, now=timezone.now())
        finished = erasure.carry_out(request, now=timezone.now())
        self._say_result(request)
        if not finished:
            self.stderr.write(
                "Something was still on its way: run this again, or let the worker end it."
            )
            sys.exit(1)

    def _confirmed(self) -> bool:
        try:
            return input("Erase all of it for ever? Type yes: ").strip() == "yes"
        except EOFError as error:
            raise CommandError("Nobody answered, and nothing was changed. To erase without being asked, add --yes.") from error  # fmt: skip

    def _say_counts(self, found: erasure.Found) -> None:
        for name, count in found.items():
            self.stdout.write(f"{count:>8}  {name.replace('_', ' ')}")

    def _say_result(self, request: ErasureRequest) -> None:
        self.stdout.write(f"Erased, request #{request.pk}:")
        self._say_counts(request.found)
        if request.remote:
            self.stdout.write("Still there; delete it by hand:")
        for record in request.remote:
            self.stdout.write(
                f"  {record['connection']}: {record['object_type']} {record['remote_id']} {record['url']}".rstrip()
            )
