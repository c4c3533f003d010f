"""Carry out deliveries, one or a batch: decide, send, and settle each by how it ended.

Nothing is sent inside a database transaction. What a connector returns or raises decides everything
(`integrations.errors`); an exception nobody foresaw is a fault of ours and holds up no other delivery.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.urls import reverse

from bookings.meeting import Meeting, load_meetings
from integrations import accounts, allowance, endings, outbox, profiles, reviews
from integrations import clock as clocks
from integrations.connectors.base import (
    Applied,
    Choice,
    Connector,
    Job,
    Link,
    Record,
    Requirement,
    Skip,
    Task,
    connector_class,
)
from integrations.endings import Outcome, Written
from integrations.erasure.late import forget_attempt
from integrations.errors import ConfigurationError, IntegrationError, ReviewError
from integrations.http import Recorder
from integrations.models import Connection, Delivery, DeliveryAttempt, RemoteRecord
from integrations.outbox import Claim, Settlement

logger = logging.getLogger(__name__)

State = Delivery.State
#: Stands for a rule that has no id because it is not saved yet; 0 is one that was deleted.
_TRIED_OUT = -1
Clock = Callable[[], datetime]
#: Takes the id of a connection that has something to send now.
Wake = Callable[[int], object]


def _nobody(connection_id: int) -> None:
    """Wake nobody: the sweep finds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Say how an attempt would end, and what it would ask and send.

    `is_known` says that something exists over there for the meeting already, which the action keeps true.
    """

    settlement: Settlement
    exchanges: tuple[dict[str, Any], ...]
    outcome: Outcome
    is_known: bool


@dataclass(slots=True)
class _Attempt:
    """One claimed delivery on its way, and how it ended; `job` is there when something is to be sent."""

    claim: Claim
    recorder: Recorder = field(default_factory=Recorder)
    job: Job | None = None
    outcome: Outcome | None = None
    is_known: bool = False


def deliver(
    delivery_id: int, *, clock: Clock, probe: bool = False, wake: Wake = _nobody
) -> Delivery.State | None:
    """Send one delivery and settle it; return its new state, or None when it was not ours to send.

    `probe` lets it through to a connection whose breaker is open, to see whether it answers again. `wake` is called for
    each connection where something waited for this delivery to end.
    """
    claim = outbox.claim(delivery_id, now=clock(), probe=probe)
    if claim is None:
        return None
    return _carry_out([claim], clock=clock, wake=wake)[0]


def deliver_many(delivery_ids: Sequence[int], *, clock: Clock, wake: Wake = _nobody) -> int:
    """Send deliveries of one connection together and settle each; return how many were ours to send."""
    claims = outbox.claim_many(delivery_ids, now=clock())
    return len(_carry_out(claims, clock=clock, wake=wake)) if claims else 0


def preview(delivery: Delivery, *, clock: Clock) -> Preview:
    """Return what sending the delivery now would do: what is read is asked for, and nothing is written anywhere."""
    return preview_many([delivery], clock=clock)[0]


def preview_many(
    deliveries: Sequence[Delivery], *, clock: Clock, until: datetime | None = None
) -> list[Preview]:
    """Return what sending these of one connection now would do, each as if it were the only one; saved or not.

    `until` is when it has to be done: of those that there was no time for nothing is returned, but of one at least.
    """
    connection = deliveries[0].connection
    looking = outbox.looking_first(deliveries)
    attempts = [
        _Attempt(
            Claim(
                delivery=delivery,
                attempt=DeliveryAttempt(delivery=delivery),
                look_first=(delivery.chain_id, delivery.connection_id) in looking,
            )
        )
        for delivery in deliveries
    ]
    try:
        connector = accounts.connector(connection, dry_run=True)
    except ConfigurationError as error:
        _end_all(attempts, error)
        return [_previewed(attempt, now=clock()) for attempt in attempts]
    _decide(connector, attempts, now=clock())
    found = [_tried(connector, attempts[0], clock=clock)]
    for attempt in attempts[1:]:
        if until is not None and clock() >= until:
            break
        found.append(_tried(connector, attempt, clock=clock))
    allowance.note(connection, connector.usage, now=clock())
    return found


def _tried(connector: Connector, attempt: _Attempt, *, clock: Clock) -> Preview:
    """Carry out what was decided, by a connector that writes nothing; nothing is remembered either."""
    if attempt.job:
        attempt.job = replace(attempt.job, remember=lambda _: None, forget=lambda _type, _key: None)
        _send(connector, [attempt])
    return _previewed(attempt, now=clock())


def _previewed(attempt: _Attempt, *, now: datetime) -> Preview:
    outcome = attempt.outcome or Skip(reason="Nothing was decided.")
    settlement = endings.settlement_of(
        attempt.claim.delivery, outcome, now=now, throttled_until=None
    )
    return Preview(
        settlement=settlement, exchanges=tuple(attempt.recorder.exchanges), outcome=outcome,
        is_known=attempt.is_known,
    )  # fmt: skip


def batch_size(connection: Connection) -> int:
    """Return how many deliveries the connection's provider takes at once."""
    return connector_class(connection.provider).batch_size


