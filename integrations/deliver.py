"""Carry out one delivery: decide, send, and settle by how it ended.

Nothing is sent inside a database transaction. What a connector returns or raises decides everything
(`integrations.errors`); an exception nobody foresaw is a fault of ours and holds up no other delivery.
"""

import logging
import traceback
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet
from django.urls import reverse

from bookings.meeting import load_meeting
from bookings.models import Invitee
from integrations import breaker, outbox
from integrations.connectors.base import (
    Applied,
    Connector,
    Record,
    Send,
    Skip,
    Step,
    Task,
    connector_class,
)
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import Recorder
from integrations.models import Connection, Delivery, DeliveryAttempt, RemoteRecord
from integrations.outbox import Claim, Settlement

logger = logging.getLogger(__name__)

State = Delivery.State
Attempted = DeliveryAttempt.Outcome
Failure = Delivery.FailureClass
Clock = Callable[[], datetime]

#: Seconds to hold a connection that throttles us without saying for how long.
DEFAULT_THROTTLE = 60.0


def deliver(delivery_id: int, *, clock: Clock, probe: bool = False) -> Delivery.State | None:
    """Send one delivery and settle it; return its new state, or None when it was not ours to send.

    `probe` lets it through to a connection whose breaker is open, to see whether it answers again.
    """
    claim = outbox.claim(delivery_id, now=clock(), probe=probe)
    if claim is None:
        return None
    recorder = Recorder()
    settlement = _attempt(claim, recorder=recorder, clock=clock)
    outbox.settle(claim, settlement, now=clock(), exchanges=recorder.exchanges)
    logger.info(
        "Delivery attempted: delivery=%s connection=%s attempt=%s state=%s",
        delivery_id, claim.delivery.connection_id, claim.attempt.number, settlement.state,
    )  # fmt: skip
    return settlement.state


def check_connection(connection: Connection) -> Applied:
    """Call the provider harmlessly with the connection's credentials and say who we are there.

    Raises:
        IntegrationError: it does not answer, or refuses us; the hint says what to do.
    """
    return _connector(connection, recorder=Recorder()).check()


def _attempt(claim: Claim, *, recorder: Recorder, clock: Clock) -> Settlement:
    delivery, connection = claim.delivery, claim.delivery.connection
    try:
        settlement = _carry_out(claim, recorder=recorder)
    except ThrottledError as error:
        return _throttled(delivery, error, now=clock())
    except TemporaryError as error:
        breaker.failed(connection, now=clock(), error=str(error))
        return outbox.after_failure(
            delivery, now=clock(), error=str(error), hint=error.hint, outcome=Attempted.TEMPORARY,
            retry_after=error.retry_after, ambiguous=error.ambiguous,
        )  # fmt: skip
    except ConfigurationError as error:
        return _paused(delivery, error, now=clock())
    except PermanentError as error:
        _note_answer(connection, recorder, now=clock())
        failure = Failure.CONFIGURATION if isinstance(error, RuleError) else Failure.PERMANENT
        return _failed(failure, error=str(error), hint=error.hint)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the lease runs out and the delivery is swept
    except Exception:
        logger.exception("Delivery crashed: delivery=%s", delivery.pk)
        hint = "A fault in Calsync. Report it with this text, then retry once it is mended."
        return _failed(Failure.CRASHED, error=traceback.format_exc(limit=-8), hint=hint)
    _note_answer(connection, recorder, now=clock())
    return settlement


def _note_answer(connection: Connection, recorder: Recorder, *, now: datetime) -> None:
    """Count as a sign of life only what was really asked: a decision to do nothing proves nothing."""
    if recorder.exchanges:
        breaker.succeeded(connection, now=now)


