"""The Slack connector against the sandbox: one card, its thread, and channels that keep us out."""

import json

import pytest

from bookings.snapshots import Answer
from integrations.connectors.base import Applied, Send, Skip
from integrations.errors import (
    ConfigurationError,
    DeadTargetError,
    PermanentError,
    RuleError,
    TemporaryError,
)
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harnesses.slack import CHANNEL_ID, slack_cards, slack_messages, slack_replies

POST = {"path_contains": "/chat.postMessage"}
UPDATE = {"path_contains": "/chat.update"}
REPLY = {"path_contains": "/chat.postMessage", "body_contains": '"part": "reply"'}


def cards(driver):
    return slack_cards(driver.server)


def replies(driver):
    return slack_replies(driver.server)


def calls(driver, method):
    return sum(path.endswith(method) for path in driver.requests())


def test_the_card_can_be_found_by_people_and_by_us(to_slack):
    to_slack.deliver()

    (card,) = cards(to_slack)
    record = to_slack.task().record("message", "#sales")
    assert card["text"].startswith("Booked: Product demo - Ida Invitee")
    assert card["metadata"] == {
        "event_type": "calsync_meeting",
        "event_payload": {"chain": make_meeting().key, "event_id": 1, "part": "card"},
    }
    assert record
    assert record.remote_id == card["ts"]
    assert record.data == {"channel": CHANNEL_ID, "ts": card["ts"], "event_id": 1, "rule": 1}
    assert record.url.endswith(card["ts"].replace(".", ""))


def test_nothing_is_pinged_or_unfurled(to_slack):
    to_slack.deliver()

    (sent,) = to_slack.server.requests(service="slack", path_contains="chat.postMessage")
    assert sent.body["link_names"] is False
    assert sent.body["unfurl_links"] is False
    assert sent.body["unfurl_media"] is False
    assert "parse" not in sent.body


def test_a_chain_is_one_card_with_a_thread(to_slack):
    meeting = make_meeting()
    later = moved(meeting, days=1)

    to_slack.deliver(meeting)
    to_slack.deliver(later, kind="rescheduled", event_id=2)
    to_slack.deliver(canceled(later), kind="canceled", event_id=3)

    (card,) = cards(to_slack)
    assert card["text"].startswith("Canceled: Product demo")
    assert [row["text"].split(" ")[0] for row in replies(to_slack)] == ["Rescheduled", "Canceled"]
    assert all(row["thread_ts"] == card["ts"] for row in replies(to_slack))
    assert not any(row.get("reply_broadcast") for row in replies(to_slack))


def test_an_event_told_by_the_card_gets_its_line_once(to_slack):
    meeting = canceled(make_meeting())
    to_slack.deliver(meeting)

    first = to_slack.deliver(meeting, kind="canceled", event_id=2)
    again = to_slack.deliver(meeting, kind="canceled", event_id=2)

    assert isinstance(first, Applied)
    assert again == Skip(reason="already equal")
    assert len(replies(to_slack)) == 1
    assert calls(to_slack, "chat.update") == 0


def test_a_rule_added_later_shows_the_present_state_without_a_line(to_slack):
    meeting = moved(make_meeting(), days=1)

    to_slack.deliver(meeting, kind="rescheduled", event_id=7)
    to_slack.deliver(meeting, kind="rescheduled", event_id=7)

    assert cards(to_slack)[0]["text"].startswith("Rescheduled")
    assert replies(to_slack) == []


def test_a_change_nobody_cares_for_updates_nothing(to_slack):
    to_slack.deliver()

    changes = {"text_reminder_number": ["", "+49"]}
    assert to_slack.deliver(kind="updated", event_id=2, changes=changes) == Skip(
        reason="already equal"
    )


@pytest.mark.parametrize("look_first", [True, False])
def test_a_deleted_card_is_replaced(to_slack, look_first):
    to_slack.deliver()
    to_slack.server.state.slack.messages[CHANNEL_ID].clear()

    to_slack.deliver(
        moved(make_meeting(), days=1), kind="rescheduled", event_id=2, look_first=look_first
    )

    (card,) = cards(to_slack)
    assert to_slack.task().record("message", "#sales").remote_id == card["ts"]
    assert len(replies(to_slack)) == 1


