"""Workers killed while they send and while they read, and workers that are told to go."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Connection, Delivery, DeliveryAttempt, InboundWebhook
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


@pytest.mark.parametrize(
    "match",
    [
        pytest.param({"method": "POST", "path_contains": "/composite/sobjects"}, id="people"),
        pytest.param({"path_contains": "/composite/sobjects/Event"}, id="events"),
    ],
)
def test_a_worker_killed_in_the_middle_of_a_batch(machine, match):
    salesforce = Connection.objects.filter(provider="salesforce")
    salesforce.update(state=Connection.State.PAUSED)
    machine.sandbox.add_fault("salesforce", "timeout", match=match, seconds=60, take_effect=True)
    machine.start("web", "worker", "beat")
    machine.book(25)
    waiting = Delivery.objects.filter(connection__provider="salesforce", state="waiting")
    machine.until(lambda: waiting.count() == 25, "all of them wait")
    salesforce.update(state=Connection.State.HEALTHY)
    machine.until_faults_are_used()
    kind = "Event" if "Event" in match["path_contains"] else "Lead"
    machine.until(lambda: len(people_or_events(machine, kind)) == 25, "all of them were written")

    machine.kill("worker")
    machine.start("worker")

    machine.until_settled(25)
    assert_nothing_lost_and_nothing_twice(machine, 25)
    assert len(people_or_events(machine, "Lead")) == 25
    lost = DeliveryAttempt.objects.filter(outcome=DeliveryAttempt.Outcome.LOST, ambiguous=True)
    assert lost.filter(delivery__connection__provider="salesforce").count() == 25


def people_or_events(machine, kind):
    """Return what was written of a kind: the seeds are of other people."""
    rows = machine.sandbox.salesforce_records(kind)
    return [row for row in rows if kind == "Event" or row["LeadSource"] == "Calendly"]


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

    machine.until(lambda: hurried() or machine.is_settled(25), "25 meetings are settled")
    assert_nothing_lost_and_nothing_twice(machine, 25)


def hurried():
    """Let the minutes pass that what was lost twice waits: too long for a test."""
    now = timezone.now()
    late = Delivery.objects.filter(state="waiting", not_before__gt=now + timedelta(minutes=1))
    late.update(not_before=now)


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
