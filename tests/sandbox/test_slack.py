"""The sandbox's Slack works with Slack's own client."""

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

SALES = "C0SALES01"


@pytest.fixture
def slack(sandbox):
    return WebClient("xoxb-sandbox", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])


def section(text="hello"):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def error(call, **args):
    with pytest.raises(SlackApiError) as caught:
        call(**args)
    return caught.value.response["error"]


def test_the_token_is_known(slack, sandbox):
    assert slack.auth_test()["bot_id"]
    stranger = WebClient("xoxb-no", base_url=f"{sandbox.url}/slack/api/", retry_handlers=[])
    assert error(stranger.auth_test) == "invalid_auth"


def test_a_message_is_posted_changed_answered_and_deleted(slack, control):
    made = slack.chat_postMessage(channel="#sales", text="new", blocks=[section()])
    reply = slack.chat_postMessage(channel=SALES, text="moved", thread_ts=made["ts"])
    slack.chat_update(channel=SALES, ts=made["ts"], text="changed", blocks=[section("x")])

    thread = slack.conversations_replies(channel=SALES, ts=made["ts"])["messages"]
    assert [row["text"] for row in thread] == ["changed", "moved"]
    assert thread[0]["reply_count"] == 1
    assert [row["ts"] for row in slack.conversations_history(channel=SALES)["messages"]] == [
        made["ts"]
    ]
    assert made["ts"] != reply["ts"]
    slack.chat_delete(channel=SALES, ts=reply["ts"])
    assert len(control.slack_messages("#sales")) == 1


def test_metadata_comes_back_only_on_request(slack):
    metadata = {"event_type": "delivery", "event_payload": {"delivery_id": "7"}}
    made = slack.chat_postMessage(channel=SALES, text="x", metadata=metadata)

    plain = slack.conversations_history(channel=SALES)["messages"][0]
    full = slack.conversations_history(
        channel=SALES, include_all_metadata=True, oldest=made["ts"], inclusive=True, limit=20
    )["messages"][0]

    assert "metadata" not in plain
    assert full["metadata"] == metadata


def test_history_is_cut_into_pages_from_the_newest(slack):
    stamps = [slack.chat_postMessage(channel=SALES, text=str(n))["ts"] for n in range(3)]

    first = slack.conversations_history(channel=SALES, limit=2)
    cursor = first["response_metadata"]["next_cursor"]
    second = slack.conversations_history(channel=SALES, limit=2, cursor=cursor)

    assert [row["ts"] for row in first["messages"]] == stamps[:0:-1]
    assert first["has_more"]
    assert [row["ts"] for row in second["messages"]] == stamps[:1]
    newer = slack.conversations_history(channel=SALES, oldest=stamps[1])["messages"]
    assert [row["ts"] for row in newer] == stamps[2:]


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("C000", "channel_not_found"),
        ("#archived", "is_archived"),
        ("#public-not-joined", "not_in_channel"),
        ("#private-not-joined", "channel_not_found"),
    ],
)
def test_some_channels_take_no_message(slack, channel, code):
    assert error(slack.chat_postMessage, channel=channel, text="x") == code


def test_joining_a_public_channel_opens_it(slack):
    slack.conversations_join(channel="C0PUBLIC1")

    assert slack.chat_postMessage(channel="C0PUBLIC1", text="x")["ok"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({}, "no_text"),
        ({"text": "x" * 40001}, "msg_too_long"),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section()] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "blocks": [{"type": "dance"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": "{"}, "invalid_blocks_format"),
        ({"text": "x", "metadata": {"event_type": "y"}}, "invalid_metadata_format"),
    ],
)
def test_a_bad_message_is_refused_with_its_code(sandbox, content, code):
    answer = requests.post(
        f"{sandbox.url}/slack/api/chat.postMessage",
        json={"channel": SALES, **content},
        headers={"Authorization": "Bearer xoxb-sandbox"},
        timeout=5,
    )

    assert (answer.status_code, answer.json()["error"]) == (200, code)


def test_only_its_own_messages_can_be_changed(slack, control):
    said = control.slack_say("sales", "hello")

    assert error(slack.chat_update, channel=SALES, ts="1.000001", text="x") == "message_not_found"
    assert error(slack.chat_update, channel=SALES, ts=said["ts"], text="x") == "cant_update_message"


def test_a_deleted_message_cannot_be_changed(slack, control):
    made = slack.chat_postMessage(channel=SALES, text="x")
    control.slack_remove("sales", made["ts"])

    assert error(slack.chat_update, channel=SALES, ts=made["ts"], text="x") == "message_not_found"


def test_people_are_found_by_address_and_written_to(slack):
    found = slack.users_lookupByEmail(email="Adam@harbor.example")["user"]
    direct = slack.conversations_open(users=found["id"])["channel"]["id"]

    assert slack.chat_postMessage(channel=direct, text="psst")["channel"] == direct
    assert slack.users_info(user=found["id"])["user"]["name"] == "adam"
    assert error(slack.users_lookupByEmail, email="no@x.example") == "users_not_found"


def test_private_channels_of_others_are_not_listed(slack):
    rows = slack.conversations_list(types="public_channel,private_channel")["channels"]
    open_rows = slack.conversations_list(exclude_archived=True)["channels"]

    assert "private-not-joined" not in [row["name"] for row in rows]
    assert "archived" not in [row["name"] for row in open_rows]


def test_a_message_has_an_address(slack):
    made = slack.chat_postMessage(channel=SALES, text="x")

    link = slack.chat_getPermalink(channel=SALES, message_ts=made["ts"])["permalink"]

    assert link.endswith(f"/{SALES}/p{made['ts'].replace('.', '')}")


def test_installing_the_app_gives_a_token(slack, sandbox):
    back = requests.get(
        f"{sandbox.url}/slack/oauth/v2/authorize",
        params={"redirect_uri": "http://127.0.0.1:9/back", "state": "s"},
        allow_redirects=False,
        timeout=5,
    ).headers["Location"]
    code = back.partition("code=")[2].partition("&")[0]

    made = slack.oauth_v2_access(
        client_id="sandbox-slack-client", client_secret="sandbox-slack-secret", code=code
    )

    other = WebClient(made["access_token"], base_url=f"{sandbox.url}/slack/api/")
    assert other.auth_test()["ok"]


def test_one_message_a_second_and_channel_when_switched_on(slack, control):
    control.settings(slack_channel_limit=True)
    slack.chat_postMessage(channel=SALES, text="x")

    with pytest.raises(SlackApiError) as caught:
        slack.chat_postMessage(channel=SALES, text="y")

    assert caught.value.response.status_code == 429
    assert caught.value.response.headers["Retry-After"] == "1"
    assert slack.chat_postMessage(channel="C0RECRUIT", text="z")["ok"]


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("T0SANDBOX/B0HOOK001/sandbox-sales", '{"text": "hi"}', 200, "ok"),
        ("T0SANDBOX/B0HOOK001/wrong", '{"text": "hi"}', 404, "no_service"),
        ("T0SANDBOX/B0HOOK003/sandbox-archived", '{"text": "hi"}', 410, "channel_is_archived"),
        ("T0SANDBOX/B0HOOK001/sandbox-sales", "text", 400, "invalid_payload"),
        ("T0SANDBOX/B0HOOK001/sandbox-sales", "{}", 400, "no_text"),
    ],
)
def test_an_incoming_webhook_answers_in_plain_text(sandbox, path, body, status, text):
    answer = requests.post(f"{sandbox.url}/slack/services/{path}", data=body, timeout=5)

    assert (answer.status_code, answer.text) == (status, text)
