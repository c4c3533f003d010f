"""`manage.py demo`: Calsync with a local Calendly, Salesforce and Slack, and nothing to configure."""

import os
import sys
from argparse import SUPPRESS
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.demo import accounts, settling, stack, story
from integrations.demo import place as places
from integrations.demo.place import DemoUnavailable, Place
from integrations.embedded import BrokerUnavailable, ChildDied
from integrations.sandbox.control_client import SandboxControl

_WEB_PORT = 8000
_SANDBOX_PORT = 8025


class Command(BaseCommand):
    """Start everything, play some dozens of bookings, and run until Ctrl-C."""

    help = "Run the whole of Calsync here, on invented bookings. Each start begins anew."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the ports and the directory."""
        directory = Path(settings.BASE_DIR) / "var" / "demo"
        parser.add_argument("--port", type=int, default=_WEB_PORT, help="of the site")
        parser.add_argument("--sandbox-port", type=int, default=_SANDBOX_PORT)
        parser.add_argument("--directory", type=Path, default=directory)
        parser.add_argument(
            "--redis-url",
            default="",
            help="a Redis or Valkey that nothing else uses; else one is started",
        )
        parser.add_argument("--broker-port", type=int, default=0, help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Start again in the demo's own environment, or run there. Raises CommandError."""
        try:
            if places.MARK in os.environ:
                self._run(_chosen(options))
            else:
                self._start_again(options)
        except (DemoUnavailable, BrokerUnavailable, ChildDied) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("Stopped.")

    def _start_again(self, options: dict[str, Any]) -> NoReturn:
        """Replace this process by one whose settings are the demo's."""
        if settings.CALSYNC_ENV == "production":
            raise CommandError(
                "The demo does not run in production: it invents people and bookings."
            )
        with places.alone(options["directory"]):
            places.clear(options["directory"])
            place = places.choose(
                directory=options["directory"], web_port=options["port"],
                sandbox_port=options["sandbox_port"], redis_url=options["redis_url"], say=self._say,
            )  # fmt: skip
        command = [
            sys.executable, sys.argv[0], "demo", "--port", str(place.web_port),
            "--sandbox-port", str(place.sandbox_port), "--directory", str(place.directory),
            "--broker-port", str(place.broker_port),
        ]  # fmt: skip
        sys.stdout.flush()
        os.execve(sys.executable, command, {**os.environ, **place.environment()})  # noqa: S606  # ourselves

    def _run(self, place: Place) -> None:
        with places.alone(place.directory):
            places.clear(place.directory)
            places.note_address(place)
            with stack.running(place, say=self._say) as group:
                password = accounts.make_staff_user()
                accounts.connect_everything()
                self._say("Playing some dozens of bookings, as signed webhooks ...")
                with SandboxControl(place.sandbox_url) as sandbox:
                    story.play(sandbox, now=timezone.now())
                    sandbox.wait_idle(timeout=30)
                self._welcome(place, settling.wait_until_settled(group), password=password)
                group.wait()

    def _welcome(self, place: Place, counts: settling.Counts, *, password: str) -> None:
        self._say(
            f"""
{counts.webhooks} webhooks became {counts.bookings} bookings and {counts.events} events;
{counts.delivered} deliveries reached Salesforce and Slack; failed, and waiting for you: {counts.failed}.

  Calsync    {place.web_url}/admin/     user {accounts.USERNAME}, password {password}
  Sandbox    {place.sandbox_url}/     book, reschedule, cancel; see what Salesforce and Slack hold

Logs are in {place.directory / "logs"}. Ctrl-C stops everything."""
        )

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _chosen(options: dict[str, Any]) -> Place:
    return Place(
        directory=options["directory"],
        web_port=options["port"],
        sandbox_port=options["sandbox_port"],
        broker_port=options["broker_port"],
        redis_url=settings.REDIS_URL,
    )
