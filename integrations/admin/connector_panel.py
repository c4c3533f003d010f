"""What a connector's connection tells in five seconds: who we are over there, and whether it is connected at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from integrations import accounts, grants
from integrations.admin.connection_panel import known_profile
from integrations.admin.connection_steps import Step
from integrations.admin.connector_steps import connector_steps
from integrations.admin.scopes import ScopeRow, scope_rows
from integrations.connectors.base import Requirement, connector_class
from integrations.errors import ConfigurationError
from integrations.granting import OAuth, Profile
from integrations.models import Connection

#: What each state means for who sends through it.
STATES: Mapping[str, str] = {
    Connection.State.HEALTHY: "It works: what is due is sent at once. Pause stops sending; what comes is kept until you resume.",
    Connection.State.DEGRADED: "It fails just now. What comes is kept, and tried again by itself; nothing is lost.",
    Connection.State.PAUSED: "Nothing is sent. What comes is kept, and sent in order once you press Resume; nothing is lost.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorPanel:
    """Hold what the page shows above the form; `waits` is what to do before anybody has granted access."""

    profile: Profile | None
    waits: str
    steps: tuple[Step, ...]
    state_in_words: str
    requirements: tuple[Requirement, ...] = ()
    looked_at: datetime | None = None
    scopes: tuple[ScopeRow, ...] = ()
    buttons: "Buttons | None" = None

    @property
    def is_set_up(self) -> bool:
        """Tell whether it was seen to work."""
        return any(step.title == "Tested" and step.state == "done" for step in self.steps)

    @property
    def is_new(self) -> bool:
        """Tell whether nothing was entered yet."""
        return self.steps[0].state != "done"

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


def connector_panel(connection: Connection, *, may_add_rules: bool) -> ConnectorPanel | None:
    """Return what the page of a connector's connection shows above the form; None where it is not installed."""
    if connection.provider not in settings.CONNECTORS:
        return None
    profile, waits = known_profile(connection.profile), _waits(connection)
    stored = connection.requirements
    found = tuple(Requirement(**item) for item in stored.get("items", ()))
    looked_at = parse_datetime(stored["at"]) if found else None
    taken = connector_steps(
        connection, waits=waits, profile=profile, requirements=found, may_add_rules=may_add_rules
    )
    purposes = connector_class(connection.provider).scope_purposes
    return ConnectorPanel(
        profile=profile, waits=waits, steps=tuple(taken), state_in_words=STATES[connection.state],
        requirements=found, looked_at=looked_at, buttons=_buttons(connection),
        scopes=scope_rows(profile, purposes) if profile else (),
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
