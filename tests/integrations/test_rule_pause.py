"""A rule whose target is gone pauses once, keeps what it planned, and sends it when a person has mended it."""

import logging
from datetime import timedelta

import pytest

from integrations import outbox, rules
from integrations.deliver import deliver
from integrations.destinations import Standing, every_destination
from integrations.errors import DeadTargetError, PermanentError
from integrations.models import Connection, Delivery, DeliveryAttempt
from tests.factories import NOW, BookingEventFactory, InviteeFactory, RuleFactory
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

State = Delivery.State
GONE = DeadTargetError("The channel #sales is archived.", hint="Choose another channel.")
LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def invitee():
    return InviteeFactory.create()


@pytest.fixture
def other(rule):
    """Another rule of the same connection."""
    return RuleFactory.create(connection=rule.connection, action="write", kinds=rule.kinds)


def plan(invitee, rule, *, at=NOW):
    event = BookingEventFactory.create(invitee=invitee, kind="updated")
    rules.plan([event], now=at)
    return Delivery.objects.get(event=event, rule=rule)


def send(*deliveries, at=NOW):
    for delivery in deliveries:
        deliver(delivery.pk, clock=lambda: at)
        delivery.refresh_from_db()


def due(rule, *, at=NOW):
    return outbox.due(rule.connection_id, now=at, limit=100)


def test_a_dead_target_pauses_its_rule_and_loses_nothing(rule, invitee, target):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(GONE)

    send(delivery)

    rule.refresh_from_db()
    target.refresh_from_db()
    assert (rule.paused_at, rule.paused_reason, rule.paused_hint) == (NOW, str(GONE), GONE.hint)
    assert (delivery.state, delivery.error, delivery.hint) == ("waiting", str(GONE), GONE.hint)
    assert delivery.attempts.get().outcome == DeliveryAttempt.Outcome.PAUSED
    assert target.state == Connection.State.HEALTHY
    assert due(rule, at=LATER) == []
    assert outbox.waiting_connections(now=LATER) == []


def test_it_is_logged_as_an_error_once(rule, invitee, caplog):
    first, second = plan(invitee, rule), plan(InviteeFactory.create(), rule)
    claims = [outbox.claim(row.pk, now=NOW) for row in (first, second)]
    assert all(claims)

    for delivery in (first, second):
        rules.pause(delivery, now=NOW, reason="gone")

    errors = [record.msg for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["Rule paused, its target is gone: rule=%s"]


def test_what_is_planned_while_it_is_paused_waits(rule, invitee):
    first = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(first)

    later = plan(InviteeFactory.create(), rule)

    assert later.state == State.WAITING
    assert outbox.claim(later.pk, now=LATER) is None
    assert outbox.claim_many([later.pk], now=LATER) == []


def test_a_paused_rule_holds_back_no_other(rule, other, invitee):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(delivery)

    plan(invitee, rule)

    assert due(rule) == [Delivery.objects.filter(rule=other).earliest("id").pk]


def test_resuming_sends_all_that_waited_as_the_rule_says_now(rule, invitee):
    first = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(first)
    second = plan(invitee, rule)
    type(rule).objects.filter(pk=rule.pk).update(options={"channel": "#right"})

    assert rules.resume(rule, now=LATER)

    assert due(rule, at=LATER) == [first.pk]
    send(first, second, at=LATER)
    assert (first.state, second.state) == (State.DELIVERED, State.SKIPPED)
    assert first.options == second.options == {"channel": "#right"}
    assert not rules.resume(rule, now=LATER)


def test_what_moves_to_another_connection_goes_there(rule, invitee):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(delivery)
    elsewhere = RuleFactory.create().connection
    type(rule).objects.filter(pk=rule.pk).update(connection=elsewhere)

    rules.resume(rule, now=LATER)

    delivery.refresh_from_db()
    assert delivery.connection == elsewhere


def test_what_failed_and_is_retried_goes_to_its_rules_connection_of_now(rule, invitee):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(PermanentError("never"))
    send(delivery)
    elsewhere = RuleFactory.create().connection
    type(rule).objects.filter(pk=rule.pk).update(connection=elsewhere, action="other")

    outbox.retry(Delivery.objects.filter(pk=delivery.pk), now=LATER, by="ann")

    delivery.refresh_from_db()
    assert (delivery.state, delivery.connection, delivery.action) == (
        State.WAITING,
        elsewhere,
        "other",
    )


def test_a_rule_mended_in_the_meantime_is_not_paused_for_what_it_said_before(rule, invitee):
    delivery = plan(invitee, rule)
    type(rule).objects.filter(pk=rule.pk).update(options={"channel": "#right"})
    ScriptedConnector.plays(GONE)

    send(delivery)

    rule.refresh_from_db()
    assert rule.paused_at is None
    assert (delivery.state, delivery.options) == (State.WAITING, {"channel": "#right"})
    send(delivery)
    assert delivery.state == State.DELIVERED


def test_a_dead_target_of_a_deleted_rule_fails(rule, invitee):
    delivery = plan(invitee, rule)
    rule.delete()
    ScriptedConnector.plays(GONE)

    send(delivery)

    assert (delivery.state, delivery.failure_class) == (State.FAILED, "configuration")


def test_deleting_a_paused_rule_lets_its_deliveries_end(rule, invitee):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(delivery)

    rule.delete()

    assert due(rule, at=LATER) == [delivery.pk]


def test_the_booking_says_that_the_rule_is_paused(rule, invitee):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(delivery)

    (destination,) = every_destination([invitee.booking])[invitee.booking_id]

    assert destination.standing == Standing.PAUSED
    assert (destination.error, destination.hint) == (str(GONE), GONE.hint)


def test_who_was_erased_is_skipped_though_the_rule_is_paused(rule, invitee):
    delivery = plan(invitee, rule)
    ScriptedConnector.plays(GONE)
    send(delivery)
    type(invitee).objects.filter(pk=invitee.pk).update(erased_at=NOW)

    rules.resume(rule, now=LATER)
    send(delivery, at=LATER)

    assert delivery.state == State.SKIPPED
    assert "erased" in delivery.result
