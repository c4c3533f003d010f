"""From a booking to several places in Slack, with rows that remember each."""

from copy import deepcopy
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from integrations import pacing, rules, scripts
from integrations.models import Delivery, RemoteRecord, Rule
from tests.integrations.bodies import envelope, invitee
from tests.road.test_road import moved

pytestmark = pytest.mark.django_db


def route(road, **options):
    Rule.objects.filter(connection=road.slack).update(options=options)


def of_slack(road):
    return Delivery.objects.get(connection=road.slack)


def by_type(*channels):
    return [{"when": {"event_type": "Product demo"}, "channel": channel} for channel in channels]


@pytest.fixture
def booked(road):
    body = envelope("invitee.created", invitee())
    body["payload"]["scheduled_event"]["name"] = "Product demo"
    return body


def test_one_dead_channel_pauses_the_rule_and_the_others_have_their_cards(road, sandbox, booked):
    route(road, channel="", routes=by_type("#archived", "#sales", "#recruiting"))

    road.receive(booked)
    road.work()

    delivery = of_slack(road)
    rule = Rule.objects.get(connection=road.slack)
    assert (delivery.state, delivery.failure_class) == ("waiting", "")
    assert rule.paused_at
    assert "is_archived" in delivery.error
    assert rule.paused_reason == delivery.error
    steps = [step["detail"] for step in delivery.attempts.get().steps]
    assert any(line.startswith("#archived: Slack answered") for line in steps)
    assert any(line.startswith("The card in #recruiting is message") for line in steps)
    assert len(sandbox.slack_messages("#sales")) == len(sandbox.slack_messages("#recruiting")) == 1
    kept = RemoteRecord.objects.filter(connection=road.slack).order_by("key")
    assert [row.key for row in kept] == ["#recruiting", "#sales"]


def test_mended_and_resumed_what_waited_is_sent_and_nothing_twice(road, sandbox, booked):
    route(road, channel="", routes=by_type("#archived", "#sales"))
    road.receive(booked)
    road.work()
    second = deepcopy(booked)
    second["payload"]["uri"] = f"{second['payload']['uri']}-2"
    second["payload"]["email"] = "second@customer.example"
    road.receive(second)
    road.work()
    assert len(sandbox.slack_messages("#sales")) == 1  # the second waits with the rule

    route(road, channel="", routes=by_type("#recruiting", "#sales"))
    rules.resume(Rule.objects.get(connection=road.slack), now=timezone.now())
    road.work(ahead=timedelta(seconds=5))

    states = Delivery.objects.filter(connection=road.slack).values_list("state", flat=True)
    assert list(states) == ["delivered", "delivered"]
    assert len(sandbox.slack_messages("#sales")) == len(sandbox.slack_messages("#recruiting")) == 2


def test_the_card_has_the_links_of_what_the_rule_waits_for(road, sandbox, booked):
    """Slack is drained first here: without the wait its card would know no link."""
    road.salesforce, road.slack = road.slack, road.salesforce
    cards = Rule.objects.get(action="post_card")
    cards.waits_for = Rule.objects.get(action="sync_meeting")
    cards.save()

    road.receive(booked)
    road.work()
    assert sandbox.slack_messages() == []
    road.work(ahead=timedelta(seconds=1))

    (card,) = sandbox.slack_messages("#sales")
    event = RemoteRecord.objects.get(object_type="Event")
    assert f"<{event.url}|Event in Salesforce>" in str(card["blocks"])


def test_booked_and_moved_within_the_window_is_one_card(road, sandbox):
    Rule.objects.filter(action="post_card").update(debounce_seconds=60)
    for body in (envelope("invitee.created", invitee()), *moved(invitee())):
        road.receive(body)
        road.work()
    assert sandbox.slack_messages("#sales") == []

    road.work(ahead=timedelta(seconds=61))

    (card,) = sandbox.slack_messages("#sales")
    assert card["blocks"][0]["text"]["text"].startswith("Rescheduled: ")
    states = Delivery.objects.filter(rule__action="post_card").order_by("id").values_list("state", flat=True)  # fmt: skip
    assert list(states) == ["skipped", "delivered"]


def test_no_fitting_route_is_a_result_with_a_reason(road, sandbox, booked):
    route(road, routes=[{"when": {"team": "Support"}, "channel": "#sales"}])

    road.receive(booked)
    road.work()

    delivery = of_slack(road)
    assert delivery.state == "skipped"
    assert "Looked at: teams" in delivery.result
    assert sandbox.slack_messages() == []


def test_a_code_that_nobody_knows_fails_after_three_tries(road, sandbox, booked):
    sandbox.add_fault("slack", "slack_error", times=0, code="brand_new_code")

    road.receive(booked)
    for minutes in (0, 1, 20, 60):
        road.work(ahead=timedelta(minutes=minutes))

    delivery = of_slack(road)
    assert (delivery.state, delivery.failure_class) == ("failed", "exhausted")
    assert (delivery.attempt_count, "brand_new_code" in delivery.error) == (3, True)
    assert "report it" in delivery.hint


def test_a_busy_channel_makes_the_delivery_wait_without_counting(road, sandbox, booked, broker_url):
    scripts.wake()
    pacing.take(f"slack:{road.slack.pk}:#sales", 600)

    road.receive(booked)
    road.work()
    waiting = of_slack(road)
    scripts.wake()
    with redis.from_url(broker_url) as client:
        client.delete(f"calsync:pace:slack:{road.slack.pk}:#sales")
    road.work(ahead=timedelta(minutes=11))

    assert (waiting.state, waiting.retry_count, waiting.failure_class) == ("waiting", 0, "")
    assert of_slack(road).state == "delivered"
    assert len(sandbox.slack_messages("#sales")) == 1


def test_by_webhook_each_event_is_one_message_and_no_address_is_stored(
    road, sandbox, sandbox_server, booked
):
    hook = f"{sandbox_server.url}/slack/services/T0SANDBOX/B0HOOK001/sandbox-sales"
    road.slack.set_secrets({"webhook_url": hook})
    road.slack.save()

    road.receive(booked)
    road.work()

    delivery = of_slack(road)
    assert delivery.state == "delivered"
    assert len(sandbox.slack_messages("#sales")) == 1
    assert "sandbox-sales" not in str(list(delivery.attempts.values()))
