"""Digests and alerts on the road: from the mirror into Slack's channel, once, whatever dies."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations import accounts, breaker, notifications, rules
from integrations.connectors.base import Notice
from integrations.models import Delivery, Notification
from tests.factories import DeliveryFactory, NotificationChannelFactory
from tests.integrations.bodies import envelope, invitee

pytestmark = pytest.mark.django_db

EVIL = "<!channel> <https://evil.example|bank>"


@pytest.fixture
def channel(road):
    return NotificationChannelFactory.create(
        connection=road.slack, options={"channel": "#consulting"}, told_from=timezone.now() - timedelta(minutes=1),
        at=(timezone.now() + timedelta(hours=2)).time(), sends_agenda=False, sends_health=False,
    )  # fmt: skip


def told(sandbox):
    return sandbox.slack_messages("consulting")


def look(now):
    notifications.release_expired(now=now)
    notifications.plan(now=now)
    notifications.drain(until=now + timedelta(minutes=1), clock=lambda: now)


def test_todays_agenda_stands_in_the_channel_once_and_pings_nobody(road, sandbox, channel):
    person = invitee(name=EVIL)
    person["scheduled_event"]["start_time"] = timezone.now().isoformat()
    person["scheduled_event"]["end_time"] = (timezone.now() + timedelta(minutes=30)).isoformat()
    road.receive(envelope("invitee.created", person))
    road.work()
    row = notifications.by_hand(channel, Notification.Kind.AGENDA, now=timezone.now())

    for _ in range(2):
        notifications.drain(until=timezone.now() + timedelta(minutes=1), clock=timezone.now)

    row.refresh_from_db()
    (message,) = told(sandbox)
    assert (row.state, row.remote_id) == ("sent", message["ts"])
    assert "&lt;!channel&gt;" in str(message["blocks"])
    assert "<!channel>" not in str(message)


def test_a_worker_killed_between_post_and_settling_tells_nothing_twice(road, sandbox, channel):
    now = timezone.now()
    row = notifications.by_hand(channel, Notification.Kind.TEST, now=now)
    notice = notifications.compose(row, now=now)
    assert isinstance(notice, Notice)
    accounts.connector(road.slack).notify(notice, options=channel.options, look_first=False)
    Notification.objects.update(state="sending", attempt_count=1, lease_expires_at=now)

    look(now)
    look(now + timedelta(minutes=1))

    row.refresh_from_db()
    (message,) = told(sandbox)
    assert (row.state, row.remote_id, row.attempt_count) == ("sent", message["ts"], 2)


def test_a_lost_answer_is_looked_for(road, sandbox, channel):
    sandbox.add_fault("slack", "drop_after", match={"path_contains": "chat.postMessage"})
    row = notifications.by_hand(channel, Notification.Kind.TEST, now=timezone.now())

    look(timezone.now())
    look(timezone.now() + timedelta(minutes=1))

    row.refresh_from_db()
    assert (row.state, row.attempt_count) == ("sent", 2)
    assert len(told(sandbox)) == 1


def test_a_dead_token_elsewhere_is_told_with_what_fails_and_its_recovery(road, sandbox, channel):
    sandbox.add_fault("salesforce", "token_revoked")
    road.receive(envelope("invitee.created", invitee()))
    road.work()
    road.salesforce.refresh_from_db()
    assert road.salesforce.state == "paused"

    look(timezone.now())
    look(timezone.now())
    breaker.resume(road.salesforce, now=timezone.now())
    look(timezone.now())

    assert [message["text"].partition(".")[0] for message in told(sandbox)] == [
        "Salesforce is paused",
        "Salesforce works again",
    ]


def test_a_failed_delivery_is_told_with_its_cause(road, sandbox, channel):
    sandbox.add_fault("slack", "slack_error", code="restricted_action")
    road.receive(envelope("invitee.created", invitee()))
    road.work()
    assert Delivery.objects.filter(state="failed").count() == 1

    look(timezone.now())
    look(timezone.now() + timedelta(minutes=2))

    (message,) = told(sandbox)
    assert message["text"].startswith("1 delivery to Slack failed")
    assert "restricted_action" in str(message["blocks"])


def test_a_dead_channel_pauses_its_rule_which_is_told_elsewhere_once_and_when_it_goes_on(
    road, sandbox, channel
):
    dead = NotificationChannelFactory.create(
        connection=road.slack, options={"channel": "#archived"}, told_from=channel.told_from, at=channel.at,
        sends_agenda=False,
    )  # fmt: skip
    road.slack.rules.update(options={"channel": "#archived"}, name="Cards")
    for number in range(3):
        road.receive(envelope("invitee.created", invitee(booking=f"E{number}", number=f"I{number}", email=f"p{number}@x.example")))  # fmt: skip
    road.work()
    for minutes in range(3):
        look(timezone.now() + timedelta(minutes=minutes))
    assert list(dead.notifications.values_list("state", "attempt_count")) == [("failed", 1)]

    road.slack.rules.update(options={"channel": "#sales"})
    rules.resume(road.slack.rules.get(), now=timezone.now())
    road.work()
    for minutes in range(3, 6):
        look(timezone.now() + timedelta(minutes=minutes))

    assert [message["blocks"][0]["text"]["text"] for message in told(sandbox)] == [
        "The rule “Cards” of Slack is paused",
        "The rule “Cards” goes on",
    ]
    assert "The channel is archived" in str(told(sandbox))
    assert len(sandbox.slack_messages("#sales")) == 3


def test_an_errors_words_ping_nobody(road, sandbox, channel):
    DeliveryFactory.create(rule=road.slack.rules.get(), failed=True, settled_at=timezone.now(), error=f"No {EVIL} here")  # fmt: skip

    look(timezone.now())
    look(timezone.now() + timedelta(minutes=2))

    (message,) = told(sandbox)
    assert "&lt;!channel&gt;" in str(message["blocks"])
    assert "<!channel>" not in str(message)
