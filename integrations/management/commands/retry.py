"""`manage.py retry`: what failed and needs a person, by cause, and sending it again."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations import bulk, tasks
from integrations.failures import Group, grouped
from integrations.management.database import DatabaseCommand
from integrations.models import BulkOperation, Connection, Delivery

_BY = "command line"


class Command(DatabaseCommand):
    """Show the causes, and send the deliveries again: few at once, many slice by slice, here."""

    help = (
        "Sends failed deliveries again that nobody has ignored and no later one has replaced, as their rules say now. "
        "Without --dry-run it begins at once; Ctrl-C stops it behind the slice, and what was done stays done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what narrows it."""
        parser.add_argument("--connection", metavar="NAME", help="of this connection only")
        parser.add_argument("--class", dest="failure_class", choices=Delivery.FailureClass.values)
        parser.add_argument("--cause", metavar="WORDS", help="whose cause holds these words")
        parser.add_argument(
            "--from",
            dest="first",
            metavar="MOMENT",
            help="failed then or later; 2026-11-27T10:00, UTC",
        )
        parser.add_argument("--to", dest="last", metavar="MOMENT", help="failed before then")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be sent again")  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what there is, and send it again. Raises CommandError."""
        choice = bulk.DeliveryChoice(
            acknowledged=False, latest=True, connection=_connection(options["connection"]),
            failure_class=options["failure_class"] or "",
            settled_from=_moment(options["first"]), settled_to=_moment(options["last"]),
        )  # fmt: skip
        words = (options["cause"] or "").casefold()
        groups = [group for group in grouped(choice.rows()) if words in group.cause.casefold()]
        names = {row.pk: str(row) for row in Connection.objects.all()}
        for group in groups:
            self.stdout.write(f"{group.count:>8}  {names[group.connection_id]}, {group.failure_class}: {group.cause}")  # fmt: skip
        if not groups:
            self.stdout.write("Nothing fits.")
        elif options["dry_run"]:
            self.stdout.write("Nothing was changed.")
        else:
            self._retry(choice, groups, all_causes=not words)

    def _retry(self, choice: bulk.DeliveryChoice, groups: list[Group], *, all_causes: bool) -> None:
        sent = 0
        for chosen in [choice] if all_causes else [_only(choice, group) for group in groups]:
            started = bulk.start(
                bulk.KINDS["retry"], bulk.written(chosen), label="Retry deliveries, from the command line", by=_BY,
                now=timezone.now(),
            )  # fmt: skip
            tasks.wake_after(started.did)
            sent += self._work(started.operation) if started.operation else started.did.changed
        self.stdout.write(f"{sent:,} will be sent again now.")

    def _work(self, operation: BulkOperation) -> int:
        """Carry an operation out here; whoever interrupts it stops it, and a worker goes on where this ends otherwise."""
        try:
            bulk.work_on(operation, until=datetime.max.replace(tzinfo=UTC), clock=timezone.now, wake=tasks.wake_after)  # fmt: skip
        except KeyboardInterrupt:
            bulk.request_stop(operation, now=timezone.now())
            tasks.nudge_bulk()
            self.stderr.write(f"Stopped. {operation} #{operation.pk} can go on in the admin, under Bulk operations.")  # fmt: skip
        operation.refresh_from_db()
        if operation.state == BulkOperation.State.FAILED:
            raise CommandError(f"It failed: {operation.error} What was done stays done.")
        return operation.changed


def _only(choice: bulk.DeliveryChoice, group: Group) -> bulk.DeliveryChoice:
    return replace(choice, connection=group.connection_id, failure_class=group.failure_class, cause=group.cause)  # fmt: skip


def _connection(name: str | None) -> int | None:
    if not name:
        return None
    found = Connection.objects.filter(name=name).values_list("pk", flat=True)
    if len(found) != 1:
        names = ", ".join(Connection.objects.values_list("name", flat=True))
        raise CommandError(f"{'Several connections are' if found else 'No connection is'} called {name}. There are: {names}.")  # fmt: skip
    return int(found[0])


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text} is no moment. Give it as 2026-11-27T10:00 (UTC).") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
