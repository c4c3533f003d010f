"""A connection's health: what one delivery's end means for all the others.

healthy -> degraded (breaker open, probing) -> healthy; paused by a person or a configuration error, until a
person resumes it. Every change is one conditional UPDATE, and whoever makes it logs it once.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from integrations import holds
from integrations.models import Connection, Delivery

logger = logging.getLogger(__name__)

State = Connection.State

#: Failures in a row that open the breaker, and how long it stays open: doubled up to the longest.
FAILURES_TO_OPEN = 5
SHORTEST_BREAK = timedelta(seconds=30)
LONGEST_BREAK = timedelta(minutes=5)
LONGEST_THROTTLE = timedelta(hours=24)
#: A success is noted at most this often: the row is shared by every delivery of the connection.
_NOTE_SUCCESS_EVERY = timedelta(seconds=10)


def succeeded(connection: Connection, *, now: datetime) -> None:
    """Note a success; the first one after an outage closes the breaker and lets what waited go now."""
    row = Connection.objects.filter(pk=connection.pk)
    closed = row.filter(state=State.DEGRADED).update(
        state=State.HEALTHY, state_reason="", state_hint="", state_changed_at=now, not_before=None
    )
    row.exclude(consecutive_failures=0).update(consecutive_failures=0)
    stale = Q(last_success_at=None) | Q(last_success_at__lt=now - _NOTE_SUCCESS_EVERY)
    row.filter(stale).update(last_success_at=now)
    if closed:
        logger.warning("Connection is healthy again: connection=%s", connection.pk)
        _let_waiting_go(connection, now=now)


def failed(connection: Connection, *, now: datetime, error: str) -> None:
    """Note a temporary failure; enough of them in a row open the breaker."""
    row = Connection.objects.filter(pk=connection.pk)
    row.update(
        consecutive_failures=F("consecutive_failures") + 1, last_error_at=now, last_error=error
    )
    failures = row.values_list("consecutive_failures", flat=True).get()
    if failures < FAILURES_TO_OPEN:
        return
    pause_for = min(SHORTEST_BREAK * 2 ** min(failures - FAILURES_TO_OPEN, 8), LONGEST_BREAK)
    row.exclude(state=State.PAUSED).update(not_before=now + pause_for)
    opened = row.filter(state=State.HEALTHY).update(
        state=State.DEGRADED,
        state_reason=f"{failures} failures in a row; the last: {error}",
        state_hint="Nothing to do: it is probed until it answers. If it lasts, check the provider's status page.",
        state_changed_at=now,
    )
    if opened:
        logger.error("Connection is failing, breaker open: connection=%s", connection.pk)


def throttled(connection: Connection, *, now: datetime, seconds: float) -> datetime:
    """Hold the whole connection for as long as the provider asked, a day at the most; return until when."""
    until = now + min(timedelta(seconds=seconds), LONGEST_THROTTLE)
    shorter = Q(not_before=None) | Q(not_before__lt=until)
    Connection.objects.filter(shorter, pk=connection.pk).update(not_before=until)
    return until


def may_probe(connection: Connection, *, now: datetime) -> bool:
    """Tell whether the caller is the one that may send a single delivery through a degraded connection."""
    probed = Connection.objects.filter(
        Q(not_before=None) | Q(not_before__lte=now), pk=connection.pk, state=State.DEGRADED
    ).update(not_before=now + SHORTEST_BREAK)
    return bool(probed)


def pause(
    connection: Connection, *, now: datetime, reason: str, hint: str = "", by: str = ""
) -> bool:
    """Stop sending and keep queueing, until a person resumes it; return False when it was paused already.

    `by` is the person who wanted it; nobody did where an error is the reason.
    """
    paused = (
        Connection.objects.filter(pk=connection.pk)
        .exclude(state=State.PAUSED)
        .update(
            state=State.PAUSED,
            state_reason=reason,
            state_hint=hint,
            state_changed_at=now,
            paused_by=by,
        )
    )
    if paused:
        logger.error("Connection paused: connection=%s", connection.pk)
    return bool(paused)


def resume(connection: Connection, *, now: datetime) -> bool:
    """Let a paused connection send again, oldest first; return False when it was not paused."""
    resumed = Connection.objects.filter(pk=connection.pk, state=State.PAUSED).update(
        state=State.HEALTHY, state_reason="", state_hint="", state_changed_at=now, paused_by="",
        not_before=None, consecutive_failures=0,
    )  # fmt: skip
    if resumed:
        logger.warning("Connection resumed: connection=%s", connection.pk)
        _let_waiting_go(connection, now=now)
    return bool(resumed)


@transaction.atomic
def _let_waiting_go(connection: Connection, *, now: datetime) -> None:
    """Make due what waits after a failure, or for the provider; what waits on purpose goes on doing so."""
    waiting = Delivery.objects.filter(connection=connection, state=Delivery.State.WAITING)
    late = waiting.filter(not_before__gt=now).exclude(held_until__gt=now)
    for rows in holds.locked(late):
        rows.update(not_before=now)
