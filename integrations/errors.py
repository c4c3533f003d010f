"""What can go wrong out there, named by what happens next.

IntegrationError
+-- TemporaryError            wait and try again by the row's schedule
|   +-- ThrottledError        the whole connection waits as long as the provider asks
+-- PermanentError            the delivery fails; a person looks
|   +-- RuleError             the delivery fails; a person mends the rule
+-- ConfigurationError        the connection pauses, alerts once, keeps queueing
"""


class IntegrationError(Exception):
    """Anticipated failure at a provider; `hint` tells a person what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class TemporaryError(IntegrationError):
    """The same request may succeed later.

    `retry_after` (seconds) is the provider's own wish. `ambiguous` says that the write may have taken
    effect although no answer came, so that the next try has to look first.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        ambiguous: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.ambiguous = ambiguous


class ThrottledError(TemporaryError):
    """The provider asks the whole connection to slow down."""


class PermanentError(IntegrationError):
    """The same request will never succeed."""


class RuleError(PermanentError):
    """The rule's own settings are wrong, such as a channel that does not exist."""


class ConfigurationError(IntegrationError):
    """The connection's own settings or rights are wrong; nothing can be sent until a person mends them."""
