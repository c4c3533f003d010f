"""Connect an account: by OAuth or with a personal token, ask who it is, and disconnect it.

The state of an OAuth round trip and its PKCE verifier live in the session that began it, for ten minutes and one use.

Source: https://www.rfc-editor.org/rfc/rfc6749#section-4.1 and https://www.rfc-editor.org/rfc/rfc7636
"""

import base64
import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from integrations import accounts, breaker, grants, profiles, subscriptions
from integrations.errors import ConfigurationError, PermanentError
from integrations.granting import Grant, OAuth, Profile
from integrations.models import Account, Connection
from integrations.sources.base import get_source

logger = logging.getLogger(__name__)

Session = SessionBase | dict[str, Any]

#: How long a person may take at the provider.
PATIENCE = timedelta(minutes=10)
_PENDING = "calsync_connecting"
_AGAIN = "Begin again on the connection's page."


class UnknownStateError(ConfigurationError):
    """The session began nothing that this callback could end: begun elsewhere, too long ago, or ended already."""


def redirect_uri(provider: str) -> str:
    """Return the address that the provider sends the person's browser back to; its app has to know it."""
    return f"{settings.CALSYNC_PUBLIC_URL}{reverse('connect_callback', args=[provider])}"


def begin(connection: Connection, *, session: Session, now: datetime) -> str:
    """Return where to send the person's browser; what was begun before in this session is forgotten.

    Raises:
        ConfigurationError: settings of the provider's app are missing, or another way to log in is set.
    """
    oauth = _oauth(connection)
    if missing := oauth.missing_settings:
        raise ConfigurationError("The app to connect with is not set up.", hint=f"Set {', '.join(missing)}.")  # fmt: skip
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    session[_PENDING] = {
        "state": state,
        "verifier": verifier,
        "connection": connection.pk,
        "ends": (now + PATIENCE).isoformat(),
    }
    return oauth.authorize_url(
        redirect_uri=redirect_uri(connection.provider),
        state=state,
        code_challenge=_challenge(verifier),
    )


def begun(session: Session) -> int | None:
    """Return the id of the connection that this session is connecting."""
    pending = session.get(_PENDING) or {}
    found: int | None = pending.get("connection")
    return found


def complete(*, session: Session, params: Mapping[str, str], now: datetime) -> Connection:
    """Turn the callback's query into a stored grant and profile; a paused connection goes on.

    Raises:
        UnknownStateError: this session began nothing with that state.
        IntegrationError: access was declined, or the provider refuses the code, or it is another organization.
    """
    pending = _take(session, state=params.get("state", ""), now=now)
    connection = Connection.objects.filter(pk=pending["connection"]).first()
    if connection is None:
        raise profiles.deleted_meanwhile()
    oauth = _oauth(connection)
    if not params.get("code"):
        raise _declined(accounts.label(connection.provider), params)
    grant = oauth.exchange(
        code=params["code"],
        redirect_uri=redirect_uri(connection.provider),
        code_verifier=pending["verifier"],
        now=now,
    )
    profile = _introduce(oauth, connection, grant)
    profiles.keep(connection, profile, put=lambda row: grants.begin(row, grant))
    breaker.resume(connection, now=now)
    connection.refresh_from_db()
    logger.info("Connected by OAuth: connection=%s", connection.pk)
    return connection


def adopt_token(connection: Connection, *, token: str, now: datetime) -> Profile:
    """Connect with a person's own access token; a paused connection goes on.

    Raises:
        IntegrationError: the provider refuses it, or it is of another organization; nothing is stored then.
    """
    account = _with_secrets(connection, {"access_token": token})
    profile = get_source(connection.provider).describe(account)
    entered = {"access_token": token}
    profiles.keep(connection, profile, put=lambda row: grants.replace(row, entered))
    breaker.resume(connection, now=now)
    connection.refresh_from_db()
    logger.info("Connected by a personal token: connection=%s", connection.pk)
    return profile


def disconnect(connection: Connection, *, by: str, now: datetime) -> None:
    """Delete a source's subscriptions, revoke what was granted, forget the tokens, and pause; `by` is who wanted it.

    Raises:
        TemporaryError: the provider does not answer; nothing is forgotten, so that it can be tried again.
    """
    held = grants.readable_secrets(connection)
    is_personal = bool(held) and "refresh_token" not in held
    if connection.provider in settings.SOURCES:
        _leave(connection, lambda: subscriptions.unsubscribe(connection, now=now))
    _leave(connection, lambda: _revoke(connection))
    with transaction.atomic():
        row = Connection.objects.select_for_update().get(pk=connection.pk)
        grants.forget(row)
        row.save(update_fields=grants.GRANT_FIELDS)
    _pause(connection, by=by, now=now, is_personal=is_personal)
    connection.refresh_from_db()


