"""The queue of deliveries: which are due, who may send one, and what follows from how it ended.

A delivery is claimed by a conditional UPDATE and a lease, in a transaction that also writes its attempt, so that a
worker that dies leaves a trace. Only the oldest unsettled delivery of a chain and connection is due; a partial
unique index keeps a second one of the same chain, and one of the same person, from being sent at the same time.
"""

import hashlib
import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from bookings.models import BookingEvent
from integrations.models import Connection, Delivery, DeliveryAttempt, Rule

logger = logging.getLogger(__name__)

State = Delivery.State
Attempted = DeliveryAttempt.Outcome

#: Waits between tries, about three days in all. Source: https://www.standardwebhooks.com (retry schedule)
RETRY_SCHEDULE = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
_JITTER = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Hold a delivery that this worker alone may send until its lease ends."""

    delivery: Delivery
    attempt: DeliveryAttempt
    look_first: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Say how an attempt ended and what becomes of its delivery.

    `not_before` belongs to `waiting`, `failure_class` to `failed`; `counts` moves the retry schedule on.
    """

    state: Delivery.State
    outcome: DeliveryAttempt.Outcome
    result: str = ""
    error: str = ""
    hint: str = ""
    failure_class: str = ""
    not_before: datetime | None = None
    counts: bool = False
    ambiguous: bool = False
    steps: tuple[Mapping[str, str], ...] = field(default=())


def add(
    event: BookingEvent, *, chain_id: int, rules: Iterable[Rule], now: datetime
) -> list[Delivery]:
    """Queue one delivery for each rule; an event and a rule that met before queue nothing again."""
    serial_key = _serial_key(event, chain_id=chain_id)
    deliveries = [
        Delivery(
            event=event, rule=rule, connection_id=rule.connection_id, chain_id=chain_id,
            serial_key=serial_key, action=rule.action, options=rule.options, not_before=now, created_at=now,
        )
        for rule in rules
    ]  # fmt: skip
    return Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)


def _serial_key(event: BookingEvent, *, chain_id: int) -> str:
    """Return what two meetings of one person share, without saying who it is."""
    email = event.invitee.email_folded if event.invitee else ""
    return hashlib.sha256((email or f"chain {chain_id}").encode()).hexdigest()


def due(connection_id: int, *, now: datetime, limit: int) -> list[int]:
    """Return the ids of deliveries that may be sent now, the longest waiting first."""
    waiting = Delivery.objects.filter(
        connection_id=connection_id, state=State.WAITING, not_before__lte=now
    )
    return list(
        _first_of_chain(waiting).order_by("not_before", "id").values_list("id", flat=True)[:limit]
    )


def in_flight(connection_id: int) -> int:
    """Return how many deliveries of the connection are being sent now, by all workers together."""
    return Delivery.objects.filter(connection_id=connection_id, state=State.SENDING).count()


