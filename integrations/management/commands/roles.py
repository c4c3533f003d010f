"""`manage.py roles`: how the groups differ from the roles that Calsync comes with, and putting them back."""

from argparse import ArgumentParser
from typing import Any

from integrations import roles
from integrations.management.database import DatabaseCommand


class Command(DatabaseCommand):
    """Compare the groups Viewer, Operator and Administrator with docs/permissions.md."""

    help = (
        "Shows what the groups Viewer, Operator and Administrator lack of their role, and what they have beyond it. "
        "Changes nothing without --put-back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Offer to put the groups back."""
        parser.add_argument(
            "--put-back", action="store_true",
            help="Give each group exactly what its role has. What you changed by hand is lost.",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Say how the groups differ; put them back where that was asked for."""
        found = list(roles.differences())
        for role, lacks, beyond in found:
            self._tell(role, lacks, beyond)
        if options["put_back"]:
            roles.put_back()
            self.stdout.write("Each group has exactly what its role has.")
        elif any(lacks or beyond for _, lacks, beyond in found):
            self.stdout.write(
                "Run it with --put-back to give each group exactly what its role has."
            )

    def _tell(self, role: str, lacks: list[str], beyond: list[str]) -> None:
        if not (lacks or beyond):
            self.stdout.write(f"{role}: as it came.")
        for name in lacks:
            self.stdout.write(f"{role}: lacks {name}")
        for name in beyond:
            self.stdout.write(f"{role}: has also {name}")
