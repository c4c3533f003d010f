"""`manage.py demo`: Calsync with a local Calendly and all it writes to, and nothing to configure."""

import logging
import os
import secrets
import sys
from argparse import SUPPRESS
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.demo import accounts, settling, stack, staff, story
from integrations.demo import place as places
from integrations.demo.place import DemoUnavailable, Place
from integrations.embedded import BrokerUnavailable, ChildDied
from integrations.sandbox.control_client import SandboxControl

_WEB_PORT = 8000
_SANDBOX_PORT = 8025
_HISTORY_DAYS = 90


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
        parser.add_argument("--mail-port", type=int, default=0, help=SUPPRESS)
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
            "--mail-port", str(place.mail_port), "--broker-port", str(place.broker_port),
        ]  # fmt: skip
        sys.stdout.flush()
        os.execve(sys.executable, command, {**os.environ, **place.environment()})  # noqa: S606  # ourselves

    def _run(self, place: Place) -> None:
        logging.getLogger("integrations").setLevel(
            logging.WARNING
        )  # here alone: the rest has logs of its own
        with places.alone(place.directory):
            places.clear(place.directory)
            places.note_address(place)
            with stack.running(place, say=self._say) as group:
                password = secrets.token_urlsafe(9)
                staff.make_staff(password)
                with SandboxControl(place.sandbox_url) as sandbox:
                    story.seed_history(sandbox, days=_HISTORY_DAYS, now=timezone.now())
                    accounts.connect_everything(
                        sandbox_url=place.sandbox_url, mail_port=place.mail_port
                    )
                    accounts.open_channel()
                    accounts.take_presses(sandbox)
                    self._say("Reading what was booked before, then playing some dozens of bookings, as signed webhooks ...")  # fmt: skip
                    accounts.read_history(days=_HISTORY_DAYS)
                    story.play(sandbox, now=timezone.now())
                    moments = story.play_moments(sandbox, now=timezone.now())
                    settling.wait_until_settled(group, sandbox, moments=moments)
                    story.change_by_hand(sandbox)
                    staff.work()
                    accounts.compare()
                    accounts.tell_staff()
                    counts = settling.wait_until_settled(group, sandbox)
                self._welcome(place, counts, password=password)
                group.wait()

    def _welcome(self, place: Place, counts: settling.Counts, *, password: str) -> None:
        late = f"\n{counts.waiting} more are still on their way." if counts.waiting else ""
        colleagues = ", ".join(staff.ROLES.values())
        self._say(
            f"""
{counts.webhooks} webhooks became {counts.bookings} bookings and {counts.events} events;
{counts.delivered} deliveries to Salesforce, Slack, mailboxes, Brevo, Vitally, Lever and a webhook are done; failed, and waiting for you: {counts.failed}.{late}
Who somebody is in Salesforce is for you to say: {counts.asked} more, under Match reviews.
Changed in Salesforce by hand, and found: {counts.changed}, under Differences.
The recipes Sales, Consulting and Recruiting are installed, each for its event type: see Rules.
The clock came to {counts.moments} meetings: a questionnaire a day before one, a word to the host of one booked too late for it, a case file after one.
A backfill read {counts.history} older bookings and sent nothing for them.
Today's agenda, a report and what has failed were told in Slack's #sales.
An operator has ignored one failure, sent a booking again and marked a no-show: see the Audit log.

  Calsync    {place.web_url}/admin/     user {staff.SUPERUSER}, password {password}
             As one of your colleagues sees it: {colleagues}; the same password
  Sandbox    {place.sandbox_url}/     book, reschedule, cancel; see what each of them holds; press Slack's buttons

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
        mail_port=options["mail_port"],
        broker_port=options["broker_port"],
        redis_url=settings.REDIS_URL,
    )
