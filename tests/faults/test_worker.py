"""Workers killed while they send and while they read, and workers that are told to go."""

import pytest

from integrations.models import Delivery, DeliveryAttempt, InboundWebhook
from tests.faults.machine import assert_nothing_lost_and_nothing_twice

pytestmark = [pytest.mark.fault, pytest.mark.slow]

WRITES = {"salesforce": "/sobjects/Event", "slack": "chat.postMessage"}


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        pytest.param("latency", {"seconds": 1}, id="and-written-after-the-kill"),
        pytest.param("timeout", {"seconds": 60}, id="and-never-written"),
        pytest.param("timeout", {"seconds": 60, "take_effect": True}, id="and-already-written"),
    ],
)
def test_a_worker_killed_while_it_waits_for_an_answer(machine, kind, params):
    for service, path in WRITES.items():
        machine.sandbox.add_fault(service, kind, match={"path_contains": path}, **params)
    machine.start("web", "worker", "beat")
    machine.book()
    machine.until_faults_are_used()
    if params.get("take_effect"):
        machine.until(lambda: machine.cards() and machine.salesforce_chains(), "both were written")

    machine.kill("worker")
    machine.start("worker")

    machine.until_settled(1)
    assert_nothing_lost_and_nothing_twice(machine, 1)
    for delivery in Delivery.objects.all():
        lost, *_ = delivery.attempts.all()
        assert (lost.outcome, lost.ambiguous) == (DeliveryAttempt.Outcome.LOST, True)
        assert delivery.attempt_count == 2


def test_a_worker_killed_twice_in_the_middle_of_the_inbox(machine):
    machine.start("web", "beat")
    machine.book(25)
    machine.until(lambda: InboundWebhook.objects.count() == 25, "every webhook is stored")
    left = InboundWebhook.objects.filter(state=InboundWebhook.State.RECEIVED)

    for enough in (20, 10):
        machine.start("worker")
        machine.until(lambda enough=enough: left.count() <= enough, "some are processed")
        machine.kill("worker")
    machine.start("worker")

    machine.until_settled(25)
    assert_nothing_lost_and_nothing_twice(machine, 25)


def test_a_worker_told_to_stop_finishes_what_it_sends(machine):
    machine.environment["DELIVERY_LEASE_SECONDS"] = "60"
    for service, path in WRITES.items():
        machine.sandbox.add_fault(service, "latency", match={"path_contains": path}, seconds=1.5)
    machine.start("web", "worker")
    machine.book()
    machine.until_faults_are_used()

    worker = machine.child("worker")
    machine.group.children.remove(worker)
    worker.process.terminate()

    assert worker.process.wait(timeout=30) == 0, worker.last_lines()
    assert_nothing_lost_and_nothing_twice(machine, 1)
    assert set(Delivery.objects.values_list("state", "attempt_count")) == {("delivered", 1)}
