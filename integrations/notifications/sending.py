"""Send notifications: claim by conditional UPDATE and a lease, say it, settle by how it ended, as deliveries are.

No transaction is open while it is said. A connection that is paused, throttled or failing holds what is told through it;
nothing of that is lost but digests of days that are over.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet

from integrations import accounts, breaker, endings, outbox
from integrations.connectors.base import Applied, Connector, Notice, Record, Send, Skip, Step
from integrations.endings import Outcome, Written
from integrations.erasure.late import erased_since
from integrations.errors import RuleError
from integrations.http import Recorder
from integrations.models import (
    Connection,
    Delivery,
    DeliveryAttempt,
    Notification,
    NotificationChannel,
)
from integrations.notifications.notices import compose
from integrations.outbox import Settlement

logger = logging.getLogger(__name__)

State = Notification.State
Clock = Callable[[], datetime]

_NOT_KEPT = "[not kept: it names people]"
#: How an ended delivery is called here.
_STATES = {
    Delivery.State.WAITING: State.WAITING,
    Delivery.State.DELIVERED: State.SENT,
    Delivery.State.SKIPPED: State.SKIPPED,
    Delivery.State.FAILED: State.FAILED,
}


@dataclass(slots=True)
class _Try:
    """One try on its way: what was said, and what now exists."""

    row: Notification
    started_at: datetime
    recorder: Recorder = field(default_factory=Recorder)
    record: Record | None = None


def has_due(*, now: datetime) -> bool:
    """Tell whether something can be sent now, or has become too old to be."""
    return _due(now=now).exists()


def drain(*, until: datetime, clock: Clock) -> bool:
    """Send what is due, the oldest first, each once; tell whether more is left."""
    for pk in list(_due(now=clock()).values_list("pk", flat=True)):
        if clock() >= until:
            return True
        send(pk, clock=clock)
    return False


def send(pk: int, *, clock: Clock) -> Notification | None:
    """Send one notification and settle it; return it as it is then, or None when it was not ours to send."""
    row = _claim(pk, now=clock())
    if row is None:
        return None
    attempt = _Try(row, started_at=clock())
    outcome = _outcome(attempt, now=clock())
    if isinstance(outcome, OperationalError | InterfaceError):
        raise outcome  # the database is away: the lease runs out and it is swept
    connection, asked = row.channel.connection, bool(attempt.recorder.exchanges)
    held_until = endings.note(connection, [outcome], asked=asked, now=clock())
    settlement = endings.settlement_of(row, outcome, now=clock(), throttled_until=held_until)
    _settle(attempt, settlement, now=clock())
    row.refresh_from_db()
    logger.info("Notification attempted: notification=%s state=%s", row.pk, row.state)
    return row


def release_expired(*, now: datetime) -> int:
    """Give back what a dead worker was sending: it may have been told, so that the next try looks first."""
    expired = Notification.objects.filter(state=State.SENDING, lease_expires_at__lte=now)
    return sum(_release(row, now=now) for row in expired)


def retry(rows: QuerySet[Notification], *, now: datetime, by: str) -> int:
    """Make failed and skipped ones wait to be sent at once, however old; return how many."""
    again = rows.filter(state__in=[State.FAILED, State.SKIPPED])
    return again.update(
        state=State.WAITING, failure_class="", not_before=now, retry_count=0, settled_at=None,
        expires_at=None, result=f"Retried by {by}.",
    )  # fmt: skip


def _due(*, now: datetime) -> QuerySet[Notification]:
    """Return what can be sent now. What nobody wants any more is among it, whatever its connection."""
    waiting = Notification.objects.filter(state=State.WAITING, not_before__lte=now)
    over = Q(channel__enabled=False) | Q(expires_at__lte=now)
    open_now = Q(channel__connection__in=Connection.objects.open_at(now))
    return waiting.filter(open_now | over).order_by("not_before", "id")


def _claim(pk: int, *, now: datetime) -> Notification | None:
    """Take it for sending; None when it is not due, or another worker was faster."""
    row = Notification.objects.select_related("channel__connection").filter(pk=pk).first()
    if row is None or row.state != State.WAITING or _put_aside(row, now=now):
        return None
    connection = row.channel.connection
    probes = connection.state == Connection.State.DEGRADED
    if probes and not breaker.may_probe(connection, now=now):
        return None
    through = Connection.objects.exclude(state=Connection.State.PAUSED)
    if not probes:
        through = Connection.objects.open_at(now).filter(state=Connection.State.HEALTHY)
    channels = NotificationChannel.objects.filter(connection__in=through, enabled=True)
    lease = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    taken = Notification.objects.filter(
        pk=pk, state=State.WAITING, not_before__lte=now, channel__in=channels
    ).update(state=State.SENDING, lease_expires_at=lease, attempt_count=F("attempt_count") + 1)
    row.attempt_count += 1
    return row if taken else None


def _put_aside(row: Notification, *, now: datetime) -> bool:
    """Settle what nobody wants any more without sending it."""
    if row.expires_at and row.expires_at <= now:
        reason = "Too late: its day is over."
    elif not row.channel.enabled:
        reason = "The channel was switched off."
    else:
        return False
    Notification.objects.filter(pk=row.pk, state=State.WAITING).update(
        state=State.SKIPPED, result=reason, settled_at=now
    )
    return True


def _outcome(attempt: _Try, *, now: datetime) -> Outcome:
    try:
        connector = accounts.connector(attempt.row.channel.connection)
        notice = compose(attempt.row, now=now)
        if isinstance(notice, Skip):
            return notice
        return _told(attempt, connector, notice)
    except Exception as error:  # noqa: BLE001  # every ending is settled; an unforeseen one as crashed
        return error


def _told(attempt: _Try, connector: Connector, notice: Notice) -> Outcome:
    row, connection = attempt.row, attempt.row.channel.connection
    if not connector.notifies:
        raise RuleError(
            f"{connection} cannot tell a channel anything.",
            hint="Choose another connection for the channel.",
        )
    connector.recorder = attempt.recorder
    attempt.record = connector.notify(notice, options=row.channel.options, look_first=row.ambiguous)
    applied = _told_of(notice, attempt.record)
    return Written(decision=Send(summary="Tell it.", payload=None), applied=applied)


def _told_of(notice: Notice, record: Record) -> Applied:
    refused: Sequence[str] = record.data.get("refused", ())
    steps = tuple(Step(name="refused", detail=words) for words in refused)
    but = f". But not everybody was reached: {' '.join(refused)}" if refused else ""
    return Applied(summary=f"Told: {notice.title}{but}", steps=steps)


@transaction.atomic
def _settle(attempt: _Try, settlement: Settlement, *, now: datetime) -> None:
    """Write how it ended, without who was erased while it lasted."""
    row, record = attempt.row, attempt.record
    told: dict[str, Any] = {"remote_id": record.remote_id, "url": record.url} if record else {}
    if not _write_down(row, settlement, now=now, exchanges=_kept(attempt), **told):
        logger.warning("Lease lost before the end: notification=%s", row.pk)
    elif erased_since(attempt.started_at):
        Notification.objects.filter(pk=row.pk).update(exchanges=_without_bodies(attempt))


def _write_down(row: Notification, settlement: Settlement, *, now: datetime, **more: Any) -> bool:
    """Settle it if it is ours still."""
    ours = Notification.objects.filter(
        pk=row.pk, state=State.SENDING, attempt_count=row.attempt_count
    )
    is_sent = settlement.state == Delivery.State.DELIVERED
    return bool(
        ours.update(
            state=_STATES[settlement.state], failure_class=settlement.failure_class,
            not_before=settlement.not_before or row.not_before, lease_expires_at=None,
            retry_count=F("retry_count") + int(settlement.counts),
            ambiguous=not is_sent and (settlement.ambiguous or row.ambiguous),
            result=settlement.result, error=settlement.error, hint=settlement.hint, steps=list(settlement.steps),
            settled_at=None if settlement.state == Delivery.State.WAITING else now, **more,
        )
    )  # fmt: skip


def _release(row: Notification, *, now: datetime) -> int:
    settlement = outbox.after_failure(
        row, now=now, outcome=DeliveryAttempt.Outcome.LOST, ambiguous=True,
        error="The worker died while sending.", hint="Nothing to do: it is tried again and looks before it tells.",
    )  # fmt: skip
    return int(_write_down(row, settlement, now=now))


def _kept(attempt: _Try) -> list[dict[str, Any]]:
    """Return what was said; an agenda names people, so that of it only how it went is kept."""
    is_agenda = attempt.row.kind == Notification.Kind.AGENDA
    return _without_bodies(attempt) if is_agenda else attempt.recorder.exchanges


def _without_bodies(attempt: _Try) -> list[dict[str, Any]]:
    return [
        {**exchange, "request": _NOT_KEPT, "response": _NOT_KEPT}
        for exchange in attempt.recorder.exchanges
    ]
