"""Salesforce down, Slack's token revoked, and Calendly's webhooks late, twice and out of order."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from bookings.models import Booking
from integrations import breaker
from integrations.models import Connection, Delivery
from tests.faults.machine import assert_nothing_lost_and_nothing_twice

pytestmark = [pytest.mark.fault, pytest.mark.slow]


def waiting(provider):
    return Delivery.objects.filter(connection__provider=provider, state="waiting")


def test_salesforce_down_opens_the_breaker_and_recovery_drains_in_order(machine):
    machine.start("web", "worker", "beat")
    machine.sandbox.add_fault("salesforce", "error", times=0, status=503)
    first, *_ = machine.book(6)
    machine.until(lambda: machine.connection("salesforce").state == "degraded", "it is degraded")
    machine.until(lambda: waiting("salesforce").count() == 6, "no attempt is on its way any more")
    machine.sandbox.reschedule(first["uri"], start_time="2030-01-07T10:00:00Z")
    planned = Delivery.objects.filter(connection__provider="salesforce")
    machine.until(lambda: planned.count() == 7, "the seventh delivery waits for Salesforce")
    assert waiting("salesforce").count() == 6, "the two of one meeting are one write"

    machine.until(lambda: len(machine.cards()) == 6, "Slack is not held up")
    assert machine.salesforce_chains() == []
    asked = len(machine.sandbox.requests(service="salesforce"))
    machine.until(lambda: not waiting("slack").exists(), "Slack has nothing left")
    assert len(machine.sandbox.requests(service="salesforce")) == asked, (
        "no request while it is open"
    )
    machine.sandbox.clear_faults()
    end_the_wait(machine)

    machine.until_settled(6)
    assert_nothing_lost_and_nothing_twice(machine, 6)
    assert machine.connection("salesforce").state == "healthy"
    assert_each_chain_in_order("salesforce")
    moved = [r["StartDateTime"][:16] for r in machine.sandbox.salesforce_records("Event")]
    assert "2030-01-07T10:00" in moved


def end_the_wait(machine):
    """Let the time pass after which the breaker probes: half a minute and more, too long for a test."""
    now = timezone.now()
    waiting("salesforce").update(not_before=now)
    Connection.objects.filter(provider="salesforce").update(not_before=now)


def assert_each_chain_in_order(provider):
    settled = Delivery.objects.filter(connection__provider=provider).order_by("settled_at")
    by_chain: dict[int, list[int]] = {}
    for delivery in settled:
        by_chain.setdefault(delivery.chain_id, []).append(delivery.pk)
    assert all(ids == sorted(ids) for ids in by_chain.values())
    assert max(map(len, by_chain.values())) > 1


def test_a_retry_after_holds_the_whole_connection_that_long(machine):
    machine.sandbox.add_fault("salesforce", "rate_limited", retry_after=3)
    machine.start("web", "worker", "beat")
    machine.book()
    machine.until(lambda: machine.connection("salesforce").not_before, "the connection is held")
    machine.book(2, first=1)

    machine.until_settled(3)

    assert_nothing_lost_and_nothing_twice(machine, 3)
    asked = machine.sandbox.requests(service="salesforce")
    refused = next(n for n, entry in enumerate(asked) if entry["status"] == 429)
    gap = at(asked[refused + 1]) - at(asked[refused])
    assert gap >= timedelta(seconds=2.9)


def at(entry):
    return datetime.fromisoformat(entry["at"])


def test_a_revoked_token_pauses_slack_and_a_new_one_drains_it(machine):
    machine.start("web", "worker", "beat")
    machine.sandbox.add_fault("slack", "token_revoked")
    machine.book(3)
    machine.until(lambda: machine.connection("slack").state == "paused", "Slack is paused")
    machine.book(2, first=3)
    machine.until(lambda: waiting("slack").count() == 5, "all five wait for Slack")
    machine.until(lambda: len(machine.salesforce_chains()) == 5, "Salesforce has all five")
    assert machine.cards() == []

    machine.server.state.slack.tokens = {"xoxb-replaced": ""}
    machine.sandbox.clear_faults()
    slack = machine.connection("slack")
    slack.set_secrets({"bot_token": "xoxb-replaced"})
    slack.save(update_fields=["sealed_secrets"])
    breaker.resume(slack, now=timezone.now())

    machine.until_settled(5)
    assert_nothing_lost_and_nothing_twice(machine, 5)
    assert machine.connection("slack").state == "healthy"


def test_webhooks_twice_late_and_out_of_order_end_in_one_event_and_one_card(machine):
    machine.start("web", "worker", "beat")
    for kind, times, params in (
        ("duplicate", 3, {"copies": 3}), ("reorder", 2, {"messages": 3}), ("delay", 4, {"seconds": 0.8}),
        ("duplicate", 3, {"copies": 2}), ("reorder", 2, {"messages": 2}), ("delay", 4, {"seconds": 1.6}),
    ):  # fmt: skip
        machine.sandbox.add_fault("webhooks", kind, times=times, **params)

    last = machine.book(5)
    for day in (1, 2):
        last = [
            machine.sandbox.reschedule(
                person["uri"], start_time=f"2030-03-0{day}T{9 + number:02}:00:00Z"
            )
            for number, person in enumerate(last)
        ]
    for person in last[:2]:
        machine.sandbox.cancel(person["uri"], reason="Ill")
    machine.until(lambda: not machine.sandbox.faults(), "every fault was met")
    machine.until(lambda: _nothing_held(machine), "every webhook was sent")

    machine.until_settled(5)
    machine.until(lambda: Booking.objects.count() == 15, "the mirror holds every booking")
    machine.until_settled(5)
    assert_nothing_lost_and_nothing_twice(machine, 5)
    assert_mirror_is_true(machine)
    told = Counter(
        (row["StartDateTime"][:13], row["Subject"].startswith("Canceled"))
        for row in machine.sandbox.salesforce_records("Event")
    )
    assert told == {(f"2030-03-02T{9 + number:02}", number < 2): 1 for number in range(5)}


def _nothing_held(machine):
    machine.sandbox.flush()
    found = machine.sandbox.webhooks()
    return not (found["queued"] or found["held"])


def assert_mirror_is_true(machine):
    ours = {(row.uri, row.status, row.start_at) for row in Booking.objects.all()}
    theirs = {
        (row["uri"], row["status"], datetime.fromisoformat(row["start_time"]))
        for row in machine.sandbox.calendly()["events"]
    }
    assert ours == theirs
