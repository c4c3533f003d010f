"""Nudges and drains over a real broker: coalesced, never missed, and not needed."""

import json
from datetime import datetime, timedelta

import psycopg
import pytest
import redis
from django.db import connection, connections
from django.utils import timezone

from integrations import interactions, tasks
from integrations.connectors.base import Press
from integrations.errors import PostponedError, TemporaryError
from integrations.models import Delivery, InboundWebhook
from tests.factories import DeliveryFactory
from tests.integrations.bodies import envelope, invitee
from tests.integrations.scripted import ScriptedConnector
from tests.integrations.test_inbox import arrive

pytestmark = pytest.mark.django_db


def waiting(broker_url):
    with redis.from_url(broker_url) as client:
        return client.llen("calsync")


def test_many_rows_send_one_message(broker_url):
    assert all(tasks.nudge_inbox() for _ in range(50))

    assert waiting(broker_url) == 1


def test_a_drain_takes_new_nudges_from_its_first_moment(broker_url):
    tasks.nudge_inbox()
    tasks.drain_inbox()

    tasks.nudge_inbox()

    assert waiting(broker_url) == 2


def test_each_connection_has_a_nudge_of_its_own(broker_url):
    tasks.nudge_connection(1)
    tasks.nudge_connection(2)

    assert waiting(broker_url) == 2


def test_without_a_broker_a_nudge_says_so_and_breaks_nothing():
    assert tasks.nudge_inbox() is False


def test_draining_the_inbox_wakes_the_connections(broker_url, subscription, rule):
    arrive(subscription, envelope("invitee.created", invitee()))

    assert tasks.drain_inbox() == 1

    assert waiting(broker_url) == 1


def test_the_sweep_finds_what_no_nudge_announced(broker_url, subscription, rule):
    arrive(subscription, envelope("invitee.created", invitee()))
    DeliveryFactory.create(rule=rule, not_before=timezone.now())

    tasks.sweep()

    assert waiting(broker_url) == 2


@pytest.mark.django_db(transaction=True)
def test_a_drain_sends_all_that_is_due_over_several_threads(broker_url, rule):
    deliveries = [DeliveryFactory.create(rule=rule) for _ in range(30)]

    assert tasks.drain_connection(rule.connection_id) == 30

    assert sorted(ScriptedConnector.sent) == [delivery.pk for delivery in deliveries]
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    connections.close_all()


def test_a_turn_that_is_near_is_come_back_for_once_and_no_thread_waits(broker_url, rule):
    ScriptedConnector.plays(PostponedError("not yet", retry_after=4))
    delivery = DeliveryFactory.create(rule=rule)

    for _ in range(3):
        tasks.drain_connection(rule.connection_id)

    assert waiting(broker_url) == 1
    with redis.from_url(broker_url) as client:
        (message,) = client.lrange("calsync", 0, -1)
    assert datetime.fromisoformat(json.loads(message)["headers"]["eta"]) > timezone.now()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.retry_count) == ("waiting", 0)


@pytest.mark.parametrize(
    "ending",
    [
        PostponedError("much later", retry_after=60),
        TemporaryError("down", retry_after=0.01),
    ],
)
def test_a_drain_leaves_a_far_turn_and_what_went_wrong_to_the_sweep(broker_url, rule, ending):
    ScriptedConnector.plays(ending)
    delivery = DeliveryFactory.create(rule=rule)

    assert tasks.drain_connection(rule.connection_id) == 1

    delivery.refresh_from_db()
    assert delivery.state == "waiting"
    assert waiting(broker_url) == 0


def test_a_paused_connection_sends_nothing(broker_url, rule):
    DeliveryFactory.create(rule=rule)
    type(rule.connection).objects.update(state="paused")

    assert tasks.drain_connection(rule.connection_id) == 0


def test_the_inbox_is_drained_to_the_end(broker_url, subscription):
    for number in range(5):
        arrive(subscription, str(number).encode())

    assert tasks.drain_inbox() == 5

    assert not InboundWebhook.objects.filter(state="received").exists()


def press(connection):
    asked = Press(key="k", action="dance", ids=(), organization="T1", user_id="U1")
    interactions.receive(connection, asked, now=timezone.now())


def test_the_sweep_finds_a_press_that_no_nudge_announced(broker_url, target):
    press(target)

    tasks.sweep()

    assert waiting(broker_url) == 1


def test_presses_are_drained_to_the_end(broker_url, target):
    target.profile = {"organization_uri": "T2"}
    target.save()
    press(target)

    assert tasks.drain_interactions() == 1

    assert target.interactions.get().state == "refused"


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_task_opens_a_connection_anew_that_the_server_has_cut(broker_url):
    connection.ensure_connection()
    server = connection.get_connection_params() | {"cursor_factory": None, "context": None}
    with psycopg.connect(**{name: value for name, value in server.items() if value}) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    outcome = tasks.drain_connection.apply(args=(0,))

    assert (outcome.state, outcome.result) == ("SUCCESS", 0)


def test_a_probe_is_not_spent_on_what_waits_for_an_earlier_delivery(broker_url, rule):
    now = timezone.now()
    earlier = DeliveryFactory.create(rule=rule, not_before=now + timedelta(hours=1))
    DeliveryFactory.create(rule=rule, chain=earlier.chain, not_before=now)
    type(rule.connection).objects.update(state="degraded", not_before=now)

    assert tasks.drain_connection(rule.connection_id) == 0

    rule.connection.refresh_from_db()
    assert rule.connection.not_before == now


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("parallelism", "elsewhere", "at_once"), [(4, 0, 4), (4, 2, 2), (4, 9, 1)])
def test_a_connections_parallelism_is_shared_by_all_drains(
    broker_url, rule, parallelism, elsewhere, at_once
):
    type(rule.connection).objects.update(parallelism=parallelism)
    for _ in range(elsewhere):
        DeliveryFactory.create(rule=rule, state="sending", lease_expires_at=timezone.now())
    for _ in range(12):
        DeliveryFactory.create(rule=rule)
    ScriptedConnector.threads.clear()

    tasks.drain_connection(rule.connection_id)

    assert 1 <= len(ScriptedConnector.threads) <= at_once
    assert len(ScriptedConnector.sent) == 12
    connections.close_all()
