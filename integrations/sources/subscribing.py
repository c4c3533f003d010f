"""How a source subscribes our URLs: what is wanted, what is there, and making and deleting one.

Only talks to the provider; which subscriptions exist and what becomes of them is `integrations.subscriptions`'
business.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from integrations.errors import PermanentError
from integrations.models import Account


class TakenError(PermanentError):
    """The URL is subscribed already, by whom this account may not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Describe a subscription that an account should have.

    `scope` is organization, user or group, `target` the URI of that; `optional` ones may be refused by the plan.
    """

    purpose: str
    scope: str
    target: str
    events: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Describe a subscription as the provider has it; `state` is active or disabled."""

    uri: str
    url: str
    scope: str
    target: str
    events: tuple[str, ...]
    state: str
    retry_started_at: datetime | None = None


class Subscriptions(ABC):
    """Look after the webhook subscriptions of one account at a time.

    Every method that calls the provider raises TemporaryError, PermanentError or ConfigurationError.
    """

    @abstractmethod
    def wanted(self, account: Account) -> tuple[Wanted, ...]:
        """Return what this account should have, by its role, scopes and settings; calls nobody."""

    @abstractmethod
    def listed(self, account: Account) -> list[Remote]:
        """Return every subscription that the account may see, in every scope that could hold one of ours."""

    @abstractmethod
    def find(self, account: Account, *, uri: str) -> Remote | None:
        """Return one subscription, in whatever scope; None if it is gone, or not for this account to see."""

    @abstractmethod
    def create(self, account: Account, wanted: Wanted, *, url: str, signing_key: str) -> Remote:
        """Subscribe a URL; one that is subscribed already is returned as it is.

        Raises:
            TakenError: it is subscribed, and this account does not see by what.
        """

    @abstractmethod
    def delete(self, account: Account, *, uri: str) -> None:
        """Delete a subscription; one that is gone already is no error."""

    @abstractmethod
    def new_signing_key(self, account: Account) -> str:
        """Return the key that the provider will sign the account's next subscription with."""

    @abstractmethod
    def shares_key(self, account: Account) -> bool:
        """Tell whether every subscription is signed with one key, which is changed at the provider and in our settings."""

    @abstractmethod
    def sign(self, body: bytes, *, key: str, now: datetime) -> Mapping[str, str]:
        """Return the headers that the provider would send with this body."""

    @abstractmethod
    def sample(self, account: Account, wanted: Wanted) -> bytes | None:
        """Return a sample of what the provider would deliver, from the account's own data; None if it has none."""

    @abstractmethod
    def explain(self, body: bytes, *, now: datetime) -> str:
        """Return in words what a delivery says, or why it says nothing."""
