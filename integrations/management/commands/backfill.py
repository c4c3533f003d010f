"""`manage.py backfill`: read a window of Calendly again, here and now, with a progress bar."""

import signal
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from bookings.models import EventType, Host
from integrations import backfill, tasks
from integrations.management.database import DatabaseCommand
from integrations.models import BackfillRun, Connection

State = BackfillRun.State

_BAR = 24
#: Seconds between two looks at a run that waits or that another process works on.
_PAUSE = 0.5
_SLICE = timedelta(seconds=1)
_PROBLEMS_SHOWN = 10
_NAMES_SHOWN = 10


class Command(DatabaseCommand):
    """Ask for a run and work on it; a second process that is told to resume it watches."""

    help = (
        "Reads bookings again that start in a window, with the users, event types and forms around them. Ctrl-C stops "
        "it within seconds; --resume goes on, also after a crash. Exits with 1 unless every object could be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the connection, the window and what to leave out."""
        parser.add_argument("--connection", metavar="NAME", help="needed where there are several")
        parser.add_argument(
            "--from", dest="first", type=_moment, metavar="DATE", help="UTC; first start"
        )
        parser.add_argument(
            "--to", dest="last", type=_moment, metavar="DATE", help="UTC; not included"
        )
        parser.add_argument("--host", metavar="EMAIL", help="e-mail address or URI of one host")
        parser.add_argument("--event-type", metavar="NAME", help="name or URI of one event type")
        parser.add_argument(
            "--invitees", choices=BackfillRun.Invitees.values, default=BackfillRun.Invitees.CHANGED,
            help="whose invitees are read: of bookings that differ, of past ones too (no-shows), or of all",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")
        parser.add_argument("--resume", type=int, metavar="RUN", help="go on with this run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work on the run until it ends. Raises CommandError."""
        asked = options["resume"]
        run = _started(options) if asked is None else self._resumed(asked)
        self.stdout.write(
            f"Backfill #{run.pk} of {run.connection}: starts from {run.window_from:%Y-%m-%d %H:%M} "
            f"to {run.window_to:%Y-%m-%d %H:%M} UTC{', dry run' if run.dry_run else ''}."
        )
        self._say_if_paused(run.connection)
        with _interruptible() as stop:
            self._work(run, stop=stop)
        self._report(run)
        if run.state != State.DONE:
            sys.exit(1)

    def _resumed(self, run_id: int) -> BackfillRun:
        run = BackfillRun.objects.select_related("connection").filter(pk=run_id).first()
        if run is None:
            raise CommandError(f"There is no backfill #{run_id}.")
        if run.state not in BackfillRun.UNFINISHED and not backfill.resume(run, now=timezone.now()):
            raise CommandError(f"Backfill #{run_id} has ended: {run.get_state_display()}. To read again, start another without --resume.")  # fmt: skip
        run.refresh_from_db()
        return run

    def _say_if_paused(self, connection: Connection) -> None:
        if connection.state == Connection.State.PAUSED:
            why = f"{connection.state_reason} {connection.state_hint}".strip()
            self.stdout.write(f"It begins when the connection is resumed: {why} Ctrl-C stops it.")

    def _work(self, run: BackfillRun, *, stop: Event) -> None:
        """Work on the run while nobody else does; else watch."""

        def watch(seen: BackfillRun) -> bool:
            self._draw(seen)
            return stop.is_set()

        while run.state in BackfillRun.UNFINISHED:
            if stop.is_set():
                backfill.request_stop(run, now=timezone.now())
            until = timezone.now() + _SLICE
            woken = backfill.drain_run(run, until=until, clock=timezone.now, watch=watch)
            for connection_id in woken or ():
                tasks.nudge_connection(connection_id)
            run.refresh_from_db()
            self._draw(run)
            if woken is None:
                time.sleep(_PAUSE)
        if sys.stderr.isatty():
            self.stderr.write("")

    def _draw(self, run: BackfillRun) -> None:
        progress = backfill.progress(run, now=timezone.now())
        done = int((progress.fraction or 0) * _BAR)
        line = (
            f"[{'#' * done}{'.' * (_BAR - done)}] {_waiting(run) or progress.phase}: {run.pages} pages, "
            f"{run.bookings} bookings, {run.changed} changed, {run.missed} missed by webhook, {run.errors} errors, "
            f"{run.requests} requests{_left(progress.seconds_left)}"
        )
        if sys.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="")
        elif line != getattr(self, "_drawn", ""):
            self.stderr.write(line)
        self._drawn = line
        self.stderr.flush()

    def _report(self, run: BackfillRun) -> None:
        took = (run.finished_at or timezone.now()) - (run.started_at or run.created_at)
        self.stdout.write(
            f"{run.get_state_display().capitalize()} after {took.total_seconds():.1f} s: {run.directory} users, event "
            f"types and forms, {run.bookings} bookings, {run.changed} changed, {run.vanished} gone, "
            f"{run.requests} requests."
        )
        if run.error:
            self.stdout.write(f"{run.error} {run.hint}".strip())
        verdicts = dict(run.findings.model.Verdict.choices)
        for row in run.findings.values("verdict", "kind").annotate(count=Count("id")).order_by("verdict", "kind"):  # fmt: skip
            self.stdout.write(f"{row['count']:>8}  {row['kind']}, {verdicts[row['verdict']]}")
        for problem in run.problems.all()[:_PROBLEMS_SHOWN]:
            self.stdout.write(f"Skipped {problem.uri}: {problem.error} {problem.hint}".rstrip())
        if run.state in {State.STOPPED, State.FAILED}:
            self.stdout.write(f"Go on with: python manage.py backfill --resume {run.pk}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is no date like 2026-11-22.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _started(options: dict[str, Any]) -> BackfillRun:
    now, connection = timezone.now(), _connection(options["connection"])
    first, last = backfill.usual_window(connection, now=now)
    try:
        return backfill.start(
            connection, window_from=options["first"] or first, window_to=options["last"] or last,
            trigger=BackfillRun.Trigger.COMMAND, host=_host(options["host"]),
            event_type=_event_type(options["event_type"]), dry_run=options["dry_run"],
            invitees=options["invitees"], now=now,
        )  # fmt: skip
    except ValueError as error:
        raise CommandError(str(error)) from error


def _connection(name: str | None) -> Connection:
    sources = Connection.objects.filter(provider__in=list(settings.SOURCES))
    found = list(sources.filter(name=name) if name else sources)
    if len(found) == 1:
        return found[0]
    known = (
        ", ".join(f"“{row}”" for row in sources)
        or "none yet; run: python manage.py calendly connect"
    )
    raise CommandError(f"Name one connection with --connection. There are: {known}.")


def _host(given: str | None) -> Host | None:
    if not given:
        return None
    found = Host.objects.filter(Q(uri=given) | Q(email__iexact=given)).first()
    if found is None:
        known = _listed(Host.objects.exclude(email="").order_by("email"), "email")
        raise CommandError(f"No host “{given}” is known. There are: {known}.")
    return found


def _event_type(given: str | None) -> EventType | None:
    if not given:
        return None
    found = list(EventType.objects.filter(Q(uri=given) | Q(name=given))[:2])
    if len(found) != 1:
        known = _listed(EventType.objects.exclude(name="").order_by("name"), "name")
        words = "Several event types are named so: give the URI." if found else f"No such event type is known. There are: {known}."  # fmt: skip
        raise CommandError(f"--event-type “{given}”: {words}")
    return found[0]


def _listed(rows: QuerySet[Any], column: str) -> str:
    """Return the first few names of rows to choose from."""
    names = list(rows.values_list(column, flat=True).distinct()[: _NAMES_SHOWN + 1])
    if not names:
        return "none yet; backfill without it once, which reads them"
    more = ", and more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(f"“{name}”" for name in names[:_NAMES_SHOWN]) + more


def _waiting(run: BackfillRun) -> str:
    if Connection.objects.filter(pk=run.connection_id, state=Connection.State.PAUSED).exists():
        return "waiting: the connection is paused"
    if run.not_before and run.not_before > timezone.now():
        return f"waiting until {run.not_before:%H:%M:%S} UTC"
    others = BackfillRun.objects.filter(connection=run.connection_id, state=State.RUNNING)
    if run.state == State.WAITING and (other := others.first()):
        return f"waiting: {other} is running"
    return ""


def _left(seconds: float | None) -> str:
    return f", {timedelta(seconds=round(seconds))} left" if seconds is not None else ""


@contextmanager
def _interruptible() -> Iterator[Event]:
    """Let the first Ctrl-C set the event; a second one ends the command at once."""
    asked = Event()

    def ask(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
