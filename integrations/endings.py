"""What the end of an attempt means: for its delivery a settlement, for its connection one word to the breaker.

A notification ends as a delivery does. For a rule an end means nothing, unless its target is gone.
"""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from integrations import breaker, outbox, rules
from integrations.connectors.base import Applied, Send, Skip, Step
from integrations.errors import (
    BusyTargetError,
    ConfigurationError,
    DeadTargetError,
    IntegrationError,
    PermanentError,
    PostponedError,
    ReviewError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Connection, Delivery, DeliveryAttempt
from integrations.outbox import Scheduled, Settlement

logger = logging.getLogger(__name__)

State = Delivery.State
Attempted = DeliveryAttempt.Outcome
Failure = Delivery.FailureClass

#: Seconds to hold a connection that throttles us without saying for how long.
DEFAULT_THROTTLE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Hold what was decided and what came of it."""

    decision: Send
    applied: Applied


Outcome = Skip | Written | Exception
ErrorT = TypeVar("ErrorT", bound=Exception)


def note(
    connection: Connection, outcomes: Sequence[Outcome], *, asked: bool, now: datetime
) -> datetime | None:
    """Tell the breaker once how one or many attempts ended; return until when the provider wants us to wait.

    Only what was really asked is a sign of life: a decision to do nothing proves nothing.
    """
    pausing = _first(outcomes, ConfigurationError)
    if pausing is not None:
        breaker.pause(connection, now=now, reason=str(pausing), hint=pausing.hint)
    failures = [item for item in outcomes if _is_failure(item)]
    if asked and any(_is_answer(item) for item in outcomes):
        breaker.succeeded(connection, now=now)
    elif failures:
        breaker.failed(connection, now=now, error=str(failures[0]))
    throttling = _first(outcomes, ThrottledError)
    if throttling is None:
        return None
    seconds = throttling.retry_after or DEFAULT_THROTTLE
    return breaker.throttled(connection, now=now, seconds=seconds)


def settlement_of(
    row: Scheduled, outcome: Outcome, *, now: datetime, throttled_until: datetime | None
) -> Settlement:
    """Return what becomes of a delivery, or of a notification."""
    settlement = _settlement_of(row, outcome, now=now, throttled_until=throttled_until)
    if isinstance(outcome, IntegrationError):
        settlement = replace(settlement, steps=outcome.steps, changes=outcome.changes)
    return settlement


def _settlement_of(
    row: Scheduled, outcome: Outcome, *, now: datetime, throttled_until: datetime | None
) -> Settlement:
    match outcome:
        case Skip():
            return _skipped(outcome)
        case Written():
            return _written(outcome)
        case TemporaryError():
            return _temporary(row, outcome, now=now, throttled_until=throttled_until)
        case ConfigurationError():
            return _paused(outcome, now=now)
        case ReviewError():
            return Settlement(
                state=State.FAILED, failure_class=Failure.REVIEW, outcome=Attempted.FAILED, error=str(outcome),
                hint=outcome.hint,
            )  # fmt: skip
        case DeadTargetError() if isinstance(row, Delivery) and row.rule_id is not None:
            return _paused(outcome, now=now)
        case PermanentError():
            failure = Failure.CONFIGURATION if isinstance(outcome, RuleError) else Failure.PERMANENT
            return _failed(failure, error=str(outcome), hint=outcome.hint)
        case _:
            return _crashed(row, outcome)


def lock_rule(delivery: Delivery, outcome: Outcome) -> None:
    """Lock the delivery's rule where it is to be paused; to be called before the delivery is settled."""
    if isinstance(outcome, DeadTargetError):
        rules.lock(delivery)


def pause_rule(delivery: Delivery, outcome: Outcome, *, now: datetime) -> None:
    """Pause the delivery's rule where its target is gone, in the transaction that settles the delivery."""
    if isinstance(outcome, DeadTargetError):
        rules.pause(delivery, now=now, reason=str(outcome), hint=outcome.hint)


def _temporary(
    row: Scheduled, error: TemporaryError, *, now: datetime, throttled_until: datetime | None
) -> Settlement:
    match error:
        case PostponedError():
            return _postponed(error, now=now)
        case ThrottledError():
            return _throttled(error, until=throttled_until or now)
        case _:
            return outbox.after_failure(
                row, now=now, error=str(error), hint=error.hint, outcome=Attempted.TEMPORARY,
                retry_after=error.retry_after, ambiguous=error.ambiguous, tries=error.tries,
            )  # fmt: skip


def _first(outcomes: Sequence[Outcome], kind: type[ErrorT]) -> ErrorT | None:
    return next((item for item in outcomes if isinstance(item, kind)), None)


def _is_failure(outcome: Outcome) -> bool:
    return isinstance(outcome, TemporaryError) and not isinstance(
        outcome, ThrottledError | PostponedError | BusyTargetError
    )


def _is_answer(outcome: Outcome) -> bool:
    return isinstance(outcome, Skip | Written | PermanentError | BusyTargetError)


def _skipped(skip: Skip) -> Settlement:
    return Settlement(
        state=State.SKIPPED,
        outcome=Attempted.SKIPPED,
        result=skip.reason,
        steps=_steps(*skip.steps),
    )


def _written(written: Written) -> Settlement:
    decision, applied = written.decision, written.applied
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
        changes={
            record: {name: list(pair) for name, pair in fields.items()}
            for record, fields in applied.fields.items()
        },
    )


def _throttled(error: ThrottledError, *, until: datetime) -> Settlement:
    return Settlement(
        state=State.WAITING, not_before=until, outcome=Attempted.TEMPORARY, error=str(error),
        hint=error.hint or "Nothing to do: the provider asked us to wait.", ambiguous=error.ambiguous,
    )  # fmt: skip


def _postponed(error: PostponedError, *, now: datetime) -> Settlement:
    wait = timedelta(seconds=error.retry_after or 1.0)
    return Settlement(
        state=State.WAITING, not_before=now + wait, outcome=Attempted.PAUSED, result=str(error)
    )


def _paused(error: ConfigurationError | DeadTargetError, *, now: datetime) -> Settlement:
    return Settlement(
        state=State.WAITING,
        not_before=now,
        outcome=Attempted.PAUSED,
        error=str(error),
        hint=error.hint,
    )


def _crashed(row: Scheduled, error: Exception) -> Settlement:
    name = type(row).__name__
    logger.error("%s crashed: %s=%s", name, name.lower(), row.pk, exc_info=error)
    told = "".join(traceback.format_exception(error, limit=-8))
    hint = "A fault in Calsync. Report it with this text, then retry once it is mended."
    return _failed(Failure.CRASHED, error=told, hint=hint)


def _failed(failure: Delivery.FailureClass, *, error: str, hint: str) -> Settlement:
    return Settlement(
        state=State.FAILED, failure_class=failure, outcome=Attempted.FAILED, error=error, hint=hint
    )


def _steps(*steps: Step) -> tuple[dict[str, str], ...]:
    return tuple({"name": step.name, "detail": step.detail} for step in steps)
