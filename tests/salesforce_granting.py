"""A Salesforce connection that somebody connected with the button, at the sandbox."""

from typing import Any

from django.utils import timezone

from integrations import connecting
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from tests.factories import ConnectionFactory
from tests.granting import follow

APP = {"client_id": "sandbox-salesforce-client", "client_secret": "sandbox-salesforce-secret"}


def point_to(server: SandboxServer, settings: Any) -> None:
    """Point this process to the sandbox."""
    settings.SALESFORCE_LOGIN_URL = f"{server.url}/salesforce"


def make_connection(**fields: Any) -> Connection:
    """Return a connection that waits to be connected with the button."""
    usual = {"provider": "salesforce", "name": "Harbor", "settings": {"login": "oauth"}, "secrets": APP}  # fmt: skip
    return ConnectionFactory.create(**{**usual, **fields})


def connect(connection: Connection) -> Connection:
    """Press the button, allow it, and come back."""
    session: dict[str, Any] = {}
    now = timezone.now()
    back = follow(connecting.begin(connection, session=session, now=now), consent="allow")
    return connecting.complete(session=session, params=back, now=now)
