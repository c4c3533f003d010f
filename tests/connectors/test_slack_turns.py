"""Turns before each message, in a real Redis: who waits, who is sent away, and what is not slowed."""

import pytest
import redis

from integrations import pacing, scripts
from integrations.connectors.base import Applied
from integrations.errors import PostponedError
from tests.connectors.builders import canceled, make_meeting
from tests.connectors.harness import Driver
from tests.connectors.harnesses.slack import CHANNEL, slack_messages

#: So many seconds are taken by others: more than anybody waits for in place.
LONG = 600.0


@pytest.fixture(autouse=True)
def _awake(broker_url):
    scripts.wake()


def busy(driver, place, *, every=LONG):
    """Let others have the turns of a place for a while."""
    pacing.take(f"slack:{driver.connector().account.connection_id}:{place}", every)


def test_a_busy_channel_sends_the_delivery_away_and_asks_nothing(to_slack):
    busy(to_slack, CHANNEL)

    with pytest.raises(PostponedError) as caught:
        to_slack.deliver()

    assert caught.value.retry_after
    assert 500 < caught.value.retry_after <= LONG
    assert not caught.value.ambiguous
    assert to_slack.requests() == []


def test_a_busy_channel_holds_no_other_and_is_written_when_its_turn_comes(to_slack, broker_url):
    to_slack.options = {
        "routes": [
            {"when": {"event_type": "Product demo"}, "channel": channel}
            for channel in (CHANNEL, "#consulting")
        ]
    }
    busy(to_slack, CHANNEL)

    with pytest.raises(PostponedError):
        to_slack.deliver()
    assert slack_messages(to_slack.server) == []
    assert len(slack_messages(to_slack.server, "C0CONSULT")) == 1
    with redis.from_url(broker_url) as client:
        client.delete(*client.keys("calsync:pace:*"))
    to_slack.deliver()

    assert len(slack_messages(to_slack.server)) == 1
    assert len(slack_messages(to_slack.server, "C0CONSULT")) == 1


def test_a_line_whose_turn_is_far_away_is_all_that_is_left_for_the_next_try(to_slack, broker_url):
    to_slack.deliver()
    busy(to_slack, CHANNEL)

    meeting = canceled(make_meeting())
    with pytest.raises(PostponedError):
        to_slack.deliver(meeting, kind="canceled", event_id=2)
    with redis.from_url(broker_url) as client:
        client.delete(*client.keys("calsync:pace:*"))
    before = len(to_slack.requests())
    applied = to_slack.deliver(meeting, kind="canceled", event_id=2)

    assert isinstance(applied, Applied)
    assert [path.rpartition("/")[2] for path in to_slack.requests()[before:]] == [
        "chat.postMessage"
    ]
    assert len(slack_messages(to_slack.server)) == 2


def test_changes_have_turns_of_their_own_for_the_whole_workspace(to_slack):
    to_slack.deliver()
    busy(to_slack, CHANNEL)

    to_slack.deliver(make_meeting(guests=("a@b.example",)), kind="updated", event_id=2)
    for _ in range(30):
        busy(to_slack, "chat.update", every=60)
    with pytest.raises(PostponedError, match="changes of messages"):
        to_slack.deliver(make_meeting(), kind="updated", event_id=3)

    assert sum("chat.update" in path for path in to_slack.requests()) == 1


def test_two_messages_to_one_channel_are_a_second_apart_and_slack_takes_both(to_slack):
    to_slack.server.state.config.slack_channel_limit = True

    to_slack.deliver()
    to_slack.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert len(slack_messages(to_slack.server)) == 2


def test_a_webhook_waits_its_turn_and_is_then_posted_without_a_remark(sandbox, broker_url):
    by_webhook = Driver("slack_webhook", sandbox)
    busy(by_webhook, "webhook")

    with pytest.raises(PostponedError):
        by_webhook.deliver()
    assert by_webhook.requests() == []
    assert by_webhook.memory.records == ()
    with redis.from_url(broker_url) as client:
        client.delete(*client.keys("calsync:pace:*"))
    by_webhook.deliver()

    assert len(slack_messages(sandbox)) == 1


def test_a_dry_run_takes_no_turn(to_slack):
    busy(to_slack, CHANNEL)
    task, connector = to_slack.task(), to_slack.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert applied.steps