@transaction.atomic(savepoint=False)
def settle(
    claim: Claim, settlement: Settlement, *, now: datetime, exchanges: list[dict[str, Any]]
) -> None:
    """Write how the attempt ended, without who was erased while it lasted."""
    outbox.settle(claim, settlement, now=now, exchanges=exchanges)
    forget_attempt(claim.attempt)


def check_connection(connection: Connection, *, now: datetime) -> Applied:
    """Call the provider harmlessly with the connection's credentials, and store who we are there.

    Raises:
        IntegrationError: it does not answer, or refuses us; the hint says what to do.
    """
    try:
        checked = _check(connection, now=now)
    except IntegrationError as error:
        profiles.keep_check(connection, ok=False, said=error.answer, now=now)
        raise
    profiles.keep_check(connection, ok=True, said=checked.summary, now=now)
    return checked


def set_up(connection: Connection, *, now: datetime) -> Sequence[Requirement]:
    """Return what the connection's settings need over there, and whether it is there; kept for its page.

    Raises:
        IntegrationError: it does not answer, or refuses us.
    """
    found = accounts.connector(connection).set_up()
    profiles.keep_requirements(connection, found, now=now)
    return found


def _check(connection: Connection, *, now: datetime) -> Applied:
    connector = accounts.connector(connection)
    try:
        checked = connector.check()
    finally:
        profiles.keep_requirements(connection, connector.requirements, now=now)
    if checked.profile:
        profiles.keep(connection, checked.profile)
    return checked


def _carry_out(claims: Sequence[Claim], *, clock: Clock, wake: Wake) -> list[Delivery.State]:
    connection = claims[0].delivery.connection
    attempts = [_Attempt(claim) for claim in claims]
    try:
        connector = accounts.connector(connection)
    except ConfigurationError as error:
        _end_all(attempts, error)
    else:
        _decide(connector, attempts, now=clock())
        _send(connector, [attempt for attempt in attempts if attempt.job])
        allowance.note(connection, connector.usage, now=clock())
    states = _settle(attempts, connection, clock=clock)
    for freed in set().union(*(claim.freed for claim in claims)):
        wake(freed)
    return states


def _end_all(attempts: Sequence[_Attempt], outcome: Outcome) -> None:
    for attempt in attempts:
        attempt.outcome = outcome


