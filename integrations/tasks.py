"""Celery's doors: a few lines each. A task carries at most an id; what is due stands in the rows."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from celery import shared_task
from celery.signals import task_prerun
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from integrations import breaker, health, inbox, outbox, refetch
from integrations.deliver import deliver
from integrations.models import Connection
from integrations.nudge import answer, nudge

#: Deliveries taken per look at the queue, for each thread.
_BATCH = 8


def nudge_inbox() -> bool:
    """Wake a worker for the inbox."""
    return nudge("inbox", drain_inbox)


def nudge_connection(connection_id: int) -> bool:
    """Wake a worker for what one connection has to send."""
    return nudge(f"connection:{connection_id}", drain_connection, connection_id)


def nudge_refetch() -> bool:
    """Wake a worker for the bookings that are due to be read again."""
    return nudge("refetch", drain_refetch)


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
    return drained.processed


@shared_task
def drain_connection(connection_id: int) -> int:
    """Send what one connection has due, up to its parallelism at once; return how many were tried."""
    answer(f"connection:{connection_id}")
    until, tried = _deadline(), 0
    while timezone.now() < until:
        sent = _send_batch(connection_id)
        if not sent:
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
def sweep() -> None:
    """Find what no nudge announced: received webhooks, due deliveries and refetches, leases of dead workers."""
    now = timezone.now()
    health.swept(now=now)
    outbox.release_expired(now=now)
    for connection_id in outbox.waiting_connections(now=now):
        nudge_connection(connection_id)
    if inbox.has_received():
        nudge_inbox()
    if refetch.has_due(now=now):
        nudge_refetch()


def _send_batch(connection_id: int) -> int:
    now = timezone.now()
    connection = Connection.objects.open_at(now).filter(pk=connection_id).first()
    if connection is None:
        return 0
    if connection.state == Connection.State.DEGRADED:
        return _send_probe(connection)
    due = outbox.due(connection_id, now=now, limit=connection.parallelism * _BATCH)
    free = connection.parallelism - outbox.in_flight(connection_id)
    _deliver_all(due, threads=max(1, min(free, len(due))))
    return len(due)


def _send_probe(connection: Connection) -> int:
    """Send one delivery to see whether a failing connection answers again; return how many were tried."""
    now = timezone.now()
    due = outbox.due(connection.pk, now=now, limit=1)
    if not due or not breaker.may_probe(connection, now=now):
        return 0
    deliver(due[0], clock=timezone.now, probe=True)
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
        deliver(delivery_id, clock=timezone.now)


def _work_and_close(queue: "SimpleQueue[int]") -> None:
    try:
        _work(queue)
    finally:
        connections.close_all()


def _deadline() -> datetime:
    return timezone.now() + timedelta(seconds=settings.DRAIN_BUDGET_SECONDS)
