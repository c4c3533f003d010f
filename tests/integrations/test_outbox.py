"""Deliveries: which are due, who may send one, how each ending is settled."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from integrations import breaker, outbox
from integrations.deliver import deliver
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Account, Connection, Delivery, DeliveryAttempt, RemoteRecord
from tests.factories import NOW, BookingEventFactory, DeliveryFactory, InviteeFactory
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

State = Delivery.State


@pytest.fixture
def delivery(rule):
    return DeliveryFactory.create(rule=rule)


def send(delivery, *, at=NOW, probe=False):
    deliver(delivery.pk, clock=lambda: at, probe=probe)
    delivery.refresh_from_db()
    return delivery


def due(connection, *, at=NOW):
    return outbox.due(connection.pk, now=at, limit=100)


def chain_of(rule, count):
    invitee = InviteeFactory.create()
    kinds = ["booked", "updated", "updated", "updated"]
    events = [BookingEventFactory.create(invitee=invitee, kind=kinds[i]) for i in range(count)]
    return [DeliveryFactory.create(rule=rule, event=event) for event in events]


def test_only_the_oldest_of_a_chain_is_due(rule):
    first, *_ = chain_of(rule, 3)

    assert due(rule.connection) == [first.pk]


def test_a_failed_delivery_holds_back_nobody(rule):
    first, second = chain_of(rule, 2)
    Delivery.objects.filter(pk=first.pk).update(state=State.FAILED, failure_class="permanent")

    assert due(rule.connection) == [second.pk]


def test_a_waiting_delivery_holds_back_its_own_chain_only(rule):
    first, _ = chain_of(rule, 2)
    other, _ = chain_of(rule, 2)
    Delivery.objects.filter(pk=first.pk).update(not_before=NOW + timedelta(hours=1))

    assert due(rule.connection) == [other.pk]


def test_a_claimed_delivery_cannot_be_claimed_again(delivery):
    assert outbox.claim(delivery.pk, now=NOW) is not None

    assert outbox.claim(delivery.pk, now=NOW) is None


def test_two_deliveries_of_a_chain_are_never_in_flight_together(rule):
    first, second = chain_of(rule, 2)
    outbox.claim(second.pk, now=NOW)

    assert outbox.claim(first.pk, now=NOW) is None
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.filter(pk=first.pk).update(state=State.SENDING, lease_expires_at=NOW)


def test_two_meetings_of_a_person_are_never_in_flight_together(rule):
    people = [
        InviteeFactory.create(email=email)
        for email in ("a@x.example", "A@x.example", "b@x.example")
    ]
    for person in people:
        event = BookingEventFactory.create(invitee=person)
        outbox.add([(event, rule)], now=NOW)
    first, second, other = due(rule.connection)
    outbox.claim(first, now=NOW)

    assert outbox.claim(second, now=NOW) is None
    assert due(rule.connection) == [other]


def test_an_event_and_a_rule_queue_one_delivery_however_often_they_meet(delivery, rule):
    outbox.add([(delivery.event, rule)], now=NOW)

    assert Delivery.objects.count() == 1


def test_a_success_is_delivered_remembered_and_explained(delivery):
    send(delivery)

    assert (delivery.state, delivery.result) == (State.DELIVERED, "Written.")
    assert RemoteRecord.objects.get().url == "https://t.example"
    attempt = delivery.attempts.get()
    assert attempt.steps == [{"name": "decide", "detail": "write"}]
    assert attempt.exchanges[0]["request"] == {"token": "[secret]"}
    assert attempt.finished_at == NOW


def test_what_is_equal_already_is_skipped_with_the_reason(rule):
    first, second = chain_of(rule, 2)
    send(first)

    send(second)

    assert (second.state, second.result) == (State.SKIPPED, "Already equal.")
    assert ScriptedConnector.sent == [first.pk]


def test_a_failure_that_is_worth_three_tries_is_not_tried_a_fourth_time(delivery):
    ScriptedConnector.plays(*[TemporaryError("who knows", hint="Report it.", tries=3)] * 5)
    states, at = [], NOW
    for _ in range(3):
        send(delivery, at=at, probe=True)
        states.append(delivery.state)
        at = delivery.not_before

    assert states == [State.WAITING, State.WAITING, State.FAILED]
    assert (delivery.failure_class, delivery.hint) == ("exhausted", "Report it.")


def test_a_temporary_failure_waits_by_the_schedule_and_ends_exhausted(delivery):
    ScriptedConnector.plays(*[TemporaryError("down")] * 20)
    waits, at = [], NOW
    for _ in range(len(outbox.RETRY_SCHEDULE)):
        send(delivery, at=at, probe=True)
        waits.append(delivery.not_before - at)
        at = delivery.not_before

    send(delivery, at=at, probe=True)

    assert (delivery.state, delivery.failure_class) == (State.FAILED, "exhausted")
    for wait, planned in zip(waits, outbox.RETRY_SCHEDULE, strict=True):
        assert planned * 0.8 <= wait <= planned * 1.2


def test_a_retry_after_longer_than_the_schedule_is_honoured(delivery):
    ScriptedConnector.plays(TemporaryError("busy", retry_after=77))

    send(delivery)

    assert delivery.not_before == NOW + timedelta(seconds=77)


def test_after_an_ambiguous_failure_the_next_try_looks_first(delivery):
    ScriptedConnector.plays(TemporaryError("no answer", ambiguous=True))
    send(delivery)

    send(delivery, at=delivery.not_before)

    assert ScriptedConnector.looked_first == [False, True]


def test_throttling_holds_the_connection_and_uses_up_no_retry(delivery, target):
    ScriptedConnector.plays(ThrottledError("slow down", retry_after=40))

    send(delivery)

    target.refresh_from_db()
    assert target.not_before == delivery.not_before == NOW + timedelta(seconds=40)
    assert (delivery.state, delivery.retry_count) == (State.WAITING, 0)
    assert target.state == Connection.State.HEALTHY
    assert outbox.waiting_connections(now=NOW) == []
    assert outbox.waiting_connections(now=target.not_before) == [target.pk]


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [
        (PermanentError("never", hint="look"), "permanent"),
        (RuleError("no channel", hint="mend"), "configuration"),
        (ZeroDivisionError("oops"), "crashed"),
    ],
)
def test_what_cannot_pass_fails_with_its_class_and_a_hint(delivery, target, error, failure_class):
    ScriptedConnector.plays(error)

    send(delivery)

    assert (delivery.state, delivery.failure_class) == (State.FAILED, failure_class)
    assert delivery.hint
    target.refresh_from_db()
    assert target.state == Connection.State.HEALTHY


def test_a_configuration_error_pauses_the_connection_and_keeps_queueing(delivery, target):
    ScriptedConnector.plays(ConfigurationError("token revoked", hint="reconnect"))

    send(delivery)

    target.refresh_from_db()
    assert (target.state, target.state_hint) == (Connection.State.PAUSED, "reconnect")
    assert delivery.state == State.WAITING
    assert outbox.waiting_connections(now=NOW) == []
    breaker.resume(target, now=NOW)
    assert outbox.waiting_connections(now=NOW) == [target.pk]


def test_failures_in_a_row_open_the_breaker_and_a_success_lets_all_go(rule, target):
    ScriptedConnector.plays(*[TemporaryError("down")] * breaker.FAILURES_TO_OPEN)
    deliveries = [DeliveryFactory.create(rule=rule) for _ in range(breaker.FAILURES_TO_OPEN + 1)]
    for delivery in deliveries[:-1]:
        send(delivery)
    target.refresh_from_db()
    assert target.state == Connection.State.DEGRADED
    assert outbox.waiting_connections(now=NOW) == []

    send(deliveries[-1], at=target.not_before)
    assert deliveries[-1].state == State.WAITING
    send(deliveries[-1], at=target.not_before, probe=True)

    at = target.not_before
    target.refresh_from_db()
    assert (target.state, target.consecutive_failures) == (Connection.State.HEALTHY, 0)
    assert len(due(target, at=at)) == breaker.FAILURES_TO_OPEN


def test_what_was_due_is_not_sent_once_its_connection_is_paused(delivery, target):
    breaker.pause(target, now=NOW, reason="token revoked")

    assert outbox.claim(delivery.pk, now=NOW) is None
    assert outbox.claim(delivery.pk, now=NOW, probe=True) is None


def test_one_prober_at_a_time_goes_through_an_open_breaker(target):
    for _ in range(breaker.FAILURES_TO_OPEN):
        breaker.failed(target, now=NOW, error="down")
    later = NOW + breaker.SHORTEST_BREAK

    assert [breaker.may_probe(target, now=at) for at in (NOW, later, later)] == [False, True, False]


def test_a_lost_workers_delivery_is_given_back_and_looks_first(delivery, settings):
    outbox.claim(delivery.pk, now=NOW)
    expired = NOW + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    assert outbox.release_expired(now=NOW) == 0

    assert outbox.release_expired(now=expired) == 1

    delivery.refresh_from_db()
    assert delivery.state == State.WAITING
    assert delivery.attempts.get().outcome == DeliveryAttempt.Outcome.LOST
    send(delivery, at=delivery.not_before)
    assert ScriptedConnector.looked_first == [True]


def test_a_worker_that_lost_its_lease_overwrites_nothing(delivery, settings):
    slow = outbox.claim(delivery.pk, now=NOW)
    assert slow is not None
    later = NOW + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    outbox.release_expired(now=later)
    delivery.refresh_from_db()
    send(delivery, at=delivery.not_before)
    late = outbox.Settlement(
        state=State.FAILED, failure_class="crashed", outcome=DeliveryAttempt.Outcome.FAILED
    )

    assert outbox.settle(slow, late, now=later, exchanges=[]) is False

    delivery.refresh_from_db()
    assert delivery.state == State.DELIVERED


def test_a_delivery_that_always_kills_its_worker_ends(delivery, settings):
    at = NOW
    for _ in range(len(outbox.RETRY_SCHEDULE) + 1):
        outbox.claim(delivery.pk, now=at)
        at += timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
        outbox.release_expired(now=at)
        delivery.refresh_from_db()
        at = max(at, delivery.not_before)

    assert (delivery.state, delivery.failure_class) == (State.FAILED, "exhausted")


def test_an_operators_retry_starts_the_schedule_anew(delivery):
    ScriptedConnector.plays(PermanentError("never"))
    send(delivery)

    assert outbox.retry(Delivery.objects.all(), now=NOW, by="ann") == 1

    send(delivery)
    assert delivery.state == State.DELIVERED
    assert [attempt.outcome for attempt in delivery.attempts.all()] == ["failed", "delivered"]


def test_a_retry_sends_what_the_mended_rule_says(delivery, rule):
    ScriptedConnector.plays(RuleError("no such channel"))
    send(delivery)
    type(rule).objects.update(options={"channel": "#right"})

    outbox.retry(Delivery.objects.all(), now=NOW, by="ann")

    delivery.refresh_from_db()
    assert delivery.options == {"channel": "#right"}


def test_a_decision_to_do_nothing_closes_no_breaker(rule, target):
    first, second = chain_of(rule, 2)
    send(first)
    for _ in range(breaker.FAILURES_TO_OPEN):
        breaker.failed(target, now=NOW, error="down")

    send(second, probe=True)

    target.refresh_from_db()
    assert (second.state, target.state) == (State.SKIPPED, Connection.State.DEGRADED)


def test_a_retry_touches_nothing_that_was_delivered(delivery):
    send(delivery)

    assert outbox.retry(Delivery.objects.all(), now=NOW, by="ann") == 0


def test_the_secrets_of_a_connection_never_show_in_its_repr(target):
    account = Account(connection_id=1, name="x", settings={}, secrets={"token": "hush"})

    assert "hush" not in repr(account)


def test_a_failure_is_acknowledged_once_and_by_whom():
    delivery = DeliveryFactory.create(failed=True)
    named = Delivery.objects.filter(pk=delivery.pk)

    assert outbox.acknowledge(named, by="olivia", now=NOW) == 1
    assert outbox.acknowledge(named, by="adam", now=NOW + timedelta(hours=1)) == 0

    delivery.refresh_from_db()
    assert (delivery.acknowledged_by, delivery.acknowledged_at) == ("olivia", NOW)


@pytest.mark.parametrize("trait", ["delivered", "skipped", "waiting"])
def test_only_what_failed_can_be_acknowledged(trait):
    delivery = DeliveryFactory.create(**({} if trait == "waiting" else {trait: True}))

    assert outbox.acknowledge(Delivery.objects.filter(pk=delivery.pk), by="olivia", now=NOW) == 0


@pytest.mark.parametrize("again", ["retry", "repeat"])
def test_sending_again_forgets_that_the_failure_was_acknowledged(again):
    delivery = DeliveryFactory.create(failed=True)
    named = Delivery.objects.filter(pk=delivery.pk)
    outbox.acknowledge(named, by="olivia", now=NOW)

    if again == "retry":
        outbox.retry(named, now=NOW, by="adam")
    else:
        outbox.repeat(delivery, now=NOW, reason="changed over there")

    delivery.refresh_from_db()
    assert (delivery.state, delivery.acknowledged_by, delivery.acknowledged_at) == ("waiting", "", None)  # fmt: skip
