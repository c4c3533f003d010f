"""Speak to Salesforce's REST API: log in once, send, and read answers of any shape."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Self

from integrations.connectors.salesforce.answers import Reply, read_reply
from integrations.connectors.salesforce.errors import NEVER_HEALS
from integrations.connectors.salesforce.login import log_in, session_key
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.http import HttpClient, Recorder
from integrations.models import Account
from integrations.sessions import LoggedIn, Session, Sessions

__all__ = ["NOT_MADE", "Reply", "SalesforceClient"]

#: The id of what a dry run did not make.
NOT_MADE = "(new)"


class SalesforceClient:
    """Send requests as the integration user; an expired session is renewed once a request."""

    def __init__(
        self,
        *,
        account: Account,
        settings: SalesforceSettings,
        sessions: Sessions,
        recorder: Recorder,
        timeout: tuple[float, float],
        dry_run: bool = False,
    ) -> None:
        self._http = HttpClient(recorder=recorder, timeout=timeout)
        self._recorder = recorder
        self._settings = settings
        self._sessions = sessions
        # Salesforce does not say how long a session lasts: it is used until it is refused.
        self._key = session_key(settings, account.secrets)
        self._dry_run = dry_run
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
        return f"{self.instance_url}/lightning/r/{object_type}/{record_id}/view"

    @property
    def identity(self) -> str:
        """Return the address that names user and organization, or nothing: `https://.../id/00D.../005...`."""
        return self._session().get("identity", "")

    @property
    def instance_url(self) -> str:
        """Return the address of the organization."""
        return self._session()["instance_url"]

    def log_in(self) -> None:
        """Log in anew, which shows that the credentials are good; every later request uses the new session.

        Raises:
            ConfigurationError: the log-in is refused.
            TemporaryError: no answer came, or it cannot be decided now.
        """
        self._replace(self._sessions.current(self._key))

    def send(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        headers: Mapping[str, str] | None = None,
        reads: bool = False,
    ) -> Reply:
        """Return the answer to a request below the instance's address; log in again once if the session expired.

        `reads` says that a POST only asks, as a composite of queries does. A dry run sends nothing else, and makes
        the answer up.

        Raises:
            ConfigurationError: the log-in or the fresh session is refused, or the address is not allowed.
            TemporaryError: no answer came.
        """
        session = self._session()
        if self._dry_run and method != "GET" and not reads:
            return self._pretend(method, session["instance_url"] + path, json_body)
        reply = self._send(session, method, path, json_body, headers)
        if reply.status == 401 and not _hopeless(reply):
            session = self._replace(session)
            reply = self._send(session, method, path, json_body, headers)
        if reply.status == 401:
            reply.require()
        return reply

    def look_up(self, json_body: object, *, inquiry: object) -> Reply:
        """Return the answer to a composite of queries; `inquiry` is what they ask, for who asks for many at once."""
        return self.send("POST", f"{self.data_path}/composite", json_body=json_body, reads=True)

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
            session["instance_url"] + path,
            headers={"Authorization": f"Bearer {session['token']}", **(headers or {})},
            json_body=json_body,
        )
        self.limits = response.headers.get("Sforce-Limit-Info", self.limits)
        return read_reply(response, write=method != "GET")

    def _pretend(self, method: str, url: str, json_body: object) -> Reply:
        self._recorder.record_not_sent(method=method, url=url, request=json_body)
        return Reply(status=201, body={"id": NOT_MADE, "success": True, "errors": []})

    def _session(self) -> Session:
        return self._sessions.current(self._key) or self._replace(None)

    def _replace(self, refused: Session | None) -> Session:
        return self._sessions.instead_of(refused, key=self._key, log_in=self._log_in)

    def _log_in(self, secrets: Mapping[str, str]) -> LoggedIn:
        return log_in(self._http, self._settings, secrets, now=datetime.now(UTC))


def _hopeless(reply: Reply) -> bool:
    return reply.problem is not None and NEVER_HEALS in reply.problem.message
