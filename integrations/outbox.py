"""The queue of deliveries: which are due, who may send one, and what follows from how it ended.

A delivery is claimed by a conditional UPDATE and a lease, in a transaction that also writes its attempt, so that a
worker that dies leaves a trace. Only the oldest unsettled delivery of a chain and connection is due, but for those that
are held (`integrations.holds`); a partial unique index keeps a second one of the same chain, and one of the same person,
from being sent at the same time.
"""

import hashlib
import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, QuerySet, When

from bookings.models import BookingEvent
from integrations import holds
from integrations.causes import cause_of
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


class Scheduled(Protocol):
    """Name what a row has that is tried again by the schedule: a delivery, a notification."""

    @property
    def pk(self) -> Any:
        """Return its id."""

    @property
    def retry_count(self) -> int:
        """Return how far along the schedule it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Hold a delivery that this worker alone may send until its lease ends.

    `freed` gets the connections of what waited for its end: whoever settled it wakes them.
    """

    delivery: Delivery
    attempt: DeliveryAttempt
    look_first: bool
    freed: set[int] = field(default_factory=set)


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
    changes: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    steps: tuple[Mapping[str, str], ...] = field(default=())


def add(planned: Iterable[tuple[BookingEvent, Rule]], *, now: datetime) -> set[int]:
    """Queue one delivery for each event and rule; a pair that met before queues nothing again.

    Each event belongs to a chain. What waits there and could wait longer must not hold up what somebody waits for.
    Return the connections of what waited for a delivery that is superseded now.
    """
    planned = list(planned)
    deliveries = [
        Delivery(
            event=event, rule=rule, connection_id=rule.connection_id, chain_id=cast("int", event.chain_id),
            serial_key=_serial_key(event), action=rule.action, options=rule.options, can_wait=event.silent,
            not_before=now, created_at=now,
        )
        for event, rule in planned
    ]  # fmt: skip
    chains = {delivery.chain_id for delivery in deliveries}
    unsettled = Delivery.objects.filter(chain__in=chains, state__in=Delivery.UNSETTLED)
    earlier = holds.lock(unsettled.only("chain_id", "can_wait"))
    holds.hold(deliveries, now=now)
    _hurry([*earlier, *deliveries])
    Delivery.objects.bulk_create(deliveries, ignore_conflicts=True)
    return holds.supersede(deliveries, earlier=earlier, now=now)


def _hurry(deliveries: Iterable[Delivery]) -> None:
    """Let none of a chain wait where one cannot."""
    deliveries = list(deliveries)
    urgent = {row.chain_id for row in deliveries if not row.can_wait}
    slow = [row for row in deliveries if row.can_wait and row.chain_id in urgent]
    for row in slow:
        row.can_wait = False
    stored = [row.pk for row in slow if row.pk]
    if stored:
        Delivery.objects.filter(pk__in=stored).update(can_wait=False)


def person_key(email_folded: str) -> str:
    """Return what two meetings of one person share, without saying who it is."""
    return hashlib.sha256(email_folded.encode()).hexdigest()


def _serial_key(event: BookingEvent) -> str:
    email = event.invitee.email_folded if event.invitee else ""
    return person_key(email or f"chain {event.chain_id}")


def due(connection_id: int, *, now: datetime, limit: int, hold: bool = False) -> list[int]:
    """Return the ids of deliveries that may be sent now, the longest waiting first; what can wait goes last.

    `hold` leaves out what can wait.
    """
    waiting = _waiting(now=now).filter(connection_id=connection_id)
    if hold:
        waiting = waiting.filter(can_wait=False)
    sending = Delivery.objects.filter(connection_id=connection_id, state=State.SENDING)
    free = waiting.exclude(chain__in=sending.values("chain")).exclude(
        serial_key__in=sending.values("serial_key")
    )
    ordered = _first_of_chain(free, now=now).order_by("can_wait", "not_before", "id")
    return list(ordered.values_list("id", flat=True)[:limit])


def next_turn(connection_id: int, *, now: datetime, within: timedelta) -> datetime | None:
    """Return when the next delivery that waits for its turn, and for nothing to mend, may be sent; None if not soon."""
    waiting = Delivery.objects.filter(
        connection_id=connection_id, state=State.WAITING, error="",
        not_before__gt=now, not_before__lte=now + within,
    )  # fmt: skip
    return waiting.order_by("not_before").values_list("not_before", flat=True).first()


