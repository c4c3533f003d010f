"""Where an OAuth grant is kept, and who may renew it: one process at a time, for a refresh token may be good once.

A connection's secrets hold `access_token`, `refresh_token` and whatever else its provider needs; a token without a
refresh token (a personal access token) is passed through as it is. Whoever renews (`integrations.turns`) stores the new
pair before anybody uses it. Where the provider tells with the token to which address it may be sent, both are kept
together, as the connection's session (`integrations.sessions`).
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from django.db import InterfaceError, OperationalError, connection, transaction

from integrations import turns, vault
from integrations.errors import ConfigurationError, TemporaryError
from integrations.models import Account, Connection

logger = logging.getLogger(__name__)

#: The columns of a connection that `put`, `replace` and `forget` change.
GRANT_FIELDS = (
    "sealed_secrets", "sealed_session", "token_expires_at", "renewing_until", "profile",
)  # fmt: skip
#: The secrets that give access; the others are those of an app.
TOKENS = frozenset({"access_token", "refresh_token", "personal_access_token", "bot_token"})

#: A token is renewed when it lasts no longer than this.
RENEW_BEFORE = timedelta(minutes=10)
#: Seconds between two tries to store a new pair, and for how long a database that went away is tried: without it
#: nobody has the pair.
_PAUSE = 0.1
_STORING = 20.0
_CONNECT = "Connect the account again."


class Granted(Protocol):
    """What a token endpoint answered; `refresh_token` is empty where the one before it stays good."""

    @property
    def access_token(self) -> str:
        """The new access token."""

    @property
    def refresh_token(self) -> str:
        """The new refresh token."""

    @property
    def expires_at(self) -> datetime | None:
        """When the access token ends (aware UTC); None where the provider does not tell."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """What was granted; empty where the provider does not tell."""

    @property
    def session(self) -> Mapping[str, str]:
        """The access token with what it needs to be used; empty where it can be used as it is."""


class Renewer(Protocol):
    """Whoever can turn a refresh token into a new pair."""

    def refresh(self, *, refresh_token: str, now: datetime) -> Granted:
        """Return the new pair; raises TemporaryError or ConfigurationError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the connection's row holds now."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime | None

    def lasts_until(self, moment: datetime) -> bool:
        return bool(self.access_token) and (self.expires_at is None or self.expires_at > moment)


class Tokens:
    """Hand out an access token of one account, renewed in time."""

    def __init__(
        self, account: Account, *, renewer: Renewer, clock: Callable[[], datetime]
    ) -> None:
        self._connection_id = account.connection_id
        self._renewer = renewer
        self._clock = clock
        self._is_stored = account.is_stored
        self._passed_through = "" if account.secrets.get("refresh_token") else _personal(account)
        self._held: _Held | None = None

    def current(self) -> str:
        """Return a token to send now.

        Raises:
            ConfigurationError: there is none, or what was granted has ended; only a person can connect again.
            TemporaryError: it cannot be renewed just now.
        """
        if self._passed_through:
            return self._passed_through
        if self._held is None or not self._held.lasts_until(self._clock() + RENEW_BEFORE):
            self._held = self._in_time()
        return self._held.access_token

    def instead_of(self, refused: str) -> str | None:
        """Return another token after the provider refused this one, or None when there is no other.

        A personal token that a person replaced meanwhile is no reason to pause what they have just connected.

        Raises:
            ConfigurationError, TemporaryError: as `current`.
        """
        if self._passed_through and not self._is_stored:
            return None
        held = _read(self._connection_id)
        if held.access_token == refused:
            if not held.refresh_token:
                return None
            held = self._renew(held, usable=False)
        self._held, self._passed_through = held, ""
        return held.access_token

    def _in_time(self) -> _Held:
        held, now = _read(self._connection_id), self._clock()
        if held.lasts_until(now + RENEW_BEFORE) or not held.refresh_token:
            return held
        return self._renew(held, usable=held.lasts_until(now))

    def _renew(self, stale: _Held, *, usable: bool) -> _Held:
        """Renew, or wait for whoever does; nobody waits while the old token works."""

        def newer(is_our_turn: bool) -> _Held | None:
            held = _read(self._connection_id)
            goes_on = usable and not is_our_turn
            return held if goes_on or held.access_token != stale.access_token else None

        return turns.in_turn(
            self._connection_id,
            look=newer,
            renew=lambda: self._renew_in_turn(usable=usable),
            clock=self._clock,
        )

    def _renew_in_turn(self, *, usable: bool) -> _Held:
        held = _read(self._connection_id)
        try:
            grant = self._renewer.refresh(refresh_token=held.refresh_token, now=self._clock())
        except TemporaryError:
            if not usable:
                raise
            # The lease runs out by itself: nobody asks again for a minute, and all go on with the old token.
            return held
        return _store(self._connection_id, grant, spent=held.refresh_token)


