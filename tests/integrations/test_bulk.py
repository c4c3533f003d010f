import itertools
import uuid
from datetime import timedelta

import pytest
from django.db import transaction

from integrations import bulk, tasks
from integrations.bulk import working
from integrations.models import BulkOperation, Delivery, InboundWebhook
from tests.factories import NOW, DeliveryFactory, InboundWebhookFactory, RuleFactory

pytestmark = pytest.mark.django_db

RETRY, IGNORE, REPLAY = (bulk.KINDS[name] for name in ("retry", "ignore", "replay"))
LATER = NOW + timedelta(hours=1)


class Killed(BaseException):
    """What a process does not survive."""


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(working, "SLICE", 2)
    monkeypatch.setattr("integrations.bulk.starting.AT_ONCE", 2)


def _fail(number: int = 5):
    """Make failures of one rule."""
    rule = RuleFactory.create()
    return [DeliveryFactory.create(rule=rule, failed=True) for _ in range(number)]


def _start(kind=RETRY, given=None, **options):
    started = bulk.start(kind, given or {}, label="All of it", by="ann", now=LATER, **options)
    assert started.operation is not None
    return started.operation


def _work(operation, *, slices: int = 99, at=LATER, wake=lambda did: None):
    """Work until the operation ends, or so many slices are done and the time is up."""
    moments = itertools.chain([at] * (slices + 1), itertools.repeat(at + timedelta(hours=9)))
    bulk.work_on(operation, until=at + timedelta(hours=1), clock=lambda: next(moments), wake=wake)
    operation.refresh_from_db()


@transaction.atomic
def _step_and_die(operation, *, token):
    assert working.step(operation.pk, token=token, now=LATER)
    raise Killed


def _waiting() -> int:
    return Delivery.objects.filter(state="waiting").count()


def test_few_are_done_at_once():
    _fail(2)

    started = bulk.start(RETRY, {}, label="Both", by="ann", now=LATER)

    assert (started.operation, started.did.changed, _waiting()) == (None, 2, 2)
    assert BulkOperation.objects.count() == 0


def test_many_are_done_slice_by_slice_and_their_connections_woken_each_time():
    rows = _fail()
    woken = []
    operation = _start()

    _work(operation, wake=lambda did: woken.append((did.changed, set(did.connections))))

    connection = rows[0].connection_id
    assert woken == [(2, {connection}), (2, {connection}), (1, {connection})]
    assert (operation.state, operation.total, operation.done, operation.changed) == (
        "done",
        5,
        5,
        5,
    )
    assert set(Delivery.objects.values_list("result", flat=True)) == {"Retried by ann."}


def test_the_task_carries_out_what_waits():
    _fail(3)
    operation = _start()

    tasks.drain_bulk()

    operation.refresh_from_db()
    assert (operation.state, operation.changed, bulk.has_due(now=LATER)) == ("done", 3, False)


def test_what_fits_later_is_left_alone():
    rows = _fail()
    operation = _start()
    _work(operation, slices=1)
    again, new = rows[-1], _fail(1)[0]
    Delivery.objects.filter(pk=again.pk).update(settled_at=LATER + timedelta(seconds=1))

    _work(operation)

    again.refresh_from_db()
    new.refresh_from_db()
    assert (operation.state, operation.changed) == ("done", 4)
    assert (again.state, new.state) == ("failed", "failed")


def test_a_worker_killed_in_a_slice_leaves_nothing_of_it_and_another_goes_on():
    _fail()
    operation = _start()
    _work(operation, slices=1)
    token = uuid.uuid4()
    BulkOperation.objects.update(lease_token=token, lease_expires_at=LATER + working.LEASE)
    with pytest.raises(Killed):
        _step_and_die(operation, token=token)
    half = _waiting()

    _work(operation, at=LATER)
    while_leased = _waiting()
    _work(operation, at=LATER + working.LEASE)

    assert (half, while_leased, _waiting()) == (2, 2, 5)
    assert (operation.state, operation.done, operation.changed) == ("done", 5, 5)


