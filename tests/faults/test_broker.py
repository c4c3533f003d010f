"""The broker emptied, killed and hanging; beat gone; a nudge that was never sent."""

import os
import signal
import time

import pytest

from integrations.models import Delivery, InboundWebhook
from tests.faults.machine import assert_nothing_lost_and_nothing_twice
from tests.integrations.bodies import envelope, invitee

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.db_independent]

#: Milliseconds in which the web process answers whatever becomes of the broker, on a busy machine.
QUICK = 3000


def test_an_emptied_broker_is_refilled_from_the_rows(machine):
    machine.start("web", "worker", "beat")
    machine.sandbox.add_fault("slack", "error", times=0, status=503)
    machine.book(3)
    machine.until(
        lambda: Delivery.objects.filter(state="waiting", retry_count=1).count() == 3,
        "three deliveries wait for their second try",
    )
    machine.kill("worker")
    machine.book(3, first=3)
    machine.until(lambda: InboundWebhook.objects.count() == 6, "every webhook is stored")
    machine.sandbox.clear_faults()

    machine.empty_broker()
    machine.start("worker")
    machine.empty_broker()  # now under a worker that lives

    machine.until_settled(6)
    assert_nothing_lost_and_nothing_twice(machine, 6)


@pytest.mark.parametrize("how", ["killed", "killed-mid-send", "hanging"])
def test_webhooks_are_taken_quickly_without_a_broker_and_all_arrive_later(machine, how):
    machine.start("web", "worker", "beat")
    if how == "killed-mid-send":
        machine.sandbox.add_fault("slack", "latency", match={"path_contains": "post"}, seconds=1)
        machine.book()
        machine.until_faults_are_used()
    else:
        machine.book()
        machine.until_settled(1)

    assert machine.broker.child
    if how.startswith("killed"):
        machine.kill_broker()
    else:
        os.kill(machine.broker.child.process.pid, signal.SIGSTOP)
    machine.book(8, first=1)
    machine.until(lambda: len(machine.sandbox.deliveries()) == 9, "every webhook was answered")
    answers = machine.sandbox.deliveries()
    broker_health = machine.ready()["broker"]
    if how.startswith("killed"):
        machine.broker.start()
    else:
        os.kill(machine.broker.child.process.pid, signal.SIGCONT)

    assert [row["status"] for row in answers] == [200] * 9
    assert max(row["duration_ms"] for row in answers) < QUICK
    assert broker_health.startswith("does not answer")
    machine.until_settled(9)
    assert_nothing_lost_and_nothing_twice(machine, 9)
    assert machine.ready()["broker"] == "ok"


def test_a_busy_worker_with_a_message_in_hand_outlives_its_broker(machine):
    machine.worker_threads = 2
    machine.start("web", "worker", "beat")
    for target in ("salesforce", "slack"):
        machine.sandbox.add_fault(target, "latency", times=0, seconds=1)
    machine.book(4)
    machine.until_a_message_is_in_hand()

    machine.kill_broker()
    time.sleep(2)  # the worker has noticed
    machine.broker.start()
    machine.book(2, first=4)

    machine.until_settled(6)
    assert_nothing_lost_and_nothing_twice(machine, 6)


def test_without_beat_nudges_carry_and_readyz_tells_and_a_new_beat_catches_up(machine):
    machine.start("web", "worker", "beat")
    machine.until(lambda: machine.ready()["sweep"] == "ok", "the sweep runs")

    machine.kill("beat")
    machine.until(lambda: "gone" in machine.ready()["sweep"], "readyz says that beat is gone")
    machine.book(2)
    machine.until_settled(2)
    left = machine.store_without_nudge(envelope("invitee.created", invitee()))
    assert_nothing_lost_and_nothing_twice_but(machine, left, meetings=2)
    machine.start("beat")

    machine.until_settled(3)
    assert_nothing_lost_and_nothing_twice(machine, 3)
    machine.until(lambda: machine.ready()["sweep"] == "ok", "the sweep runs again")


def test_a_webhook_whose_nudge_was_never_sent_is_swept(machine):
    machine.start("worker", "beat")

    for number in range(3):
        body = invitee(booking=f"E{number}", number=f"I{number}", email=f"p{number}@example.com")
        machine.store_without_nudge(envelope("invitee.created", body))

    machine.until_settled(3)
    assert_nothing_lost_and_nothing_twice(machine, 3)


def assert_nothing_lost_and_nothing_twice_but(machine, left, *, meetings):
    """As ever, apart from one webhook that nobody has looked at yet."""
    left.refresh_from_db()
    assert left.state == InboundWebhook.State.RECEIVED
    assert (len(machine.salesforce_chains()), len(machine.cards())) == (meetings, meetings)
