"""`manage.py sandbox`: a local Calendly, Salesforce and Slack for development."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    """Run the sandbox until it is interrupted."""

    help = "Run a local Calendly, Salesforce and Slack, with a page and fault switches."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --host and --port."""
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
        parser.add_argument("--port", type=int, default=8025)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        """Refuse in production, else serve. Raises CommandError."""
        if getattr(settings, "CALSYNC_ENV", "production") == "production":
            raise CommandError(
                "The sandbox does not run in production. Set CALSYNC_ENV=development to use it."
            )
        # Imported only now: where the sandbox must not run, its server is not installed either.
        try:
            from integrations.sandbox import command
            from integrations.sandbox.server import SandboxUnavailable
        except ModuleNotFoundError as error:
            raise CommandError(
                f"{error.name} is missing. Install the demo requirements to use the sandbox."
            ) from error
        try:
            command.run(host=host, port=port, say=self.stdout.write)
        except SandboxUnavailable as error:
            raise CommandError(str(error)) from error