def _decide(connector: Connector, attempts: Sequence[_Attempt], *, now: datetime) -> None:
    """Give each attempt its job, or the reason why there is none."""
    chains = {attempt.claim.delivery.chain_id for attempt in attempts}
    meetings = load_meetings(chains)
    records = _records_by_chain(connector.account.connection_id, chains)
    links = (
        _links_by_chain(connector.account.connection_id, chains) if connector.shows_links else {}
    )
    deliveries = [attempt.claim.delivery for attempt in attempts]
    choices = reviews.choices(connector.account.connection_id, deliveries)
    outdated = clocks.outdated(deliveries, meetings, now=now)
    for attempt in attempts:
        delivery = attempt.claim.delivery
        meeting = meetings.get(delivery.chain_id)
        if meeting is None:
            attempt.outcome = Skip(reason="The meeting is no longer in the mirror.")
        elif meeting.is_erased:
            attempt.outcome = Skip(
                reason="The invitee's data was erased: nothing is sent any more."
            )
        elif why := outdated.get(delivery.pk):
            attempt.outcome = Skip(reason=why)
        else:
            task = _task(
                attempt.claim, meeting, records.get(delivery.chain_id, []),
                links.get(delivery.chain_id, []), choices.get(delivery.serial_key),
            )  # fmt: skip
            keeps = task.action not in connector.passing_actions
            attempt.is_known = keeps and bool(task.records)
            _plan(connector, attempt, task)


def _plan(connector: Connector, attempt: _Attempt, task: Task) -> None:
    try:
        decision = connector.plan(task)
    except Exception as error:  # noqa: BLE001  # every ending is settled; an unforeseen one as crashed
        attempt.outcome = error
        return
    if isinstance(decision, Skip):
        attempt.outcome = decision
        return
    delivery = attempt.claim.delivery
    attempt.job = Job(
        task=task, decision=decision, recorder=attempt.recorder,
        remember=partial(_remember, delivery), forget=partial(_forget, delivery),
    )  # fmt: skip


def _send(connector: Connector, attempts: Sequence[_Attempt]) -> None:
    jobs = [attempt.job for attempt in attempts if attempt.job]
    if not jobs:
        return
    ends = [_send_one(connector, jobs[0])] if len(jobs) == 1 else _send_many(connector, jobs)
    for attempt, job, end in zip(attempts, jobs, ends, strict=True):
        if isinstance(end, OperationalError | InterfaceError):
            raise end  # the database is away: the lease runs out and the delivery is swept
        attempt.outcome = (
            Written(decision=job.decision, applied=end) if isinstance(end, Applied) else end
        )


def _send_one(connector: Connector, job: Job) -> Applied | Exception:
    connector.recorder = job.recorder
    try:
        return connector.apply(job.task, job.decision, remember=job.remember, forget=job.forget)
    except Exception as error:  # noqa: BLE001  # settled by its class, as above
        return error


def _send_many(connector: Connector, jobs: Sequence[Job]) -> list[Applied | Exception]:
    try:
        return connector.apply_many(jobs)
    except Exception as error:  # noqa: BLE001  # nobody knows how far it came: each is settled as crashed
        return [error] * len(jobs)


def _settle(
    attempts: Sequence[_Attempt], connection: Connection, *, clock: Clock
) -> list[Delivery.State]:
    outcomes = [attempt.outcome for attempt in attempts if attempt.outcome is not None]
    asked = any(attempt.recorder.exchanges for attempt in attempts)
    throttled_until = endings.note(connection, outcomes, asked=asked, now=clock())
    states = []
    for attempt, outcome in zip(attempts, outcomes, strict=True):
        delivery = attempt.claim.delivery
        settlement = endings.settlement_of(
            delivery, outcome, now=clock(), throttled_until=throttled_until
        )
        settlement = _write_down(attempt, settlement, now=clock())
        logger.info(
            "Delivery attempted: delivery=%s connection=%s attempt=%s state=%s",
            delivery.pk, connection.pk, attempt.claim.attempt.number, settlement.state,
        )  # fmt: skip
        states.append(settlement.state)
    return states


