"""How a connection's webhook subscriptions are, in a badge and a sentence each."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.utils.timesince import timesince

from integrations.models import Connection, InboundWebhook, WebhookSubscription
from integrations.subscriptions import webhook_url

State = WebhookSubscription.State
#: What is said of one that stays for a while beside its successor.
OUTGOING = "Another has taken its place. It is deleted when what is under way has arrived."
_AGAIN = "Subscribe again; what was missed meanwhile comes with a backfill."


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRow:
    """Hold a subscription, when something last came through it, and how it is."""

    subscription: WebhookSubscription
    last_at: datetime | None
    tone: str
    label: str
    words: str

    @property
    def url(self) -> str:
        """Return the URL that the provider delivers to."""
        return webhook_url(self.subscription)

    @property
    def is_troubled(self) -> bool:
        """Tell whether it needs to be looked at."""
        return self.tone not in {"success", "info"}

    @property
    def is_lost(self) -> bool:
        """Tell whether nothing comes through it any more."""
        return self.tone == "danger"


def subscription_rows(connection: Connection, *, now: datetime) -> tuple[SubscriptionRow, ...]:
    """Return the subscriptions in use; those that another replaced are left out."""
    rows = connection.subscriptions.filter(retired_at=None)
    rows = rows.select_related("connection").prefetch_related("tallies")
    last = _last_deliveries(connection)
    return tuple(_row(row, last.get(row.pk), now=now) for row in rows)


def _last_deliveries(connection: Connection) -> dict[int, datetime]:
    webhooks = InboundWebhook.objects.filter(subscription__connection=connection).order_by()
    return dict(webhooks.values_list("subscription_id").annotate(Max("last_seen_at")))


def _row(row: WebhookSubscription, last_at: datetime | None, *, now: datetime) -> SubscriptionRow:
    tone, label, words = _health(row, now=now)
    return SubscriptionRow(
        subscription=row, last_at=last_at, tone=tone, label=label, words=row.problem or words
    )


def _health(row: WebhookSubscription, *, now: datetime) -> tuple[str, str, str]:
    if row.state == State.DISABLED:
        return "danger", "disabled", f"The provider gave up delivering. {_AGAIN}"
    if row.state == State.MISSING:
        return "danger", "not there", f"The provider does not have it. {_AGAIN}"
    if row.retry_started_at:
        since = timesince(row.retry_started_at, now, depth=1)
        return (
            "warning",
            "failing",
            (
                f"The provider has failed to deliver for {since} and gives up after 24 hours: "
                "check that its URL can be reached from outside."
            ),
        )
    if row.problem:
        return "warning", "problem", ""
    return ("info", "being replaced", OUTGOING) if row.is_outgoing else ("success", "active", "")
