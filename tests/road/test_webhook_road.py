"""The road to a receiver of signed messages: what a webhook of Calendly's becomes there."""

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from django.utils import timezone

from integrations import deliver as delivering
from integrations import outbox
from integrations.models import Connection, Delivery, RemoteRecord
from tests.factories import ConnectionFactory, RuleFactory
from tests.integrations.bodies import envelope, invitee
from tests.road.conftest import EVERY_KIND
from tests.road.test_road import canceled, moved

pytestmark = pytest.mark.django_db

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "schemas" / "booking-event.v1.json").read_text()
)


@pytest.fixture
def hook(road, sandbox):
    """A connection to the sandbox's receiver, told every kind of event."""
    made = ConnectionFactory.create(
        provider="webhook",
        name="ERP",
        settings={"url": f"{sandbox.url}/webhook/erp"},
        secrets={"signing_secret": sandbox.settings()["receiver_secret"]},
    )
    RuleFactory.create(connection=made, action="send_event", kinds=EVERY_KIND)
    return made


def send(hook, *, ahead=timedelta(0)):
    now = timezone.now() + ahead
    sent: list[object] = [True]
    while any(sent):
        due = outbox.due(hook.pk, now=now, limit=50)
        sent = [delivering.deliver(delivery_id, clock=lambda: now) for delivery_id in due]


def types(sandbox):
    return [row["body"]["type"] for row in sandbox.webhook_messages("erp")]


def test_a_meetings_story_is_told_in_order_and_as_the_schema_says(road, hook, sandbox):
    old = invitee()
    for body in (envelope("invitee.created", old), *moved(old)):
        road.receive(body)
        road.work()
        send(hook)

    told = [row["body"] for row in sandbox.webhook_messages("erp")]
    sequences = [body["data"]["sequence"] for body in told]
    assert [body["type"] for body in told] == ["booking.booked", "booking.rescheduled"]
    assert sequences == sorted(set(sequences))
    for body in told:
        jsonschema.Draft202012Validator(SCHEMA).validate(body)
    assert told[0]["data"]["meeting"]["key"] == told[1]["data"]["meeting"]["key"]
    assert told[1]["data"]["event"]["changes"]["start_at"] == [
        "2026-12-01T10:00:00+00:00", "2026-12-03T14:00:00+00:00",
    ]  # fmt: skip


def test_a_lost_answer_is_sent_again_with_the_same_id(road, hook, sandbox):
    sandbox.add_fault("webhook", "drop_after")
    road.receive(envelope("invitee.created", invitee()))
    road.work()

    send(hook)
    send(hook, ahead=timedelta(minutes=1))

    first, second = sandbox.webhook_messages("erp")
    assert first["id"] == second["id"]
    assert Delivery.objects.get(connection=hook).state == "delivered"
    assert RemoteRecord.objects.get(connection=hook).remote_id == first["id"]


@pytest.mark.parametrize("status", [302, 401, 404, 410])
def test_an_address_that_is_gone_pauses_and_then_all_that_waited_is_sent_in_order(
    road, hook, sandbox, status
):
    old = invitee()
    sandbox.webhook_answer("erp", status)
    for body in (envelope("invitee.created", old), canceled(old)):
        road.receive(body)
        road.work()
        send(hook)

    hook.refresh_from_db()
    assert hook.state == "paused"
    assert hook.state_hint
    assert {row.state for row in Delivery.objects.filter(connection=hook)} == {"waiting"}
    sandbox.webhook_answer("erp")
    Connection.objects.filter(pk=hook.pk).update(state="healthy")
    send(hook)
    assert types(sandbox) == ["booking.booked", "booking.canceled"]


def test_a_message_that_is_refused_fails_alone(road, hook, sandbox):
    old = invitee()
    sandbox.webhook_answer("erp", 422)
    road.receive(envelope("invitee.created", old))
    road.work()
    send(hook)
    sandbox.webhook_answer("erp")
    road.receive(canceled(old))
    road.work()
    send(hook)

    assert types(sandbox) == ["booking.canceled"]
    failed = Delivery.objects.get(connection=hook, state="failed")
    assert (failed.failure_class, failed.error) == ("permanent", "127.0.0.1 answered 422.")
    hook.refresh_from_db()
    assert hook.state == "healthy"


def test_the_connections_test_sends_a_message_that_is_about_nobody(hook, sandbox):
    checked = delivering.check_connection(hook, now=timezone.now())

    assert types(sandbox) == ["calsync.ping"]
    assert "calsync.ping" in checked.summary
