"""`manage.py rule`: see the rules, try one out before it goes live, and switch it on or off."""

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from bookings.models import Invitee
from integrations import bulk, rehearsing, tasks
from integrations.admin.rule_words import in_a_sentence
from integrations.conditions import Part
from integrations.management.database import DatabaseCommand
from integrations.models import BulkOperation, Rule, SimulationResult
from integrations.rehearsing import Foreseen

_BY = "command line"
_BAR = 24
#: Seconds between two looks at a simulation that waits for its provider, or that a worker carries on.
_PAUSE = 1.0
_SLICE = timedelta(seconds=5)
_FAILURES_SHOWN = 10


class Command(DatabaseCommand):
    """Do at the terminal what the admin does on a rule's page, by the same functions."""

    help = (
        "list: the rules in their order. test, simulate: what a rule would do about one past booking, or the last ones; nothing is "
        "written and nothing is sent, what is only read is asked for. enable, disable: switch it on or off. test exits with 1 where "
        "the rule would not act or would fail, simulate where anything would fail or it was not finished."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take what is to be done, and the rule's name."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="list|test|simulate|enable|disable")  # fmt: skip
        verbs.add_parser("list")
        test, simulate = verbs.add_parser("test"), verbs.add_parser("simulate")
        enable, disable = verbs.add_parser("enable"), verbs.add_parser("disable")
        for one in (test, simulate, enable, disable):
            one.add_argument("name", metavar="NAME")
        test.add_argument("--booking", metavar="URI", required=True, help="the URI of the booking, or of an invitee")  # fmt: skip
        for one in (test, simulate):
            one.add_argument("--conditions-only", action="store_true", help="ask no provider")
        simulate.add_argument("--last", type=int, default=rehearsing.USUAL, metavar="N", help=f"bookings, {rehearsing.MOST} at most")  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it. Raises CommandError."""
        match options["verb"]:
            case "list":
                self._list()
            case "test":
                self._test(_rule(options["name"]), options)
            case "simulate":
                self._simulate(_rule(options["name"]), options)
            case verb:
                self._switch(_rule(options["name"]), enabled=verb == "enable")

    def _list(self) -> None:
        for rule in Rule.objects.select_related("connection"):
            state = "paused" if rule.paused_at else "on" if rule.enabled else "off"
            self.stdout.write(f"{state:<7} {rule.name}: {in_a_sentence(rule)}")

    def _switch(self, rule: Rule, *, enabled: bool) -> None:
        state = "on" if enabled else "off"
        if rule.enabled == enabled:
            self.stdout.write(f"“{rule}” is {state} already.")
            return
        rule.enabled = enabled
        rule.save(update_fields=["enabled", "updated_at"])
        self.stdout.write(f"“{rule}” is {state}.")

    def _test(self, rule: Rule, options: dict[str, Any]) -> None:
        chains = _chains(options["booking"])
        asks = not options["conditions_only"]
        tried = rehearsing.rehearse(rule, chains, clock=timezone.now, asks=asks)
        if tried.wait:
            raise CommandError(f"The provider is to be left alone for {tried.wait:.0f} seconds. Try again then.")  # fmt: skip
        for found in tried.found:
            self._tell(found)
        if not tried.found:
            self.stdout.write(f"The rule would not act: {rehearsing.NOTHING}")
        verdicts = {rehearsing.verdict_of(found) for found in tried.found}
        if (
            not any(found.acts for found in tried.found)
            or SimulationResult.Verdict.FAIL in verdicts
        ):
            sys.exit(1)

    def _tell(self, found: Foreseen) -> None:
        event, verdict = found.occasion.event, rehearsing.verdict_of(found)
        self.stdout.write(f"{event.get_kind_display()}, {event.occurred_at:%Y-%m-%d %H:%M} UTC: {verdict.label}")  # fmt: skip
        if found.reason:
            self.stdout.write(f"  {found.reason}")
        for part in found.parts:
            self.stdout.write(f"  {_mark(part)}  {'  ' * part.depth}{part.asks}{f' ({part.why})' if part.why else ''}")  # fmt: skip
        if found.preview is None:
            return
        settled = found.preview.settlement
        self.stdout.write(f"  {settled.error or settled.result} {settled.hint}".rstrip())
        for record, fields in settled.changes.items():
            for name, (before, after) in fields.items():
                self.stdout.write(f"  {record}: {name}: {before!r} -> {after!r}")
        for exchange in found.preview.exchanges:
            told = exchange["status"] or exchange["error"]
            self.stdout.write(f"  {exchange['method']} {exchange['url']}: {told}")

    def _simulate(self, rule: Rule, options: dict[str, Any]) -> None:
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
            self._work(started.operation)
            self._report(started.operation)

    def _work(self, operation: BulkOperation) -> None:
        """Carry it out here; Ctrl-C stops it, and what was found stays found."""
        try:
            while operation.is_live:
                until = timezone.now() + _SLICE
                bulk.work_on(operation, until=until, clock=timezone.now, wake=tasks.wake_after)
                before = operation.done
                operation.refresh_from_db()
                self._draw(operation)
                if operation.done == before:
                    time.sleep(_PAUSE)
        except KeyboardInterrupt:
            bulk.request_stop(operation, now=timezone.now())
            bulk.work_on(operation, until=datetime.max.replace(tzinfo=UTC), clock=timezone.now, wake=tasks.wake_after)  # fmt: skip
            operation.refresh_from_db()
        if sys.stderr.isatty():
            self.stderr.write("")

    def _draw(self, operation: BulkOperation) -> None:
        filled = _BAR * operation.done // max(operation.total, 1)
        line = f"[{'#' * filled}{'.' * (_BAR - filled)}] {operation.done} of {operation.total} bookings, the rule would act on {operation.changed}"  # fmt: skip
        if sys.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{line}", ending="")
        else:
            self.stderr.write(line)
        self.stderr.flush()

    def _report(self, operation: BulkOperation) -> None:
        summary = rehearsing.summary(operation)
        for _, label, count in summary:
            self.stdout.write(f"{count:>8}  {label}")
        failing = SimulationResult.objects.filter(
            operation=operation, verdict=SimulationResult.Verdict.FAIL
        )
        for row in failing.select_related("chain__booking")[:_FAILURES_SHOWN]:
            self.stdout.write(f"{row.chain.booking.uri}: {row.reason} {row.hint}".rstrip())
        if operation.error:
            self.stdout.write(operation.error)
        self.stdout.write(f"{operation.get_state_display().capitalize()}. Each booking is on the page of bulk operation #{operation.pk}.")  # fmt: skip
        fails = any(name == SimulationResult.Verdict.FAIL for name, _, _ in summary)
        if fails or operation.state != BulkOperation.State.DONE:
            sys.exit(1)


def _mark(part: Part) -> str:
    return {True: "yes", False: "no ", None: "?  "}[part.holds]


def _rule(name: str) -> Rule:
    rows = Rule.objects.select_related("connection", "late_rule__connection")
    found = rows.filter(name=name).first()
    if found is None:
        names = ", ".join(f"“{rule}”" for rule in rows) or "none yet"
        raise CommandError(f"No rule is called “{name}”. There are: {names}.")
    return found


def _chains(uri: str) -> list[int]:
    """Return the chains of a booking's invitees, or of one invitee."""
    rows = Invitee.objects.filter(chain__isnull=False).order_by("chain_id")
    found = rows.filter(uri=uri) | rows.filter(booking__uri=uri)
    chains = list(found.values_list("chain_id", flat=True).distinct())
    if not chains:
        raise CommandError(f"No booking has the URI {uri}. It is in the booking's page, and in Calendly's API.")  # fmt: skip
    return [pk for pk in chains if pk]
