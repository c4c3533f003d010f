"""Calendly's webhook signature: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.

Source: https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from integrations.sources.base import SignatureOutcome, Verification

HEADER = "Calendly-Webhook-Signature"
#: How far ahead the sender's clock may be; Calendly's own samples allow three minutes of difference.
CLOCK_SKEW_SECONDS = 180
_LONGEST_TIMESTAMP = 11


@dataclass(frozen=True, slots=True)
class SignatureHeader:
    """Hold the two parts that count: the timestamp as it was signed, and every `v1`."""

    timestamp: str
    candidates: tuple[str, ...]

    @property
    def signed_at(self) -> datetime:
        """Return the signature's own time."""
        return datetime.fromtimestamp(int(self.timestamp), UTC)


def verify(
    *,
    body: bytes,
    headers: Mapping[str, str],
    keys: Mapping[str, str],
    now: datetime,
    tolerance_seconds: float,
    late_seconds: float,
) -> Verification:
    """Check the signature on the raw bytes against each named key, in constant time.

    Whether Calendly signs a retry anew is not documented, so an old signature is taken as LATE until
    `tolerance_seconds`. TOO_OLD is said of every right signature outside the time window, also of one more than
    three minutes ahead: the key is right, a clock is wrong.
    """
    value = _header(headers)
    usable = {name: key for name, key in keys.items() if key}
    if value is None or not usable:
        return Verification(outcome=SignatureOutcome.MISSING)
    found = read_header(value)
    if found is None:
        return Verification(outcome=SignatureOutcome.MALFORMED)
    name = _fitting_key(found, body=body, keys=usable)
    if name is None:
        return Verification(outcome=SignatureOutcome.WRONG, signed_at=found.signed_at)
    age = (now - found.signed_at).total_seconds()
    outcome = _by_age(age, tolerance_seconds=tolerance_seconds, late_seconds=late_seconds)
    return Verification(outcome=outcome, key_name=name, signed_at=found.signed_at)


def sign(body: bytes, key: str, at: datetime) -> str:
    """Return the header's value that Calendly would send for the body."""
    timestamp = str(int(at.timestamp()))
    return f"t={timestamp},v1={_digest(timestamp, body=body, key=key)}"


def read_header(value: str) -> SignatureHeader | None:
    """Return the header's parts, found by key in any order; None without one usable `t` and a `v1`."""
    parts = [part.partition("=") for part in value.split(",")]
    timestamps = set(_values(parts, "t"))
    candidates = tuple(_values(parts, "v1"))
    if len(timestamps) != 1 or not candidates:
        return None
    timestamp = timestamps.pop()
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP):
        return None
    return SignatureHeader(timestamp, candidates)


def _values(parts: Iterable[tuple[str, str, str]], wanted: str) -> list[str]:
    return [value.strip() for key, _, value in parts if key.strip() == wanted and value.strip()]


def _header(headers: Mapping[str, str]) -> str | None:
    values = (value for name, value in headers.items() if name.casefold() == HEADER.casefold())
    return next(values, None)


def _fitting_key(found: SignatureHeader, *, body: bytes, keys: Mapping[str, str]) -> str | None:
    fitting = [
        name
        for name, key in keys.items()
        for candidate in found.candidates
        if _same(candidate, _digest(found.timestamp, body=body, key=key))
    ]
    return fitting[0] if fitting else None


def _same(candidate: str, expected: str) -> bool:
    """Compare as bytes: text that is not ASCII is refused by `compare_digest` with an exception."""
    return hmac.compare_digest(candidate.encode("utf-8", "replace"), expected.encode())


def _digest(timestamp: str, *, body: bytes, key: str) -> str:
    message = timestamp.encode() + b"." + body
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def _by_age(age: float, *, tolerance_seconds: float, late_seconds: float) -> SignatureOutcome:
    if age > tolerance_seconds or age < -CLOCK_SKEW_SECONDS:
        return SignatureOutcome.TOO_OLD
    return SignatureOutcome.LATE if age > late_seconds else SignatureOutcome.VALID
