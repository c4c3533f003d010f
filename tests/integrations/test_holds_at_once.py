"""Everything that waits, ends, pauses and is mended, at the same moment on PostgreSQL: nothing twice, lost or stuck."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import connection, transaction
from django.utils import timezone

from integrations import breaker, holds, inbox, outbox, rules
from integrations.connectors.base import Applied
from integrations.deliver import deliver, deliver_many
from integrations.errors import (
    ConfigurationError,
    DeadTargetError,
    IntegrationError,
    PostponedError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Connection, Delivery, Rule
from tests.factories import (
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RuleFactory,
)
from tests.integrations.bodies import envelope, invitee
from tests.integrations.scripted import ScriptedConnector

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

KINDS = ["updated"]
PEOPLE, EVENTS = 4, 32


class Moody(ScriptedConnector):
    """End as it likes, and count what was written by delivery."""

    written: ClassVar[Counter[int]] = Counter()
    calm: ClassVar[bool] = False
    _one_at_a_time: ClassVar[threading.Lock] = threading.Lock()

    def apply(self, task, decision, *, remember, forget):
        """Write, or fail in one of the ways there are."""
        error = None if self.calm else random.choice(MOODS)
        if error is not None:
            self.recorder.record(
                method="POST", url="https://moody.example/", request={}, status=500
            )
            raise error("moody")
        with self._one_at_a_time:
            self.written[task.delivery_id] += 1
        return Applied(summary="Written.")

    def apply_many(self, jobs):
        """Each by itself."""
        return [self._one(job) for job in jobs]

    def _one(self, job):
        self.recorder = job.recorder
        try:
            return self.apply(job.task, job.decision, remember=job.remember, forget=job.forget)
        except IntegrationError as error:
            return error


MOODS = [
    *[None] * 6,
    PostponedError, PostponedError, TemporaryError, ThrottledError, DeadTargetError, ConfigurationError,
]  # fmt: skip


@pytest.fixture
def everything(settings):
    """Two connections and four rules: one debounces, one follows it here, one there, one does neither."""
    settings.CONNECTORS = {**settings.CONNECTORS, "moody": f"{__name__}.Moody"}
    Moody.written, Moody.calm = Counter(), False
    here, there = (ConnectionFactory.create(provider="moody") for _ in range(2))
    given = {"action": "write", "kinds": KINDS, "acts_on_backfill": True}
    RuleFactory.create(connection=here, **given)
    patient = RuleFactory.create(connection=here, debounce_seconds=60, **given)
    near = RuleFactory.create(connection=here, waits_for=patient, **given)
    RuleFactory.create(connection=there, waits_for=near, debounce_seconds=30, **given)
    return [here.pk, there.pk]


class Clock:
    """Ten minutes a second, and more while nobody looks."""

    def __init__(self):
        self.start = timezone.now()
        self.more = timedelta()

    def __call__(self):
        return self.start + (timezone.now() - self.start) * 600 + self.more


def test_nothing_is_sent_twice_lost_or_stuck_whatever_happens_at_once(everything, settings):
    settings.DELIVERY_LEASE_SECONDS = 10**6  # nobody dies here
    people = [InviteeFactory.create() for _ in range(PEOPLE)]
    events = [
        BookingEventFactory.create(
            invitee=random.choice(people), kind="updated", silent=random.random() < 0.4
        )
        for _ in range(EVENTS)
    ]
    clock, planned = Clock(), threading.Event()

    def plans():
        for group in chunks(events, 2):
            with transaction.atomic():
                rules.plan(group, now=clock())
        planned.set()

    def works(which: int):
        while not planned.is_set():
            work(everything[which], clock)

    def operates():
        while not planned.is_set():
            operate(clock)

    at_once(plans, lambda: works(0), lambda: works(0), lambda: works(1), operates)

    Moody.calm = True
    for _ in range(EVENTS * 3):
        if not Delivery.objects.filter(state__in=Delivery.UNSETTLED).exists():
            break
        clock.more += timedelta(hours=1)
        mend(clock)
        for pk in everything:
            work(pk, clock)
    states = Counter(Delivery.objects.values_list("state", "failure_class"))
    assert set(states) <= {("delivered", ""), ("skipped", ""), ("failed", "exhausted")}, states
    assert sum(states.values()) == EVENTS * 4
    delivered = Delivery.objects.filter(state="delivered").values_list("pk", flat=True)
    assert Moody.written == Counter(delivered)


def test_who_acknowledges_failures_and_who_retries_them_take_them_in_one_order():
    here = ConnectionFactory.create()
    older, newer = (DeliveryFactory.create(failed=True, connection=here) for _ in range(2))
    failed = Delivery.objects.filter(connection=here, state="failed")
    failed.filter(pk=older.pk).update(cause="zzz")  # in the table and in the index it comes last
    done = []

    def acknowledge():
        try:
            done.append(outbox.acknowledge(failed, by="ann", now=timezone.now()))
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            holds.lock(failed.filter(pk=older.pk))
            other = pool.submit(acknowledge)
            while not (other.done() or somebody_waits()):
                time.sleep(0.01)
            holds.lock(failed.filter(pk=newer.pk))
        other.result()

    assert done == [2]


def test_who_pauses_a_rule_takes_it_before_the_delivery_as_who_looks_at_the_clock_does():
    here = ConnectionFactory.create(provider="scripted")
    rule = RuleFactory.create(connection=here, action="write")
    delivery = DeliveryFactory.create(
        rule=rule, connection=here, action="write", options=rule.options
    )
    ScriptedConnector.plays(DeadTargetError("gone"))

    def send():
        try:
            return deliver(delivery.pk, clock=timezone.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            list(Rule.objects.select_for_update(of=("self",), no_key=True))
            other = pool.submit(send)
            while not (other.done() or somebody_waits()):
                time.sleep(0.01)
            holds.lock(Delivery.objects.all())
        assert other.result() == "waiting"

    assert Rule.objects.get().paused_at is not None


def test_who_deletes_a_rule_takes_it_before_its_deliveries_as_who_looks_at_the_clock_does():
    rule = RuleFactory.create()
    DeliveryFactory.create(rule=rule, connection=rule.connection)

    def delete():
        try:
            rule.delete()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            list(Rule.objects.select_for_update(of=("self",), no_key=True))
            other = pool.submit(delete)
            while not (other.done() or somebody_waits()):
                time.sleep(0.01)
            holds.lock(Delivery.objects.all())
        other.result()

    assert Delivery.objects.get().rule is None


def test_a_webhook_is_processed_although_a_rule_is_deleted_meanwhile():
    stays = RuleFactory.create(kinds=["booked", "canceled"])
    gone = RuleFactory.create(kinds=["canceled"], connection=stays.connection)
    InboundWebhookFactory.create(state="received", payload=envelope("invitee.created", invitee()))
    inbox.process_next(now=timezone.now())
    later = invitee(status="canceled", updated_at="2026-11-02T10:00:00.000000Z")
    webhook = InboundWebhookFactory.create(
        state="received", payload=envelope("invitee.canceled", later)
    )

    def process():
        try:
            return inbox.process_next(now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            holds.lock(Delivery.objects.all())
            other = pool.submit(process)
            while not (other.done() or somebody_waits()):
                time.sleep(0.01)
            gone.delete()
        other.result()

    webhook.refresh_from_db()
    assert (webhook.state, webhook.error) == ("processed", "")
    assert list(Delivery.objects.values_list("rule", flat=True)) == [stays.pk] * 2


def somebody_waits() -> bool:
    """Tell whether another one waits for a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def work(connection_id: int, clock: Clock) -> None:
    """Send what is due, one by one or together, as a drain does."""
    due = outbox.due(connection_id, now=clock(), limit=8)
    if random.random() < 0.5:
        deliver_many(due, clock=clock)
    else:
        for delivery_id in due:
            deliver(delivery_id, clock=clock, probe=True)


def operate(clock: Clock) -> None:
    """Pause, resume, hurry and mend whatever comes first."""
    connection = random.choice(list(Connection.objects.filter(provider="moody")))
    what = random.randrange(4)
    if what == 0:
        breaker.pause(connection, now=clock(), reason="Lunch.")
        breaker.resume(connection, now=clock())
    elif what == 1:
        waiting = Delivery.objects.filter(state="waiting", connection=connection)
        outbox.retry(waiting, now=clock(), by="ann")
    elif what == 2:
        mend(clock)


def mend(clock: Clock) -> None:
    """Resume what is paused."""
    for row in Connection.objects.all():
        breaker.resume(row, now=clock())
    for rule in Rule.objects.all():
        rules.resume(rule, now=clock())


def at_once(*jobs: Callable[[], object]) -> None:
    """Do all at the same time; what one raises is raised."""

    def one(job):
        try:
            job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        for running in [pool.submit(one, job) for job in jobs]:
            running.result()


def chunks(items, size):
    return [items[at : at + size] for at in range(0, len(items), size)]
