"""How each connection stands: how far behind it is, what waits, and what it last received and read.

Behind is who has something unsettled: waiting, being retried, held back by a pause or by the provider. What waits on purpose
is not late before its hold is over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.timesince import timesince

from bookings.counting import CappedCount, counted
from integrations import allowance, budget
from integrations.models import (
    BackfillRun,
    Connection,
    Delivery,
    InboundWebhook,
    Rule,
    WebhookSubscription,
)
from integrations.overview.words import ago

#: From when on being behind is worth a look, and from when on it is bad.
LATE, VERY_LATE = timedelta(minutes=5), timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Show a request allowance: how much is used, and what that means in words."""

    used: int
    limit: int
    words: str

    @property
    def percent(self) -> int:
        """Return the share that is used."""
        return min(100, round(100 * self.used / self.limit))

    @property
    def tone(self) -> str:
        """Return the colour of the bar."""
        if self.percent >= allowance.HOLD_FROM * 100:
            return "danger"
        return "warning" if self.percent >= allowance.SLOW_FROM * 100 else "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold how one connection stands; `waiting` is a capped count.

    `unsent_since` is when the oldest of its deliveries became due, `unread_since` when the oldest webhook came.
    """

    connection: Connection
    now: datetime
    is_source: bool
    has_rule: bool
    waiting: int
    unsent_since: datetime | None
    unread_since: datetime | None
    subscriptions: int
    troubled: int
    received_at: datetime | None
    run_id: int | None
    run_state: str
    run_at: datetime | None
    meter: Meter | None

    @property
    def behind_since(self) -> datetime | None:
        """Return since when something waits, to be read or to be sent."""
        known = [at for at in (self.unsent_since, self.unread_since) if at]
        return min(known, default=None)

    @property
    def behind(self) -> timedelta:
        """Return how far behind it is; nothing where all is settled."""
        since = self.behind_since
        return max(self.now - since, timedelta()) if since else timedelta()

    @property
    def freshness(self) -> str:
        """Say how far behind it is, after its name: "3 minutes behind" or "up to date"."""
        if self.behind_since is None:
            return (
                "up to date" if self.subscriptions or not self.is_source else "nothing arrives yet"
            )
        if self.behind < timedelta(minutes=1):
            return "less than a minute behind"
        return f"{timesince(self.now - self.behind, self.now, depth=1)} behind"

    @property
    def tone(self) -> str:
        """Return the colour of the freshness."""
        if self.behind >= VERY_LATE:
            return "danger"
        is_deaf = self.is_source and not self.subscriptions
        return "warning" if self.behind >= LATE or is_deaf else "success"

    @property
    def waiting_words(self) -> str:
        """Return how many wait."""
        return counted(self.waiting)


def standings(*, now: datetime) -> list[Standing]:
    """Return every connection's standing, in two queries and a look at the budget of each source."""
    arrived = _arrivals()
    return [_standing(row, arrived.get(row.pk, []), now=now) for row in _connections(now=now)]


def late(rows: Iterable[Standing]) -> list[Standing]:
    """Keep those that are behind by more than a few minutes, the furthest first."""
    found = [row for row in rows if row.behind >= LATE]
    return sorted(found, key=lambda row: -row.behind)


def _connections(*, now: datetime) -> QuerySet[Any]:
    unsettled = Delivery.objects.filter(
        connection=OuterRef("pk"), state__in=Delivery.UNSETTLED
    ).annotate(due_from=Coalesce("held_until", "created_at"))
    runs = BackfillRun.objects.filter(connection=OuterRef("pk"), dry_run=False).order_by("-id")
    return Connection.objects.defer("sealed_session", "requirements").annotate(
        waiting=CappedCount(unsettled),
        unsent_since=Subquery(
            unsettled.filter(due_from__lte=now).order_by("due_from").values("due_from")[:1]
        ),
        has_rule=Exists(Rule.objects.filter(connection=OuterRef("pk"), enabled=True)),
        run_id=Subquery(runs.values("pk")[:1]),
        run_state=Subquery(runs.values("state")[:1]),
        run_at=Subquery(runs.values(at=Coalesce("finished_at", "created_at"))[:1]),
    )


def _arrivals() -> Mapping[int, list[Any]]:
    """Return the subscriptions in use of each connection, with what last came through each and what waits to be read."""
    webhooks = InboundWebhook.objects.filter(subscription=OuterRef("pk"))
    received = webhooks.filter(state=InboundWebhook.State.RECEIVED).order_by("id")
    rows = WebhookSubscription.objects.filter(retired_at=None).with_last_received().annotate(
        unread_since=Subquery(received.values("received_at")[:1]),
        is_troubled=Exists(WebhookSubscription.objects.in_trouble().filter(pk=OuterRef("pk"))),
    )  # fmt: skip
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.connection_id, []).append(row)
    return found


def _standing(row: Any, arrivals: list[Any], *, now: datetime) -> Standing:
    is_source = row.provider in settings.SOURCES
    unread = [item.unread_since for item in arrivals if item.unread_since]
    received = [item.last_received_at for item in arrivals if item.last_received_at]
    return Standing(
        connection=row, now=now, is_source=is_source, has_rule=row.has_rule, waiting=row.waiting,
        unsent_since=row.unsent_since, unread_since=min(unread, default=None),
        subscriptions=len(arrivals), troubled=sum(item.is_troubled for item in arrivals),
        received_at=max(received, default=None), run_id=row.run_id, run_state=row.run_state or "", run_at=row.run_at,
        meter=_budget(row) if is_source else _allowance(row, now=now),
    )  # fmt: skip


def _budget(connection: Connection) -> Meter | None:
    found = budget.look(connection.pk)
    if found is None or found.limit <= 0:
        return None
    used = found.limit - found.remaining
    return Meter(used=used, limit=found.limit, words=f"{used:,} of {found.limit:,} this minute")


def _allowance(connection: Connection, *, now: datetime) -> Meter | None:
    usage, at = allowance.told(connection)
    if usage is None or at is None or usage.limit <= 0:
        return None
    held = "; what can wait is held" if allowance.is_held(connection, now=now) else ""
    words = f"{usage.used:,} of {usage.limit:,}, told {ago(at, now=now)}{held}"
    return Meter(used=usage.used, limit=usage.limit, words=words)
