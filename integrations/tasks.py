"""Celery's doors: a few lines each. A task carries at most an id; what is due stands in the rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from celery import shared_task
from celery.signals import task_prerun
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from integrations import (
    allowance,
    backfill,
    breaker,
    bulk,
    clock,
    drift,
    erasure,
    health,
    inbox,
    interactions,
    notifications,
    outbox,
    refetch,
    reviews,
    subscriptions,
)
from integrations.deliver import batch_size, deliver, deliver_many
from integrations.models import Connection
from integrations.nudge import answer, nudge

#: Deliveries taken per look at the queue, for each thread.
_BATCH = 8
#: A worker is woken for a turn that is no further away; the sweep looks too seldom for one message a second.
_SOON = timedelta(seconds=5)


def nudge_inbox() -> bool:
    """Wake a worker for the inbox."""
    return nudge("inbox", drain_inbox)


def nudge_connection(connection_id: int) -> bool:
    """Wake a worker for what one connection has to send."""
    return nudge(f"connection:{connection_id}", drain_connection, connection_id)


def nudge_refetch() -> bool:
    """Wake a worker for the bookings that are due to be read again."""
    return nudge("refetch", drain_refetch)


def nudge_clock() -> bool:
    """Wake a worker for the rules that act so long before or after a meeting."""
    return nudge("clock", drain_clock)


def nudge_interactions() -> bool:
    """Wake a worker for the presses of buttons."""
    return nudge("interactions", drain_interactions)


def nudge_backfill(connection_id: int) -> bool:
    """Wake a worker for the backfills of one connection."""
    return nudge(f"backfill:{connection_id}", drain_backfill, connection_id)


def nudge_watch(connection_id: int) -> bool:
    """Wake a worker to look after one connection's webhook subscriptions."""
    return nudge(f"watch:{connection_id}", watch_connection, connection_id)


def nudge_drift(connection_id: int) -> bool:
    """Wake a worker to compare what one connection holds with what we wrote."""
    return nudge(f"drift:{connection_id}", drain_drift, connection_id)


def nudge_notifications() -> bool:
    """Wake a worker for what staff are to be told."""
    return nudge("notifications", drain_notifications)


def nudge_erasure() -> bool:
    """Wake a worker for the people who are to be erased."""
    return nudge("erasure", drain_erasure)


def nudge_bulk() -> bool:
    """Wake a worker for what is to be done to many rows."""
    return nudge("bulk", drain_bulk)


def wake_after(did: bulk.Did) -> None:
    """Wake whoever goes on with what was done to many rows."""
    for connection_id in did.connections:
        nudge_connection(connection_id)
    if did.inbox:
        nudge_inbox()


@task_prerun.connect
def drop_dead_connection(**_signal: object) -> None:
    """Close a database connection that the server has cut, so that the task opens a new one.

    Connections outlive their tasks, and Django looks for broken ones only around web requests: without this a
    thread whose connection was cut would fail at every task it is given.
    """
    if connection.connection is not None and not connection.is_usable():
        connection.close()


@shared_task
def drain_inbox() -> int:
    """Process the received webhooks; return how many."""
    answer("inbox")
    drained = inbox.drain(until=_deadline(), clock=timezone.now)
    for connection_id in drained.connections:
        nudge_connection(connection_id)
    if drained.more:
        nudge_inbox()
    if drained.processed and clock.has_rules():  # what was booked late is not to wait for the sweep
        nudge_clock()
    return drained.processed


@shared_task
def drain_connection(connection_id: int) -> int:
    """Send what one connection has due, up to its parallelism at once; return how many were tried."""
    answer(f"connection:{connection_id}")
    until, tried = _deadline(), 0
    while (now := timezone.now()) < until:
        sent = _send_batch(connection_id)
        if not sent:
            _come_back(connection_id, now=now)
            return tried
        tried += sent
    nudge_connection(connection_id)
    return tried


@shared_task
def drain_refetch() -> None:
    """Ask the sources again where the mirror noted that it must."""
    answer("refetch")
    for connection_id in refetch.drain(until=_deadline(), clock=timezone.now):
        nudge_connection(connection_id)


@shared_task
def drain_clock() -> int:
    """Decide the moments that have come before and after meetings; return how many."""
    answer("clock")
    drained = clock.drain(until=_deadline(), clock=timezone.now)
    for connection_id in drained.connections:
        nudge_connection(connection_id)
    if drained.more:
        nudge_clock()
    return drained.decided


@shared_task
def drain_interactions() -> int:
    """Carry out and answer the presses that are due; return how many were looked at."""
    answer("interactions")
    drained = interactions.drain(until=_deadline(), clock=timezone.now)
    if drained.asks_again:
        nudge_refetch()
    if interactions.has_due(now=timezone.now()):
        nudge_interactions()
    return drained.processed


@shared_task
def drain_backfill(connection_id: int) -> None:
    """Work on the backfills of one connection, and wake whoever carries what they found."""
    answer(f"backfill:{connection_id}")
    for woken in backfill.drain(connection_id, until=_deadline(), clock=timezone.now):
        nudge_connection(woken)
    if backfill.due(now=timezone.now()).filter(connection_id=connection_id).exists():
        nudge_backfill(connection_id)


@shared_task
def drain_drift(connection_id: int) -> None:
    """Compare what one connection holds with what we wrote, and wake whoever writes it again."""
    answer(f"drift:{connection_id}")
    if drift.drain(connection_id, until=_deadline(), clock=timezone.now):
        nudge_connection(connection_id)
    if drift.due(now=timezone.now()).filter(connection_id=connection_id).exists():
        nudge_drift(connection_id)