def _first_of_chain(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    same = Delivery.objects.filter(chain=OuterRef("chain"), connection=OuterRef("connection"))
    earlier = same.filter(state__in=Delivery.UNSETTLED, id__lt=OuterRef("id"))
    sending = Delivery.objects.filter(connection=OuterRef("connection"), state=State.SENDING)
    same_chain, same_person = (
        sending.filter(**{name: OuterRef(name)}) for name in ("chain", "serial_key")
    )
    return deliveries.filter(~Exists(earlier), ~Exists(same_chain), ~Exists(same_person))


def claim(delivery_id: int, *, now: datetime, probe: bool = False) -> Claim | None:
    """Take a delivery for sending, or return None when it is no longer due or another worker was faster.

    Nothing is due at a connection that was paused, throttled or found failing meanwhile; `probe` may try the last.
    """
    lease = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    try:
        with transaction.atomic():
            taken = Delivery.objects.filter(
                pk=delivery_id,
                state=State.WAITING,
                not_before__lte=now,
                connection__in=_open(now=now, probe=probe),
            ).update(
                state=State.SENDING, lease_expires_at=lease, attempt_count=F("attempt_count") + 1
            )
            return _begin_attempt(delivery_id, now=now) if taken else None
    except IntegrityError:
        return None


def _open(*, now: datetime, probe: bool) -> QuerySet[Connection]:
    if probe:
        return Connection.objects.exclude(state=Connection.State.PAUSED)
    return Connection.objects.open_at(now).filter(state=Connection.State.HEALTHY)


def _begin_attempt(delivery_id: int, *, now: datetime) -> Claim:
    delivery = Delivery.objects.select_related("event", "connection").get(pk=delivery_id)
    look_first = DeliveryAttempt.objects.filter(
        ambiguous=True,
        delivery__chain=delivery.chain_id,
        delivery__connection=delivery.connection_id,
    ).exists()
    attempt = DeliveryAttempt.objects.create(
        delivery=delivery, number=delivery.attempt_count, started_at=now
    )
    return Claim(delivery=delivery, attempt=attempt, look_first=look_first)


@transaction.atomic
def settle(
    claim: Claim, settlement: Settlement, *, now: datetime, exchanges: list[dict[str, Any]]
) -> bool:
    """Write how the attempt ended; return False when the lease was lost and another worker has the delivery."""
    DeliveryAttempt.objects.filter(pk=claim.attempt.pk).update(
        outcome=settlement.outcome, ambiguous=settlement.ambiguous, steps=list(settlement.steps),
        exchanges=exchanges, error=settlement.error, hint=settlement.hint, finished_at=now,
    )  # fmt: skip
    delivery = claim.delivery
    settled = Delivery.objects.filter(
        pk=delivery.pk, state=State.SENDING, attempt_count=delivery.attempt_count
    ).update(
        state=settlement.state,
        failure_class=settlement.failure_class,
        not_before=settlement.not_before or delivery.not_before,
        lease_expires_at=None,
        retry_count=F("retry_count") + int(settlement.counts),
        result=settlement.result,
        error=settlement.error,
        hint=settlement.hint,
        settled_at=None if settlement.state == State.WAITING else now,
    )
    if not settled:
        logger.warning(
            "Lease lost before the end: delivery=%s attempt=%s", delivery.pk, claim.attempt.number
        )
    return bool(settled)


def after_failure(
    delivery: Delivery, *, now: datetime, error: str, hint: str, outcome: DeliveryAttempt.Outcome,
    retry_after: float | None = None, ambiguous: bool = False,
) -> Settlement:  # fmt: skip
    """Return what a failure that may pass means: wait for the next place in the schedule, or give up at its end."""
    if delivery.retry_count >= len(RETRY_SCHEDULE):
        return Settlement(
            state=State.FAILED, failure_class=Delivery.FailureClass.EXHAUSTED, outcome=outcome,
            error=error, hint=hint or "Every retry failed. Mend the cause, then retry.", ambiguous=ambiguous,
        )  # fmt: skip
    wait = max(_delay(delivery.retry_count), timedelta(seconds=retry_after or 0))
    return Settlement(
        state=State.WAITING, not_before=now + wait, counts=True, outcome=outcome, error=error, hint=hint,
        ambiguous=ambiguous,
    )  # fmt: skip


def _delay(retry_count: int) -> timedelta:
    spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # jitter, not a secret
    return RETRY_SCHEDULE[retry_count] * spread


def release_expired(*, now: datetime) -> int:
    """Give back the deliveries whose worker died: their attempt is lost, and the next one looks before it writes."""
    expired = Delivery.objects.filter(state=State.SENDING, lease_expires_at__lte=now)
    return sum(_release(delivery, now=now) for delivery in expired.iterator())


@transaction.atomic
def _release(delivery: Delivery, *, now: datetime) -> int:
    attempt = delivery.attempts.filter(number=delivery.attempt_count).first()
    if attempt is None:
        return 0
    settlement = after_failure(
        delivery, now=now, outcome=Attempted.LOST, ambiguous=True,
        error="The worker died while sending.", hint="Nothing to do: it is tried again and looks before it writes.",
    )  # fmt: skip
    held = Claim(delivery=delivery, attempt=attempt, look_first=True)
    return int(settle(held, settlement, now=now, exchanges=[]))


def retry(deliveries: QuerySet[Delivery], *, now: datetime, by: str) -> int:
    """Make failed and skipped deliveries wait to be sent at once, from the start of the schedule; return how many.

    They are sent as their rule says now: a person has mended it, perhaps, before asking.
    """
    again = deliveries.filter(state__in=[State.FAILED, State.SKIPPED])
    for rule in Rule.objects.filter(pk__in=again.values("rule")):
        again.filter(rule=rule).update(action=rule.action, options=rule.options)
    count = again.update(
        state=State.WAITING, failure_class="", not_before=now, retry_count=0, settled_at=None,
        result=f"Retried by {by}.",
    )  # fmt: skip
    hurried = deliveries.filter(state=State.WAITING, not_before__gt=now).update(not_before=now)
    logger.info("Deliveries retried: count=%s", count + hurried)
    return count + hurried


def waiting_connections(*, now: datetime) -> list[int]:
    """Return the connections that have something to send now and may."""
    waiting = Delivery.objects.filter(
        connection=OuterRef("pk"), state=State.WAITING, not_before__lte=now
    )
    return list(
        Connection.objects.open_at(now).filter(Exists(waiting)).values_list("pk", flat=True)
    )
