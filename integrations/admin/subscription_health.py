"""How a connection's webhook subscriptions are, in a badge and a sentence each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.models import Connection, WebhookSubscription
from integrations.subscriptions import judge, webhook_url


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
    in_use = WebhookSubscription.objects.filter(connection=connection, retired_at=None)
    rows = in_use.select_related("connection").prefetch_related("tallies")
    return tuple(_row(row, now=now) for row in rows.with_last_received())


def _row(row: Any, *, now: datetime) -> SubscriptionRow:
    tone, label, words = judge(row, now=now)
    return SubscriptionRow(
        subscription=row, last_at=row.last_received_at, tone=tone, label=label, words=words
    )
