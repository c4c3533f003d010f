"""The watchdog killed between making and deleting, subscriptions that die while Calsync is away, and keys that rotate."""

import pytest
from django.utils import timezone

from integrations import subscriptions
from integrations.models import BackfillRun, Connection, InboundWebhook, WebhookSubscription
from tests.faults.machine import assert_nothing_lost_and_nothing_twice

pytestmark = [pytest.mark.fault, pytest.mark.slow]

PURPOSES = ["event_types", "meetings", "routing_forms"]


@pytest.fixture
def watched(machine):
    """The machine with a watchdog that looks every second."""
    machine.environment["CALSYNC_WATCH_INTERVAL_SECONDS"] = "1"
    return machine


def subscribed(machine):
    """Return the state of each URL that is subscribed at Calendly."""
    rows = machine.sandbox.webhooks()["subscriptions"]
    return {row["callback_url"]: row["state"] for row in rows}


def is_whole(machine):
    """Tell whether Calendly has one active subscription of each purpose, and our rows the same ones."""
    rows = list(WebhookSubscription.objects.filter(retired_at=None).select_related("connection"))
    ours = {subscriptions.webhook_url(row): "active" for row in rows}
    return sorted(row.purpose for row in rows) == PURPOSES and subscribed(machine) == ours


def test_a_worker_killed_between_making_and_deleting(watched):
    watched.sandbox.disable_subscriptions()
    watched.sandbox.add_fault("calendly", "timeout", match={"method": "DELETE"}, seconds=60)
    watched.start("web", "worker", "beat")
    watched.until_faults_are_used()
    assert len(subscribed(watched)) == 6  # every successor before the first deletion

    watched.kill("worker")
    Connection.objects.update(subscribing_until=None)  # as when the lease is over
    watched.start("worker")

    watched.until(lambda: is_whole(watched), "one subscription of each purpose is left")
    assert BackfillRun.objects.filter(trigger="gap").exists()
    watched.book()
    watched.until_settled(1)
    assert_nothing_lost_and_nothing_twice(watched, 1)


def test_a_subscription_that_was_disabled_while_calsync_was_away(watched):
    watched.sandbox.settings(webhook_retry_base=0.1, webhook_give_up_after=0.5)
    watched.book()
    watched.until(
        lambda: "active" not in list(subscribed(watched).values())[:1], "Calendly gave up"
    )

    watched.start("web", "worker", "beat")

    watched.until(lambda: is_whole(watched), "the subscriptions are made anew")
    watched.until(lambda: BackfillRun.objects.filter(trigger="gap").exists(), "the gap is read")
    watched.book(first=1)
    watched.until(
        lambda: InboundWebhook.objects.filter(state="processed").exists(), "new bookings arrive"
    )


def test_keys_rotate_while_people_book(watched):
    watched.start("web", "worker", "beat")
    watched.book(3)
    for first in (3, 6):
        subscriptions.rotate(watched.connection("calendly"), now=timezone.now())
        watched.book(3, first=first)

    watched.until_settled(9)

    rows = InboundWebhook.objects.filter(kind="invitee.created")
    assert rows.values("subscription").distinct().count() > 1
    assert set(rows.values_list("state", flat=True)) <= {"processed", "duplicate"}
    assert_nothing_lost_and_nothing_twice(watched, 9)