def in_flight(connection_id: int) -> int:
    """Return how many deliveries of the connection are being sent now, by all workers together."""
    return Delivery.objects.filter(connection_id=connection_id, state=State.SENDING).count()


def _waiting(*, now: datetime) -> QuerySet[Delivery]:
    """Return what may be sent now as far as its own row and its rule say."""
    return Delivery.objects.filter(state=State.WAITING, not_before__lte=now).exclude(
        holds.held(now=now)
    )


def _first_of_chain(deliveries: QuerySet[Delivery], *, now: datetime) -> QuerySet[Delivery]:
    """Keep the oldest unsettled of each chain and connection; what is held goes before nothing but its own rule's."""
    unsettled = Delivery.objects.filter(
        chain=OuterRef("chain"), connection=OuterRef("connection"), state__in=Delivery.UNSETTLED,
        id__lt=OuterRef("id"),
    )  # fmt: skip
    behind_held = unsettled.filter(holds.held(now=now), rule=OuterRef("rule"))
    other = ~holds.held(now=now) & ~Exists(behind_held)
    earlier = unsettled.filter(Q(rule=OuterRef("rule")) | other)
    # Inside an expression PostgreSQL looks into the index row by row. As a plain condition it becomes a join, which takes
    # minutes where many deliveries were planned at once and no statistics are there yet.
    blocked = Case(When(Exists(earlier), then=True), default=False, output_field=BooleanField())
    return deliveries.alias(blocked=blocked).filter(blocked=False)


def claim(delivery_id: int, *, now: datetime, probe: bool = False) -> Claim | None:
    """Take a delivery for sending, or return None when it is no longer due or another worker was faster.

    Nothing is due at a connection that was paused, throttled or found failing meanwhile; `probe` may try the last.
    """
    lease = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    try:
        with transaction.atomic():
            waiting = _waiting(now=now).filter(connection__in=_open(now=now, probe=probe))
            taken = waiting.filter(pk=delivery_id).update(
                state=State.SENDING, lease_expires_at=lease, attempt_count=F("attempt_count") + 1
            )
            return _begin_attempt(delivery_id, now=now) if taken else None
    except IntegrityError:
        return None


def claim_many(delivery_ids: Iterable[int], *, now: datetime) -> list[Claim]:
    """Take deliveries of one connection for a batch, and begin an attempt of each.

    One at the most of a chain and of a person is taken, and none that another worker holds; they stay waiting.
    """
    lease = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    waiting = _waiting(now=now).filter(
        pk__in=list(delivery_ids), connection__in=_open(now=now, probe=False)
    )
    try:
        with transaction.atomic():
            # Ignored by SQLite, where whoever writes is alone anyway.
            locked = waiting.select_for_update(skip_locked=True, of=("self",))
            taken = list(_one_of_each(locked.select_related("event", "connection").order_by("id")))
            Delivery.objects.filter(pk__in=[row.pk for row in taken], state=State.WAITING).update(
                state=State.SENDING, lease_expires_at=lease, attempt_count=F("attempt_count") + 1
            )
            return _begin_attempts(taken, now=now)
    except IntegrityError:
        return []  # another worker sends for one of these people just now


def _one_of_each(deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
    seen: set[object] = set()
    for delivery in deliveries:
        keys = {delivery.chain_id, delivery.serial_key}
        if not keys & seen:
            seen |= keys
            yield delivery


def _begin_attempts(deliveries: list[Delivery], *, now: datetime) -> list[Claim]:
    look_first = looking_first(deliveries)
    for delivery in deliveries:
        delivery.attempt_count += 1
    attempts = DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(delivery=delivery, number=delivery.attempt_count, started_at=now)
        for delivery in deliveries
    )
    return [
        Claim(
            delivery=delivery, attempt=attempt,
            look_first=(delivery.chain_id, delivery.connection_id) in look_first,
        )
        for delivery, attempt in zip(deliveries, attempts, strict=True)
    ]  # fmt: skip


def looks_first(delivery: Delivery) -> bool:
    """Tell whether an earlier attempt may have written something without an answer."""
    return DeliveryAttempt.objects.filter(
        ambiguous=True,
        delivery__chain=delivery.chain_id,
        delivery__connection=delivery.connection_id,
    ).exists()


