"""A provider's request allowance, as its answers tell it: who may still spend of it.

From four fifths on a connection sends one at a time; from nineteen twentieths on what nobody waits for is held. A
count that is a quarter of an hour old no longer holds anybody: the allowance comes back hour by hour, and only an
answer tells how much.
"""

from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime

from integrations.connectors.base import Usage
from integrations.models import Connection

SLOW_FROM = 0.80
HOLD_FROM = 0.95
_HOLDS_FOR = timedelta(minutes=15)
#: A count that says nothing new is written down this often at most.
_NOTE_EVERY = timedelta(seconds=10)


def note(connection: Connection, usage: Usage | None, *, now: datetime) -> None:
    """Keep what the provider told of its allowance; nothing where it does not tell."""
    if usage is None or not _is_news(connection, usage, now=now):
        return
    told = {"used": usage.used, "limit": usage.limit, "at": now.isoformat()}
    Connection.objects.filter(pk=connection.pk).update(usage=told)


def share(connection: Connection, *, now: datetime) -> float:
    """Return how much of the allowance is used, from 0.0 to 1.0; 0.0 when nothing fresh is known."""
    usage, at = told(connection)
    return usage.share if usage and at and now - at <= _HOLDS_FOR else 0.0


def told(connection: Connection) -> tuple[Usage | None, datetime | None]:
    """Return the last count, and when it was told (UTC)."""
    row = connection.usage
    if not row:
        return None, None
    return Usage(used=int(row["used"]), limit=int(row["limit"])), parse_datetime(row["at"])


def is_slow(connection: Connection, *, now: datetime) -> bool:
    """Tell whether the connection sends one at a time."""
    return share(connection, now=now) >= SLOW_FROM


def is_held(connection: Connection, *, now: datetime) -> bool:
    """Tell whether what can wait is held."""
    return share(connection, now=now) >= HOLD_FROM


def in_words(connection: Connection, *, now: datetime) -> str:
    """Say for staff how much is used, when that was told, and what follows from it."""
    usage, at = told(connection)
    if usage is None or at is None:
        return "The provider has not told yet."
    said = f"{usage.used:,} of {usage.limit:,} requests used ({usage.share:.0%}), told {at:%Y-%m-%d %H:%M} UTC"
    if is_held(connection, now=now):
        return f"{said}. What a backfill found is held; bookings of now go one at a time."
    if is_slow(connection, now=now):
        return f"{said}. It is short: one at a time is sent."
    return f"{said}."


def _is_news(connection: Connection, usage: Usage, *, now: datetime) -> bool:
    before, at = told(connection)
    if before is None or at is None or now - at >= _NOTE_EVERY:
        return True
    return _stage(before) != _stage(usage)


def _stage(usage: Usage) -> int:
    return sum(usage.share >= mark for mark in (SLOW_FROM, HOLD_FROM))
