"""What a source is: a class that verifies, parses and re-reads. And where to find one.

A source is one folder and one line in `settings.SOURCES`. Verifying and parsing are pure; only `fetch_booking`
calls the provider.
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import ClassVar

from django.conf import settings
from django.utils.module_loading import import_string

from bookings.snapshots import MeetingSnapshot, Snapshot
from integrations.models import Account


class SignatureOutcome(enum.StrEnum):
    """What the check of a delivery's signature found; all but the first two refuse it."""

    VALID = "valid"
    LATE = "late"
    MISSING = "missing"
    MALFORMED = "malformed"
    WRONG = "wrong"
    TOO_OLD = "too_old"

    @property
    def accepted(self) -> bool:
        """Tell whether the delivery may be stored."""
        return self in {SignatureOutcome.VALID, SignatureOutcome.LATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Say what was found, which key fitted, and when the delivery was signed (UTC)."""

    outcome: SignatureOutcome
    key_name: str = ""
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """Hold what a body says: its event name, the key that a repeat shares, and the facts in it."""

    kind: str
    delivery_key: str
    snapshots: tuple[Snapshot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """Say why a body became nothing; `kind` is its event name where it has one."""

    reason: str
    kind: str = ""


Parsed = Understood | NotUnderstood


class Source(ABC):
    """Bring bookings in from one kind of system."""

    label: ClassVar[str]
    #: Names of the secrets of a connection, with help texts.
    secret_fields: ClassVar[Mapping[str, str]]

    @abstractmethod
    def check(self, account: Account) -> str:
        """Call the provider harmlessly and say who we are there; raises like `fetch_booking`."""

    @abstractmethod
    def verify(
        self, *, body: bytes, headers: Mapping[str, str], keys: Mapping[str, str], now: datetime
    ) -> Verification:
        """Check the signature on the raw bytes against each named key; never raises for bad input."""

    @abstractmethod
    def parse(self, body: bytes, *, received_at: datetime) -> Parsed:
        """Read a webhook's body; never raises for bad input."""

    @abstractmethod
    def fetch_booking(self, account: Account, *, booking_uri: str) -> MeetingSnapshot | None:
        """Ask the provider for a booking with all its invitees; None when it does not exist there.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
        """


@cache
def get_source(provider: str) -> Source:
    """Return the source of a provider, found by its dotted path in `settings.SOURCES`.

    Raises:
        KeyError: no source is installed for it.
    """
    found: type[Source] = import_string(settings.SOURCES[provider])
    return found()
