"""Secrets at rest: encrypted with Fernet, readable with any of the configured keys.

`CALSYNC_VAULT_KEYS` lists the keys: the first encrypts, all decrypt, so a key is rotated by putting a new
one in front. Source: https://cryptography.io/en/latest/fernet/
"""

import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from integrations.errors import ConfigurationError


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CALSYNC_VAULT_KEYS])


def seal(secrets: Mapping[str, str]) -> str:
    """Return the secrets as one encrypted text."""
    return _fernet().encrypt(json.dumps(dict(secrets)).encode()).decode()


def unseal(sealed: str) -> dict[str, str]:
    """Return the secrets that were sealed; an empty text holds none.

    Raises:
        ConfigurationError: no configured key opens it.
    """
    if not sealed:
        return {}
    try:
        opened: dict[str, str] = json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken as error:
        raise ConfigurationError(
            "The stored secrets cannot be read with the configured keys.",
            hint="Put the key that sealed them back into CALSYNC_VAULT_KEYS, or enter the secrets again.",
        ) from error
    return opened


def reseal(sealed: str) -> str:
    """Return what was sealed, sealed anew with the first key.

    Raises:
        ConfigurationError: no configured key opens it.
    """
    return seal(unseal(sealed)) if sealed else ""
