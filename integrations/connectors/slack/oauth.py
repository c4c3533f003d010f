"""Slack's authorization: an admin installs the app to a workspace with a press of a button.

A bot token does not end and comes without a refresh token, unless the app has token rotation on.

Sources: https://docs.slack.dev/authentication/installing-with-oauth
https://docs.slack.dev/reference/methods/oauth.v2.access and https://docs.slack.dev/reference/methods/auth.revoke
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import requests
from django.conf import settings

from integrations.connectors.slack.errors import Answer, as_error
from integrations.connectors.slack.scopes import ASKED, split_scopes
from integrations.errors import ConfigurationError
from integrations.granting import Grant, OAuth
from integrations.http import HttpClient, require_allowed, retry_after_seconds

_AGAIN = "Begin again on the connection's page."
_APP = (
    "Check client id and client secret against the app's page: Basic Information > App Credentials."
)
_HINTS = {
    "invalid_code": f"The code was used, or came too late. {_AGAIN}",
    "code_already_used": f"The code was used. {_AGAIN}",
    "bad_redirect_uri": "Add the redirect URI that the connection's page shows to the app: OAuth & Permissions > Redirect URLs.",
    **dict.fromkeys(("invalid_client_id", "bad_client_secret", "invalid_client"), _APP),
}  # fmt: skip
#: Answers to a revocation that mean that the token is of no use any more.
_ENDED = frozenset({"token_revoked", "invalid_auth", "not_authed", "account_inactive", "token_expired"})  # fmt: skip


class SlackOAuth(OAuth):
    """Install the app that a connection's secrets name."""

    def __init__(self, *, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets

    @property
    def missing_settings(self) -> tuple[str, ...]:
        """Return the names of the secrets that are not entered yet."""
        return tuple(name for name in ("client_id", "client_secret") if not self._secrets.get(name))

    def authorize_url(self, *, redirect_uri: str, state: str, code_challenge: str) -> str:
        """Return where to send the person's browser; the client secret, not a challenge, guards the code."""
        base = settings.SLACK_API_URL.rstrip("/").removesuffix("/api")
        require_allowed(base)
        query = {
            "client_id": self._secrets.get("client_id", ""),
            "scope": ",".join(ASKED),
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{base}/oauth/v2/authorize?{urlencode(query)}"

    def exchange(self, *, code: str, redirect_uri: str, code_verifier: str, now: datetime) -> Grant:
        """Turn the code of the callback into the bot's token."""
        app = (self._secrets.get("client_id", ""), self._secrets.get("client_secret", ""))
        answer = _call("oauth.v2.access", {"code": code, "redirect_uri": redirect_uri}, auth=app)
        if hint := _HINTS.get(answer.code):
            raise ConfigurationError(f"Slack refused the installation: {answer.code}.", hint=hint)
        body = answer.require()
        token, team = str(body.get("access_token") or ""), body.get("team") or {}
        if body.get("refresh_token") or not token:
            raise _rotating() if token else _for_all()
        return Grant(
            access_token=token,
            refresh_token="",
            expires_at=None,
            scopes=split_scopes(str(body.get("scope") or "")),
            organization_uri=str(team.get("id") or ""),
        )

    def revoke(self, token: str) -> None:
        """End the token at Slack."""
        answer = _call("auth.revoke", {}, headers={"Authorization": f"Bearer {token}"})
        if answer.code not in _ENDED:
            answer.require()


def _call(method: str, form: Mapping[str, str], **how: Any) -> Answer:
    url = f"{settings.SLACK_API_URL.rstrip('/')}/{method}"
    with closing(HttpClient()) as http:
        response = http.request("POST", url, form=form, **how)
    answer = Answer(
        method=method, status=response.status_code, body=_body(response), write=True,
        retry_after=retry_after_seconds(response.headers, now=datetime.now(UTC)),
    )  # fmt: skip
    if answer.status == 429 or answer.code == "unreadable":
        raise as_error(answer)
    return answer


def _body(response: requests.Response) -> Mapping[str, Any]:
    try:
        found = response.json()
    except requests.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _rotating() -> ConfigurationError:
    return ConfigurationError(
        "The Slack app has token rotation on: its tokens end after twelve hours.",
        hint="Rotation cannot be switched off again. Make another app without it, and connect that.",
    )


def _for_all() -> ConfigurationError:
    return ConfigurationError(
        "Slack gave no bot token.",
        hint="Add a bot user with the bot token scopes to the app, then connect again.",
    )