def looking_first(deliveries: Iterable[Delivery]) -> set[tuple[int | None, int]]:
    """Return the chains and connections where an earlier attempt may have written something without an answer."""
    chains = {delivery.chain_id for delivery in deliveries}
    ambiguous = DeliveryAttempt.objects.filter(ambiguous=True, delivery__chain__in=chains)
    return set(ambiguous.values_list("delivery__chain_id", "delivery__connection_id"))


def unsaved(event: BookingEvent, rule: Rule, *, now: datetime) -> Delivery:
    """Return the delivery that a rule plans for an event of a chain, without queueing it."""
    return Delivery(
        event=event, rule=rule, connection=rule.connection, chain_id=cast("int", event.chain_id),
        serial_key=_serial_key(event), action=rule.action, options=rule.options, can_wait=event.silent,
        not_before=now, created_at=now,
    )  # fmt: skip


def _open(*, now: datetime, probe: bool) -> QuerySet[Connection]:
    if probe:
        return Connection.objects.exclude(state=Connection.State.PAUSED)
    return Connection.objects.open_at(now).filter(state=Connection.State.HEALTHY)


def _begin_attempt(delivery_id: int, *, now: datetime) -> Claim:
    delivery = Delivery.objects.select_related("event", "connection").get(pk=delivery_id)
    look_first = looks_first(delivery)
    attempt = DeliveryAttempt.objects.create(
        delivery=delivery, number=delivery.attempt_count, started_at=now
    )
    return Claim(delivery=delivery, attempt=attempt, look_first=look_first)


@transaction.atomic(savepoint=False)
def settle(
    claim: Claim, settlement: Settlement, *, now: datetime, exchanges: list[dict[str, Any]]
) -> bool:
    """Write how the attempt ended; return False when the lease was lost and another worker has the delivery.

    An end lets go what waited for it.
    """
    DeliveryAttempt.objects.filter(pk=claim.attempt.pk).update(
        outcome=settlement.outcome, ambiguous=settlement.ambiguous, steps=list(settlement.steps),
        exchanges=exchanges, changes=settlement.changes, error=settlement.error, hint=settlement.hint, finished_at=now,
    )  # fmt: skip
    delivery = claim.delivery
    ends = settlement.state != State.WAITING
    waiting = holds.waiting_for(delivery) if ends else []
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
        cause=cause_of(settlement.error) if settlement.state == State.FAILED else "",
        settled_at=now if ends else None,
    )
    if not settled:
        logger.warning(
            "Lease lost before the end: delivery=%s attempt=%s", delivery.pk, claim.attempt.number
        )
    else:
        claim.freed.update(holds.let_go(waiting))
    return bool(settled)


def after_failure(
    row: Scheduled, *, now: datetime, error: str, hint: str, outcome: DeliveryAttempt.Outcome,
    retry_after: float | None = None, ambiguous: bool = False, tries: int | None = None,
) -> Settlement:  # fmt: skip
    """Return what a failure that may pass means: wait for the next place in the schedule, or give up at its end.

    `tries` ends it earlier.
    """
    retries = len(RETRY_SCHEDULE) if tries is None else min(tries - 1, len(RETRY_SCHEDULE))
    if row.retry_count >= retries:
        last = Attempted.FAILED if outcome == Attempted.TEMPORARY else outcome
        return Settlement(
            state=State.FAILED, failure_class=Delivery.FailureClass.EXHAUSTED, outcome=last,
            error=error, hint=hint or "Every retry failed. Mend the cause, then retry.", ambiguous=ambiguous,
        )  # fmt: skip
    wait = max(_delay(row.retry_count), timedelta(seconds=retry_after or 0))
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


def unseen_failures() -> QuerySet[Delivery]:
    """Return what failed, was not repaired by a later delivery, and nobody has acknowledged."""
    return latest_deliveries().filter(state=Delivery.State.FAILED, acknowledged_at=None)


@transaction.atomic
def retry(
    deliveries: QuerySet[Delivery], *, now: datetime, by: str, also_delivered: bool = False
) -> int:
    """Make failed and skipped deliveries wait to be sent at once, from the start of the schedule; return how many.

    They are sent as their rule says now: a person has mended it, perhaps, before asking. `also_delivered` sends
    again what went through, for what it was decided from has changed.
    """
    ended = [State.FAILED, State.SKIPPED, *([State.DELIVERED] if also_delivered else [])]
    count = sum(_retry(rows, ended, now=now, by=by) for rows in holds.locked(deliveries))
    logger.info("Deliveries retried: count=%s", count)
    return count


