"""Sessions, codes and refresh tokens that the org has given out."""

import secrets
import time
from dataclasses import dataclass, field

from integrations.sandbox.salesforce.ids import make_id

ORGANIZATION = make_id("00D", 1)


@dataclass(frozen=True)
class Consent:
    """What a user allowed an app: the base of codes, refresh tokens and sessions."""

    user: str
    scopes: tuple[str, ...]
    number: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(frozen=True)
class Code:
    """An authorization code, good once and for minutes; `expires_at` is Unix time."""

    consent: Consent
    redirect_uri: str
    challenge: str
    expires_at: float


class TokenBook:
    """Hold what was given out; a session ends only by being ended."""

    def __init__(self) -> None:
        self.sessions: dict[str, Consent | None] = {}
        self.refresh: dict[str, Consent] = {}
        self.codes: dict[str, Code] = {}

    def __contains__(self, value: object) -> bool:
        """Tell whether a session lives."""
        return value in self.sessions

    def open_session(self, consent: Consent | None = None) -> str:
        """Return a new session's token."""
        value = f"{ORGANIZATION}!{secrets.token_urlsafe(48)}"
        self.sessions[value] = consent
        return value

    def refresh_token(self, consent: Consent) -> str:
        """Return a new refresh token."""
        value = f"5Aep861{secrets.token_urlsafe(48)}"
        self.refresh[value] = consent
        return value

    def code(self, consent: Consent, *, redirect_uri: str, challenge: str, seconds: float) -> str:
        """Return a new authorization code."""
        value = f"aPrx{secrets.token_urlsafe(32)}"
        ends = time.time() + seconds
        self.codes[value] = Code(consent, redirect_uri, challenge, ends)
        return value

    def end_sessions(self) -> None:
        """End every session; refresh tokens stay good."""
        self.sessions.clear()

    def revoke(self, value: str) -> bool:
        """End a session, or a refresh token with every session of its consent; tell whether there was one."""
        if value in self.sessions:
            del self.sessions[value]
            return True
        consent = self.refresh.pop(value, None)
        if consent is not None:
            self.sessions = {key: other for key, other in self.sessions.items() if other != consent}
        return consent is not None