def _carry_out(claim: Claim, *, recorder: Recorder) -> Settlement:
    try:
        task = build_task(claim.delivery, look_first=claim.look_first)
    except Invitee.DoesNotExist:
        return _skipped(Skip(reason="The meeting is no longer in the mirror."))
    connector = _connector(claim.delivery.connection, recorder=recorder)
    decision = connector.plan(task)
    if isinstance(decision, Skip):
        return _skipped(decision)
    applied = _apply(connector, task, decision, delivery=claim.delivery)
    done = (
        (State.DELIVERED, Attempted.DELIVERED)
        if applied.changed
        else (State.SKIPPED, Attempted.SKIPPED)
    )
    return Settlement(
        state=done[0],
        outcome=done[1],
        result=applied.summary,
        steps=_steps(*decision.steps, *applied.steps),
    )


def _apply(connector: Connector, task: Task, decision: Send, *, delivery: Delivery) -> Applied:
    def remember(record: Record) -> None:
        RemoteRecord.objects.update_or_create(
            connection_id=delivery.connection_id, chain_id=delivery.chain_id,
            object_type=record.object_type, key=record.key,
            defaults={
                "remote_id": record.remote_id, "url": record.url,
                "content_hash": record.content_hash, "data": dict(record.data),
            },
        )  # fmt: skip

    def forget(object_type: str, key: str) -> None:
        _records(delivery).filter(object_type=object_type, key=key).delete()

    return connector.apply(task, decision, remember=remember, forget=forget)


def build_task(delivery: Delivery, *, look_first: bool = False) -> Task:
    """Return everything the delivery is decided from, as values.

    Raises:
        Invitee.DoesNotExist: the meeting was erased.
    """
    meeting, event = load_meeting(delivery.chain_id), delivery.event
    return Task(
        delivery_id=delivery.pk, event_id=event.pk, kind=event.kind, changes=event.changes, meeting=meeting,
        action=delivery.action, options=delivery.options, look_first=look_first,
        records=tuple(_record(row) for row in _records(delivery)),
        booking_url=settings.CALSYNC_PUBLIC_URL.rstrip("/")
        + reverse("admin:bookings_booking_change", args=[meeting.booking_id]),
    )  # fmt: skip


def _records(delivery: Delivery) -> QuerySet[RemoteRecord]:
    return RemoteRecord.objects.filter(
        connection_id=delivery.connection_id, chain_id=delivery.chain_id
    )


def _record(row: RemoteRecord) -> Record:
    return Record(
        object_type=row.object_type, remote_id=row.remote_id, key=row.key, url=row.url,
        content_hash=row.content_hash, data=row.data,
    )  # fmt: skip


def _connector(connection: Connection, *, recorder: Recorder) -> Connector:
    account = connection.open_account()
    return connector_class(connection.provider)(account, recorder=recorder)


def _skipped(skip: Skip) -> Settlement:
    return Settlement(
        state=State.SKIPPED,
        outcome=Attempted.SKIPPED,
        result=skip.reason,
        steps=_steps(*skip.steps),
    )


def _failed(failure: Delivery.FailureClass, *, error: str, hint: str) -> Settlement:
    return Settlement(
        state=State.FAILED, failure_class=failure, outcome=Attempted.FAILED, error=error, hint=hint
    )


def _throttled(delivery: Delivery, error: ThrottledError, *, now: datetime) -> Settlement:
    seconds = error.retry_after or DEFAULT_THROTTLE
    until = breaker.throttled(delivery.connection, now=now, seconds=seconds)
    return Settlement(
        state=State.WAITING, not_before=until, outcome=Attempted.TEMPORARY, error=str(error),
        hint=error.hint or "Nothing to do: the provider asked us to wait.", ambiguous=error.ambiguous,
    )  # fmt: skip


def _paused(delivery: Delivery, error: ConfigurationError, *, now: datetime) -> Settlement:
    breaker.pause(delivery.connection, now=now, reason=str(error), hint=error.hint)
    return Settlement(
        state=State.WAITING,
        not_before=now,
        outcome=Attempted.PAUSED,
        error=str(error),
        hint=error.hint,
    )


def _steps(*steps: Step) -> tuple[dict[str, str], ...]:
    return tuple({"name": step.name, "detail": step.detail} for step in steps)
