"""`manage.py calendly subscriptions NAME`: how a connection's subscriptions are, asked now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from integrations.management.calendly.naming import add_name, find_connection
from integrations.models import WebhookSubscription
from integrations.subscriptions import refresh, webhook_url

NAME = "subscriptions"
HELP = "Show a connection's webhook subscriptions as Calendly has them now; exits with 1 if one is in trouble."


def add_arguments(parser: CommandParser) -> None:
    """Take the connection's name."""
    add_name(parser)


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Ask Calendly, and print a few lines for each. Raises CommandError when one has a problem."""
    rows = refresh(find_connection(options["name"]), now=timezone.now())
    for row in rows:
        command.stdout.write("\n".join(_lines(row)))
    subscribed = [row for row in rows if row.uri or not row.managed]
    if not subscribed:
        raise CommandError("Nothing is subscribed: run subscribe.")
    if any(row.problem for row in subscribed):
        raise CommandError("Something is in trouble; see above.")


def _lines(row: WebhookSubscription) -> list[str]:
    last = row.inbound_webhooks.order_by("-id").values_list("last_seen_at", flat=True).first()
    came = f"{last:%Y-%m-%d %H:%M} UTC" if last else "nothing yet"
    by_hand = "" if row.managed else ", entered by hand"
    outgoing = (
        ", being replaced: deleted when what is under way has arrived" if row.is_outgoing else ""
    )
    told = [
        f"{row.get_purpose_display()}: {row.get_state_display()}{by_hand}{outgoing}",
        f"  {webhook_url(row)}",
        f"  {row.scope or 'scope not known'}: {', '.join(row.events)}",
        f"  last delivery received: {came}",
    ]
    return [*told, f"  problem: {row.problem}"] if row.problem else told
