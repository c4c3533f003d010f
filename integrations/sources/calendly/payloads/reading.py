"""Decode JSON that nobody promised, clean it for PostgreSQL, and read its fields by type.

Readers never raise: what is missing, null or of the wrong type reads as empty.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_DEEPEST = 64
_LONGEST_NUMBER = 300
#: PostgreSQL's jsonb refuses NUL and halves of a surrogate pair.
#: Source: https://www.postgresql.org/docs/current/datatype-json.html
_REFUSED = re.compile(r"[\x00\ud800-\udfff]")
#: Official examples also write these for https://api.calendly.com/.
_OTHER_BASE = re.compile(r"^https://(?:calendly\.com|api\.calendly\.com/api/v2)/(?:api/v2/)?")
_API_BASE = "https://api.calendly.com/"
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")
_YEARS = range(1970, 3000)
_LARGEST = 2_147_483_647
_URI_LENGTH = 512


class UnreadableError(ValueError):
    """The body is no JSON that can be kept; the message says why, for staff."""


def load(body: bytes) -> Any:
    """Return the JSON value of the bytes, cleaned of everything that PostgreSQL's jsonb refuses.

    NaN and Infinity become null, numbers beyond every column become text, broken UTF-8 becomes U+FFFD.

    Raises:
        UnreadableError: no JSON, or nested too deeply.
    """
    text = body.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise UnreadableError("The body is empty.")
    try:
        value = json.loads(
            text, parse_constant=lambda _: None, parse_int=_whole, parse_float=_fraction
        )
        return _clean(value, depth=0)
    except RecursionError as error:
        raise UnreadableError("The JSON is nested too deeply.") from error
    except ValueError as error:
        raise UnreadableError(f"The body is not JSON: {error}.") from error


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text


def _fraction(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _clean(value: Any, *, depth: int) -> Any:
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, list):
        return [_clean(item, depth=depth + 1) for item in value]
    if isinstance(value, dict):
        return {_clean_text(key): _clean(item, depth=depth + 1) for key, item in value.items()}
    return value


def _clean_text(text: str) -> str:
    if not _REFUSED.search(text):
        return text
    return _REFUSED.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", text)


@dataclass(frozen=True, slots=True)
class Fields:
    """Read the fields of one JSON object; anything else reads as an object without fields."""

    raw: dict[str, Any]

    @classmethod
    def of(cls, value: Any) -> "Fields":
        """Wrap a value."""
        return cls(value if isinstance(value, dict) else {})

    def __contains__(self, key: str) -> bool:
        return key in self.raw

    def __bool__(self) -> bool:
        return bool(self.raw)

    def get(self, key: str) -> Any:
        """Return the value as it came."""
        return self.raw.get(key)

    def text(self, key: str, limit: int | None = None) -> str:
        """Return the text without surrounding space, cut to `limit`; a number as its digits."""
        return as_text(self.raw.get(key))[:limit]

    def uri(self, key: str) -> str:
        """Return the name of an object at the API, in its usual spelling; empty when too long to be one."""
        text = _OTHER_BASE.sub(_API_BASE, self.text(key)).rstrip("/")
        return text if len(text) <= _URI_LENGTH else ""

    def link(self, key: str, limit: int) -> str:
        """Return a link for people; empty when it is no http(s) link or too long, as a cut one leads nowhere."""
        text = self.text(key)
        return text if text.startswith(("https://", "http://")) and len(text) <= limit else ""

    def moment(self, key: str) -> datetime | None:
        """Return the time in UTC; without an offset it is taken as UTC."""
        return as_moment(self.raw.get(key))

    def count(self, key: str) -> int | None:
        """Return a whole number that fits a column; `2.0` and `"2"` are 2."""
        return as_count(self.raw.get(key))

    def flag(self, key: str, *, default: bool = False) -> bool:
        """Return a truth value, or the default when there is none."""
        value = self.raw.get(key)
        return value if isinstance(value, bool) else default

    def child(self, key: str) -> "Fields":
        """Return the object under the key."""
        return Fields.of(self.raw.get(key))

    def children(self, key: str) -> "list[Fields]":
        """Return the objects of the list under the key."""
        value = self.raw.get(key)
        return [Fields(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []  # fmt: skip

    def texts(self, key: str) -> Iterator[tuple[str, str]]:
        """Yield the object's own non-empty texts under the key, such as UTM values."""
        child = self.child(key)
        return ((name, text) for name in child.raw if (text := child.text(name)))


def as_text(value: Any) -> str:
    """Return text and numbers as text, everything else as empty."""
    if isinstance(value, str):
        return value.strip()
    return "" if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


def as_moment(value: Any) -> datetime | None:
    """Return an ISO 8601 time of day in UTC, or None for anything that is none of our era."""
    if not isinstance(value, str) or not _MOMENT.match(value.strip()):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in _YEARS else None


def as_count(value: Any) -> int | None:
    """Return a whole number from 0 to the largest that a column holds, else None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= _LARGEST else None