def _retry(deliveries: QuerySet[Delivery], ended: list[State], *, now: datetime, by: str) -> int:
    again = deliveries.filter(state__in=ended)
    for rule in Rule.objects.filter(pk__in=again.values("rule")):
        again.filter(rule=rule).update(
            action=rule.action, options=rule.options, connection=rule.connection_id
        )
    count = again.update(
        state=State.WAITING, failure_class="", cause="", retry_count=0, settled_at=None,
        acknowledged_at=None, acknowledged_by="", acknowledged_reason="", result=f"Retried by {by}.",
        **holds.at_once(now),
    )  # fmt: skip
    later = Q(not_before__gt=now) | Q(held_until__gt=now)
    return count + deliveries.filter(later, state=State.WAITING).update(**holds.at_once(now))


@transaction.atomic
def acknowledge(deliveries: QuerySet[Delivery], *, by: str, now: datetime, reason: str = "") -> int:
    """Note that a person has seen these failures, so that nobody is told of them again; return how many.

    Only what failed, and was not acknowledged before, can be. A retry forgets it. `reason` says why nothing is done.
    """
    failed = deliveries.filter(state=State.FAILED, acknowledged_at=None)
    count = sum(
        rows.update(acknowledged_at=now, acknowledged_by=by, acknowledged_reason=reason)
        for rows in holds.locked(failed)
    )
    logger.info("Deliveries acknowledged: count=%s", count)
    return count


def repeat(delivery: Delivery, *, now: datetime, reason: str) -> bool:
    """Send a settled delivery once more, without hurry; False when it waits or is being sent anyway.

    It is late from now on, not since it was first planned.
    """
    return bool(
        Delivery.objects.filter(pk=delivery.pk)
        .exclude(state__in=Delivery.UNSETTLED)
        .update(
            state=State.WAITING, failure_class="", cause="", retry_count=0, settled_at=None, acknowledged_at=None,
            acknowledged_by="", acknowledged_reason="", result=reason, error="", hint="", can_wait=True,
            **{**holds.at_once(now), "held_until": now},
        )
    )  # fmt: skip


def fail_settled(delivery: Delivery, *, now: datetime, error: str, hint: str, step: str) -> bool:
    """Fail a delivery whose provider says later that it went wrong; False while it is not settled.

    To be called in a transaction. It is written down as an attempt of its own, under the name of the `step`.
    """
    settled = Delivery.objects.filter(pk=delivery.pk).exclude(state__in=Delivery.UNSETTLED)
    failed = settled.update(
        state=State.FAILED, failure_class=Delivery.FailureClass.PERMANENT, error=error, hint=hint,
        cause=cause_of(error), settled_at=now, attempt_count=F("attempt_count") + 1,
    )  # fmt: skip
    if not failed:
        return False
    delivery.refresh_from_db()
    DeliveryAttempt.objects.create(
        delivery=delivery, number=delivery.attempt_count, outcome=Attempted.FAILED, error=error, hint=hint,
        steps=[{"name": step, "detail": error}], started_at=now, finished_at=now,
    )  # fmt: skip
    return True


def latest_deliveries() -> QuerySet[Delivery]:
    """Return the deliveries that no later one of the same chain, connection and rule has replaced."""
    later = Delivery.objects.filter(
        chain=OuterRef("chain"),
        connection=OuterRef("connection"),
        rule=OuterRef("rule"),
        id__gt=OuterRef("id"),
    )
    # As in `_first_of_chain`: as a plain condition PostgreSQL joins the few that failed with all deliveries there are.
    replaced = Case(When(Exists(later), then=True), default=False, output_field=BooleanField())
    return Delivery.objects.alias(replaced=replaced).filter(replaced=False)


def waiting_connections(*, now: datetime) -> list[int]:
    """Return the connections that have something to send now and may."""
    waiting = _waiting(now=now).filter(connection=OuterRef("pk"))
    return list(
        Connection.objects.open_at(now).filter(Exists(waiting)).values_list("pk", flat=True)
    )
