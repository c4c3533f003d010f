"""What a source is: a class that verifies, parses and re-reads. And where to find one.

A source is one folder and one line in `settings.SOURCES`. Verifying and parsing are pure. What calls the provider
raises TemporaryError, PermanentError or ConfigurationError (`integrations.errors`).
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import ClassVar

from django.conf import settings
from django.utils.module_loading import import_string
from pydantic import Field

from bookings.snapshots import Snapshot
from integrations.budget import Priority
from integrations.granting import OAuth, Profile
from integrations.models import Account
from integrations.options import Options
from integrations.sources.reading import Reader
from integrations.sources.subscribing import Subscriptions


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


class SourceSettings(Options):
    """What can be set on a connection to any source; days are counted from today."""

    backfill_days_back: int = Field(
        default=30, ge=0, le=3650, description="Days before today that a backfill reads."
    )
    backfill_days_ahead: int = Field(
        default=365, ge=0, le=1100, description="Days after today that a backfill reads."
    )
    nightly_backfill: bool = Field(
        default=True, description="Read everything again each night, to find what no webhook told."
    )


class Source(ABC):
    """Bring bookings in from one kind of system."""

    label: ClassVar[str]
    #: For who sets it up: what it is for in a sentence, what has to be at hand, and the provider's page to begin at.
    purpose: ClassVar[str] = ""
    needs: ClassVar[Sequence[str]] = ()
    guide: ClassVar[str] = ""
    #: What each scope of its tokens is for, in the words of what staff would miss without it.
    scope_purposes: ClassVar[Mapping[str, str]] = {}
    #: Names of the secrets of a connection, with help texts.
    secret_fields: ClassVar[Mapping[str, str]]
    #: What can be set on a connection.
    settings_model: ClassVar[type[SourceSettings]] = SourceSettings

    @abstractmethod
    def describe(self, account: Account) -> Profile:
        """Ask the provider who we are there and what we may do."""

    @abstractmethod
    def verify(
        self, *, body: bytes, headers: Mapping[str, str], keys: Mapping[str, str], now: datetime
    ) -> Verification:
        """Check the signature on the raw bytes against each named key; never raises for bad input."""

    @abstractmethod
    def parse(self, body: bytes, *, received_at: datetime) -> Parsed:
        """Read a webhook's body; never raises for bad input."""

    @abstractmethod
    def fetch(
        self, account: Account, *, uri: str, priority: Priority = Priority.LIVE
    ) -> Snapshot | None:
        """Ask the provider for one object, a booking with all its invitees; None when it does not exist there."""

    @abstractmethod
    def mark_no_show(self, account: Account, *, invitee_uri: str, look_first: bool = False) -> str:
        """Mark an invitee as a no-show and return the mark's URI; one that is there already is returned.

        `look_first` is set when an earlier try may have marked them without an answer.
        """

    @abstractmethod
    def unmark_no_show(self, account: Account, *, no_show_uri: str) -> None:
        """Take a no-show back; one that is gone already is fine."""

    @abstractmethod
    def cancel(self, account: Account, *, booking_uri: str, reason: str) -> None:
        """Cancel a booking with everybody in it; one that is canceled already is fine, so that it is safe to repeat."""

    @property
    @abstractmethod
    def oauth(self) -> OAuth:
        """Return how a person grants access."""

    @property
    @abstractmethod
    def subscriptions(self) -> Subscriptions:
        """Return how our URLs are subscribed."""

    @abstractmethod
    def open_reader(self, account: Account) -> Reader:
        """Return a reader for one slice of a backfill; close it."""


@cache
def get_source(provider: str) -> Source:
    """Return the source of a provider, found by its dotted path in `settings.SOURCES`.

    Raises:
        KeyError: no source is installed for it.
    """
    found: type[Source] = import_string(settings.SOURCES[provider])
    return found()
