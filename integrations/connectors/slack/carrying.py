"""Write to several places in one delivery: what fails in one is told, and keeps none of the others from theirs."""

import time
from collections.abc import Callable, Sequence

from django.conf import settings

from integrations.connectors.base import Step
from integrations.connectors.slack.writing import CardWrite
from integrations.errors import (
    ConfigurationError,
    DeadTargetError,
    IntegrationError,
    PermanentError,
    PostponedError,
    RuleError,
    TemporaryError,
    ThrottledError,
)

#: What matters most to what happens next; the others are met again when the delivery is tried again, or when it fails.
_WORST_FIRST: tuple[Callable[[IntegrationError], bool], ...] = (
    lambda error: isinstance(error, ThrottledError),
    lambda error: isinstance(error, TemporaryError) and error.ambiguous,
    lambda error: isinstance(error, ConfigurationError),
    lambda error: isinstance(error, TemporaryError) and not isinstance(error, PostponedError),
    lambda error: isinstance(error, PostponedError),
    lambda error: isinstance(error, DeadTargetError),
    lambda error: isinstance(error, RuleError),
    lambda error: isinstance(error, PermanentError),
)


def carry_out(
    writes: Sequence[CardWrite],
    write: Callable[[CardWrite], tuple[Step, ...]],
    *,
    before: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """Write to every place and return what was done; `before` is what was done and decided until then.

    Raises:
        IntegrationError: the worst of what went wrong, with steps that tell of all places.
    """
    steps, failures, stop_at = list(before), list[IntegrationError](), _stop_at()
    for item in writes:
        if _is_hopeless(failures) or time.monotonic() > stop_at:
            steps.append(Step(name="card", detail=f"{item.place.label} waits for the next try."))
            continue
        try:
            steps.extend(write(item))
        except IntegrationError as error:
            failures.append(error)
            steps.append(Step(name="failure", detail=f"{item.place.label}: {error}"))
    if failures:
        raise _with_steps(worst(failures), steps)
    return tuple(steps)


def worst(failures: Sequence[IntegrationError]) -> IntegrationError:
    """Return the failure that decides what becomes of the delivery; if anything may have been written, it says so."""
    found = next(error for is_it in _WORST_FIRST for error in failures if is_it(error))
    if isinstance(found, TemporaryError):
        found.ambiguous = any(isinstance(item, TemporaryError) and item.ambiguous for item in failures)  # fmt: skip
    return found


def _is_hopeless(failures: Sequence[IntegrationError]) -> bool:
    """Tell whether Slack asked all of us to wait."""
    return any(isinstance(error, ThrottledError) for error in failures)


def _stop_at() -> float:
    """Return when to begin with no other place: well before another worker takes the delivery over."""
    third: float = settings.DELIVERY_LEASE_SECONDS / 3
    return time.monotonic() + third


def _with_steps(error: IntegrationError, steps: Sequence[Step]) -> IntegrationError:
    error.steps = tuple({"name": step.name, "detail": step.detail} for step in steps)
    return error
