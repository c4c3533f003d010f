"""Let programs in by a token: `Authorization: Bearer calsync_...`."""

from typing import Any

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from integrations import tokens
from integrations.models import ApiToken

_HOW = "Send the header Authorization with the word Bearer, a space, and the token."


class TokenAuthentication(BaseAuthentication):
    """Know the user by the token that is sent along."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        """Return the user and the token; None where none was sent.

        Raises:
            AuthenticationFailed: what was sent lets nobody in.
        """
        scheme, _, key = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = key.strip()
        if not key.isascii() or not key:
            raise AuthenticationFailed(_HOW)
        try:
            token = tokens.check(key.decode(), now=timezone.now())
        except tokens.TokenRefusedError as error:
            raise AuthenticationFailed(str(error)) from error
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return 'Bearer realm="Calsync"'
