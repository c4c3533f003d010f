"""What can be asked of an account, whether it is at a source or at the target of a connector."""

from collections.abc import Mapping
from dataclasses import replace

from django.conf import settings

from integrations import grants
from integrations.connectors.base import Connector, connector_class
from integrations.granting import Grant, OAuth, Profile
from integrations.http import Recorder
from integrations.models import Account, Connection, EmailTemplate
from integrations.sessions import MemorySessions, Sessions, StoredSessions
from integrations.sources.base import get_source


def label(provider: str) -> str:
    """Return what a provider is called for people."""
    if provider in settings.CONNECTORS:
        return connector_class(provider).label
    return get_source(provider).label


def is_installed(provider: str) -> bool:
    """Tell whether a source or a connector is installed for a provider."""
    return provider in settings.SOURCES or provider in settings.CONNECTORS


def oauth(connection: Connection) -> OAuth | None:
    """Return how a person grants access to this account; None where secrets are entered instead.

    Raises:
        ConfigurationError: the connection's settings or secrets cannot be read.
    """
    if connection.provider in settings.SOURCES:
        return get_source(connection.provider).oauth
    if connection.provider in settings.CONNECTORS:
        return offline(connection).oauth
    return None


def is_granted(connection: Connection) -> bool:
    """Tell whether a token is stored that a person granted, rather than entered; not every grant can be renewed."""
    held, entered = grants.readable_secrets(connection), _secret_fields(connection.provider)
    return any(held.get(name) for name in ("refresh_token", "access_token") if name not in entered)


def offline(connection: Connection) -> Connector:
    """Return the connection's connector for what asks nobody: without mappings and session, in no query.

    Raises:
        ConfigurationError: no configured key opens the connection's secrets.
    """
    return _connector(connection.provider, connection.open_account())


def describe(provider: str, account: Account, *, grant: Grant) -> Profile | None:
    """Ask the provider whose a grant is, before it is stored; None where it does not tell.

    Raises:
        IntegrationError: it does not answer, or refuses us.
    """
    if provider in settings.SOURCES:
        return get_source(provider).describe(account)
    sessions = MemorySessions(account.secrets, grant.session)
    return _connector(provider, account, sessions=sessions).describe()


def connector(connection: Connection, *, dry_run: bool = False) -> Connector:
    """Return the connection's connector, with the session that all processes share.

    Raises:
        ConfigurationError: no configured key opens the connection's secrets.
    """
    made, sessions = connector_class(connection.provider), StoredSessions(connection)
    templates = EmailTemplate.stored() if made.uses_templates else {}
    account = replace(
        connection.open_account(), mappings=connection.mapped_fields(), templates=templates
    )
    return made(account, recorder=Recorder(), sessions=sessions, dry_run=dry_run)


def _secret_fields(provider: str) -> Mapping[str, str]:
    if provider in settings.CONNECTORS:
        return connector_class(provider).secret_fields
    return get_source(provider).secret_fields if provider in settings.SOURCES else {}


def _connector(provider: str, account: Account, *, sessions: Sessions | None = None) -> Connector:
    return connector_class(provider)(account, recorder=Recorder(), sessions=sessions)
