"""Many deliveries in one call: who is in a batch, how each one ends, and what a short allowance holds back."""

import threading
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import OperationalError, connections
from django.utils import timezone

from integrations import allowance, outbox, tasks
from integrations.connectors.base import Usage
from integrations.deliver import deliver_many
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Connection, Delivery, DeliveryAttempt, RemoteRecord
from tests.factories import NOW, BookingEventFactory, ConnectionFactory, DeliveryFactory
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db


class BatchingConnector(ScriptedConnector):
    """Take up to four at once; the script has an ending for each of them."""

    batch_size: ClassVar[int] = 4
    batches: ClassVar[list[list[int]]] = []
    told: ClassVar[Usage | None] = None

    def apply_many(self, jobs):
        self.batches.append([job.task.delivery_id for job in jobs])
        self.usage = self.told
        return [self._end(job) for job in jobs]

    def _end(self, job):
        self.recorder = job.recorder
        try:
            return self.apply(job.task, job.decision, remember=job.remember, forget=job.forget)
        except Exception as error:  # noqa: BLE001  # as a connector's contract says
            return error


class BrokenConnector(BatchingConnector):
    """Break in the middle of a batch."""

    def apply_many(self, jobs):
        raise KeyError("broken")


@pytest.fixture(autouse=True)
def _batching(settings):
    here = {"batching": f"{__name__}.BatchingConnector", "broken": f"{__name__}.BrokenConnector"}
    settings.CONNECTORS = {**settings.CONNECTORS, **here}
    BatchingConnector.plays()
    BatchingConnector.batches, BatchingConnector.told = [], None


@pytest.fixture
def target(db):
    """A connection whose provider takes four at once."""
    return ConnectionFactory.create(provider="batching", name="Target")


def queue(rule, count, **more):
    return [DeliveryFactory.create(rule=rule, **more) for _ in range(count)]


def send_many(deliveries, *, at=NOW):
    return deliver_many([delivery.pk for delivery in deliveries], clock=lambda: at)


def states():
    return list(Delivery.objects.order_by("id").values_list("state", flat=True))


def test_each_delivery_of_a_batch_ends_by_its_own_outcome(rule):
    deliveries = queue(rule, 4)
    endings = [None, PermanentError("No.", hint="Mend it."), TemporaryError("Later."), None]
    BatchingConnector.plays(*endings)

    assert send_many(deliveries) == 4

    assert BatchingConnector.batches == [[delivery.pk for delivery in deliveries]]
    assert states() == ["delivered", "failed", "waiting", "delivered"]
    refused = Delivery.objects.get(pk=deliveries[1].pk)
    assert (refused.failure_class, refused.error, refused.hint) == ("permanent", "No.", "Mend it.")
    assert RemoteRecord.objects.count() == 2
    assert Connection.objects.get(pk=rule.connection_id).consecutive_failures == 0


def test_an_attempt_keeps_its_own_part_of_the_exchange(rule):
    send_many(queue(rule, 3))

    assert [len(row.exchanges) for row in DeliveryAttempt.objects.all()] == [1, 1, 1]


def test_a_batch_holds_one_of_a_chain_and_one_of_a_person(rule):
    first = DeliveryFactory.create(rule=rule, serial_key="ida")
    same_person = DeliveryFactory.create(rule=rule, serial_key="ida")
    event = BookingEventFactory.create(invitee=first.event.invitee, kind="updated")
    same_chain = DeliveryFactory.create(rule=rule, event=event, serial_key="ida")
    other = DeliveryFactory.create(rule=rule, serial_key="bob")

    assert send_many([first, same_person, same_chain, other]) == 2

    assert states() == ["delivered", "waiting", "waiting", "delivered"]


def test_what_another_worker_sends_is_left_to_it(rule):
    held, free = queue(rule, 2)
    assert outbox.claim(held.pk, now=NOW)

    assert send_many([held, free]) == 1

    assert states() == ["sending", "delivered"]


def test_a_person_for_whom_another_worker_sends_stays_waiting(rule):
    held = DeliveryFactory.create(rule=rule, serial_key="ida")
    same_person = DeliveryFactory.create(rule=rule, serial_key="ida")
    assert outbox.claim(held.pk, now=NOW)

    assert send_many([same_person]) == 0

    assert states() == ["sending", "waiting"]
    assert not same_person.attempts.exists()


def test_a_batch_that_was_not_answered_counts_as_one_failure(rule):
    BatchingConnector.plays(*[TemporaryError("Away.", ambiguous=True)] * 4)

    send_many(queue(rule, 4))

    assert states() == ["waiting"] * 4
    assert Connection.objects.get(pk=rule.connection_id).consecutive_failures == 1


def test_after_an_ambiguous_batch_each_one_looks_first(rule):
    deliveries = queue(rule, 2)
    BatchingConnector.plays(*[TemporaryError("Away.", ambiguous=True)] * 2)
    send_many(deliveries)

    send_many(deliveries, at=NOW + timedelta(minutes=1))

    assert BatchingConnector.looked_first == [False, False, True, True]


@pytest.mark.parametrize(
    "error", [ThrottledError("Slow.", retry_after=60), ConfigurationError("Bad.")]
)
def test_what_concerns_the_connection_stops_all_of_it(rule, error):
    deliveries = queue(rule, 3)
    BatchingConnector.plays(*[error] * 3)

    send_many(deliveries)

    assert states() == ["waiting"] * 3
    assert not Connection.objects.open_at(NOW + timedelta(seconds=1)).exists()
    assert send_many(deliveries, at=NOW + timedelta(seconds=1)) == 0


