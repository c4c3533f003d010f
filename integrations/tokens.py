"""Make, check and revoke the keys to the REST API. A key is 32 random bytes: its SHA-256 tells nobody what it is."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db.models import Q

from integrations.models import ApiToken

#: What every key begins with, so that a person, or a scanner of sources, knows what it is.
PREFIX = "calsync_"
#: How much of a key its row shows.
_SHOWN = len(PREFIX) + 6
#: How exactly it is kept when a token was last used.
_USED = timedelta(minutes=1)


class TokenRefusedError(Exception):
    """The key is unknown, revoked or expired, or its user may not sign in; the message says which."""


def issue(token: ApiToken, *, by: str, now: datetime) -> str:
    """Save a new token and return its key, which cannot be had again."""
    key = PREFIX + secrets.token_urlsafe(32)
    token.digest, token.prefix = _digest(key), key[:_SHOWN]
    token.created_by, token.created_at = by, now
    token.save()
    return key


def check(key: str, *, now: datetime) -> ApiToken:
    """Return the token that a key belongs to, and note that it was used.

    Raises:
        TokenRefusedError: it lets nobody in.
    """
    token = ApiToken.objects.select_related("user").filter(digest=_digest(key)).first()
    if token is None:
        raise TokenRefusedError("There is no such token.")
    if (state := token.state_at(now)) != "active":
        raise TokenRefusedError(f"This token is {state}. Ask an administrator for another one.")
    if not token.user.is_active:
        raise TokenRefusedError("The user of this token may not sign in any more.")
    _note_use(token, now=now)
    return token


def revoke(token: ApiToken, *, now: datetime) -> bool:
    """Let the token in no more; False where it was revoked before."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now))


def _note_use(token: ApiToken, *, now: datetime) -> None:
    if token.last_used_at and now - token.last_used_at < _USED:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USED)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
