"""Log in to Salesforce in one of three ways, and say what of the answer may be used where.

Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flows.htm
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt

from integrations.connectors.salesforce.answers import Reply, read_reply
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.private_key import read_private_key
from integrations.connectors.salesforce.token_errors import as_token_error
from integrations.errors import ConfigurationError, TemporaryError
from integrations.http import HttpClient, require_allowed
from integrations.sessions import LoggedIn

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: How long an assertion may be used; Salesforce allows up to five minutes, and clocks differ.
_ASSERTION_LASTS = timedelta(minutes=3)
_PRODUCTION, _TEST = "https://login.salesforce.com", "https://test.salesforce.com"
_SHARED_HOSTS = frozenset({urlsplit(_PRODUCTION).hostname, urlsplit(_TEST).hostname})
#: Where Salesforce's organizations live; a token is sent to no other host, but for the one that gave it.
_SALESFORCE = (".salesforce.com", ".salesforce.mil")
_ENTER = "Enter the consumer key and secret of the External Client App."

Secrets = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """Hold the form of a request for a token, and the secrets that it uses up."""

    form: Mapping[str, str] = field(repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    spent: Mapping[str, str] = field(default_factory=dict, repr=False)


def token_request(settings: SalesforceSettings, secrets: Secrets, *, now: datetime) -> TokenRequest:
    """Return what to ask the token endpoint in the way that the settings choose.

    Raises:
        ConfigurationError: something is missing, or cannot work, before anybody is asked.
    """
    match settings.login:
        case "jwt":
            return _jwt_bearer(settings, secrets, now=now)
        case "oauth":
            return _refresh(secrets)
    return _client_credentials(settings, secrets)


def log_in(
    http: HttpClient, settings: SalesforceSettings, secrets: Secrets, *, now: datetime
) -> LoggedIn:
    """Return the session that Salesforce gives for the secrets.

    Raises:
        ConfigurationError: the log-in is refused, or it leads to an address that is not allowed.
        TemporaryError: no answer came, or it cannot be decided now.
    """
    wanted = token_request(settings, secrets, now=now)
    answer = ask(http, settings, "token", wanted)
    session = session_from(answer, settings)
    rotated = answer.body.get("refresh_token") if settings.login == "oauth" else None
    return LoggedIn(
        session=session,
        secrets={"refresh_token": str(rotated)} if rotated else {},
        spent=wanted.spent,
    )


def ask(
    http: HttpClient, settings: SalesforceSettings, endpoint: str, wanted: TokenRequest
) -> Reply:
    """Return the answer of an endpoint of the authorization server."""
    url = f"{settings.login_url.rstrip('/')}/services/oauth2/{endpoint}"
    try:
        response = http.request("POST", url, form=wanted.form, auth=wanted.auth)
    except TemporaryError as error:
        error.ambiguous = (
            False  # a second log-in leaves nothing behind that would have to be looked for
        )
        raise
    return read_reply(response, write=False)


def session_from(reply: Reply, settings: SalesforceSettings) -> dict[str, str]:
    """Return the session that an answer grants, its address checked before it is ever used.

    Raises:
        ConfigurationError: the log-in is refused, or the address is not allowed.
        TemporaryError: it cannot be decided now.
    """
    if reply.problem:
        raise as_token_error(reply.problem, login=settings.login)
    body: Mapping[str, Any] = reply.body if isinstance(reply.body, Mapping) else {}
    token, instance_url = body.get("access_token"), body.get("instance_url")
    if not (token and instance_url):
        raise ConfigurationError(
            "The login URL did not answer like Salesforce.",
            hint="Use the My Domain address, https://<name>.my.salesforce.com.",
        )
    url = str(instance_url).rstrip("/")
    _require_salesforce(url, settings)
    return {"token": str(token), "instance_url": url, "identity": str(body.get("id") or "")}


def session_key(settings: SalesforceSettings, secrets: Secrets) -> str:
    """Name what a session is got with: it is of no use to other settings, and a new secret changes nothing."""
    parts = (
        settings.login, settings.login_url.rstrip("/"), secrets.get("client_id", ""), settings.username,
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def client_of(secrets: Secrets) -> tuple[dict[str, str], tuple[str, str] | None]:
    """Return how the app names itself: form fields, and Basic authentication where it has a secret.

    Raises:
        ConfigurationError: there is no client id.
    """
    client_id, secret = secrets.get("client_id", ""), secrets.get("client_secret", "")
    if not client_id:
        raise ConfigurationError("The Salesforce connection has no client id.", hint=_ENTER)
    return ({}, (client_id, secret)) if secret else ({"client_id": client_id}, None)


def audience(settings: SalesforceSettings) -> str:
    """Return whom an assertion is for: what is set, else as the login URL tells production and sandbox apart.

    Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_jwt_flow.htm
    """
    host = urlsplit(settings.login_url).hostname or ""
    is_sandbox = host == urlsplit(_TEST).hostname or ".sandbox." in host
    return settings.audience or (_TEST if is_sandbox else _PRODUCTION)


def _client_credentials(settings: SalesforceSettings, secrets: Secrets) -> TokenRequest:
    form, auth = client_of(secrets)
    if auth is None:
        raise ConfigurationError("The Salesforce connection has no client secret.", hint=_ENTER)
    if urlsplit(settings.login_url).hostname in _SHARED_HOSTS:
        raise ConfigurationError(
            f"The client credentials flow does not work at {settings.login_url}.",
            hint="Set login_url to the My Domain address, https://<name>.my.salesforce.com.",
        )
    return TokenRequest(form={"grant_type": "client_credentials", **form}, auth=auth)


def _jwt_bearer(settings: SalesforceSettings, secrets: Secrets, *, now: datetime) -> TokenRequest:
    client_id, text = secrets.get("client_id"), secrets.get("private_key")
    if not (client_id and text and settings.username):
        raise ConfigurationError(
            "The Salesforce connection has no client id, no private key or no username.",
            hint="Enter the consumer key of the External Client App, the private key of its certificate, and the "
            "username to log in as.",
        )
    try:
        key = read_private_key(text)
    except ValueError as error:
        raise ConfigurationError(f"The private key is unusable. {error}", hint="Enter the private key again.") from error  # fmt: skip
    claims = {
        "iss": client_id,
        "sub": settings.username,
        "aud": audience(settings),
        "exp": int((now + _ASSERTION_LASTS).timestamp()),
    }
    assertion = jwt.encode(claims, key, algorithm="RS256")
    return TokenRequest(form={"grant_type": _JWT_BEARER, "assertion": assertion})


def _refresh(secrets: Secrets) -> TokenRequest:
    form, auth = client_of(secrets)
    token = secrets.get("refresh_token")
    if not token:
        raise ConfigurationError(
            "The Salesforce connection is not connected.",
            hint="Press Connect with Salesforce on the connection's page.",
        )
    spent = {"refresh_token": token}
    return TokenRequest(form={"grant_type": "refresh_token", **spent, **form}, auth=auth, spent=spent)  # fmt: skip


def _require_salesforce(url: str, settings: SalesforceSettings) -> None:
    """Refuse an instance that is no Salesforce address, though this installation may call it for another provider."""
    require_allowed(url)
    host, own = urlsplit(url).hostname or "", urlsplit(settings.login_url).hostname
    if host != own and not host.endswith(_SALESFORCE):
        raise ConfigurationError(
            f"The log-in leads to {host}, which is not a Salesforce address.",
            hint="Correct login_url: no token is sent there.",
        )
