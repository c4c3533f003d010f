"""What the first page is told: the verdict, what needs a person, how far behind each connection is, the machine, charts."""

from datetime import date, timedelta

import pytest
from django.db import connection as database
from django.utils import timezone

from bookings import counting
from bookings.models import Status
from integrations import health, outbox, overview
from integrations.models import Delivery
from integrations.overview import failures
from integrations.overview.needs import FINDERS
from integrations.overview.standings import standings
from tests.factories import (
    NOW,
    BackfillRunFactory,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    NotificationFactory,
    RuleFactory,
    WebhookSubscriptionFactory,
)

pytestmark = pytest.mark.django_db

EVERYTHING = frozenset(model for model, _ in FINDERS)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def well(settings, broker_url):
    """Let the machine be well, and something be connected, read and sent."""
    health.swept(now=NOW)
    health.watched(now=NOW)
    source = WebhookSubscriptionFactory.create().connection
    BackfillRunFactory.create(connection=source, ended=True)
    return RuleFactory.create(connection__name="Salesforce", connection__provider="salesforce")


def look(seen=EVERYTHING):
    return overview.look(now=NOW, seen=seen)


def titles(found) -> list[str]:
    return [need.title for need in found.needs]


def test_all_is_well_where_nothing_waits_and_nothing_failed(well):
    found = look()

    assert (found.verdict.words, found.verdict.tone) == ("All well.", "success")
    assert {row.freshness for row in found.standings} == {"up to date"}


def test_who_sees_a_part_is_told_that_it_is_about_this_part(well):
    assert look(seen={Delivery}).verdict.words == "All well in what you may see."
    assert look(seen=frozenset()).verdict is None


@pytest.mark.parametrize(
    ("columns", "freshness"),
    [
        pytest.param({"created_at": NOW - 3 * MINUTE}, "3\xa0minutes behind", id="waiting"),
        pytest.param({"created_at": NOW - MINUTE / 6}, "less than a minute behind", id="just now"),
        pytest.param(
            {"created_at": NOW - 50 * MINUTE, "not_before": NOW + 60 * MINUTE, "retry_count": 2},
            "50\xa0minutes behind", id="being retried, and throttled",
        ),
        pytest.param(
            {"created_at": NOW - 9 * MINUTE, "held_until": NOW + MINUTE, "not_before": NOW + MINUTE},
            "up to date", id="held on purpose",
        ),
        pytest.param(
            {"created_at": NOW - 9 * MINUTE, "held_until": NOW - 2 * MINUTE},
            "2\xa0minutes behind", id="its hold is over",
        ),
        pytest.param(
            {"created_at": NOW - 4 * MINUTE, "state": "sending", "lease_expires_at": NOW + MINUTE},
            "4\xa0minutes behind", id="being sent",
        ),
        pytest.param({"created_at": NOW - 9 * MINUTE, "delivered": True}, "up to date", id="delivered"),
        pytest.param({"created_at": NOW - 9 * MINUTE, "failed": True}, "up to date", id="failed"),
    ],
)  # fmt: skip
def test_a_connection_is_as_far_behind_as_its_oldest_unsettled_delivery(well, columns, freshness):
    DeliveryFactory.create(rule=well, created_at=NOW - MINUTE / 6, held_until=NOW + MINUTE)
    DeliveryFactory.create(rule=well, **columns)

    row = next(row for row in standings(now=NOW) if row.connection == well.connection)

    assert row.freshness == freshness


def test_a_paused_rule_makes_its_connection_late(well):
    DeliveryFactory.create(rule=well, created_at=NOW - 6 * MINUTE)
    type(well).objects.update(paused_at=NOW, paused_reason="The channel is gone.")

    row = next(row for row in standings(now=NOW) if row.connection == well.connection)

    assert (row.freshness, row.tone) == ("6\xa0minutes behind", "warning")


def test_what_is_written_once_more_is_late_from_then_on(well):
    delivery = DeliveryFactory.create(
        rule=well, delivered=True, created_at=NOW - timedelta(days=40)
    )

    outbox.repeat(delivery, now=NOW - 2 * MINUTE, reason="Changed over there.")

    row = next(row for row in standings(now=NOW) if row.connection == well.connection)
    assert row.freshness == "2\xa0minutes behind"


def test_a_source_is_behind_while_a_webhook_of_it_is_not_read(well):
    webhook = InboundWebhookFactory.create(state="received", received_at=NOW - 2 * MINUTE)

    found = look()

    row = next(row for row in found.standings if row.connection == webhook.subscription.connection)
    assert row.freshness == "2\xa0minutes behind"
    assert row.received_at == webhook.last_seen_at
    assert "1 to read, the oldest came 2\xa0minutes ago" in [p.words for p in found.machine.parts]


def test_being_late_is_told_although_nobody_is_needed(well):
    DeliveryFactory.create(rule=well, created_at=NOW - 12 * MINUTE)

    found = look()

    assert found.verdict.words == "Nothing needs you, but Salesforce is 12\xa0minutes behind."
    assert found.oldest_unsent == NOW - 12 * MINUTE


def test_failures_are_told_by_cause_and_a_question_is_no_failure(well):
    for number, minutes in enumerate((5, 9)):
        DeliveryFactory.create(
            rule=well, failed=True, settled_at=NOW - minutes * MINUTE, error=f"No record {number}"
        )
    DeliveryFactory.create(rule=well, failed=True, failure_class="review", error="Who is it?")
    DeliveryFactory.create(rule=well, failed=True, acknowledged_at=NOW)

    found = look()

    (need,) = found.needs
    assert need.title == "2 deliveries to Salesforce failed"
    assert (need.why, need.hint) == (
        "No record (number)",
        "Check the channel in the rule, then retry.",
    )
    assert (need.first_at, need.last_at) == (NOW - 9 * MINUTE, NOW - 5 * MINUTE)
    assert found.verdict.words == "1 thing needs you."
    assert found.failures.at(well.connection_id) == 2


