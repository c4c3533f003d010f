"""What a backfill found goes to Salesforce in batches: how many calls that takes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations import backfill, outbox, profiles, tasks
from integrations.models import BackfillRun, Connection, Delivery, Rule

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

BOOKINGS = 900


@pytest.fixture
def found(road, sandbox, settings, broker_url):
    """Bookings that a backfill found, each waiting to be written to Salesforce."""
    settings.REDIS_URL = broker_url
    settings.DRAIN_BUDGET_SECONDS = 3600  # all in one drain, however busy the machine
    Rule.objects.filter(connection=road.slack).delete()
    Rule.objects.update(acts_on_backfill=True)
    sandbox.settings(calendly_requests_per_minute=1_000_000)
    sandbox.seed_bookings(BOOKINGS, days=60, canceled_share=0.1, rescheduled_share=0.1)
    Connection.objects.filter(pk=road.salesforce.pk).update(parallelism=1)
    connection, now = road.subscription.connection, timezone.now()
    profiles.refresh(connection, now=now)
    run = backfill.start(
        connection, window_from=now - timedelta(days=400), window_to=now + timedelta(days=400),
        trigger=BackfillRun.Trigger.COMMAND, now=now,
    )  # fmt: skip
    backfill.drain_run(run, until=now + timedelta(hours=1), clock=timezone.now)
    return Delivery.objects.filter(connection=road.salesforce)


def calls(sandbox):
    rows = sandbox.requests(service="salesforce")
    paths = [(row["method"], row["path"].partition("/services/data/v66.0")[2]) for row in rows]
    return [f"{method} {path}" for method, path in paths if path]


def writes(sandbox):
    """The calls that write; a look-up is asked by a POST too."""
    return [call for call in calls(sandbox) if not call.endswith((" /composite", "/describe"))]


def events_there(sandbox):
    return sorted(row["Calendly_Invitee_UUID__c"] for row in sandbox.salesforce_records("Event"))


def leads_there(sandbox):
    made = [row for row in sandbox.salesforce_records("Lead") if row["LeadSource"] == "Calendly"]
    return sorted(row["Email"] for row in made)


def test_many_bookings_take_few_calls_and_equal_ones_none(road, sandbox, found):
    tasks.drain_connection(road.salesforce.pk)

    assert set(found.values_list("state", flat=True)) == {"delivered", "skipped"}
    assert len(events_there(sandbox)) == found.values("chain").distinct().count()
    assert len(set(leads_there(sandbox))) == len(leads_there(sandbox))
    assert len(leads_there(sandbox)) == found.values("serial_key").distinct().count()
    assert len(writes(sandbox)) <= 2 * BOOKINGS / 100  # 10,000 bookings: 200 calls
    asked = len(calls(sandbox))
    outbox.retry(found, now=timezone.now(), by="a test", also_delivered=True)

    tasks.drain_connection(road.salesforce.pk)

    assert set(found.values_list("state", flat=True)) == {"skipped"}
    assert len(calls(sandbox)) == asked