@pytest.mark.parametrize("code", ["cant_update_message", "edit_window_closed"])
def test_a_card_that_may_not_be_changed_is_replaced(to_slack, code):
    to_slack.deliver()
    to_slack.break_request("slack_error", match=UPDATE, code=code)

    to_slack.deliver(make_meeting(name="Other"), kind="updated", event_id=2)

    assert len(cards(to_slack)) == 2
    assert to_slack.task().record("message", "#sales").remote_id == cards(to_slack)[1]["ts"]


def test_a_line_whose_answer_was_lost_is_not_written_twice(to_slack):
    to_slack.deliver()
    later = moved(make_meeting(), days=1)
    to_slack.break_request("drop_after", match=REPLY)

    with pytest.raises(TemporaryError) as caught:
        to_slack.deliver(later, kind="rescheduled", event_id=2)
    to_slack.deliver(later, kind="rescheduled", event_id=2, look_first=True)

    assert caught.value.ambiguous
    assert len(replies(to_slack)) == 1


def test_a_lost_card_is_found_among_many_messages(to_slack):
    to_slack.break_request("drop_after", match=POST)
    with pytest.raises(TemporaryError):
        to_slack.deliver()
    workspace = to_slack.server.state.slack
    for number in range(450):
        workspace.post(CHANNEL_ID, {"text": f"chatter {number}"})

    to_slack.deliver(look_first=True)

    assert calls(to_slack, "chat.postMessage") == 1
    assert calls(to_slack, "conversations.history") == 3


def test_a_failed_look_up_posts_nothing(to_slack):
    to_slack.break_request("error", match={"path_contains": "conversations.history"}, status=500)

    with pytest.raises(TemporaryError):
        to_slack.deliver(look_first=True)

    assert slack_messages(to_slack.server) == []


def test_the_channel_may_be_given_by_id(to_slack):
    to_slack.options = {"channel": CHANNEL_ID}

    to_slack.deliver()

    assert len(cards(to_slack)) == 1


def test_two_rules_for_two_channels_keep_two_cards(to_slack):
    to_slack.deliver()
    to_slack.options = {"channel": "#consulting"}
    to_slack.deliver(event_id=1)

    assert len(slack_messages(to_slack.server)) == 1
    assert len(slack_messages(to_slack.server, "C0CONSULT")) == 1


@pytest.mark.parametrize("channel", ["#public-not-joined", "C0PUBLIC1"])
def test_a_public_channel_is_joined(to_slack, channel):
    to_slack.options = {"channel": channel}

    to_slack.deliver()

    assert len(slack_messages(to_slack.server, "C0PUBLIC1")) == 1
    assert calls(to_slack, "conversations.join") == 1


def test_a_channel_that_cannot_be_joined_needs_an_invitation(to_slack):
    to_slack.break_request(
        "slack_error",
        match={"path_contains": "conversations.join"},
        code="method_not_supported_for_channel_type",
    )
    to_slack.options = {"channel": "C0PUBLIC1"}

    with pytest.raises(RuleError, match="not_in_channel") as caught:
        to_slack.deliver()

    assert "/invite" in caught.value.hint


def test_a_join_that_fails_for_now_is_tried_again(to_slack):
    to_slack.break_request("error", match={"path_contains": "conversations.join"}, status=503)
    to_slack.options = {"channel": "C0PUBLIC1"}

    with pytest.raises(TemporaryError):
        to_slack.deliver()


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("C0ARCHIVE", "is_archived"),
        ("#archived", "is_archived"),
        ("C0PRIVATE", "channel_not_found"),
        ("#no-such-channel", "channel_not_found"),
    ],
)
def test_a_channel_that_keeps_us_out_is_the_rules_fault(to_slack, channel, code):
    to_slack.options = {"channel": channel}

    with pytest.raises(DeadTargetError, match=code) as caught:
        to_slack.deliver()

    assert caught.value.hint


