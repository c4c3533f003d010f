"""Speak to the interface: say who calls, send, renew a token once, and read answers of any shape."""

import base64
from collections.abc import Mapping
from typing import Any, Self

import requests

from integrations.connectors.rest import tokens
from integrations.connectors.rest.answers import Answer
from integrations.connectors.rest.discreet import Discreet
from integrations.connectors.rest.rendering import Rendered
from integrations.connectors.rest.settings import RestSettings
from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import HttpClient, Recorder, plain_seconds, retry_after_seconds
from integrations.models import Account
from integrations.sessions import LoggedIn, Session, Sessions

#: Says when more may be asked, in seconds, where there is no Retry-After: Brevo's name, and the one of the IETF's draft.
_RESETS = ("x-sib-ratelimit-reset", "RateLimit-Reset")
_MOST_TEXT = 2_000


class RestClient:
    """Send what was rendered, below the connection's address."""

    def __init__(
        self,
        *,
        account: Account,
        settings: RestSettings,
        sessions: Sessions,
        recorder: Recorder,
        timeout: tuple[float, float],
        dry_run: bool = False,
    ) -> None:
        secrets = account.secrets
        self._secrets = secrets
        self._settings = settings
        self._sessions = sessions
        self._dry_run = dry_run
        self._recorder = Discreet(recorder, secrets.values())
        self._http = HttpClient(recorder=self._recorder, timeout=timeout, guarded=True)
        self._key = tokens.session_key(settings, secrets)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def read(self, request: Rendered) -> Answer:
        """Return the answer to a request that changes nothing; a dry run asks it, too.

        Raises:
            ConfigurationError: the credentials are missing or refused, or the address is not allowed.
            TemporaryError: no answer came.
        """
        return self._send(request, writes=False)

    def write(self, request: Rendered) -> Answer:
        """Return the answer to a request that changes something; a dry run sends nothing and makes the answer up.

        Raises:
            ConfigurationError: the credentials are missing or refused, or the address is not allowed.
            TemporaryError: no answer came; ambiguous where it may have arrived.
        """
        if self._dry_run:
            self._require_secrets()
            shown = {"headers": dict(request.headers), "body": request.body}
            url = (
                requests.Request(request.method, self._url(request), params=request.query)
                .prepare()
                .url
            )
            self._recorder.record_not_sent(method=request.method, url=str(url), request=shown)
            return Answer(what=_what(request), status=200, writes=True)
        return self._send(request, writes=True)

    def log_in(self) -> bool:
        """Fetch a new token, which shows that the credentials are good; False where there is none to fetch.

        Raises:
            ConfigurationError, TemporaryError: see `tokens.fetch`.
        """
        self._require_secrets()
        if self._settings.auth != "oauth2_client_credentials":
            return False
        self._renew(self._sessions.current(self._key))
        return True

    def _send(self, request: Rendered, *, writes: bool) -> Answer:
        self._require_secrets()
        if self._settings.auth != "oauth2_client_credentials":
            return self._exchange(request, self._credentials(), writes=writes)
        session = self._session()
        answer = self._exchange(request, self._bearer(session), writes=writes)
        if answer.status == 401:
            answer = self._exchange(request, self._bearer(self._renew(session)), writes=writes)
        return answer

    def _exchange(
        self, request: Rendered, credentials: Mapping[str, str], *, writes: bool
    ) -> Answer:
        content = {"form" if request.is_form else "json_body": request.body}
        try:
            response = self._http.request(
                request.method, self._url(request), params=request.query or None,
                headers={"Accept": "application/json", **request.headers, **credentials}, **content,
            )  # fmt: skip
        except TemporaryError as error:
            error.ambiguous = error.ambiguous and writes
            raise
        return self._read(request, response, writes=writes)

    def _read(self, request: Rendered, response: requests.Response, *, writes: bool) -> Answer:
        body = self._recorder.without(_json(response))
        text = "" if body is not None else self._recorder.without(response.text[:_MOST_TEXT])
        return Answer(
            what=_what(request), status=response.status_code, body=body, text=text, writes=writes,
            retry_after=_wait(response.headers), headers=response.headers,
        )  # fmt: skip

    def _url(self, request: Rendered) -> str:
        return self._settings.base_url.rstrip("/") + request.path

    def _credentials(self) -> dict[str, str]:
        match self._settings.auth:
            case "bearer":
                return {"Authorization": f"Bearer {self._secrets['token']}"}
            case "header":
                return {self._settings.header_name: self._secrets["header_value"]}
            case "basic":
                username, password = self._secrets["username"], self._secrets.get("password", "")
                pair = _pair(username, password)
                self._recorder.hide(pair)
                return {"Authorization": f"Basic {pair}"}
        return {}

    def _bearer(self, session: Session) -> dict[str, str]:
        self._recorder.hide(session["token"])
        return {"Authorization": f"Bearer {session['token']}"}

    def _session(self) -> Session:
        held = self._sessions.current(self._key)
        fresh = held is not None and tokens.is_fresh(held, now=tokens.utc_now())
        return held if held is not None and fresh else self._renew(held)

    def _renew(self, refused: Session | None) -> Session:
        return self._sessions.instead_of(refused, key=self._key, log_in=self._log_in)

    def _log_in(self, secrets: Mapping[str, str]) -> LoggedIn:
        self._recorder.hide(_pair(secrets.get("client_id", ""), secrets.get("client_secret", "")))
        return tokens.fetch(
            self._http, self._settings, secrets, discreet=self._recorder, now=tokens.utc_now()
        )

    def _require_secrets(self) -> None:
        needed = {
            "bearer": ("token",), "basic": ("username",), "header": ("header_value",),
            "oauth2_client_credentials": ("client_id", "client_secret"),
        }  # fmt: skip
        missing = [
            name for name in needed.get(self._settings.auth, ()) if not self._secrets.get(name)
        ]
        if missing:
            raise ConfigurationError(
                f"The connection has no {' and no '.join(missing).replace('_', ' ')}.",
                hint=f"Enter what the auth {self._settings.auth} needs on the connection's page.",
            )


def _pair(username: str, password: str) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def _what(request: Rendered) -> str:
    """Name a request without what a query holds."""
    return f"{request.method} {request.path}"


def _wait(headers: Mapping[str, str]) -> float | None:
    wait = retry_after_seconds(headers, now=tokens.utc_now())
    if wait is not None:
        return wait
    resets = (plain_seconds(headers.get(name, "").strip()) for name in _RESETS)
    return next((seconds for seconds in resets if seconds is not None), None)


def _json(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