def missing_scopes(connection: Connection) -> tuple[str, ...]:
    """Return the scopes that are needed and were declined, as the stored profile knows them."""
    granted = connection.profile.get("granted")
    if not granted:
        return ()
    return tuple(name for name in connection.profile.get("needed", ()) if name not in granted)


def _oauth(connection: Connection) -> OAuth:
    found = accounts.oauth(connection)
    if found is None:
        raise ConfigurationError(
            f"The connection “{connection}” logs in without a person.",
            hint="Set login to oauth to connect it like this.",
        )
    return found


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _take(session: Session, *, state: str, now: datetime) -> dict[str, Any]:
    """Return what the session began with this state, and forget it: a state is good once."""
    pending: dict[str, Any] | None = session.get(_PENDING)
    if not pending or not constant_time_compare(pending["state"], state):
        raise UnknownStateError("This browser is not connecting an account just now.", hint=_AGAIN)
    del session[_PENDING]
    if isinstance(session, SessionBase):
        # At once: the provider is asked next, and of a view that fails nothing is saved.
        session.save()
    if now >= datetime.fromisoformat(pending["ends"]):
        raise UnknownStateError("That took longer than ten minutes.", hint=_AGAIN)
    return pending


def _declined(label: str, params: Mapping[str, str]) -> ConfigurationError:
    """Return what a callback without a code means. Source: RFC 6749, section 4.1.2.1."""
    match params.get("error", ""):
        case "access_denied":
            return ConfigurationError(f"Access was declined at {label}.", hint="Connect again and allow it.")  # fmt: skip
        case "invalid_scope":
            hint = "Allow the app these scopes where it was made, then connect again."
            return ConfigurationError(f"{label} does not let the app ask for its scopes.", hint=hint)  # fmt: skip
        case "server_error" | "temporarily_unavailable":
            return ConfigurationError(f"{label} could not do it just now.", hint="Connect again later.")  # fmt: skip
        case error:
            words = f"{label} sent no code: {error[:60] or 'without a reason'}."
            hint = (
                "Check the app's client id and redirect URI where it was made, then connect again."
            )
            return ConfigurationError(words, hint=hint)


def _introduce(oauth: OAuth, connection: Connection, grant: Grant) -> Profile | None:
    """Ask who granted access, before anything is stored; a grant from before scopes names none, and may do all."""
    token = {} if grant.session else {"access_token": grant.access_token}
    secrets = {**grants.app_secrets(connection), **token}
    account = _with_secrets(connection, secrets)
    profile = accounts.describe(connection.provider, account, grant=grant)
    if profile is None or not profile.needed:
        return profile
    return replace(profile, granted=grant.scopes or oauth.scopes_of(grant.access_token) or None)


def _with_secrets(connection: Connection, secrets: Mapping[str, str]) -> Account:
    return Account(
        connection_id=connection.pk,
        name=connection.name,
        settings=connection.settings,
        secrets=secrets,
    )


def _leave(connection: Connection, step: Callable[[], object]) -> None:
    """Take a step of leaving a provider; one that refuses us cannot be asked to forget us either."""
    try:
        step()
    except (ConfigurationError, PermanentError) as error:
        logger.warning("Not left cleanly: connection=%s error=%s", connection.pk, type(error).__name__)  # fmt: skip


def _revoke(connection: Connection) -> None:
    """End an OAuth grant at the provider; only its owner can end a token that was entered."""
    row = Connection.objects.get(pk=connection.pk)
    held = row.secrets
    if accounts.is_granted(row):
        oauth = _oauth(connection)
        for name in ("refresh_token", "access_token"):
            if token := held.get(name):
                oauth.revoke(token)


def _pause(connection: Connection, *, by: str, now: datetime, is_personal: bool) -> None:
    reason = f"Disconnected by {by}."
    hint = "Connect it again to go on."
    if is_personal and connection.provider in settings.SOURCES:
        label = accounts.label(connection.provider)
        hint = f"{hint} A personal access token is ended by its owner at {label}."
    if not breaker.pause(connection, now=now, reason=reason, hint=hint, by=by):
        Connection.objects.filter(pk=connection.pk).update(state_reason=reason, state_hint=hint)
