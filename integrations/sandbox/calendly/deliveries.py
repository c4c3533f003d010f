"""A webhook message on its way, and the log of every attempt to deliver one."""

import itertools
import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.clock import Clock, micro
from integrations.sandbox.web import Json

_numbers = itertools.count(1)


def next_id() -> int:
    """Return a number for a message, distinct from every other."""
    return next(_numbers)


@dataclass(frozen=True, kw_only=True)
class Message:
    """Describe what is sent where. Times are seconds of a monotonic clock."""

    subscription: str
    url: str
    event: str
    subject: str
    body: bytes
    signing_key: str | None
    signed_at: int
    tamper: Json | None = None
    id: int = field(default_factory=next_id)
    attempt: int = 1
    first_tried_at: float | None = None

    def signing_time(self, *, new: bool) -> int:
        """Return the Unix time to sign with: the present, or that of the first attempt."""
        now = int(time.time()) if new or self.attempt == 1 else self.signed_at
        return now - int((self.tamper or {}).get("age", 0))


class DeliveryLog:
    """Keep the latest attempts, and messages that were never sent."""

    def __init__(self, *, clock: Clock, size: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: deque[Json] = deque(maxlen=size)
        self._numbers = itertools.count(1)

    def add(
        self,
        message: Message,
        *,
        outcome: str,
        status: int | None = None,
        error: str | None = None,
        headers: dict[str, str] | None = None,
        duration_ms: float = 0,
    ) -> None:
        """Record what became of a message at one attempt."""
        entry = {
            "at": micro(self._clock.now()),
            "message": message.id,
            "subscription": message.subscription,
            "callback_url": message.url,
            "event": message.event,
            "subject": message.subject,
            "attempt": message.attempt,
            "outcome": outcome,
            "status": status,
            "error": error,
            "headers": headers or {},
            "duration_ms": round(duration_ms, 2),
            "body": json.loads(message.body),
        }
        with self._lock:
            self._entries.append({"seq": next(self._numbers), **entry})

    def all(self) -> list[dict[str, Any]]:
        """Return the entries, oldest first."""
        with self._lock:
            return list(self._entries)

    def clear(self) -> None:
        """Forget every entry."""
        with self._lock:
            self._entries.clear()