def test_a_failure_that_a_later_delivery_repaired_needs_nobody(well):
    first = DeliveryFactory.create(rule=well, failed=True)
    event = BookingEventFactory.create(invitee=first.event.invitee, kind="updated")
    DeliveryFactory.create(rule=well, delivered=True, event=event)

    assert look().needs == ()


def test_a_heap_of_failures_is_cut_and_said_to_be(well, monkeypatch):
    monkeypatch.setattr(failures, "LOOKED_AT", 2)
    DeliveryFactory.create_batch(3, rule=well, failed=True)

    assert titles(look()) == ["2 deliveries to Salesforce failed", "There are older failures"]


def test_everything_that_needs_a_person_is_told_once_and_the_worst_first(well):
    by_error = {"state": "paused", "state_reason": "invalid_auth", "name": "Slack"}
    ConnectionFactory.create(**by_error)
    ConnectionFactory.create(state="paused", paused_by="olga", name="Sheets")
    ConnectionFactory.create(state="degraded", state_changed_at=NOW - 20 * MINUTE, name="Mail")
    ConnectionFactory.create(state="degraded", state_changed_at=NOW, name="Hook")
    RuleFactory.create(name="Card", paused_at=NOW, connection=well.connection)
    RuleFactory.create(paused_at=NOW, enabled=False, connection=well.connection)
    subscription = WebhookSubscriptionFactory.create(state="disabled", connection__name="Calendar")
    BackfillRunFactory.create(connection=subscription.connection, ended=True, state="partial")
    InboundWebhookFactory.create_batch(2, state="failed", subscription=subscription)
    NotificationFactory.create(state="failed", failure_class="permanent", settled_at=NOW)
    NotificationFactory.create(
        state="failed", failure_class="permanent", settled_at=NOW - timedelta(days=8)
    )

    assert titles(look()) == [
        "Slack is paused",
        "The rule “Card” is paused",
        "2 webhooks could not be read",
        "A webhook subscription of Calendar: disabled",
        "Mail does not answer",
        "Sheets is paused by olga",
        "The last backfill of Calendar could not read everything",
        "1 notification reached nobody",
    ]


def test_a_machine_without_broker_and_beat_needs_a_person():
    found = overview.look(now=timezone.now(), seen=EVERYTHING)

    assert found.verdict
    assert found.verdict.tone == "danger"
    assert titles(found) == [
        "Broker (Redis): does not answer: rows wait for it, nothing is lost",
        "Beat and workers: never ran: start beat and a worker",
    ]


def test_an_empty_installation_is_told_what_to_do_first(broker_url):
    health.swept(now=NOW)

    found = look()

    assert found.verdict.words == "Not set up yet: 0 of 5 steps are done."
    assert [step.name for step in found.steps] == [
        "connect", "subscribe", "backfill", "destination", "rule",
    ]  # fmt: skip


def test_the_steps_are_ticked_one_by_one(well):
    well.delete()

    assert [step.is_done for step in look().steps] == [True, True, True, True, False]


def test_bookings_are_counted_by_the_day_they_begin():
    for away, number in ((-15, 1), (-14, 1), (0, 2), (14, 1), (15, 1)):
        BookingFactory.create_batch(number, start_at=NOW + timedelta(days=away), hosts=[])
    BookingFactory.create(start_at=NOW, status=Status.CANCELED, hosts=[])
    BookingFactory.create(start_at=NOW, vanished_at=NOW, hosts=[])

    days = overview.bookings_by_day(now=NOW)

    assert len(days) == 29
    assert {row.day: (row.active, row.canceled) for row in days if row.active} == {
        date(2026, 11, 6): (1, 0), date(2026, 11, 20): (2, 1), date(2026, 12, 4): (1, 0),
    }  # fmt: skip


def test_deliveries_are_counted_by_the_hour_they_ended(well):
    DeliveryFactory.create_batch(2, rule=well, delivered=True, settled_at=NOW - 90 * MINUTE)
    DeliveryFactory.create(rule=well, failed=True, settled_at=NOW - 70 * MINUTE)
    DeliveryFactory.create(rule=well, skipped=True, settled_at=NOW)
    DeliveryFactory.create(rule=well, delivered=True, settled_at=NOW - timedelta(hours=24))

    hours = overview.deliveries_by_hour(now=NOW)

    assert len(hours) == 24
    told = {f"{row.at:%H}": (row.delivered, row.failed, row.skipped) for row in hours}
    assert {hour: numbers for hour, numbers in told.items() if any(numbers)} == {
        "07": (2, 1, 0), "09": (0, 0, 1),
    }  # fmt: skip


def test_only_a_database_that_tells_cheaply_is_asked_how_large_it_has_grown(well):
    tables = look().machine.tables

    assert bool(tables) == (database.vendor == "postgresql")
    assert all(table.size > 0 for table in tables)


def test_what_waits_is_counted_no_further_than_anybody_reads(well, monkeypatch):
    monkeypatch.setattr(counting, "MOST", 2)
    DeliveryFactory.create_batch(4, rule=well)

    row = next(row for row in standings(now=NOW) if row.connection == well.connection)

    assert (row.waiting, row.waiting_words) == (3, "2+")
