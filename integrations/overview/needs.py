"""What needs a person, each thing once and with the rows behind it: one finder for each kind of trouble.

A finder is listed under the model that it reads: who may not see that model is told nothing of it. A review that waits for
an answer is no failure as well.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Model, QuerySet

from bookings.counting import capped_count, many
from integrations.models import (
    BackfillRun,
    Connection,
    Delivery,
    InboundWebhook,
    MatchReview,
    Notification,
    Rule,
    WebhookSubscription,
)
from integrations.notifications.alerts import PATIENCE
from integrations.overview.failures import LOOKED_AT, FailureGroup, Failures
from integrations.overview.machine import Machine
from integrations.overview.standings import Standing
from integrations.subscriptions import judge

#: How many causes of failures are told one by one.
MOST_CAUSES = 15
#: For how long a notification that nobody got is worth a word.
_NOTIFIED_WITHIN = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Hold one thing that needs a person, and where its rows are: one row's page, or a list narrowed by `query`.

    `title` and `hint` are ours; `why` is what a provider or an error said, and may name somebody.
    """

    tone: str
    title: str
    model: type[Model] | None = None
    pk: int | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    failure: FailureGroup | None = None
    why: str = ""
    hint: str = ""
    first_at: datetime | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Hold what was read already, for all finders."""

    now: datetime
    standings: Collection[Standing]
    failures: Failures

    def name(self, connection_id: int) -> str:
        """Return a connection's name."""
        names = (
            str(row.connection) for row in self.standings if row.connection.pk == connection_id
        )
        return next(names, "a connection")


def needs(facts: Facts, *, machine: Machine | None, seen: Collection[type[Model]]) -> list[Need]:
    """Return what needs a person, of the models that this person may see; the worst first."""
    found = list(_machine(machine)) if machine else []
    for model, finder in FINDERS:
        if model in seen:
            found += finder(facts)
    return sorted(found, key=lambda need: need.tone != "danger")


def _machine(machine: Machine) -> Iterator[Need]:
    for part in machine.parts:
        if part.is_broken:
            yield Need(tone="danger", title=f"{part.name}: {part.words}", hint=part.hint)


def _connections(facts: Facts) -> Iterator[Need]:
    for row in (standing.connection for standing in facts.standings):
        since, hint = row.state_changed_at, row.state_hint
        if row.state == Connection.State.PAUSED:
            by = f" by {row.paused_by}" if row.paused_by else ""
            yield Need(
                tone="warning" if by else "danger", title=f"{row} is paused{by}", model=Connection, pk=row.pk,
                why="" if by else row.state_reason, hint=hint or "Mend the connection, then resume it.", first_at=since,
            )  # fmt: skip
        elif row.state == Connection.State.DEGRADED and since and facts.now - since >= PATIENCE:
            yield Need(
                tone="warning", title=f"{row} does not answer", model=Connection, pk=row.pk,
                why=row.state_reason, hint=hint, first_at=since,
            )  # fmt: skip


def _rules(_facts: Facts) -> Iterator[Need]:
    for row in Rule.objects.filter(paused_at__isnull=False, enabled=True):
        yield Need(
            tone="danger", title=f"The rule “{row}” is paused", model=Rule, pk=row.pk, why=row.paused_reason,
            hint=row.paused_hint or "Mend what the rule names, then resume the rule.", first_at=row.paused_at,
        )  # fmt: skip


def _failures(facts: Facts) -> Iterator[Need]:
    groups = facts.failures.groups
    for group in groups[:MOST_CAUSES]:
        title = f"{many(group.count, 'delivery', 'deliveries')} to {facts.name(group.connection_id)} failed"
        yield Need(
            tone="danger", title=title, model=Delivery, failure=group, why=group.cause, hint=group.hint,
            first_at=group.first_at, last_at=group.last_at,
        )  # fmt: skip
    if len(groups) > MOST_CAUSES:
        title = f"Deliveries failed for {many(len(groups) - MOST_CAUSES, 'more cause')}"
        yield Need(tone="danger", title=title, model=Delivery)
    if facts.failures.is_cut:
        yield Need(
            tone="danger", title="There are older failures", model=Delivery,
            hint=f"The newest {LOOKED_AT:,} are told here. Retry them, or acknowledge what needs nobody.",
        )  # fmt: skip


def _reviews(_facts: Facts) -> Iterator[Need]:
    opened = MatchReview.objects.filter(state=MatchReview.State.OPEN)
    yield from _many(
        opened, MatchReview, "match review", "to answer", tone="warning", query={"state__exact": "open"},
        hint="Say which record is the right person; what waits for the answer is then sent.",
    )  # fmt: skip


def _subscriptions(facts: Facts) -> Iterator[Need]:
    for row in WebhookSubscription.objects.in_trouble().select_related("connection"):
        tone, label, words = judge(row, now=facts.now)
        title = f"A webhook subscription of {row.connection}: {label}"
        yield Need(tone=tone, title=title, model=WebhookSubscription, pk=row.pk, hint=words)


def _webhooks(_facts: Facts) -> Iterator[Need]:
    failed = InboundWebhook.objects.filter(state=InboundWebhook.State.FAILED)
    yield from _many(
        failed, InboundWebhook, "webhook", "could not be read", tone="danger", query={"state__exact": "failed"},
        hint="Open one to see why; once that is mended, process them again.",
    )  # fmt: skip


def _backfills(facts: Facts) -> Iterator[Need]:
    """Tell of the connections whose last backfill did not read everything."""
    states = BackfillRun.State
    for row in facts.standings:
        if row.run_state in {states.PARTIAL, states.FAILED}:
            how = "failed" if row.run_state == states.FAILED else "could not read everything"
            yield Need(
                tone="warning", title=f"The last backfill of {row.connection} {how}", model=BackfillRun, pk=row.run_id,
                hint="Its page says what is missing and what to do.", last_at=row.run_at,
            )  # fmt: skip


def _notifications(facts: Facts) -> Iterator[Need]:
    failed = Notification.objects.filter(
        state=Notification.State.FAILED, settled_at__gte=facts.now - _NOTIFIED_WITHIN
    )
    yield from _many(
        failed, Notification, "notification", "reached nobody", tone="warning", query={"state__exact": "failed"},
        hint="Open one to see why, and mend its channel.",
    )  # fmt: skip


def _many(
    rows: QuerySet[Model], model: type[Model], thing: str, what: str, *, tone: str, query: Mapping[str, str], hint: str
) -> Iterator[Need]:  # fmt: skip
    if number := capped_count(rows):
        yield Need(
            tone=tone, title=f"{many(number, thing)} {what}", model=model, query=query, hint=hint
        )


FINDERS: tuple[tuple[type[Model], Callable[[Facts], Iterator[Need]]], ...] = (
    (Connection, _connections),
    (Rule, _rules),
    (Delivery, _failures),
    (InboundWebhook, _webhooks),
    (WebhookSubscription, _subscriptions),
    (MatchReview, _reviews),
    (BackfillRun, _backfills),
    (Notification, _notifications),
)
