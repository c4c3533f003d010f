"""What a receiver's answer means for us, as data, and the one function that reads it.

What speaks of the address or the secret holds for every message: the connection pauses, and nothing is lost or leaves
its order. What speaks of one message fails that one.
"""

from collections.abc import Mapping
from datetime import datetime

import requests

from integrations.errors import (
    ConfigurationError,
    IntegrationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import retry_after_seconds

_MEND_ADDRESS = (
    "Correct the connection's address, test it, and resume the connection: all that waits is sent."
)
_COMPARE = "Compare the signing secret with the receiver's, test the connection, and resume it: all that waits is sent."
_CONFIGURATION: Mapping[int, str] = {
    401: _COMPARE,
    403: _COMPARE,
    404: _MEND_ADDRESS,
    405: f"The address takes no POST. {_MEND_ADDRESS}",
    410: f"The receiver says that the address is gone for good. {_MEND_ADDRESS}",
}
_REDIRECT = f"Redirects are not followed: enter the address that it leads to, if it is yours. {_MEND_ADDRESS}"
_REFUSED = (
    "The receiver does not take this message: look into its log, mend it, then retry the delivery."
)
_WAIT = (
    "Nothing to do: it is tried again, with the same id. If it lasts, look into the receiver's log."
)
#: The receiver says that it did nothing yet.
_NOT_DONE = frozenset({408, 425})


def as_error(response: requests.Response, *, host: str, now: datetime) -> IntegrationError:
    """Return the error that says what happens next."""
    status = response.status_code
    said = f"{host} answered {status}."
    if 300 <= status < 400:
        return ConfigurationError(said, hint=_REDIRECT)
    if status in _CONFIGURATION:
        return ConfigurationError(said, hint=_CONFIGURATION[status])
    wait = retry_after_seconds(response.headers, now=now)
    if status == 429:
        return ThrottledError(
            said, hint="Nothing to do: the receiver asks us to wait.", retry_after=wait
        )
    if status >= 500 or status in _NOT_DONE:
        return TemporaryError(said, hint=_WAIT, retry_after=wait, ambiguous=status >= 500)
    return PermanentError(said, hint=_REFUSED)
