"""What a connector's connection tells in five seconds: who we are over there, and whether it is connected at all."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from integrations import accounts, grants
from integrations.admin.connection_panel import known_profile
from integrations.admin.scopes import ScopeRow, scope_rows
from integrations.connectors.base import Requirement, connector_class
from integrations.errors import ConfigurationError
from integrations.granting import OAuth, Profile
from integrations.models import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorPanel:
    """Hold what the page shows above the form; `waits` is what to do first, empty when nothing is in the way."""

    profile: Profile | None
    waits: str
    requirements: tuple[Requirement, ...] = ()
    looked_at: datetime | None = None
    scopes: tuple[ScopeRow, ...] = ()
    buttons: "Buttons | None" = None

    @property
    def lacking(self) -> int:
        """Return how many things are missing over there."""
        return sum(not item.ok for item in self.requirements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buttons:
    """Say where presses of buttons are to be sent, and whether they are taken yet; `secret` is what that needs."""

    url: str
    secret: str
    are_on: bool


def connector_panel(connection: Connection) -> ConnectorPanel | None:
    """Return what the page of a connector's connection shows above the form; None where there is nothing to tell."""
    if connection.provider not in settings.CONNECTORS:
        return None
    profile, waits = known_profile(connection.profile), _waits(connection)
    stored = connection.requirements
    found = tuple(Requirement(**item) for item in stored.get("items", ()))
    looked_at = parse_datetime(stored["at"]) if found else None
    buttons = _buttons(connection)
    if not (profile or waits or found or buttons):
        return None
    return ConnectorPanel(
        profile=profile, waits=waits, requirements=found, looked_at=looked_at, buttons=buttons,
        scopes=scope_rows(profile) if profile else (),
    )  # fmt: skip


def connector_oauth(connection: Connection) -> OAuth | None:
    """Return how a person connects this connector's account; None where secrets are entered instead."""
    if connection.provider not in settings.CONNECTORS:
        return None
    try:
        return accounts.oauth(connection)
    except ConfigurationError:
        return None  # its settings or secrets cannot be read: there is something to mend before


def _buttons(connection: Connection) -> Buttons | None:
    secret = connector_class(connection.provider).pressing_secret
    if not secret:
        return None
    path = reverse("interaction", args=[connection.provider, connection.pk])
    return Buttons(
        url=f"{settings.CALSYNC_PUBLIC_URL}{path}", secret=_words(secret),
        are_on=bool(grants.readable_secrets(connection).get(secret)),
    )  # fmt: skip


def _words(name: str) -> str:
    return name.replace("_", " ")


def _waits(connection: Connection) -> str:
    oauth = connector_oauth(connection)
    if oauth is None or grants.has_token(connection):
        return ""
    if oauth.missing_settings:
        names = " and ".join(map(_words, oauth.missing_settings))
        tokens = grants.TOKENS & connector_class(connection.provider).secret_fields.keys()
        other = "".join(f", or the {_words(name)} of an app that is installed already," for name in tokens)  # fmt: skip
        return f"First enter the {names} of the app below{other} and save."
    return f"Connect it: {accounts.label(connection.provider)} asks you to allow it, and sends you back."
