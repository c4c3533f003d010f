"""What can go wrong out there, named by what happens next.

IntegrationError
+-- TemporaryError            wait and try again by the row's schedule
|   +-- ThrottledError        the whole connection waits as long as the provider asks
|   +-- PostponedError        the delivery waits its turn: nothing was asked yet, and nothing counts
|   +-- BusyTargetError       the same, but the provider works: one mailbox is full, and nobody else is held up
+-- PermanentError            the delivery fails; a person looks
|   +-- RuleError             the delivery fails; a person mends the rule
|   |   +-- DeadTargetError   the rule pauses, alerts once, keeps queueing: its channel or address is gone
|   +-- ReviewError           the delivery fails; a person chooses among what fits
+-- ConfigurationError        the connection pauses, alerts once, keeps queueing
    +-- AccessError           the same, but for who can go on without what was refused
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Name a record over there that a person may choose; `detail` tells it from its likes."""

    object_type: str
    remote_id: str
    label: str
    detail: str = ""
    url: str = ""


class IntegrationError(Exception):
    """Anticipated failure at a provider; `hint` tells a person what to do.

    `steps` and `changes` say how far it came, as an attempt keeps them: {"name": str, "detail": str}, and
    {"Lead 00Q...": {"Company": [before, after]}}.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.steps: tuple[Mapping[str, str], ...] = ()
        self.changes: Mapping[str, Mapping[str, list[Any]]] = {}

    @property
    def answer(self) -> str:
        """Return what a person is told who asked for it and waits: what went wrong, and what to do."""
        return f"{self} {self.hint}".strip()


class TemporaryError(IntegrationError):
    """The same request may succeed later.

    `retry_after` (seconds) is the provider's own wish. `ambiguous` says that the write may have taken
    effect although no answer came, so that the next try has to look first. `tries` is how often it is worth
    trying in all, where the schedule would be too patient: an answer that nobody knows, say.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        ambiguous: bool = False,
        tries: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.tries = tries

    @property
    def answer(self) -> str:
        """As above, but the hint speaks of rows: what a person asked for is not tried again by itself."""
        wait = f"in {math.ceil(self.retry_after)} s" if self.retry_after else "in a minute"
        return f"{self} Try again {wait}. If it lasts, check the provider's status page and the network."


class ThrottledError(TemporaryError):
    """The provider asks the whole connection to slow down."""


class PostponedError(TemporaryError):
    """Its turn has not come: nothing was asked, so this is no failure; `retry_after` says how long to wait."""


class BusyTargetError(TemporaryError):
    """The provider works, but what one delivery is for is busy, such as a full mailbox: no word against the connection."""


class PermanentError(IntegrationError):
    """The same request will never succeed."""


class RuleError(PermanentError):
    """The rule's own settings are wrong, such as a channel that does not exist."""


class DeadTargetError(RuleError):
    """What the rule names is gone for good, such as an archived channel: every later delivery would fail alike."""


class ReviewError(PermanentError):
    """Several records fit, or none can be told apart for certain: a person has to choose."""

    def __init__(
        self,
        message: str,
        *,
        candidates: Sequence[Candidate],
        hint: str = "",
        steps: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = tuple(candidates)
        self.steps = tuple(steps)


class ConfigurationError(IntegrationError):
    """The connection's own settings or rights are wrong; nothing can be sent until a person mends them."""


class AccessError(ConfigurationError):
    """The account works, but may not do this: a scope, the plan or the person's role does not include it."""
