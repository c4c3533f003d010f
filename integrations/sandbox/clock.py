"""Time for the sandbox: no two stamps are equal, and past dates can be played."""

import threading
from datetime import UTC, datetime, timedelta

MICROSECOND = timedelta(microseconds=1)


class Clock:
    """Give out instants that are distinct to the microsecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = datetime.min.replace(tzinfo=UTC)
        self._fraction = 0

    def now(self) -> datetime:
        """Return the present, later than every earlier answer."""
        with self._lock:
            self._last = max(datetime.now(UTC), self._last + MICROSECOND)
            return self._last

    def at(self, given: str | datetime | None) -> datetime:
        """Return the given instant, or now. Whole seconds get a distinct fraction."""
        if given is None:
            return self.now()
        instant = parse_time(given) if isinstance(given, str) else given.astimezone(UTC)
        if instant.microsecond:
            return instant
        with self._lock:
            self._fraction = (self._fraction + 7919) % 1_000_000 or 1
            return instant.replace(microsecond=self._fraction)


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 instant; a time without zone is UTC. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def micro(instant: datetime) -> str:
    """Write an instant the way Calendly does, with microseconds and Z."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def whole(instant: datetime) -> str:
    """Write an instant in whole seconds with a zero fraction, as envelopes carry it."""
    return micro(instant.replace(microsecond=0))


def later(previous: str, now: datetime) -> str:
    """Return `now`, or the moment just after `previous` if that is later."""
    return micro(max(now, parse_time(previous) + MICROSECOND))