@transaction.atomic
def _write_down(attempt: _Attempt, settlement: Settlement, *, now: datetime) -> Settlement:
    """Write how the attempt ended, with the question to a person in the same transaction."""
    if attempt.outcome:
        endings.lock_rule(attempt.claim.delivery, attempt.outcome)
    if _overtaken(attempt, now=now):
        settlement = replace(settlement, state=State.WAITING, failure_class="", not_before=now)
    settle(attempt.claim, settlement, now=now, exchanges=attempt.recorder.exchanges)
    if attempt.outcome:
        endings.pause_rule(attempt.claim.delivery, attempt.outcome, now=now)
    return settlement


def _overtaken(attempt: _Attempt, *, now: datetime) -> bool:
    """Ask, where it has to be asked; tell whether a person answered, or answered otherwise, in the meantime."""
    if attempt.job is None:
        return False
    delivery, choice = attempt.claim.delivery, attempt.job.task.choice
    match attempt.outcome:
        case ReviewError() as question:
            return reviews.ask(delivery, question, choice=choice, now=now) is None
        case Written():
            return not reviews.holds(delivery, choice)
    return False


def _task(
    claim: Claim, meeting: Meeting, records: Sequence[Record], links: Sequence[Link],
    choice: Choice | None,
) -> Task:  # fmt: skip
    """Return everything the delivery is decided from, as values."""
    delivery, event = claim.delivery, claim.delivery.event
    return Task(
        delivery_id=delivery.pk or 0, event_id=event.pk or 0, kind=event.kind, changes=event.changes, meeting=meeting,
        action=delivery.action, options=delivery.options, look_first=claim.look_first,
        records=tuple(records), choice=choice, can_wait=delivery.can_wait,
        rule_id=delivery.rule_id or (0 if delivery.pk else _TRIED_OUT), occurred_at=event.occurred_at, links=tuple(links),
        booking_url=settings.CALSYNC_PUBLIC_URL.rstrip("/")
        + reverse("admin:bookings_booking_change", args=[meeting.booking_id]),
    )  # fmt: skip


def _records_by_chain(connection_id: int, chains: Collection[int]) -> dict[int, list[Record]]:
    found = defaultdict(list)
    for row in RemoteRecord.objects.filter(connection_id=connection_id, chain_id__in=chains):
        record = Record(
            object_type=row.object_type, remote_id=row.remote_id, key=row.key, url=row.url,
            content_hash=row.content_hash, data=row.data,
        )  # fmt: skip
        found[row.chain_id].append(record)
    return found


def _links_by_chain(connection_id: int, chains: Collection[int]) -> dict[int, list[Link]]:
    """Return what other connections hold that a person can open."""
    rows = RemoteRecord.objects.filter(chain_id__in=chains).exclude(url="")
    found = defaultdict(list)
    for row in (
        rows.exclude(connection_id=connection_id).select_related("connection").order_by("id")
    ):
        link = Link(
            label=f"{row.connection}: {row.object_type}", url=row.url,
            provider=row.connection.provider, object_type=row.object_type,
        )  # fmt: skip
        found[row.chain_id].append(link)
    return found


def _remember(delivery: Delivery, record: Record) -> None:
    """Store a record in one statement, which a batch does for each of hundreds."""
    row = RemoteRecord(
        connection_id=delivery.connection_id, chain_id=delivery.chain_id,
        object_type=record.object_type, key=record.key, remote_id=record.remote_id, url=record.url,
        content_hash=record.content_hash, data=dict(record.data),
    )  # fmt: skip
    RemoteRecord.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["connection", "chain", "object_type", "key"],
        update_fields=["remote_id", "url", "content_hash", "data", "updated_at"],
    )


def _forget(delivery: Delivery, object_type: str, key: str) -> None:
    RemoteRecord.objects.filter(
        connection_id=delivery.connection_id, chain_id=delivery.chain_id,
        object_type=object_type, key=key,
    ).delete()  # fmt: skip
