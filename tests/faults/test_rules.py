"""Rules of the clock and simulations while workers are killed, and while nothing runs at all."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations import bulk, rehearsing
from integrations.models import (
    BulkOperation,
    ClockEntry,
    Connection,
    Delivery,
    InboundWebhook,
    Rule,
    SimulationResult,
)

pytestmark = [pytest.mark.fault, pytest.mark.slow]

CHANNEL = "#consulting"
AN_HOUR_BEFORE = {"kinds": ["starting"], "offset_minutes": 60}


@pytest.fixture
def remind(machine):
    """Make a rule that posts to a channel of its own an hour before the start."""

    def make(**fields):
        return Rule.objects.create(
            name=f"Reminder {Rule.objects.count()}", action="post_card", options={"channel": CHANNEL},
            connection=Connection.objects.get(provider="slack"), **AN_HOUR_BEFORE | fields,
        )  # fmt: skip

    return make


def book_for(machine, moment, *, now=None):
    """Let somebody book a meeting that begins an hour later than `moment`, at another moment than now."""
    start, booked = moment + timedelta(hours=1), now or timezone.now()
    return machine.sandbox.book(
        name="Ann Lee", email="ann@example.com", start_time=_iso(start), now=_iso(booked)
    )


def _iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def reminders(machine):
    return machine.sandbox.slack_messages(CHANNEL)


def test_a_worker_killed_while_it_reminds_somebody(machine, remind):
    rule = remind()
    match = {"path_contains": "chat.postMessage"}
    machine.start("web", "worker", "beat")
    book_for(machine, timezone.now() + timedelta(seconds=4))
    machine.until(machine.cards, "the booking is told")
    machine.sandbox.add_fault("slack", "timeout", match=match, seconds=60, take_effect=True)
    machine.until_faults_are_used()
    machine.until(lambda: reminders(machine), "the reminder was written")

    machine.kill("worker")
    machine.empty_broker()
    machine.start("worker")

    machine.until_settled(1)
    assert len(reminders(machine)) == 1
    assert ClockEntry.objects.get().state == ClockEntry.State.FIRED
    assert Delivery.objects.get(rule=rule).attempt_count == 2


def test_what_the_clock_brought_while_no_worker_ran(machine, remind):
    """A reminder whose grace lasts is sent, another is left and says so, and neither comes twice."""
    moment = timezone.now() - timedelta(seconds=1)
    patient, strict = remind(), remind(offset_minutes=65, grace_minutes=2)
    Rule.objects.update(clock_since=moment - timedelta(days=1))
    machine.start("web", "beat")
    book_for(machine, moment, now=moment - timedelta(days=1))
    machine.until(InboundWebhook.objects.exists, "the webhook is stored")

    machine.start("worker")

    machine.until(lambda: ClockEntry.objects.count() == 2, "both moments were looked at")
    machine.until(lambda: reminders(machine), "the reminder was sent")
    machine.until_settled(1)
    assert [row.rule for row in ClockEntry.objects.filter(state="fired")] == [patient]
    left = ClockEntry.objects.get(rule=strict)
    assert "5 minutes too late, and 2 minutes may pass at most" in left.reason
    assert len(reminders(machine)) == 1


def test_a_simulation_goes_on_in_another_worker_and_writes_nothing(machine):
    Rule.objects.filter(connection__provider="salesforce").update(enabled=False)
    rule = Rule.objects.create(
        name="What is to come", action="sync_meeting", kinds=["booked"], enabled=False,
        connection=Connection.objects.get(provider="salesforce"),
    )  # fmt: skip
    before = machine.sandbox.salesforce_records("Lead")
    machine.start("web", "worker", "beat")
    machine.book(21)
    machine.until_settled(21)
    match = {"path_contains": "/services/data"}
    machine.sandbox.add_fault("salesforce", "timeout", match=match, seconds=60)
    choice, options = rehearsing.asked_for(rule, last=21, conditions_only=False)
    operation = bulk.start(
        bulk.KINDS["simulate"], choice, label="Simulate", by="ann", now=timezone.now(), options=options
    ).operation  # fmt: skip
    assert operation
    machine.until_faults_are_used()

    machine.kill("worker")
    machine.empty_broker()
    BulkOperation.objects.filter(pk=operation.pk).update(lease_expires_at=timezone.now())
    machine.start("worker")

    machine.until(lambda: _state(operation) == BulkOperation.State.DONE, "the simulation is done")
    found = SimulationResult.objects.filter(operation=operation)
    assert found.count() == 21
    assert len(set(found.values_list("chain", flat=True))) == 21
    assert set(found.values_list("verdict", flat=True)) == {SimulationResult.Verdict.CREATE}
    assert machine.sandbox.salesforce_records("Lead") == before
    assert machine.salesforce_chains() == []


def _state(operation):
    return BulkOperation.objects.get(pk=operation.pk).state
