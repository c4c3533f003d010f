"""The one way out: time-outs, address guard, error mapping, and a record of what was said.

No retries here: those belong to the rows (ARCHITECTURE, invariant 3).
"""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from integrations.errors import ConfigurationError, TemporaryError

#: Seconds to connect and to wait for bytes. A connect time-out just above 3 s lets one TCP retransmission pass.
TIMEOUT = (3.05, 20.0)
_MAX_RECORDED = 8_000
_SECRET_KEY = re.compile(
    r"token|secret|password|authorization|signing_key|assertion|^code$", re.IGNORECASE
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Recorder:
    """Collect what was sent and what came back, secrets removed, for the attempt's row.

    Each exchange is `{"method", "url", "request", "status", "response", "milliseconds", "error"}`.
    """

    exchanges: list[dict[str, Any]] = field(default_factory=list)

    def record(
        self,
        *,
        method: str,
        url: str,
        request: object = None,
        status: int | None = None,
        response: object = None,
        seconds: float = 0.0,
        error: str = "",
    ) -> None:
        """Keep one exchange."""
        self.exchanges.append(
            {
                "method": method,
                "url": url,
                "request": redact(request),
                "status": status,
                "response": redact(response),
                "milliseconds": round(seconds * 1000),
                "error": error,
            }
        )


def redact(value: object) -> object:
    """Return the value with every secret replaced and long text cut, fit to be shown to staff."""
    if isinstance(value, Mapping):
        return {
            str(key): "[secret]" if _SECRET_KEY.search(str(key)) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, str) and len(value) > _MAX_RECORDED:
        return f"{value[:_MAX_RECORDED]}... [{len(value)} characters]"
    return value


def require_allowed(url: str) -> None:
    """Refuse an address outside `OUTBOUND_ALLOWED_HOSTS`, before any credential is sent to it.

    Raises:
        ConfigurationError: the host is not on the list, or plain http leaves the machine.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    loopback = host in {"127.0.0.1", "localhost", "::1"}
    listed = any(
        host.endswith(entry) if entry.startswith(".") else host == entry
        for entry in settings.OUTBOUND_ALLOWED_HOSTS
    )
    if not listed or not (parts.scheme == "https" or (loopback and parts.scheme == "http")):
        raise ConfigurationError(
            f"{parts.scheme}://{host} is not an address this installation may call.",
            hint="Correct the connection's address, or add the host to CALSYNC_OUTBOUND_ALLOWED_HOSTS.",
        )


class HttpClient:
    """Send requests through one session, recording each; network failures become `TemporaryError`."""

    def __init__(
        self, *, recorder: Recorder | None = None, timeout: tuple[float, float] = TIMEOUT
    ) -> None:
        self.recorder = recorder or Recorder()
        self._timeout = timeout
        self._session = requests.Session()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json_body: object = None,
        form: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> requests.Response:
        """Return the answer, whatever its status; redirects are not followed.

        Raises:
            ConfigurationError: the address is not allowed.
            TemporaryError: no answer came; ambiguous when a write may have arrived.
        """
        require_allowed(url)
        started = time.monotonic()
        sent = json_body if json_body is not None else form
        try:
            response = self._session.request(
                method, url, headers=dict(headers or {}), params=params, json=json_body, data=form, auth=auth,
                timeout=self._timeout, allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            seconds = time.monotonic() - started
            self.recorder.record(
                method=method, url=url, request=sent, seconds=seconds, error=_reason(error)
            )
            raise _no_answer(method, url, error) from error
        self.recorder.record(
            method=method, url=response.url, request=sent, status=response.status_code,
            response=_readable(response), seconds=time.monotonic() - started,
        )  # fmt: skip
        return response

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return how long the answer asks us to wait: `Retry-After` as seconds or as an HTTP date, else None.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    value = headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        parsed = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return max(0.0, (parsed - now).total_seconds())


def _no_answer(method: str, url: str, error: requests.RequestException) -> TemporaryError:
    connected = not isinstance(
        error, requests.ConnectTimeout | requests.exceptions.SSLError
    ) and not _refused(error)
    return TemporaryError(
        f"{urlsplit(url).hostname} did not answer: {_reason(error)}.",
        hint="Nothing to do: it is tried again. If it lasts, check the provider's status page and the network.",
        ambiguous=connected and method.upper() not in _SAFE_METHODS,
    )


def _refused(error: BaseException) -> bool:
    text = repr(error)
    return "NewConnectionError" in text or "NameResolutionError" in text


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    return "connection refused" if _refused(error) else "connection lost"


def _readable(response: requests.Response) -> object:
    try:
        return response.json()
    except (json.JSONDecodeError, requests.JSONDecodeError, UnicodeDecodeError):
        return response.text[:_MAX_RECORDED]
