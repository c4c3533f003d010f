"""Where the session of a log-in is kept: all processes share one, and one of them replaces it when it is refused.

A session is what a provider gives for credentials and takes back without notice: a token and what it needs to be used.
Each is stored with a key that names what it was got with, so that settings that change never meet the session of those
before them.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from integrations import turns, vault
from integrations.errors import ConfigurationError
from integrations.models import Connection

logger = logging.getLogger(__name__)

Session = Mapping[str, str]
#: Where the key stands among a session's values.
KEY = "key"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """Hold what a log-in brought: a session, and secrets that replace those it has `spent` (refresh tokens)."""

    session: Session = field(repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    spent: Mapping[str, str] = field(default_factory=dict, repr=False)


#: Logs in with the secrets as they are by now; raises TemporaryError or ConfigurationError.
LogIn = Callable[[Mapping[str, str]], LoggedIn]


class Sessions(Protocol):
    """Keep the session of one connection."""

    def current(self, key: str) -> Session | None:
        """Return the session that was stored under this key, if there is one."""

    def instead_of(self, refused: Session | None, *, key: str, log_in: LogIn) -> Session:
        """Return another session than the refused one: what somebody else got meanwhile, or that of a new log-in.

        Raises:
            TemporaryError, ConfigurationError: the log-in failed.
        """


class MemorySessions:
    """Keep a session as long as the object lives: for an account that is not stored yet, or not by us."""

    def __init__(self, secrets: Mapping[str, str], session: Session | None = None) -> None:
        #: What the next log-in uses.
        self.secrets = dict(secrets)
        self._held = session
        self._lock = threading.Lock()

    def current(self, key: str) -> Session | None:
        """Return the session that was stored under this key, if there is one."""
        held = self._held
        return held if held and held.get(KEY) == key else None

    def instead_of(self, refused: Session | None, *, key: str, log_in: LogIn) -> Session:
        """Return another session than the refused one."""
        with self._lock:
            held = self.current(key)
            if held and held != refused:
                return held
            found = log_in(self.secrets)
            self.secrets.update(found.secrets)
            self._held = {**found.session, KEY: key}
            return self._held


class StoredSessions:
    """Keep a connection's session sealed in its row, where every process finds it."""

    def __init__(
        self, connection: Connection, *, clock: Callable[[], datetime] = timezone.now
    ) -> None:
        self._connection_id = connection.pk
        # As the row was when it was read: an older one is refused, and only then the row is read again.
        self._known = _unsealed(connection.sealed_session)
        self._clock = clock

    def current(self, key: str) -> Session | None:
        """Return the session that was stored under this key, if there is one."""
        return self._known if self._known.get(KEY) == key else None

    def instead_of(self, refused: Session | None, *, key: str, log_in: LogIn) -> Session:
        """Return another session than the refused one; one process at a time logs in."""

        def newer(_is_our_turn: bool) -> Session | None:
            held = _read(self._connection_id)
            return held if held.get(KEY) == key and held != refused else None

        self._known = turns.in_turn(
            self._connection_id,
            look=newer,
            renew=lambda: self._log_in(key, log_in),
            clock=self._clock,
        )
        return self._known

    def _log_in(self, key: str, log_in: LogIn) -> Session:
        held = Connection.objects.only("sealed_secrets").get(pk=self._connection_id).secrets
        found = log_in(held)
        return self._store({**found.session, KEY: key}, found)

    def _store(self, session: Session, found: LoggedIn) -> Session:
        """Store session and rotated secrets with one write, unless a person connected or disconnected meanwhile."""
        with transaction.atomic(durable=True):
            row = Connection.objects.select_for_update().get(pk=self._connection_id)
            secrets = row.secrets
            if any(secrets.get(name) != value for name, value in found.spent.items()):
                return _of_person(row, key=session[KEY])
            row.set_secrets({**secrets, **found.secrets})
            row.sealed_session, row.renewing_until = vault.seal(session), None
            row.save(update_fields=("sealed_secrets", "sealed_session", "renewing_until"))
        logger.info("Logged in: connection=%s", self._connection_id)
        return session


def _of_person(row: Connection, *, key: str) -> Session:
    """Return the session that a person's connecting brought while we logged in with what they replaced."""
    held = _unsealed(row.sealed_session)
    if held.get(KEY) != key:
        raise ConfigurationError(
            f"The connection “{row.name}” was disconnected or changed meanwhile.",
            hint="Connect the account again.",
        )
    return held


def _read(connection_id: int) -> Session:
    row = Connection.objects.only("sealed_session").get(pk=connection_id)
    return _unsealed(row.sealed_session)


def _unsealed(sealed: str) -> Session:
    """Return a stored session; one that no key opens is none: the next log-in replaces it."""
    try:
        return vault.unseal(sealed)
    except ConfigurationError:
        return {}
