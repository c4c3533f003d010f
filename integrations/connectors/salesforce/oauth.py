"""Salesforce's authorization server: a person grants access with a press of a button.

Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm and
https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_revoke_token.htm
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from urllib.parse import urlencode

from integrations.connectors.salesforce.login import (
    TokenRequest,
    ask,
    client_of,
    session_from,
    session_key,
)
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.token_errors import as_token_error
from integrations.errors import ConfigurationError
from integrations.granting import Grant, OAuth
from integrations.http import HttpClient, require_allowed
from integrations.sessions import KEY

#: What is asked for: the REST API, and to go on when the person has left.
NEEDED = ("api", "refresh_token")
#: Answers to a revocation that mean that the token is of no use any more.
_ENDED = frozenset({"invalid_token", "unsupported_token_type"})


class SalesforceOAuth(OAuth):
    """Talk to the authorization server of one connection, as the app that its secrets name."""

    def __init__(self, *, settings: SalesforceSettings, secrets: Mapping[str, str]) -> None:
        self._settings = settings
        self._secrets = secrets

    @property
    def missing_settings(self) -> tuple[str, ...]:
        """Return the names of the secrets that are not entered yet; an app may do without a client secret."""
        return () if self._secrets.get("client_id") else ("client_id",)

    def authorize_url(self, *, redirect_uri: str, state: str, code_challenge: str) -> str:
        """Return where to send the person's browser; the challenge is S256."""
        base = self._settings.login_url.rstrip("/")
        require_allowed(base)
        query = {
            "response_type": "code",
            "client_id": self._secrets.get("client_id", ""),
            "redirect_uri": redirect_uri,
            "scope": " ".join(NEEDED),
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        return f"{base}/services/oauth2/authorize?{urlencode(query)}"

    def exchange(self, *, code: str, redirect_uri: str, code_verifier: str, now: datetime) -> Grant:
        """Turn the code of the callback into a session and a refresh token."""
        form, auth = client_of(self._secrets)
        form |= {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        with closing(HttpClient()) as http:
            reply = ask(http, self._settings, "token", TokenRequest(form=form, auth=auth))
        session = session_from(reply, self._settings)
        refresh_token = str(reply.body.get("refresh_token") or "")
        if not refresh_token:
            raise ConfigurationError(
                "Salesforce gave no refresh token: the connection would end with its first session.",
                hint="Add the scope 'Perform requests at any time (refresh_token, offline_access)' to the External "
                "Client App, then connect again.",
            )
        return Grant(
            access_token=session["token"],
            refresh_token=refresh_token,
            expires_at=None,
            scopes=tuple(sorted(str(reply.body.get("scope") or "").split())),
            session={**session, KEY: session_key(self._settings, self._secrets)},
        )

    def revoke(self, token: str) -> None:
        """End a token at Salesforce; a refresh token takes its sessions with it."""
        with closing(HttpClient()) as http:
            reply = ask(http, self._settings, "revoke", TokenRequest(form={"token": token}))
        if reply.problem and reply.code not in _ENDED:
            raise as_token_error(reply.problem, login="oauth")
