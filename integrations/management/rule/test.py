"""`manage.py rule test NAME`: what a rule would do about one past booking."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from bookings.models import Invitee
from integrations import rehearsing
from integrations.conditions import Part
from integrations.management.rule.naming import find
from integrations.models import SimulationResult
from integrations.rehearsing import Foreseen

NAME = "test"
HELP = (
    "Say what a rule would do about one past booking. Nothing is written and nothing is sent, what is only read is asked for. "
    "Exits with 1 where the rule would not act, or would fail."
)


def add_arguments(parser: CommandParser) -> None:
    """Take the rule's name and the booking."""
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--booking", metavar="URI", required=True, help="the URI of the booking, or of an invitee")  # fmt: skip
    parser.add_argument("--conditions-only", action="store_true", help="ask no provider")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Try it out, and print what would happen. Raises CommandError; exits with 1 where the rule would not act, or fail."""
    rule = find(options["name"])
    chains = _chains(options["booking"])
    asks = not options["conditions_only"]
    tried = rehearsing.rehearse(rule, chains, clock=timezone.now, asks=asks)
    if tried.wait:
        raise CommandError(f"The provider is to be left alone for {tried.wait:.0f} seconds. Try again then.")  # fmt: skip
    for found in tried.found:
        _tell(command, found)
    if not tried.found:
        command.stdout.write(f"The rule would not act: {rehearsing.NOTHING}")
    verdicts = {rehearsing.verdict_of(found) for found in tried.found}
    if not any(found.acts for found in tried.found) or SimulationResult.Verdict.FAIL in verdicts:
        sys.exit(1)


def _tell(command: BaseCommand, found: Foreseen) -> None:
    event, verdict = found.occasion.event, rehearsing.verdict_of(found)
    command.stdout.write(f"{event.get_kind_display()}, {event.occurred_at:%Y-%m-%d %H:%M} UTC: {verdict.label}")  # fmt: skip
    if found.reason:
        command.stdout.write(f"  {found.reason}")
    for part in found.parts:
        command.stdout.write(f"  {_mark(part)}  {'  ' * part.depth}{part.asks}{f' ({part.why})' if part.why else ''}")  # fmt: skip
    if found.preview is None:
        return
    settled = found.preview.settlement
    command.stdout.write(f"  {settled.error or settled.result} {settled.hint}".rstrip())
    for record, fields in settled.changes.items():
        for name, (before, after) in fields.items():
            command.stdout.write(f"  {record}: {name}: {before!r} -> {after!r}")
    for exchange in found.preview.exchanges:
        told = exchange["status"] or exchange["error"]
        command.stdout.write(f"  {exchange['method']} {exchange['url']}: {told}")


def _mark(part: Part) -> str:
    return {True: "yes", False: "no ", None: "?  "}[part.holds]


def _chains(uri: str) -> list[int]:
    """Return the chains of a booking's invitees, or of one invitee."""
    rows = Invitee.objects.filter(chain__isnull=False).order_by("chain_id")
    found = rows.filter(uri=uri) | rows.filter(booking__uri=uri)
    chains = list(found.values_list("chain_id", flat=True).distinct())
    if not chains:
        raise CommandError(f"No booking has the URI {uri}. It is in the booking's page, and in Calendly's API.")  # fmt: skip
    return [pk for pk in chains if pk]
