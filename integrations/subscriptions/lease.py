"""One process at a time makes and deletes a connection's subscriptions: two would make each of them twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import Q

from integrations.errors import TemporaryError
from integrations.models import Connection

#: Longer than all the calls take unless every one of them times out, shorter than the watchdog's interval: a process
#: that died holds up nobody. Two at once would share the rows, and with them the URLs, which a provider has once.
LEASE = timedelta(minutes=4)


class BusyError(TemporaryError):
    """Another process is at the same connection's subscriptions."""


@contextmanager
def alone(connection: Connection, *, now: datetime) -> Iterator[None]:
    """Hold the connection's subscriptions inside; no transaction is open meanwhile.

    Raises:
        BusyError: another process holds them.
    """
    until, row = now + LEASE, Connection.objects.filter(pk=connection.pk)
    free = Q(subscribing_until=None) | Q(subscribing_until__lte=now)
    if not row.filter(free).update(subscribing_until=until):
        raise BusyError(
            f"The subscriptions of “{connection}” are being looked after at this moment.",
            hint="Look at them again in a few minutes.",
        )
    try:
        yield
    finally:
        row.filter(subscribing_until=until).update(subscribing_until=None)
