"""Sign a message. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
#: How many bytes a secret has.
SHORTEST, LONGEST = 24, 64
HOW_TO_MAKE = 'Make one with: echo "whsec_$(openssl rand -base64 32)"'


def read_secret(secret: str) -> bytes:
    """Return the bytes of a secret as people write it.

    Raises:
        ValueError: it is none, with how to make one; the secret itself is not told.
    """
    if not secret.startswith(PREFIX):
        raise ValueError(f"A signing secret begins with {PREFIX}. {HOW_TO_MAKE}")
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"What follows {PREFIX} is not base64. {HOW_TO_MAKE}") from None
    if not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"A signing secret has {SHORTEST} to {LONGEST} bytes, this one {len(key)}. {HOW_TO_MAKE}"
        )
    return key


def sign(body: bytes, *, message_id: str, timestamp: int, keys: Sequence[bytes]) -> str:
    """Return the signature header of exactly these bytes, one signature for each key."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
