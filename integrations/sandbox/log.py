"""The request log: what was asked of which service, and what came of it."""

import hashlib
import itertools
import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from werkzeug.wrappers import Request

SECRET_HEADERS = frozenset({"api-key", "authorization", "cookie", "x-api-key"})
SECRET_FIELDS = frozenset(
    {"assertion", "client_secret", "code", "refresh_token", "signing_key", "token"}
)


@dataclass(frozen=True)
class RequestEntry:
    """Describe one request. `status` is a number, or "dropped" if no answer was sent."""

    seq: int
    at: str
    service: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    status: int | str
    fault: str | None
    duration_ms: float

    def as_dict(self) -> dict[str, Any]:
        """Return the entry as plain JSON types."""
        return asdict(self)


class RequestLog:
    """Keep the latest requests in order."""

    def __init__(self, *, size: int) -> None:
        self._lock = threading.Lock()
        self._entries: deque[RequestEntry] = deque(maxlen=size)
        self._numbers = itertools.count(1)

    def add(
        self,
        request: Request,
        *,
        at: str,
        service: str,
        status: int | str,
        fault: str | None,
        duration_ms: float,
    ) -> None:
        """Record one finished request."""
        seen = {
            "at": at,
            "service": service,
            "method": request.method,
            "path": request.path,
            "query": _without_secrets(request.args.to_dict()),
            "headers": _headers(request),
            "body": _body(request),
            "status": status,
            "fault": fault,
            "duration_ms": round(duration_ms, 2),
        }
        self.put(**seen)

    def put(self, **seen: Any) -> None:
        """Record what was seen, by the names of an entry."""
        with self._lock:
            self._entries.append(RequestEntry(seq=next(self._numbers), **seen))

    def find(
        self,
        *,
        service: str | None = None,
        method: str | None = None,
        path_contains: str | None = None,
        since: int = 0,
    ) -> list[RequestEntry]:
        """Return the entries after number `since` that match every given filter."""
        with self._lock:
            entries: Iterable[RequestEntry] = list(self._entries)
        return [
            entry
            for entry in entries
            if entry.seq > since
            and (service is None or entry.service == service)
            and (method is None or entry.method == method.upper())
            and (path_contains is None or path_contains in entry.path)
        ]

    def clear(self) -> None:
        """Forget every entry; numbers go on rising."""
        with self._lock:
            self._entries.clear()


def _headers(request: Request) -> dict[str, str]:
    return {
        name: redacted(value) if name.lower() in SECRET_HEADERS else value
        for name, value in request.headers.items()
    }


def redacted(secret: str) -> str:
    """Return a short hash by which equal secrets can be told from others."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:12]


def _body(request: Request) -> Any:
    raw = request.get_data(as_text=True)
    if "form" in (request.mimetype or ""):
        return _without_secrets(request.form.to_dict())
    try:
        return _without_secrets(json.loads(raw)) if raw else None
    except ValueError:
        return raw


def _without_secrets(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {
        name: redacted(value) if name in SECRET_FIELDS and isinstance(value, str) else value
        for name, value in data.items()
    }
