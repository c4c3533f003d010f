"""What an answer means for us: success, or the error that says what happens next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.connectors.rest.options import Success
from integrations.connectors.rest.rendering import at_path
from integrations.errors import (
    AccessError,
    ConfigurationError,
    IntegrationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)

#: The thing that the request names is not there.
GONE = frozenset({404, 410})
_LASTING = "Nothing to do: it is tried again. If it lasts, see the provider's status page."
#: Where interfaces put their words, in the order in which they are tried.
_WORDS = ("message", "error_description", "detail", "error.message", "error", "errors.0.message", "errors.0", "title", "code")  # fmt: skip
_MOST_WORDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold an answer; `body` is None where it is no JSON. `what` names the request, without its values."""

    what: str
    status: int
    body: Any = None
    text: str = ""
    retry_after: float | None = None
    writes: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def succeeded(self, success: Success) -> bool:
        """Tell whether the answer is what the rule calls a success."""
        statuses = success.statuses or range(200, 300)
        return self.status in statuses and self._says(success)

    def require(self, success: Success) -> "Answer":
        """Return the answer of a success.

        Raises:
            IntegrationError: what it means otherwise.
        """
        if self.succeeded(success):
            return self
        raise as_error(self)

    def _says(self, success: Success) -> bool:
        return not success.path or bool(at_path(self.body, success.path) == success.equals)


def as_error(answer: Answer) -> IntegrationError:
    """Return the error that says what happens next."""
    said = f"{answer.what} was answered with HTTP {answer.status}{words(answer)}."
    match answer.status:
        case 429:
            hint = "Nothing to do: the provider asked us to wait."
            return ThrottledError(said, hint=hint, retry_after=answer.retry_after)
        case 408 | 425:
            ambiguous = answer.writes and answer.status == 408
            return TemporaryError(said, hint=_LASTING, retry_after=answer.retry_after, ambiguous=ambiguous)  # fmt: skip
        case status if status >= 500:
            return TemporaryError(said, hint=_LASTING, retry_after=answer.retry_after, ambiguous=answer.writes)  # fmt: skip
    return _final(answer, said)


def words(answer: Answer) -> str:
    """Return what the provider says about it, cut to a line, with a colon before it."""
    found = (at_path(answer.body, path) for path in _WORDS)
    said = next((item for item in found if isinstance(item, str) and item), answer.text)
    line = " ".join(said.split())
    return f": {line[:_MOST_WORDS].rstrip('.')}" if line else ""


def _final(answer: Answer, said: str) -> IntegrationError:
    match answer.status:
        case 401:
            return ConfigurationError(
                said,
                hint="The interface does not accept the connection's credentials. Enter them again.",
            )
        case 403:
            return AccessError(
                said,
                hint="The credentials work, but may not do this: give the key or its user the right.",
            )
        case 404 | 405 | 410:
            return RuleError(
                said, hint="Check the connection's base_url and the path and method in the rule."
            )
        case 409:
            return PermanentError(
                said,
                hint="Something like it is there already. Look there; an option find lets Calsync recognise it.",
            )
        case status if 300 <= status < 400:
            return ConfigurationError(
                said,
                hint="Redirects are not followed: set base_url to the address that it leads to.",
            )
        case status if status < 300:
            return PermanentError(
                said,
                hint="The rule's success says that this is a failure. Look there, then retry or mend the rule.",
            )
    return PermanentError(
        said, hint="Correct what the rule sends, then retry; the exchange shows the request."
    )
