"""One process at a time may renew what a connection holds at its provider; all others take what it brought.

No database transaction is open while the provider is asked: whoever renews takes a lease by a conditional UPDATE.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Q

from integrations.errors import IntegrationError, PostponedError
from integrations.models import Connection

Found = TypeVar("Found")

#: How long one process alone may renew; longer than a request to the provider can take.
LEASE = timedelta(seconds=30)
#: Seconds that others wait for it where they have nothing that still works, and between two looks.
_PATIENCE = 30.0
_PAUSE = 0.1
#: Seconds after which who waited in vain comes back.
_AGAIN = 2.0


def in_turn(
    connection_id: int,
    *,
    look: Callable[[bool], Found | None],
    renew: Callable[[], Found],
    clock: Callable[[], datetime],
) -> Found:
    """Return what `look` finds, or what `renew` brings when it is our turn.

    `look` is asked with whether it is our turn, and returns None while there is nothing to go on with. `renew` stores
    what it brings and sets `renewing_until` free with the same write.

    Raises:
        PostponedError: another process renews, and takes long, or died of it; that is no failure of the provider.
        IntegrationError: the provider refuses, and no other process had more luck meanwhile.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        lease = _take(connection_id, now=clock())
        found = look(lease is not None)
        if lease and found is None:
            return _renew(connection_id, lease=lease, look=look, renew=renew)
        if lease:
            _give_back(connection_id, lease=lease)
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise PostponedError(
                "The access token is being renewed by another process.",
                hint="Nothing to do: it is tried again.",
                retry_after=_AGAIN,
            )
        time.sleep(_PAUSE)


def _renew(
    connection_id: int,
    *,
    lease: datetime,
    look: Callable[[bool], Found | None],
    renew: Callable[[], Found],
) -> Found:
    try:
        return renew()
    except IntegrationError:
        _give_back(connection_id, lease=lease)
        # A process that had lost its lease may have stored something while we were refused.
        newer = look(True)
        if newer is None:
            raise
        return newer


def _take(connection_id: int, *, now: datetime) -> datetime | None:
    """Return the lease of whoever may renew from now on; None when another has it."""
    free = Q(renewing_until=None) | Q(renewing_until__lt=now)
    lease = now + LEASE
    # Durable: a transaction around this would be open while the provider is asked.
    with transaction.atomic(durable=True):
        taken = Connection.objects.filter(free, pk=connection_id).update(renewing_until=lease)
    return lease if taken else None


def _give_back(connection_id: int, *, lease: datetime) -> None:
    Connection.objects.filter(pk=connection_id, renewing_until=lease).update(renewing_until=None)
