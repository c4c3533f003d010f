"""The daily report: how each connection is, what was delivered, what failed, and what waits for a person.

A number of queries that does not grow with connections, deliveries or failures.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, OuterRef, Subquery

from integrations.connectors.base import Notice, NoticeLine, NoticeSection
from integrations.failures import grouped, newest_of
from integrations.models import (
    BackfillRun,
    Connection,
    Delivery,
    DriftFinding,
    MatchReview,
    Rule,
    WebhookSubscription,
)
from integrations.notifications.links import caused, home, listed, page
from integrations.outbox import unseen_failures

#: How many causes of failures are told one by one.
_MOST_CAUSES = 15
#: How many failures a person may say they have seen with the buttons of one report: their ids need room in the message.
_MOST_ACKNOWLEDGED = 200

State = Delivery.State


@dataclass(frozen=True)
class Report:
    """Gather what is told; `since` is when the report before this one was written."""

    since: datetime
    now: datetime

    def notice(self, *, title: str, key: str) -> Notice:
        """Return the report."""
        sections = (
            NoticeSection(heading="Connections", lines=tuple(self._connections())),
            NoticeSection(heading="Paused rules", lines=tuple(self._paused())),
            NoticeSection(heading="Failed, and waiting for you", lines=tuple(self._failed())),
            NoticeSection(heading="For you to decide", lines=tuple(self._undecided())),
            NoticeSection(heading=f"Delivered since {_clock(self.since)}", lines=tuple(self._delivered())),
            NoticeSection(heading="What comes in", lines=tuple(self._incoming())),
        )  # fmt: skip
        told = tuple(section for section in sections if section.lines)
        return Notice(key=key, title=title, sections=told, url=home())

    @cached_property
    def _rows(self) -> list[Any]:
        """Return the connections with what each last received and read again."""
        subscriptions = WebhookSubscription.objects.filter(connection=OuterRef("pk"))
        received = subscriptions.with_last_received().exclude(last_received_at=None)
        read = BackfillRun.objects.filter(connection=OuterRef("pk")).order_by("-id")
        return list(
            Connection.objects.annotate(
                received=Subquery(
                    received.order_by("-last_received_at").values("last_received_at")[:1]
                ),
                read_state=Subquery(read.values("state")[:1]),
                read_at=Subquery(read.values("created_at")[:1]),
            )
        )

    def _connections(self) -> Iterator[NoticeLine]:
        waits = Delivery.objects.filter(state__in=Delivery.UNSETTLED).values("connection")
        behind = {
            row["connection"]: row
            for row in waits.order_by().annotate(count=Count("pk"), oldest=Min("created_at"))
        }
        for row in self._rows:
            parts = [_waiting(behind.get(row.pk)), row.state_reason, row.state_hint]
            yield NoticeLine(
                text=f"{row}: {row.get_state_display()}", url=page(Connection, row.pk),
                detail=_sentences(*parts),
            )  # fmt: skip

    def _paused(self) -> Iterator[NoticeLine]:
        held = Delivery.objects.filter(state__in=Delivery.UNSETTLED, rule__paused_at__isnull=False)
        counts = dict(held.order_by().values_list("rule").annotate(count=Count("pk")))
        paused = Rule.objects.filter(paused_at__isnull=False, enabled=True)
        for row in paused.select_related("connection"):
            waits = "1 delivery waits" if counts.get(row.pk) == 1 else f"{counts.get(row.pk, 0)} deliveries wait"  # fmt: skip
            yield NoticeLine(
                text=f"{row} ({row.connection}): {waits}", url=page(Rule, row.pk),
                detail=_sentences(row.paused_reason, row.paused_hint),
            )  # fmt: skip

    def _delivered(self) -> Iterator[NoticeLine]:
        settled = Delivery.objects.filter(settled_at__gte=self.since, settled_at__lt=self.now)
        counts: dict[int, Counter[str]] = defaultdict(Counter)
        for row in settled.order_by().values("connection", "state").annotate(count=Count("pk")):
            counts[row["connection"]][row["state"]] = row["count"]
        for row in self._rows:
            if found := counts.get(row.pk):
                words = (f"{found[state]} {state}" for state in (State.DELIVERED, State.SKIPPED, State.FAILED) if found[state])  # fmt: skip
                yield NoticeLine(text=f"{row}: {', '.join(words)}")
        if not counts:
            yield NoticeLine(text="Nothing was sent.")

    def _failed(self) -> Iterator[NoticeLine]:
        names = {row.pk: str(row) for row in self._rows}
        groups = [group for group in grouped(unseen_failures()) if not group.is_question]
        shown = groups[:_MOST_CAUSES]
        seen = newest_of(unseen_failures(), each=_MOST_ACKNOWLEDGED // max(1, len(shown)))
        for group in shown:
            yield NoticeLine(
                text=f"{group.count} at {names.get(group.connection_id, 'a connection')}: {group.cause}",
                url=caused(connection_id=group.connection_id, failure_class=group.failure_class, cause=group.cause),
                detail=group.hint, acknowledges=seen.get(group.key, ()),
            )  # fmt: skip
        if len(groups) > _MOST_CAUSES:
            left = f"and {len(groups) - _MOST_CAUSES} more causes"
            yield NoticeLine(text=left, url=listed(Delivery, state__exact="failed"))

    def _undecided(self) -> Iterator[NoticeLine]:
        reviews = MatchReview.objects.filter(state=MatchReview.State.OPEN).count()
        if reviews:
            yield NoticeLine(
                text=f"{_many(reviews, 'match review')} to answer", url=listed(MatchReview, state__exact="open")
            )  # fmt: skip
        differences = DriftFinding.objects.filter(state=DriftFinding.State.FOUND).count()
        if differences:
            yield NoticeLine(
                text=f"{_many(differences, 'difference')} from what was written",
                url=listed(DriftFinding, state__exact="found"),
            )  # fmt: skip

    def _incoming(self) -> Iterator[NoticeLine]:
        troubled = _troubled_subscriptions()
        for row in self._rows:
            if row.provider in settings.SOURCES:
                yield _source_line(row, troubled=troubled.get(row.pk, 0))


def _troubled_subscriptions() -> Mapping[int, int]:
    """Return how many of each connection's subscriptions in use do not work."""
    rows = WebhookSubscription.objects.in_trouble()
    counted = rows.order_by().values("connection").annotate(count=Count("pk"))
    return {row["connection"]: row["count"] for row in counted}


def _source_line(row: Any, *, troubled: int) -> NoticeLine:
    heard = f"last webhook {_clock(row.received)}" if row.received else "no webhook yet"
    read = f"last backfill {_clock(row.read_at)}: {row.read_state}" if row.read_at else "no backfill yet"  # fmt: skip
    well = f"{_many(troubled, 'subscription')} in trouble" if troubled else "subscriptions well"
    return NoticeLine(text=f"{row}: {heard}, {read}, {well}", url=page(Connection, row.pk))


def _waiting(behind: Mapping[str, Any] | None) -> str:
    if behind is None:
        return ""
    verb = "waits" if behind["count"] == 1 else "wait"
    return f"{behind['count']} {verb}, the oldest since {_clock(behind['oldest'])}."


def _sentences(*parts: str) -> str:
    """Join what may end without a full stop."""
    return " ".join(
        part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part
    )


def _many(number: int, thing: str) -> str:
    return f"1 {thing}" if number == 1 else f"{number} {thing}s"


def _clock(at: datetime) -> str:
    return f"{at:%d %b %H:%M} UTC"
