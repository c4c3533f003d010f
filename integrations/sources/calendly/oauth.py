"""Calendly's authorization server: OAuth 2 with PKCE, refresh tokens that are good once, and scopes asked for by name.

Source: https://developer.calendly.com/api-docs/calendly-o-auth,
https://developer.calendly.com/refresh-token-rotation-guide and https://developer.calendly.com/scopes
"""

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from urllib.parse import urlencode

import requests
from django.conf import settings

from integrations.errors import ConfigurationError, TemporaryError, ThrottledError
from integrations.granting import Grant, OAuth
from integrations.http import HttpClient
from integrations.sources.calendly.answers import wait_of
from integrations.sources.calendly.payloads.reading import Fields, UnreadableError, load
from integrations.sources.calendly.refusals import said

#: What a mirror with webhooks needs, and marking no-shows; a write scope includes reading.
NEEDED = (
    "users:read", "organizations:read", "groups:read", "event_types:read", "scheduled_events:read",
    "scheduled_events:write", "routing_forms:read", "webhooks:read", "webhooks:write",
)  # fmt: skip
_SETTINGS = ("CALENDLY_CLIENT_ID", "CALENDLY_CLIENT_SECRET", "CALENDLY_WEBHOOK_SIGNING_KEY")
_LIFETIME = 7200
_AGAIN = "Connect the Calendly account again: what was granted has ended, or was used up."
_APP = (
    "Check CALENDLY_CLIENT_ID and CALENDLY_CLIENT_SECRET against the app at developer.calendly.com."
)
_SETUP = "Check the app at developer.calendly.com: its redirect URI and its scopes."
#: What Doorkeeper, whose words Calendly's are, says with a 400 although it passes.
#: Source: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
_PASSING = frozenset({"server_error", "temporarily_unavailable"})
_LASTING = "Try again. If it lasts, see https://www.calendlystatus.com."


class CalendlyOAuth(OAuth):
    """Talk to Calendly's authorization server as the app that the settings name."""

    @property
    def missing_settings(self) -> tuple[str, ...]:
        """Return the names of the settings (environment variables) that are not set yet."""
        return tuple(name for name in _SETTINGS if not getattr(settings, name))

    def authorize_url(self, *, redirect_uri: str, state: str, code_challenge: str) -> str:
        """Return where to send the person's browser; the challenge is S256."""
        query = {
            "client_id": settings.CALENDLY_CLIENT_ID,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": " ".join(NEEDED),
            "state": state,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        return f"{_base()}/oauth/authorize?{urlencode(query)}"

    def exchange(self, *, code: str, redirect_uri: str, code_verifier: str, now: datetime) -> Grant:
        """Turn the code of the callback into tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": code_verifier,
        }
        return _grant(_call("token", form), now=now)

    def refresh(self, *, refresh_token: str, now: datetime) -> Grant:
        """Turn a refresh token into a new pair; it is spent even if the answer gets lost."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return _grant(_call("token", form), now=now)

    def scopes_of(self, token: str) -> tuple[str, ...] | None:
        """Ask which scopes an access token has; None when it is no longer active."""
        answer = _call("introspect", {"token": token})
        return _scopes(answer) if answer.flag("active") else None

    def revoke(self, token: str) -> None:
        """End a token at Calendly, and what was granted with it."""
        _call("revoke", {"token": token})


def _base() -> str:
    return str(settings.CALENDLY_AUTH_URL).rstrip("/")


def _call(endpoint: str, form: Mapping[str, str]) -> Fields:
    """Ask as our app: by Basic for tokens, in the body elsewhere, as Calendly's pages say. Never by both at once.

    Source: https://www.rfc-editor.org/rfc/rfc6749#section-2.3
    """
    name, secret = settings.CALENDLY_CLIENT_ID, settings.CALENDLY_CLIENT_SECRET
    if not (name and secret):
        raise ConfigurationError("Calsync has no Calendly app to act for.", hint=_APP)
    by_basic = endpoint == "token"
    in_body = {} if by_basic else {"client_id": name, "client_secret": secret}
    with closing(HttpClient()) as http:
        response = http.request(
            "POST",
            f"{_base()}/oauth/{endpoint}",
            form={**form, **in_body},
            auth=(name, secret) if by_basic else None,
        )
    return _read(response, exhaustible=endpoint == "token")


def _read(response: requests.Response, *, exhaustible: bool) -> Fields:
    """Return the answer, or raise what its status means; a token may have been spent where none can be read."""
    status = response.status_code
    if status == 429:
        raise ThrottledError(
            "Calendly gives out no more tokens for now.",
            hint="Nothing to do: it is tried again.",
            retry_after=wait_of(response),
        )
    body = _json(response)
    if status < 300 and (body is not None or not exhaustible):
        return body or Fields({})
    if body is None or status >= 500 or body.text("error") in _PASSING:
        raise TemporaryError(
            f"Calendly's authorization server answered {status}.",
            hint=_LASTING,
            ambiguous=exhaustible,
        )
    raise _refusal(body)


def _json(response: requests.Response) -> Fields | None:
    try:
        value = load(response.content)
    except UnreadableError:
        return None
    return Fields(value) if isinstance(value, dict) else None


def _refusal(body: Fields) -> ConfigurationError:
    """Return what an error of RFC 6749, section 5.2, means."""
    hint = {"invalid_grant": _AGAIN, "invalid_client": _APP}.get(body.text("error"), _SETUP)
    return ConfigurationError(f"Calendly refused the authorization: {said(body)}", hint=hint)


def _grant(answer: Fields, *, now: datetime) -> Grant:
    if not answer.text("access_token"):
        raise TemporaryError("Calendly answered without a token.", hint=_LASTING, ambiguous=True)
    lifetime = answer.count("expires_in") or _LIFETIME
    return Grant(
        access_token=answer.text("access_token"),
        refresh_token=answer.text("refresh_token"),
        expires_at=now + timedelta(seconds=lifetime),
        scopes=_scopes(answer),
        owner_uri=answer.uri("owner"),
        organization_uri=answer.uri("organization"),
    )


def _scopes(answer: Fields) -> tuple[str, ...]:
    """Return the scopes by name, with the reading that writing includes; grants from before scopes have none."""
    named = {scope for scope in answer.text("scope").split() if ":" in scope}
    included = {f"{scope.removesuffix(':write')}:read" for scope in named if scope.endswith(":write")}  # fmt: skip
    return tuple(sorted(named | included))
