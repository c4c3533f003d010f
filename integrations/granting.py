"""How a provider lets a person grant access (OAuth 2 with PKCE), and who an account is there.

Only talks to the provider; who may refresh when, and where the tokens are kept, is the business of
`integrations.grants` and `integrations.sessions`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Hold what the provider's token endpoint answered; the tokens never appear in its `repr`.

    `expires_at` is aware UTC, None where the provider does not tell; `scopes` is empty then likewise. `session` holds the
    access token with what it needs to be used, where that is more than the token.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime | None
    scopes: tuple[str, ...] = ()
    owner_uri: str = ""
    organization_uri: str = ""
    session: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Say who an account is at its provider, and what it may do there.

    `role` is owner, admin or user; `granted` is None where the provider does not tell which scopes a token has. `site`
    is the address of the organization's own pages, where it has one.
    """

    user_uri: str
    user_name: str
    user_email: str
    organization_uri: str
    organization_name: str = ""
    plan: str = ""
    role: str = ""
    site: str = ""
    granted: tuple[str, ...] | None = None
    needed: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the scopes that are needed and known not to be granted."""
        if self.granted is None:
            return ()
        return tuple(scope for scope in self.needed if scope not in self.granted)


class OAuth(ABC):
    """Talk to one provider's authorization server.

    Every method that calls it raises TemporaryError, PermanentError or ConfigurationError (`integrations.errors`);
    a refused grant is a ConfigurationError, for only a person can connect again.
    """

    @property
    @abstractmethod
    def missing_settings(self) -> tuple[str, ...]:
        """Return the names of what is not set yet: environment variables, or secrets of the connection."""

    @abstractmethod
    def authorize_url(self, *, redirect_uri: str, state: str, code_challenge: str) -> str:
        """Return where to send the person's browser; the challenge is S256."""

    @abstractmethod
    def exchange(self, *, code: str, redirect_uri: str, code_verifier: str, now: datetime) -> Grant:
        """Turn the code of the callback into tokens."""

    def scopes_of(self, token: str) -> tuple[str, ...] | None:
        """Ask which scopes an access token has; None when it is no longer active, or where that is not told."""
        return None

    @abstractmethod
    def revoke(self, token: str) -> None:
        """End a token at the provider."""
