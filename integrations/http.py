"""The one way out: time-outs, address guard, error mapping, and a record of what was said.

No retries here: those belong to the rows (ARCHITECTURE, invariant 3).
"""

import email.utils
import json
import re
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from integrations import guard
from integrations.errors import ConfigurationError, TemporaryError
from integrations.guarded import lead, send

#: Seconds to connect and to wait for bytes. A connect time-out just above 3 s lets one TCP retransmission pass.
TIMEOUT = (3.05, 20.0)
#: What a recorded exchange says of a write that a dry run held back.
NOT_SENT = "not sent: dry run"
#: A server may ask for years; a day later it is asked again.
LONGEST_WAIT = 24 * 3600.0
_MAX_RECORDED = 8_000
_SECRET_KEY = re.compile(
    r"token|secret|password|authorization|signing_key|assertion|^code(_verifier)?$", re.IGNORECASE
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

    def record_not_sent(self, *, method: str, url: str, request: object = None) -> None:
        """Keep a write that a dry run held back."""
        self.record(method=method, url=url, request=request, error=NOT_SENT)


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


def require_allowed(url: str, *, own_host: str = "") -> None:
    """Refuse an address outside `OUTBOUND_ALLOWED_HOSTS`, before any credential is sent to it.

    `own_host` is allowed beside them: where this installation calls itself.

    Raises:
        ConfigurationError: the host is not on the list, or plain http leaves the machine.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    loopback = host in {"127.0.0.1", "localhost", "::1"}
    listed = guard.is_listed(host, settings.OUTBOUND_ALLOWED_HOSTS)
    listed = listed or (bool(own_host) and host == own_host)
    if not listed or not (parts.scheme == "https" or (loopback and parts.scheme == "http")):
        raise ConfigurationError(
            f"{parts.scheme}://{host} is not an address this installation may call.",
            hint="Correct the connection's address, or add the host to CALSYNC_OUTBOUND_ALLOWED_HOSTS.",
        )


class BadCertificateError(TemporaryError):
    """The other side's TLS certificate is not to be trusted."""


class HttpClient:
    """Send requests through one session, recording each where asked to; network failures become `TemporaryError`.

    `guarded` is for addresses that staff entered: instead of the list of hosts it is `integrations.guard` that judges them,
    no proxy stands between, an answer is cut at `guarded.MOST_READ` bytes, and all of it ends with the sum of the time-outs.
    """

    def __init__(
        self,
        *,
        recorder: Recorder | None = None,
        timeout: tuple[float, float] = TIMEOUT,
        own_host: str = "",
        guarded: bool = False,
    ) -> None:
        # Who reads page after page has no row to keep them in: they would be parsed twice and pile up.
        self._recorder = recorder
        self._timeout = timeout
        self._own_host = own_host
        self._session = requests.Session()
        # A .netrc of this machine would put its own password in place of the token that is sent.
        self._session.auth = _nothing_more
        self._guarded = guarded
        if guarded:
            lead(self._session, total=sum(timeout))

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json_body: object = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> requests.Response:
        """Return the answer, whatever its status; redirects are not followed. `content` is sent as it is.

        Raises:
            ConfigurationError: the address is not allowed, or a secret cannot be sent in a header.
            TemporaryError: no answer came; ambiguous when a write may have arrived.
        """
        self._check(url)
        started = time.monotonic()
        sent = _readable_body(json_body if json_body is not None else form, content)
        try:
            response = self._send(
                method, url, headers=dict(headers or {}), params=params, json=json_body,
                data=form if content is None else content, auth=auth,
            )  # fmt: skip
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError):
            raise _unsendable() from None
        except requests.RequestException as error:
            seconds = time.monotonic() - started
            if self._recorder is not None:
                self._recorder.record(
                    method=method, url=url, request=sent, seconds=seconds, error=_reason(error)
                )
            raise _no_answer(method, url, error) from error
        if self._recorder is not None:
            self._recorder.record(
                method=method, url=response.url, request=sent, status=response.status_code,
                response=_readable(response), seconds=time.monotonic() - started,
            )  # fmt: skip
        return response

    def _check(self, url: str) -> None:
        if self._guarded:
            guard.check_url(url)
        else:
            require_allowed(url, own_host=self._own_host)

    def _send(self, method: str, url: str, **sent: Any) -> requests.Response:
        sent |= {"timeout": self._timeout, "allow_redirects": False}
        if self._guarded:
            return send(self._session, method, url, total=sum(self._timeout), **sent)
        return self._session.request(method, url, **sent)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return how long the answer asks us to wait, up to a day: `Retry-After` as seconds or as an HTTP date, else None.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    value = headers.get("Retry-After", "").strip()
    if (seconds := plain_seconds(value)) is not None:
        return seconds
    try:
        parsed = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    return min(max(0.0, (parsed - now).total_seconds()), LONGEST_WAIT)


def plain_seconds(value: str) -> float | None:
    """Return a number of seconds as a header holds it, up to a day; None where it is no number."""
    return min(float(value), LONGEST_WAIT) if value.isascii() and value.isdigit() else None


def _readable_body(body: object, content: bytes | None) -> object:
    """Return what was sent, for the record: of bytes the JSON or the text that they are."""
    if content is None:
        return body
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def _nothing_more(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _unsendable() -> ConfigurationError:
    """Return what a header that cannot be sent means; the error behind it would quote the secret, so it is not told."""
    return ConfigurationError(
        "A token or secret holds characters that no provider's does, so it was not sent.",
        hint="Enter it again: copied text may have brought a line break, quotation marks or dots of its own.",
    )


def _no_answer(method: str, url: str, error: requests.RequestException) -> TemporaryError:
    connected = not (
        isinstance(error, requests.ConnectTimeout) or _refused(error) or _is_handshake(error)
    )
    kind = BadCertificateError if _is_certificate(error) else TemporaryError
    return kind(
        f"{urlsplit(url).hostname} did not answer: {_reason(error)}.",
        hint="Nothing to do: it is tried again. If it lasts, check the provider's status page and the network.",
        ambiguous=connected and method.upper() not in _SAFE_METHODS,
    )


def _cause(error: requests.RequestException) -> str:
    """Return what went wrong below, without the address that is quoted around it: it holds words of strangers."""
    inner: object = error.args[0] if error.args else error
    return repr(getattr(inner, "reason", inner))


def _is_handshake(error: BaseException | None) -> bool:
    """Tell whether TLS was still being agreed on: no request was sent. Other TLS errors may come after one."""
    while error is not None:
        frames = traceback.walk_tb(error.__traceback__)
        if any(frame.f_code.co_name == "do_handshake" for frame, _ in frames):
            return True
        error = error.__context__
    return False


def _is_certificate(error: requests.RequestException) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in _cause(error)


def _refused(error: requests.RequestException) -> bool:
    return _cause(error).startswith(("NewConnectionError", "NameResolutionError"))


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if _is_certificate(error):
        return "its TLS certificate is not trusted"
    if _cause(error).startswith("NameResolutionError"):
        return "its name could not be resolved"
    return "connection refused" if _refused(error) else "connection lost"


def _readable(response: requests.Response) -> object:
    try:
        return response.json()
    except (json.JSONDecodeError, requests.JSONDecodeError, UnicodeDecodeError):
        return response.text[:_MAX_RECORDED]
