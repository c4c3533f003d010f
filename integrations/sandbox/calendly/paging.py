"""Sorting and paging of lists.

Source: https://developer.calendly.com/api-docs (pagination of every list).
"""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.calendly.call import Call
from integrations.sandbox.calendly.errors import invalid
from integrations.sandbox.web import Json

DEFAULT_COUNT = 20
MAX_COUNT = 100


def ordered(call: Call, rows: list[Json], *, keys: tuple[str, ...], default: str) -> list[Json]:
    """Sort by `?sort=key:asc|desc` over the keys allowed."""
    key, descending = order_of(call, keys=keys, default=default)
    return sorted(rows, key=lambda row: _sort_key(row[key]), reverse=descending)


def order_of(call: Call, *, keys: tuple[str, ...], default: str) -> tuple[str, bool]:
    """Return the key of `?sort=`, and whether the order is descending. Raises ApiError 400."""
    key, _, direction = call.query.get("sort", default).partition(":")
    if key not in keys or direction not in {"", "asc", "desc"}:
        raise invalid("sort", f"must be one of: {', '.join(f'{k}:asc, {k}:desc' for k in keys)}")
    return key, direction == "desc"


def _sort_key(value: object) -> tuple[bool, str | int]:
    return (value is not None, value if isinstance(value, int) else str(value or ""))


def page(call: Call, rows: Sequence[Any]) -> Json:
    """Return one page of the rows, with links and tokens to its neighbours."""
    count, offset = _count(call), _offset(call)
    shown = rows[offset : offset + count]
    after = _token(call, offset + count) if offset + count < len(rows) else None
    before = _token(call, max(0, offset - count)) if offset > 0 else None
    return {
        "collection": shown,
        "pagination": {
            "count": len(shown),
            "next_page": _link(call, after),
            "previous_page": _link(call, before),
            "next_page_token": after,
            "previous_page_token": before,
        },
    }


def _count(call: Call) -> int:
    given = call.query.get("count", str(DEFAULT_COUNT))
    if not given.isdigit() or not 1 <= int(given) <= MAX_COUNT:
        raise invalid("count", f"must be between 1 and {MAX_COUNT}")
    return int(given)


def _token(call: Call, offset: int) -> str:
    content = f"{call.world.page_epoch}:{offset}"
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _offset(call: Call) -> int:
    token = call.query.get("page_token")
    if not token:
        return 0
    try:
        padded = token + "=" * (-len(token) % 4)
        epoch, _, offset = base64.urlsafe_b64decode(padded).decode().partition(":")
        if epoch == str(call.world.page_epoch):
            return int(offset)
    except ValueError:
        pass
    raise invalid("page_token", "invalid")


def _link(call: Call, token: str | None) -> str | None:
    if token is None:
        return None
    query = [(name, value) for name, value in call.query.items(multi=True) if name != "page_token"]
    return f"{call.world.uri(call.path.strip('/'))}?{urlencode([*query, ('page_token', token)])}"
