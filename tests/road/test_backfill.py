"""A backfill beside live traffic: whichever comes first, each fact reaches each system once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.models import BookingEvent
from integrations import backfill, profiles
from integrations.models import BackfillRun, Delivery
from tests.integrations.bodies import envelope

pytestmark = pytest.mark.django_db


@pytest.fixture
def calendly(road, sandbox, settings, broker_url):
    settings.REDIS_URL = broker_url
    connection = road.subscription.connection
    profiles.refresh(connection, now=timezone.now())
    return connection


def read_all(connection):
    now = timezone.now()
    run = backfill.start(
        connection, window_from=now - timedelta(days=30), window_to=now + timedelta(days=60),
        trigger=BackfillRun.Trigger.COMMAND, now=now,
    )  # fmt: skip
    backfill.drain_run(run, until=now + timedelta(hours=1), clock=timezone.now)
    run.refresh_from_db()
    assert run.state == BackfillRun.State.DONE


def webhook(sandbox, person):
    """Return the body that Calendly would have sent for this booking."""
    events = {event["uri"]: event for event in sandbox.calendly()["events"]}
    payload = {**person, "scheduled_event": events[person["event"]]}
    return envelope("invitee.created", payload, created_at=person["created_at"])


def in_salesforce(sandbox):
    return [record["Subject"] for record in sandbox.salesforce_records("Event")]


def test_a_webhook_that_comes_after_the_backfill_is_carried_out_once(road, sandbox, calendly):
    invitee = sandbox.book(name="Ann Lee", email="ann@example.com", silently=True)
    read_all(calendly)
    road.work()
    assert in_salesforce(sandbox) == []

    road.receive(webhook(sandbox, invitee))
    road.work()
    read_all(calendly)
    road.work()

    assert len(in_salesforce(sandbox)) == 1
    assert BookingEvent.objects.count() == 1
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_a_webhook_that_came_before_the_backfill_is_carried_out_once(road, sandbox, calendly):
    invitee = sandbox.book(name="Ann Lee", email="ann@example.com", silently=True)
    road.receive(webhook(sandbox, invitee))
    read_all(calendly)

    road.work()

    assert len(in_salesforce(sandbox)) == 1
    assert len(sandbox.slack_messages()) == 1


def test_a_webhook_that_waits_for_its_other_half_is_carried_out_although_a_backfill_finds_it(
    road, sandbox, calendly
):
    first = sandbox.book(name="Ann Lee", email="ann@example.com", silently=True)
    start = (timezone.now() + timedelta(days=9)).isoformat()
    moved = sandbox.reschedule(first["uri"], start_time=start, silently=True)
    road.receive(webhook(sandbox, moved))
    assert not BookingEvent.objects.exists()

    read_all(calendly)
    road.work()

    assert len(in_salesforce(sandbox)) == 1
    assert len(sandbox.slack_messages()) == 1
    loud = BookingEvent.objects.filter(silent=False)
    assert list(loud.values_list("kind", "invitee__uri")) == [("rescheduled", moved["uri"])]
