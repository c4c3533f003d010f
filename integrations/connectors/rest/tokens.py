"""Fetch a token with client id and secret (OAuth 2 client credentials), for all processes together.

Source: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

import requests

from integrations.connectors.rest.answers import Answer, words
from integrations.connectors.rest.discreet import Discreet
from integrations.connectors.rest.settings import RestSettings
from integrations.errors import ConfigurationError, IntegrationError, TemporaryError, ThrottledError
from integrations.http import HttpClient, retry_after_seconds
from integrations.sessions import LoggedIn, Session

#: A token is replaced so long before its end, for clocks differ.
_MARGIN = timedelta(seconds=30)

Secrets = Mapping[str, str]


def session_key(settings: RestSettings, secrets: Secrets) -> str:
    """Name what a token is got with: it is of no use to other settings."""
    parts = (
        settings.base_url,
        settings.token_url,
        settings.scope,
        settings.audience,
        secrets.get("client_id", ""),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def is_fresh(session: Session, *, now: datetime) -> bool:
    """Tell whether a token is not known to have ended."""
    ends = session.get("ends", "")
    return not ends or datetime.fromisoformat(ends) - _MARGIN > now


def fetch(
    http: HttpClient,
    settings: RestSettings,
    secrets: Secrets,
    *,
    discreet: Discreet,
    now: datetime,
) -> LoggedIn:
    """Return a new token.

    Raises:
        ConfigurationError: it is refused, or a secret is missing.
        TemporaryError: no answer came, or it cannot be decided now.
    """
    form, auth = _credentials(settings, secrets)
    try:
        response = http.request("POST", settings.token_url, form=form, auth=auth)
    except TemporaryError as error:
        error.ambiguous = False  # a second token leaves nothing behind
        raise
    body = _body(response)
    if response.status_code != 200 or not body.get("access_token"):
        raise _refused(response, discreet.without(dict(body)), now=now)
    lasts = body.get("expires_in")
    ends = (now + timedelta(seconds=lasts)).isoformat() if _is_duration(lasts) else ""
    return LoggedIn(session={"token": str(body["access_token"]), "ends": ends})


def _credentials(
    settings: RestSettings, secrets: Secrets
) -> tuple[dict[str, str], tuple[str, str] | None]:
    client_id, secret = secrets.get("client_id", ""), secrets.get("client_secret", "")
    if not client_id or not secret:
        raise ConfigurationError(
            "The connection has no client id or no client secret.",
            hint="Enter both; the provider shows them where its API access is set up.",
        )
    asked = {"grant_type": "client_credentials", "scope": settings.scope, "audience": settings.audience}  # fmt: skip
    form = {name: value for name, value in asked.items() if value}
    if settings.client_auth == "basic":
        return form, (client_id, secret)
    return {**form, "client_id": client_id, "client_secret": secret}, None


def _refused(
    response: requests.Response, body: Mapping[str, Any], *, now: datetime
) -> IntegrationError:
    wait = retry_after_seconds(response.headers, now=now)
    status = response.status_code
    said = f"The token URL answered with HTTP {status}{words(Answer(what='', status=status, body=body))}."
    if status == 429:
        return ThrottledError(said, hint="Nothing to do: the provider asked us to wait.", retry_after=wait)  # fmt: skip
    if status >= 500 or status in {408, 425}:
        return TemporaryError(said, hint="Nothing to do: it is tried again.", retry_after=wait)
    return ConfigurationError(
        said,
        hint="Check token_url, scope, audience and client_auth, and enter client id and secret again.",
    )


def _body(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_duration(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 10**9


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)