def test_a_fault_of_ours_in_the_batch_is_told_at_each(rule):
    Connection.objects.update(provider="broken")

    send_many(queue(rule, 2))

    failed = Delivery.objects.filter(state="failed", failure_class="crashed")
    assert failed.filter(error__contains="KeyError").count() == 2


def test_a_database_that_goes_away_leaves_the_lease_to_the_sweep(rule):
    BatchingConnector.plays(None, OperationalError("gone"))
    deliveries = queue(rule, 2)

    with pytest.raises(OperationalError):
        send_many(deliveries)

    assert states() == ["sending", "sending"]
    late = NOW + timedelta(hours=1)
    assert outbox.release_expired(now=late) == 2


def test_more_than_can_be_sent_at_once_goes_in_batches(broker_url, rule):
    Connection.objects.update(parallelism=2)
    queue(rule, 9)

    tasks.drain_connection(rule.connection_id)

    assert [len(batch) for batch in BatchingConnector.batches] == [4, 4]
    assert states() == ["delivered"] * 9


def test_few_go_one_by_one(broker_url, rule):
    queue(rule, 1)

    tasks.drain_connection(rule.connection_id)

    assert BatchingConnector.batches == []
    assert states() == ["delivered"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_workers_that_claim_at_once_share_the_deliveries(rule):
    deliveries = queue(rule, 40)
    pks, start = [row.pk for row in deliveries], threading.Barrier(4)
    claimed: list[int] = []

    def claim():
        start.wait()
        claimed.extend(found.delivery.pk for found in outbox.claim_many(pks, now=NOW))
        connections.close_all()

    workers = [threading.Thread(target=claim) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(claimed) == sorted(pks)
    assert DeliveryAttempt.objects.count() == 40


# --- what can wait ---


def test_what_a_backfill_found_can_wait_and_goes_last(rule):
    event = BookingEventFactory.create(silent=True)
    outbox.add([(event, rule)], now=NOW)
    outbox.add([(BookingEventFactory.create(), rule)], now=NOW + timedelta(seconds=1))
    silent, live = Delivery.objects.order_by("id")

    assert (silent.can_wait, live.can_wait) == (True, False)
    due = outbox.due(rule.connection_id, now=NOW + timedelta(minutes=1), limit=9)
    assert due == [live.pk, silent.pk]


def test_what_can_wait_no_longer_does_once_somebody_waits_for_its_meeting(rule):
    event = BookingEventFactory.create(silent=True)
    outbox.add([(event, rule)], now=NOW)

    outbox.add([(BookingEventFactory.create(invitee=event.invitee, kind="updated"), rule)], now=NOW)

    assert not Delivery.objects.filter(can_wait=True).exists()


def spent(share, *, at=NOW):
    return {"used": int(share * 1000), "limit": 1000, "at": at.isoformat()}


@pytest.mark.parametrize(
    ("share", "follows"),
    [(0.5, "(50%)"), (0.8, "one at a time"), (0.96, "a backfill found is held")],
)
def test_staff_are_told_what_a_short_allowance_means(share, follows):
    said = allowance.in_words(Connection(usage=spent(share)), now=NOW)

    assert said.startswith(f"{int(share * 1000)} of 1,000 requests used")
    assert follows in said


@pytest.mark.parametrize(
    ("share", "slow", "held"),
    [(0.0, False, False), (0.799, False, False), (0.8, True, False), (0.949, True, False), (0.95, True, True), (1.0, True, True)],
)  # fmt: skip
def test_a_short_allowance_slows_and_then_holds(share, slow, held):
    connection = Connection(usage=spent(share))

    assert allowance.is_slow(connection, now=NOW) is slow
    assert allowance.is_held(connection, now=NOW) is held


def test_an_old_count_holds_nobody_so_that_a_new_one_can_be_had():
    connection = Connection(usage=spent(1.0))

    assert allowance.is_held(connection, now=NOW + timedelta(minutes=15))
    assert not allowance.is_held(connection, now=NOW + timedelta(minutes=16))


def test_nothing_told_holds_nothing():
    assert allowance.share(Connection(), now=NOW) == 0.0


def test_the_answer_of_a_batch_tells_the_allowance(rule):
    BatchingConnector.told = Usage(used=960, limit=1000)

    send_many(queue(rule, 2))

    connection = Connection.objects.get(pk=rule.connection_id)
    assert connection.usage == {"used": 960, "limit": 1000, "at": NOW.isoformat()}


def test_a_count_is_written_when_it_matters_not_at_every_answer(target, django_assert_num_queries):
    allowance.note(target, Usage(used=10, limit=1000), now=NOW)
    target.refresh_from_db()

    with django_assert_num_queries(0):
        allowance.note(target, Usage(used=11, limit=1000), now=NOW + timedelta(seconds=5))
    with django_assert_num_queries(1):
        allowance.note(target, Usage(used=801, limit=1000), now=NOW + timedelta(seconds=5))
    with django_assert_num_queries(1):
        allowance.note(target, Usage(used=12, limit=1000), now=NOW + timedelta(seconds=10))


def test_with_a_used_up_allowance_live_traffic_goes_and_the_rest_is_held(broker_url, rule):
    now = timezone.now()
    queue(rule, 3, can_wait=True, not_before=now)
    queue(rule, 1, not_before=now)
    Connection.objects.update(usage=spent(0.96, at=now))

    tasks.drain_connection(rule.connection_id)

    assert states() == ["waiting", "waiting", "waiting", "delivered"]
