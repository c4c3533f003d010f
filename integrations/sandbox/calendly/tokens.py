"""Access tokens, refresh tokens, codes, and what each may do.

Source: https://developer.calendly.com/scopes
"""

import secrets
import time
from dataclasses import dataclass, field

SCOPES = frozenset(
    {
        "users:read",
        "organizations:read",
        "organizations:write",
        "groups:read",
        "event_types:read",
        "event_types:write",
        "availability:read",
        "availability:write",
        "locations:read",
        "scheduled_events:read",
        "scheduled_events:write",
        "scheduling_links:write",
        "shares:write",
        "routing_forms:read",
        "webhooks:read",
        "webhooks:write",
        "activity_log:read",
        "data_compliance:write",
        "outgoing_communications:read",
        "contacts:read",
        "contacts:write",
        "meeting_recaps:read",
        "meeting_recaps:write",
    }
)
PAT_CLIENT = "pat"


@dataclass
class Token:
    """Describe an access token. `scopes` None means everything; `expires_at` is Unix time."""

    value: str
    user: str
    scopes: frozenset[str] | None = None
    client: str = PAT_CLIENT
    issued_at: float = field(default_factory=time.time)
    expires_at: float | None = None

    @property
    def is_personal(self) -> bool:
        """Tell whether this is a personal access token."""
        return self.client == PAT_CLIENT

    def live(self) -> bool:
        """Tell whether the token has not expired."""
        return self.expires_at is None or time.time() < self.expires_at

    def allows(self, scope: str) -> bool:
        """Tell whether the token has a scope; writing implies reading."""
        if self.scopes is None or scope in self.scopes:
            return True
        return scope.endswith(":read") and scope.removesuffix("read") + "write" in self.scopes

    @property
    def budget_key(self) -> str:
        """Name the request budget that the token draws on."""
        return f"pat:{self.user}" if self.is_personal else f"oauth:{self.client}:{self.user}"


@dataclass(frozen=True)
class Grant:
    """What a user allowed an app: the base of codes and refresh tokens."""

    client: str
    user: str
    scopes: frozenset[str]
    public: bool = False


@dataclass
class Code:
    """An authorization code, good once and for a few minutes."""

    grant: Grant
    redirect_uri: str
    challenge: str | None
    expires_at: float


class TokenBook:
    """Hold every token that was given out."""

    def __init__(self) -> None:
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Grant] = {}
        self.codes: dict[str, Code] = {}

    def add_personal(
        self, *, user: str, value: str | None = None, scopes: frozenset[str] | None = None
    ) -> Token:
        """Make a personal access token."""
        token = Token(value or f"pat-{secrets.token_urlsafe(24)}", user, scopes)
        self.access[token.value] = token
        return token

    def issue(self, grant: Grant, *, seconds: float) -> tuple[Token, str]:
        """Make a pair of access token and single-use refresh token."""
        token = Token(
            secrets.token_urlsafe(32),
            grant.user,
            grant.scopes,
            client=grant.client,
            expires_at=time.time() + seconds,
        )
        refresh = secrets.token_urlsafe(32)
        self.access[token.value] = token
        self.refresh[refresh] = grant
        return token, refresh

    def find(self, value: str | None) -> Token | None:
        """Return a live token."""
        token = self.access.get(value or "")
        return token if token and token.live() else None

    def expire(self) -> None:
        """End every OAuth access token now; personal tokens have no end."""
        for token in self.access.values():
            if not token.is_personal:
                token.expires_at = 0

    def revoke(self, value: str) -> None:
        """Forget a token, and every token of the same grant."""
        token = self.access.pop(value, None)
        grant = self.refresh.pop(value, None)
        if token is not None:
            grant = Grant(token.client, token.user, token.scopes or frozenset())
        if grant is not None and grant.client != PAT_CLIENT:
            self._forget(grant)

    def forget_user(self, user: str) -> None:
        """Forget every token of a user."""
        self.access = {value: row for value, row in self.access.items() if row.user != user}
        self.refresh = {value: row for value, row in self.refresh.items() if row.user != user}

    def _forget(self, grant: Grant) -> None:
        same = (grant.client, grant.user)
        self.access = {
            value: token
            for value, token in self.access.items()
            if (token.client, token.user) != same
        }
        self.refresh = {
            value: other
            for value, other in self.refresh.items()
            if (other.client, other.user) != same
        }
