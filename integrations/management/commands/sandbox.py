"""`manage.py sandbox`: a local Calendly, and what Calsync writes to, for development."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    """Run the sandbox until it is interrupted."""

    help = "Run a local Calendly, Salesforce, Slack, mail server, receiver of webhooks and REST interfaces, with a page and fault switches."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --host, --port and --mail-port."""
        parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
        parser.add_argument("--port", type=int, default=8025)
        parser.add_argument("--mail-port", type=int, default=8026)

    def handle(self, *args: Any, host: str, port: int, mail_port: int, **options: Any) -> None:
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
            command.run(host=host, port=port, mail_port=mail_port, say=self.stdout.write)
        except SandboxUnavailable as error:
            raise CommandError(str(error)) from error
