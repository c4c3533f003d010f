"""Webhooks as they came: stored once, processed once, and one bad body holds up no other."""

import json
from datetime import timedelta

import pytest

from bookings.models import Booking, BookingEvent, RefetchRequest
from integrations import inbox
from integrations.models import Delivery, InboundWebhook
from tests.factories import NOW, InboundWebhookFactory
from tests.integrations.bodies import envelope, invitee

pytestmark = pytest.mark.django_db

State = InboundWebhook.State


def arrive(subscription, body, **kwargs):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return InboundWebhookFactory.create(
        subscription=subscription, body=raw, state=State.RECEIVED, kind="", delivery_key="",
        outcome="", processed_at=None, **kwargs,
    )  # fmt: skip


def drain():
    return inbox.drain(until=NOW + timedelta(seconds=1), clock=lambda: NOW)


def test_a_webhook_becomes_mirror_event_and_delivery_in_one_go(subscription, rule):
    webhook = arrive(subscription, envelope("invitee.created", invitee()))

    drained = drain()

    assert (drained.processed, drained.connections) == (1, {rule.connection_id})
    webhook.refresh_from_db()
    assert (webhook.state, webhook.kind) == (State.PROCESSED, "invitee.created")
    assert webhook.booking == Booking.objects.get()
    event = BookingEvent.objects.get()
    assert (event.cause, event.cause_id) == ("webhook", webhook.pk)
    assert Delivery.objects.get().event == event


def test_the_same_delivery_with_other_bytes_is_a_duplicate_and_plans_nothing(subscription, rule):
    body = envelope("invitee.created", invitee())
    first = arrive(subscription, body)
    second = arrive(subscription, json.dumps(body, indent=1).encode())

    drain()

    second.refresh_from_db()
    assert (second.state, second.outcome) == (State.DUPLICATE, f"The same delivery as #{first.pk}.")
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[1]", b'{"event": "wombat.created", "payload": {}}', b"\xff"]
)
def test_what_is_not_understood_is_kept_with_the_reason(subscription, body):
    webhook = arrive(subscription, body)

    drain()

    webhook.refresh_from_db()
    assert webhook.state == State.IGNORED
    assert webhook.outcome


def test_a_webhook_that_breaks_us_is_failed_and_holds_up_no_other(subscription, settings):
    settings.SOURCES = {"calendly": "tests.integrations.bodies.BreakableSource"}
    from integrations.sources.base import get_source

    get_source.cache_clear()
    bad = arrive(subscription, b"break")
    good = arrive(subscription, envelope("invitee.created", invitee()))

    drain()

    get_source.cache_clear()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (State.FAILED, State.PROCESSED)
    assert "ZeroDivisionError" in bad.error


def test_a_replay_of_a_processed_webhook_changes_nothing_more(subscription, rule):
    webhook = arrive(subscription, envelope("invitee.created", invitee()))
    drain()

    assert inbox.replay(InboundWebhook.objects.all(), now=NOW) == 1

    drain()
    webhook.refresh_from_db()
    assert webhook.state == State.PROCESSED
    assert (BookingEvent.objects.count(), Delivery.objects.count()) == (1, 1)


def test_an_older_delivery_that_changes_nothing_says_so(subscription):
    canceled = {
        **invitee(),
        "status": "canceled",
        "updated_at": "2026-11-03T10:00:00.000000Z",
    }
    arrive(subscription, envelope("invitee.canceled", canceled))
    late = arrive(subscription, envelope("invitee.created", invitee()))

    drain()

    late.refresh_from_db()
    assert late.outcome.startswith("Nothing new")


def test_a_canceled_booking_without_versions_is_not_revived_by_a_late_delivery(subscription):
    def sparse(kind, status):
        person = {**invitee(), "status": status}
        for key in ("created_at", "updated_at"):
            del person["scheduled_event"][key]
        person["scheduled_event"]["status"] = status
        body = envelope(kind, person)
        del body["created_at"]
        return body

    arrive(subscription, sparse("invitee.canceled", "canceled"), received_at=NOW)
    arrive(
        subscription,
        sparse("invitee.created", "active"),
        received_at=NOW + timedelta(minutes=1),
    )

    drain()

    booking = Booking.objects.get()
    assert (booking.status, booking.invitees.get().status) == ("canceled", "canceled")


def test_half_of_a_reschedule_says_that_it_waits(subscription):
    old = invitee()
    arrive(subscription, envelope("invitee.created", old))
    moved = {**old, "status": "canceled", "rescheduled": True, "updated_at": "2026-11-03T10:00:00.000000Z",
             "new_invitee": "https://api.calendly.com/scheduled_events/E2/invitees/I2"}  # fmt: skip
    webhook = arrive(subscription, envelope("invitee.canceled", moved))

    drain()

    webhook.refresh_from_db()
    assert "waits for the new booking" in webhook.outcome
    assert RefetchRequest.objects.get().account == subscription.connection.account


def test_a_drain_stops_when_its_time_is_up_and_says_that_more_is_left(subscription):
    arrive(subscription, b"1")
    arrive(subscription, b"2")
    times = iter([NOW, NOW + timedelta(seconds=5)])

    drained = inbox.drain(until=NOW + timedelta(seconds=1), clock=lambda: next(times))

    assert (drained.processed, drained.more) == (1, True)