def begin(row: Connection, grant: Granted) -> None:
    """Put what a person granted into a locked row, without saving it; nothing of a grant before it stays."""
    forget(row)
    put(row, grant)


def put(row: Connection, grant: Granted) -> None:
    """Put a renewed grant into a locked row, without saving it: `GRANT_FIELDS` are what changes."""
    secrets = readable_secrets(row)
    if grant.session:
        row.sealed_session = vault.seal(grant.session)
    else:
        secrets["access_token"] = grant.access_token
    if grant.refresh_token:
        secrets["refresh_token"] = grant.refresh_token
    row.set_secrets(secrets)
    row.token_expires_at, row.renewing_until = grant.expires_at, None
    if grant.scopes:
        row.profile = {**row.profile, "granted": list(grant.scopes)}


def replace(
    row: Connection, entered: Mapping[str, str], *, forgotten: Collection[str] = ()
) -> None:
    """Put secrets that a person entered beside those of a locked row, without saving it; some are forgotten.

    A token of a person's own ends the grant before it: what is left of that one would be used instead, or bring it back.
    """
    secrets = readable_secrets(row)
    if TOKENS & entered.keys():
        secrets = app_secrets(row)
        row.token_expires_at = row.renewing_until = None
    kept = {name: value for name, value in secrets.items() if name not in forgotten}
    row.set_secrets({**kept, **entered})


def enter(
    connection_id: int, entered: Mapping[str, str], *, forgotten: Collection[str] = ()
) -> None:
    """Store secrets that a person entered, and forget some; the others stay as they are by now."""
    with transaction.atomic():
        row = Connection.objects.select_for_update().get(pk=connection_id)
        replace(row, entered, forgotten=forgotten)
        row.save(update_fields=GRANT_FIELDS)


def forget(row: Connection) -> None:
    """Take the tokens out of a locked row, without saving it; other secrets stay."""
    row.set_secrets(app_secrets(row))
    row.sealed_session = ""
    row.token_expires_at = row.renewing_until = None


def app_secrets(row: Connection) -> dict[str, str]:
    """Return the secrets that are no tokens: those of an app, that a person entered."""
    return {name: value for name, value in readable_secrets(row).items() if name not in TOKENS}


def has_token(row: Connection) -> bool:
    """Tell whether a token is stored that can be read."""
    held = readable_secrets(row)
    return any(held.get(name) for name in TOKENS)


def readable_secrets(row: Connection) -> dict[str, str]:
    """Return the secrets that can be read; sealed with a lost key, they have to be entered again."""
    try:
        return row.secrets
    except ConfigurationError:
        return {}


def _personal(account: Account) -> str:
    token = account.secrets.get("access_token") or account.secrets.get("personal_access_token")
    if not token:
        raise _no_token(account.name)
    return token


def _no_token(name: str) -> ConfigurationError:
    return ConfigurationError(f"The connection “{name}” has no access token.", hint=_CONNECT)


def _read(connection_id: int) -> _Held:
    row = Connection.objects.only("name", "sealed_secrets", "token_expires_at").get(
        pk=connection_id
    )
    return _held(row)


def _held(row: Connection) -> _Held:
    secrets = row.secrets
    if not TOKENS & secrets.keys():
        raise _no_token(row.name)
    return _Held(
        access_token=secrets.get("access_token") or secrets.get("personal_access_token", ""),
        refresh_token=secrets.get("refresh_token", ""),
        expires_at=row.token_expires_at,
    )


def _store(connection_id: int, grant: Granted, *, spent: str) -> _Held:
    """Store a new pair at once; the old one is spent, so a database that restarts just now is waited for."""
    deadline = time.monotonic() + _STORING
    while True:
        try:
            return _store_once(connection_id, grant, spent=spent)
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                logger.exception("Renewed access token lost, the database is away: connection=%s", connection_id)  # fmt: skip
                raise
            time.sleep(_PAUSE)


def _store_once(connection_id: int, grant: Granted, *, spent: str) -> _Held:
    """Store a new pair; what a person connected meanwhile is newer and stays."""
    with transaction.atomic(durable=True):
        row = Connection.objects.select_for_update().get(pk=connection_id)
        if row.secrets.get("refresh_token") == spent:
            put(row, grant)
            row.save(update_fields=GRANT_FIELDS)
            logger.info("Access token renewed: connection=%s", connection_id)
        return _held(row)
