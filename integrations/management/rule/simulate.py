"""`manage.py rule simulate NAME`: what a rule would do about the last bookings."""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations import bulk, rehearsing, tasks
from integrations.management.rule.naming import find
from integrations.models import BulkOperation, SimulationResult

NAME = "simulate"
HELP = (
    "Say what a rule would do about the last bookings. Nothing is written and nothing is sent, what is only read is asked for. "
    "Exits with 1 where anything would fail, or it was not finished."
)
_BY = "command line"
_BAR = 24
#: Seconds between two looks at a simulation that waits for its provider, or that a worker carries on.
_PAUSE = 1.0
_SLICE = timedelta(seconds=5)
_FAILURES_SHOWN = 10


def add_arguments(parser: CommandParser) -> None:
    """Take the rule's name and how many bookings."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--last", type=int, default=rehearsing.USUAL, metavar="N", help=f"bookings, {rehearsing.MOST} at most")  # fmt: skip
    parser.add_argument("--conditions-only", action="store_true", help="ask no provider")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Simulate it here, and print what was found. Raises CommandError; exits with 1 where anything would fail, or is not done."""
    rule = find(options["name"])
    try:
        choice, asked = rehearsing.asked_for(
            rule, last=options["last"], conditions_only=options["conditions_only"]
        )
    except ValueError as error:
        raise CommandError(str(error)) from error
    started = bulk.start(
        bulk.KINDS["simulate"], choice, label=f"Simulate “{rule}”", by=_BY, now=timezone.now(), options=asked
    )  # fmt: skip
    if started.operation:
        _work(command, started.operation)
        _report(command, started.operation)


def _work(command: BaseCommand, operation: BulkOperation) -> None:
    """Carry it out here; Ctrl-C stops it, and what was found stays found."""
    try:
        while operation.is_live:
            until = timezone.now() + _SLICE
            bulk.work_on(operation, until=until, clock=timezone.now, wake=tasks.wake_after)
            before = operation.done
            operation.refresh_from_db()
            _draw(command, operation)
            if operation.done == before:
                time.sleep(_PAUSE)
    except KeyboardInterrupt:
        bulk.request_stop(operation, now=timezone.now())
        bulk.work_on(operation, until=datetime.max.replace(tzinfo=UTC), clock=timezone.now, wake=tasks.wake_after)  # fmt: skip
        operation.refresh_from_db()
    if sys.stderr.isatty():
        command.stderr.write("")


def _draw(command: BaseCommand, operation: BulkOperation) -> None:
    filled = _BAR * operation.done // max(operation.total, 1)
    line = f"[{'#' * filled}{'.' * (_BAR - filled)}] {operation.done} of {operation.total} bookings, the rule would act on {operation.changed}"  # fmt: skip
    if sys.stderr.isatty():
        command.stderr.write(f"\r\x1b[K{line}", ending="")
    else:
        command.stderr.write(line)
    command.stderr.flush()


def _report(command: BaseCommand, operation: BulkOperation) -> None:
    summary = rehearsing.summary(operation)
    for _, label, count in summary:
        command.stdout.write(f"{count:>8}  {label}")
    failing = SimulationResult.objects.filter(
        operation=operation, verdict=SimulationResult.Verdict.FAIL
    )
    for row in failing.select_related("chain__booking")[:_FAILURES_SHOWN]:
        command.stdout.write(f"{row.chain.booking.uri}: {row.reason} {row.hint}".rstrip())
    if operation.error:
        command.stdout.write(operation.error)
    command.stdout.write(f"{operation.get_state_display().capitalize()}. Each booking is on the page of bulk operation #{operation.pk}.")  # fmt: skip
    fails = any(name == SimulationResult.Verdict.FAIL for name, _, _ in summary)
    if fails or operation.state != BulkOperation.State.DONE:
        sys.exit(1)