def test_whoever_lost_the_lease_does_nothing():
    _fail()
    operation = _start()

    assert working.step(operation.pk, token=uuid.uuid4(), now=LATER) is None

    assert _waiting() == 0


def test_what_was_retried_and_failed_again_meanwhile_is_not_sent_once_more():
    _fail()
    operation = _start()
    _work(operation, slices=1)
    failed = {"state": "failed", "failure_class": "permanent", "settled_at": LATER}
    Delivery.objects.filter(state="waiting").update(**failed)

    _work(operation)

    assert _waiting() == 3


def test_it_stops_behind_the_slice_and_can_go_on():
    _fail()
    operation = _start()
    _work(operation, slices=1)

    assert bulk.request_stop(operation, now=LATER)
    _work(operation)
    stopped = operation.state, operation.done
    assert not bulk.request_stop(operation, now=LATER)
    assert bulk.resume(operation, now=LATER)
    _work(operation)

    assert stopped == ("stopped", 2)
    assert (operation.state, operation.done, _waiting()) == ("done", 5, 5)


def test_one_that_waits_is_stopped_at_once():
    _fail()
    operation = _start()

    assert bulk.request_stop(operation, now=LATER)

    operation.refresh_from_db()
    assert (operation.state, bulk.has_due(now=LATER)) == ("stopped", False)


def test_a_row_that_breaks_us_keeps_no_other_from_it(monkeypatch):
    rows = _fail(3)

    def carry_out(chosen, by, options, now):
        if chosen.filter(pk=rows[0].pk).exists():
            raise RuntimeError
        return RETRY.carry_out(chosen, by, options, now)

    breaking = bulk.Kind(
        **{**{f: getattr(RETRY, f) for f in RETRY.__slots__}, "carry_out": carry_out}
    )
    monkeypatch.setattr(working, "KINDS", {"retry": breaking})
    operation = _start()

    _work(operation)

    assert (operation.state, operation.errors, operation.changed) == ("done", 1, 2)


def test_a_filter_that_nobody_knows_fails_rather_than_choose_everything():
    _fail()
    operation = _start()
    BulkOperation.objects.update(choice={"colour": "red"})

    _work(operation)

    assert (operation.state, operation.error) == (
        "failed",
        "ValueError: This filter is not known: colour.",
    )
    assert _waiting() == 0


def test_ignoring_writes_down_the_reason():
    _fail(3)

    _work(_start(IGNORE, options={"reason": "Nobody misses them."}))

    seen = set(Delivery.objects.values_list("acknowledged_by", "acknowledged_reason"))
    assert seen == {("ann", "Nobody misses them.")}


def test_webhooks_are_processed_again_but_those_that_wait_or_were_erased():
    old = InboundWebhookFactory.create_batch(3)
    erased = InboundWebhookFactory.create(body=b"")
    other = InboundWebhookFactory.create(received_at=NOW - timedelta(days=9))
    operation = _start(REPLAY, {"received_from": NOW.isoformat()})

    _work(operation)

    received = set(InboundWebhook.objects.filter(state="received").values_list("pk", flat=True))
    assert received == {row.pk for row in old}
    assert not received & {erased.pk, other.pk}


def test_the_filter_is_read_as_it_was_written():
    choice = bulk.DeliveryChoice(
        state="failed", acknowledged=False, latest=True, connection=3, cause="", settled_from=NOW
    )

    written = bulk.written(choice)

    assert written["settled_from"] == NOW.isoformat()
    assert bulk.read(bulk.DeliveryChoice, written) == choice


def test_what_was_skipped_is_sent_again_only_where_it_is_asked_for():
    DeliveryFactory.create(skipped=True)
    DeliveryFactory.create(failed=True)

    assert bulk.count(RETRY, {}, now=LATER) == 1
    assert bulk.count(RETRY, {"state": "skipped"}, now=LATER) == 1
    assert bulk.count(RETRY, {"state": "delivered"}, now=LATER) == 0