@shared_task
def drain_notifications() -> None:
    """Tell staff what is due; see `integrations.notifications`."""
    answer("notifications")
    if notifications.drain(until=_deadline(), clock=timezone.now):
        nudge_notifications()


@shared_task
def drain_erasure() -> int:
    """Erase the people who are to be erased; return how many requests were finished."""
    answer("erasure")
    return erasure.drain(until=_deadline(), clock=timezone.now)


@shared_task
def drain_bulk() -> None:
    """Work on what is to be done to many rows."""
    answer("bulk")
    bulk.drain(until=_deadline(), clock=timezone.now, wake=wake_after)
    if bulk.has_due(now=timezone.now()):
        nudge_bulk()


#: What the sweep asks of each station that keeps one queue, and whom it then wakes.
_QUEUES: tuple[tuple[Callable[[datetime], bool], Callable[[], bool]], ...] = (
    (lambda _: inbox.has_received(), nudge_inbox),
    (lambda now: refetch.has_due(now=now), nudge_refetch),
    (lambda _: clock.has_rules(), nudge_clock),
    (lambda now: interactions.has_due(now=now), nudge_interactions),
    (lambda _: erasure.has_waiting(), nudge_erasure),
    (lambda now: bulk.has_due(now=now), nudge_bulk),
    (lambda now: notifications.has_due(now=now), nudge_notifications),
)


@shared_task
def sweep() -> None:
    """Find what no nudge announced: received webhooks, due deliveries and refetches, leases of dead workers."""
    now = timezone.now()
    health.swept(now=now)
    outbox.release_expired(now=now)
    reviews.withdraw_idle()
    notifications.release_expired(now=now)
    notifications.plan(now=now)
    for connection_id in outbox.waiting_connections(now=now):
        nudge_connection(connection_id)
    for connection_id in set(backfill.due(now=now).values_list("connection_id", flat=True)):
        nudge_backfill(connection_id)
    for connection_id in drift.due(now=now).values_list("connection_id", flat=True):
        nudge_drift(connection_id)
    for has_work, wake in _QUEUES:
        if has_work(now):
            wake()


@shared_task
def watch() -> None:
    """Have the subscriptions of every connection looked after, and start tonight's backfills."""
    now = timezone.now()
    health.watched(now=now)
    for connection_id in subscriptions.due(now=now):
        nudge_watch(connection_id)
    for run in backfill.start_nightly(now=now):
        nudge_backfill(run.connection_id)
    for comparison in drift.start_nightly(now=now):
        nudge_drift(comparison.connection_id)


@shared_task
def watch_connection(connection_id: int) -> None:
    """Look once at one connection's subscriptions, and mend what is broken."""
    answer(f"watch:{connection_id}")
    now = timezone.now()
    connection = Connection.objects.open_at(now).filter(pk=connection_id).first()
    if connection is not None and subscriptions.watch(connection, now=now).backfill:
        nudge_backfill(connection_id)


def _send_batch(connection_id: int) -> int:
    now = timezone.now()
    connection = Connection.objects.open_at(now).filter(pk=connection_id).first()
    if connection is None:
        return 0
    if connection.state == Connection.State.DEGRADED:
        return _send_probe(connection)
    parallelism = 1 if allowance.is_slow(connection, now=now) else connection.parallelism
    size = batch_size(connection)
    due = outbox.due(
        connection_id, now=now, limit=max(parallelism * _BATCH, size),
        hold=allowance.is_held(connection, now=now),
    )  # fmt: skip
    if len(due) > parallelism and size > 1:
        # More than can be sent at once: one call for many is kinder to the provider, and sooner done.
        deliver_many(due[:size], clock=timezone.now, wake=nudge_connection)
        return len(due)
    free = parallelism - outbox.in_flight(connection_id)
    _deliver_all(due, threads=max(1, min(free, len(due))))
    return len(due)


def _come_back(connection_id: int, *, now: datetime) -> None:
    """Have a worker look again when the next turn comes, if that is soon after `now`; meanwhile no thread waits."""
    turn = outbox.next_turn(connection_id, now=now, within=_SOON)
    if turn is not None:
        seconds = max(0.01, (turn - timezone.now()).total_seconds())
        nudge(f"turn:{connection_id}", drain_connection, connection_id, after=seconds)


def _send_probe(connection: Connection) -> int:
    """Send one delivery to see whether a failing connection answers again; return how many were tried."""
    now = timezone.now()
    due = outbox.due(connection.pk, now=now, limit=1)
    if not due or not breaker.may_probe(connection, now=now):
        return 0
    deliver(due[0], clock=timezone.now, probe=True, wake=nudge_connection)
    return 1


def _deliver_all(delivery_ids: list[int], *, threads: int) -> None:
    """Deliver in this thread where that is enough; further threads give their database connections back."""
    queue: SimpleQueue[int] = SimpleQueue()
    for delivery_id in delivery_ids:
        queue.put(delivery_id)
    if threads <= 1:
        return _work(queue)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for finished in [pool.submit(_work_and_close, queue) for _ in range(threads)]:
            finished.result()
    return None


def _work(queue: "SimpleQueue[int]") -> None:
    while True:
        try:
            delivery_id = queue.get_nowait()
        except Empty:
            return
        deliver(delivery_id, clock=timezone.now, wake=nudge_connection)


def _work_and_close(queue: "SimpleQueue[int]") -> None:
    try:
        _work(queue)
    finally:
        connections.close_all()


def _deadline() -> datetime:
    return timezone.now() + timedelta(seconds=settings.DRAIN_BUDGET_SECONDS)