def test_a_name_that_slack_does_not_list_is_the_rules_fault(to_slack):
    to_slack.options = {"channel": "#no-such-channel"}

    with pytest.raises(RuleError, match="lists no public channel"):
        to_slack.deliver(look_first=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"channel": "sales"},
        {"channel": "#a b"},
        {"channel": "@ida"},
        {"channel": "#sales", "mask": 1},
    ],
)
def test_wrong_options_are_the_rules_fault(to_slack, options):
    to_slack.options = options

    with pytest.raises(RuleError) as caught:
        to_slack.plan()

    assert "Open the rule" in caught.value.hint


def test_a_refused_layout_is_posted_as_words(to_slack):
    to_slack.break_write("slack_error", code="invalid_blocks")

    to_slack.deliver()

    (card,) = cards(to_slack)
    assert "blocks" not in card
    assert card["text"].startswith("Booked: Product demo")


def test_words_refused_too_need_a_person(to_slack):
    to_slack.break_write("slack_error", times=2, code="msg_too_long")

    with pytest.raises(PermanentError, match="msg_too_long"):
        to_slack.deliver()

    assert calls(to_slack, "chat.postMessage") == 2


def test_a_missing_scope_needs_a_person(to_slack):
    to_slack.break_write("slack_error", code="missing_scope")

    with pytest.raises(ConfigurationError) as caught:
        to_slack.deliver()

    assert "scope" in caught.value.hint


def test_a_link_that_cannot_be_had_does_no_harm(to_slack):
    to_slack.break_request("drop_before", match={"path_contains": "chat.getPermalink"})

    to_slack.deliver()

    record = to_slack.task().record("message", "#sales")
    assert record
    assert record.url == ""


@pytest.mark.parametrize("letter", ["a", "&", "🙂", "<"])
def test_slack_takes_the_largest_meeting(to_slack, letter):
    huge = letter * 3_000
    meeting = make_meeting(
        name=huge, invitee_name=huge, location_text=huge, is_canceled=True, canceled_by=huge,
        cancel_reason=huge, answers=tuple(Answer(question=huge, answer=huge) for _ in range(100)),
    )  # fmt: skip
    to_slack.options = {"channel": "#sales", "show_answers": True, "mask_email": False}

    to_slack.deliver(meeting)

    assert calls(to_slack, "chat.postMessage") == 1
    assert cards(to_slack)[0]["blocks"]


def test_the_plan_says_in_words_what_will_happen(to_slack):
    decision = to_slack.plan()

    assert isinstance(decision, Send)
    assert decision.summary == "Post the card in #sales."


def test_masked_addresses_stay_out_of_what_is_sent(to_slack):
    to_slack.deliver()

    (sent,) = to_slack.server.requests(service="slack", path_contains="chat.postMessage")
    assert "ida@customer.example" not in json.dumps(sent.body)


def test_the_check_names_workspace_and_bot_and_what_it_may_do(to_slack):
    connector = to_slack.connector()

    checked = connector.check()

    assert checked.summary == "Connected to Harbor Consulting as calsync."
    assert checked.profile
    assert (checked.profile.organization_name, checked.profile.user_name) == (
        "Harbor Consulting",
        "calsync",
    )
    assert checked.profile.missing == ()
    assert all(item.ok for item in connector.requirements)
    assert {"chat:write", "im:write"} <= {item.name for item in connector.requirements}


def test_a_scope_that_is_missing_is_named_with_what_to_do(to_slack):
    to_slack.server.state.config.slack_scopes = "chat:write,channels:read, channels:join"
    connector = to_slack.connector()

    checked = connector.check()

    assert checked.summary.endswith("It lacks the scopes channels:history.")
    assert checked.profile
    assert checked.profile.missing == ("channels:history",)
    (lacking,) = (item for item in connector.requirements if not item.ok)
    assert lacking.name == "channels:history"
    assert "install the app again" in lacking.hint
    (direct,) = (item for item in connector.requirements if item.name == "im:write")
    assert "Not granted" in direct.detail


def test_a_bot_that_may_not_post_fails_the_check_and_the_scopes_are_shown(to_slack):
    to_slack.server.state.config.slack_scopes = "channels:read"
    connector = to_slack.connector()

    with pytest.raises(ConfigurationError, match="chat:write") as caught:
        connector.check()

    assert "Bot Token Scopes" in caught.value.hint
    assert sum(not item.ok for item in connector.requirements) == 3
