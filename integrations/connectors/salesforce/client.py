"""Speak to Salesforce's REST API: log in once, send, and read answers of any shape."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import requests

from integrations.connectors.salesforce.errors import (
    Problem,
    as_error,
    as_token_error,
    read_problem,
)
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import HttpClient, Recorder, require_allowed, retry_after_seconds
from integrations.models import Account

_NEVER_HEALS = "not valid for use with the REST API"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Hold a bearer token and the one address it may be sent to."""

    token: str = field(repr=False)
    instance_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Hold an answer: its status, its JSON (or text), and the problem it tells of, if any."""

    status: int
    body: Any
    limits: str = ""
    problem: Problem | None = None

    @property
    def code(self) -> str:
        """Return Salesforce's error code, or nothing."""
        return self.problem.code if self.problem else ""

    def require(self) -> Any:
        """Return the body of a success.

        Raises:
            IntegrationError: what the error code means.
        """
        if self.problem:
            raise as_error(self.problem)
        return self.body


#: Tokens by connection, address and client, for this process. Salesforce does not say how long one lasts, so it
#: is used until it is refused. Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_client_credentials_flow.htm
_sessions: dict[tuple[int, str, str], Session] = {}
_sessions_lock = threading.Lock()


class SalesforceClient:
    """Send requests as the integration user; an expired session is renewed once a request."""

    def __init__(
        self,
        *,
        account: Account,
        settings: SalesforceSettings,
        recorder: Recorder,
        timeout: tuple[float, float],
    ) -> None:
        self._http = HttpClient(recorder=recorder, timeout=timeout)
        self._settings = settings
        self._client_id = account.secrets.get("client_id", "")
        self._client_secret = account.secrets.get("client_secret", "")
        self._key = (account.connection_id, settings.login_url, self._client_id)
        self.limits = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def data_path(self) -> str:
        """Return where the chosen API version begins."""
        return f"/services/data/v{self._settings.api_version}"

    def link(self, object_type: str, record_id: str) -> str:
        """Return the page of a record, for people."""
        return f"{self._session().instance_url}/lightning/r/{object_type}/{record_id}/view"

    def log_in(self) -> Session:
        """Return a new session, which every later request of this process uses.

        Raises:
            ConfigurationError: the log-in is refused.
            TemporaryError: no answer came, or it cannot be decided now.
        """
        if not (self._client_id and self._client_secret):
            raise ConfigurationError(
                "The Salesforce connection has no client id or no client secret.",
                hint="Enter the consumer key and secret of the External Client App.",
            )
        try:
            response = self._http.request(
                "POST",
                f"{self._settings.login_url.rstrip('/')}/services/oauth2/token",
                form={"grant_type": "client_credentials"},
                auth=(self._client_id, self._client_secret),
            )
        except TemporaryError as error:
            error.ambiguous = False  # a second log-in leaves nothing behind
            raise
        session = session_from(_reply(response, write=False))
        with _sessions_lock:
            _sessions[self._key] = session
        return session

    def send(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Return the answer to a request below the instance's address; log in again once if the session expired.

        Raises:
            ConfigurationError: the log-in or the fresh session is refused, or the address is not allowed.
            TemporaryError: no answer came.
        """
        session = self._session()
        reply = self._send(session, method, path, json_body, headers)
        if reply.status == 401 and not _hopeless(reply):
            self._drop(session)
            reply = self._send(self._session(), method, path, json_body, headers)
        if reply.status == 401:
            reply.require()
        return reply

    def _send(
        self,
        session: Session,
        method: str,
        path: str,
        json_body: object,
        headers: Mapping[str, str] | None,
    ) -> Reply:
        response = self._http.request(
            method,
            session.instance_url + path,
            headers={"Authorization": f"Bearer {session.token}", **(headers or {})},
            json_body=json_body,
        )
        self.limits = response.headers.get("Sforce-Limit-Info", self.limits)
        return _reply(response, write=method != "GET")

    def _session(self) -> Session:
        with _sessions_lock:
            known = _sessions.get(self._key)
        return known or self.log_in()

    def _drop(self, session: Session) -> None:
        with _sessions_lock:
            if _sessions.get(self._key) is session:
                del _sessions[self._key]


def session_from(reply: Reply) -> Session:
    """Return the session that an answer to a log-in grants, its address checked before it is ever used.

    Raises:
        ConfigurationError: the log-in is refused, or the address is not allowed.
        TemporaryError: it cannot be decided now.
    """
    if reply.problem:
        raise as_token_error(reply.problem)
    body = reply.body if isinstance(reply.body, Mapping) else {}
    token, instance_url = body.get("access_token"), body.get("instance_url")
    if not (token and instance_url):
        raise ConfigurationError(
            "The login URL did not answer like Salesforce.",
            hint="Use the My Domain address, https://<name>.my.salesforce.com.",
        )
    require_allowed(str(instance_url))
    return Session(token=str(token), instance_url=str(instance_url).rstrip("/"))


def _reply(response: requests.Response, *, write: bool) -> Reply:
    body = _body(response)
    succeeded = response.status_code in {200, 201, 204}
    is_page = isinstance(body, str)  # a proxy's or a maintenance page, whatever its status says
    if succeeded and not is_page:
        return Reply(status=response.status_code, body=body)
    problem = read_problem(
        status=502 if succeeded else response.status_code,
        body=body,
        retry_after=retry_after_seconds(response.headers, now=datetime.now(UTC)),
        write=write,
    )
    return Reply(status=response.status_code, body=body, problem=problem)


def _body(response: requests.Response) -> Any:
    try:
        return response.json() if response.content else None
    except requests.JSONDecodeError:
        return response.text


def _hopeless(reply: Reply) -> bool:
    return reply.problem is not None and _NEVER_HEALS in reply.problem.message
