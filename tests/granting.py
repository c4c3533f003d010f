"""A Calendly account that is connected by OAuth, at the sandbox."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from django.utils import timezone

from integrations import grants
from integrations.granting import Grant
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.oauth import CalendlyOAuth
from tests.factories import ConnectionFactory

BACK = "http://127.0.0.1:8000/connect/calendly/callback"
_VERIFIER = "v" * 64
_DIGEST = hashlib.sha256(_VERIFIER.encode()).digest()
_CHALLENGE = base64.urlsafe_b64encode(_DIGEST).rstrip(b"=").decode()


def environment(server: SandboxServer) -> dict[str, str]:
    """Return the settings that name the sandbox and its OAuth app."""
    return {
        "CALENDLY_API_URL": f"{server.url}/calendly",
        "CALENDLY_AUTH_URL": f"{server.url}/calendly-auth",
        "CALENDLY_CLIENT_ID": "sandbox-client",
        "CALENDLY_CLIENT_SECRET": "sandbox-secret",
        "CALENDLY_WEBHOOK_SIGNING_KEY": "sandbox-app-signing-key",
    }


def point_to(server: SandboxServer, settings: Any) -> None:
    """Point this process to the sandbox."""
    for name, value in environment(server).items():
        setattr(settings, name, value)


def follow(url: str, **other: str) -> dict[str, str]:
    """Grant access as the person would, and return what the browser brings back.

    `user` may be admin, user, or a stranger who declines; `scope` is what the person leaves ticked.
    """
    address, _, asked = url.partition("?")
    query = {**dict(parse_qsl(asked)), **other}
    answer = requests.get(address, params=query, allow_redirects=False, timeout=5)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def make_grant(**other: str) -> Grant:
    """Return tokens of the sandbox's owner, or of another `user`."""
    oauth = CalendlyOAuth()
    url = oauth.authorize_url(redirect_uri=BACK, state="s", code_challenge=_CHALLENGE)
    code = follow(url, **other)["code"]
    return oauth.exchange(code=code, redirect_uri=BACK, code_verifier=_VERIFIER, now=timezone.now())


def connect(**fields: Any) -> Connection:
    """Return a connection that holds a fresh grant; fields may say that it ended already."""
    connection = ConnectionFactory.create(provider="calendly", name="Northwind")
    grants.put(connection, make_grant())
    for name, value in fields.items():
        setattr(connection, name, value)
    connection.save()
    return connection
