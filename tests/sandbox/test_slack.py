"""The sandbox's Slack works with Slack's own client."""

import json
import threading
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from integrations.sandbox.control_client_base import SandboxControlError

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


APP = {"client_id": "sandbox-slack-client", "client_secret": "sandbox-slack-secret"}
BACK = "http://127.0.0.1:9/back"


def installed(sandbox, **query):
    """Return what the browser brings back from the page that asks."""
    usual = {"client_id": APP["client_id"], "scope": "chat:write,users:read", "redirect_uri": BACK}
    answer = requests.get(
        f"{sandbox.url}/slack/oauth/v2/authorize", params={**usual, "state": "s", **query},
        allow_redirects=False, timeout=5,
    )  # fmt: skip
    return dict(parse_qsl(urlsplit(answer.headers.get("Location", "")).query)) or answer.text


def test_installing_the_app_gives_a_token_with_the_scopes_asked_for(slack, sandbox):
    code = installed(sandbox)["code"]

    made = slack.oauth_v2_access(**APP, code=code, redirect_uri=BACK)

    other = WebClient(made["access_token"], base_url=f"{sandbox.url}/slack/api/")
    answer = other.auth_test()
    assert answer.headers["X-OAuth-Scopes"] == made["scope"] == "chat:write,users:read"
    assert "email" not in other.users_info(user="U0OLIVIA1")["user"]["profile"]
    assert "email" in slack.users_info(user="U0OLIVIA1")["user"]["profile"]


def test_a_code_is_good_once_and_for_its_address(slack, sandbox):
    spent, other = installed(sandbox)["code"], installed(sandbox)["code"]
    slack.oauth_v2_access(**APP, code=spent)

    assert error(slack.oauth_v2_access, **APP, code=spent) == "invalid_code"
    assert error(slack.oauth_v2_access, **APP, code=other, redirect_uri="http://x") == "bad_redirect_uri"  # fmt: skip


@pytest.mark.parametrize(
    ("app", "refusal"),
    [({"client_id": "x"}, "invalid_client_id"), ({"client_secret": "x"}, "bad_client_secret")],
)
def test_another_app_gets_nothing(slack, sandbox, app, refusal):
    code = installed(sandbox)["code"]

    assert error(slack.oauth_v2_access, **{**APP, **app}, code=code) == refusal


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"client_id": "x"}, "invalid_client_id"),
        ({"scope": ""}, "invalid_scope"),
        ({"redirect_uri": "javascript:alert(1)"}, "bad_redirect_uri"),
        ({"consent": "deny"}, {"error": "access_denied", "state": "s"}),
    ],
)
def test_what_is_wrongly_asked_or_declined_gives_no_code(sandbox, query, answer):
    assert installed(sandbox, **query) == answer


def test_a_revoked_token_is_refused(slack, sandbox):
    made = slack.oauth_v2_access(**APP, code=installed(sandbox)["code"])
    other = WebClient(made["access_token"], base_url=f"{sandbox.url}/slack/api/")

    assert other.auth_revoke()["revoked"]
    assert error(other.auth_test) == "invalid_auth"


def test_a_method_wants_its_scope(slack, control):
    control.settings(slack_scopes="chat:write")

    with pytest.raises(SlackApiError) as caught:
        slack.users_info(user="U0OLIVIA1")

    assert caught.value.response["error"] == "missing_scope"
    assert caught.value.response["needed"] == "users:read"


def button(**more):
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, "action_id": "go", "value": "7", **more}  # fmt: skip


@pytest.fixture
def app():
    """An app that takes presses at a port of its own, and what it got."""
    got = []

    @Request.application
    def take(request):
        got.append((request.get_data(), dict(request.headers)))
        return Response("ok", status=200)

    server = make_server("127.0.0.1", 0, take, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/press", got
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def pressed(slack, control, app):
    """A message whose button was pressed, and what the app got."""
    url, got = app
    control.settings(slack_interactivity_url=url)
    blocks = [{"type": "actions", "elements": [button()]}]
    made = slack.chat_postMessage(channel=SALES, text="x", blocks=blocks)
    assert control.slack_press("#sales", made["ts"], "go") == {"status": 200, "answer": "ok"}
    ((body, headers),) = got
    return body, headers, json.loads(parse_qs(body.decode())["payload"][0])


def test_a_press_is_signed_as_slack_signs(pressed):
    body, headers, payload = pressed

    verifier = SignatureVerifier("sandbox-slack-signing-secret")
    assert verifier.is_valid_request(body, headers)
    assert payload["actions"][0]["value"] == "7"
    assert payload["user"]["id"] == "U0OLIVIA1"
    assert payload["team"]["id"] == "T0SANDBOX"


def test_a_press_is_answered_five_times_and_seen_by_one(pressed, control):
    url = pressed[2]["response_url"]
    answers = [requests.post(url, json={"text": f"n{n}"}, timeout=5).status_code for n in range(6)]

    assert answers == [200] * 5 + [404]
    assert [row["text"] for row in control.slack_whispers("U0OLIVIA1")] == ["n0", "n1", "n2", "n3", "n4"]  # fmt: skip
    assert control.slack_whispers("U0ADAM001") == []
    assert requests.post(f"{url}x", json={"text": "x"}, timeout=5).status_code == 404
    assert len(control.slack_messages("#sales")) == 1


def test_the_same_press_can_come_twice(slack, control, app):
    url, got = app
    control.settings(slack_interactivity_url=url)
    made = slack.chat_postMessage(channel=SALES, text="x", blocks=[{"type": "actions", "elements": [button()]}])  # fmt: skip

    control.slack_press(SALES, made["ts"], "go", times=2)

    assert got[0][0] == got[1][0]


def test_what_cannot_be_pressed_is_told(slack, control, app):
    made = slack.chat_postMessage(channel=SALES, text="x")
    with pytest.raises(SandboxControlError, match="interactivity_is_off"):
        control.slack_press(SALES, made["ts"], "go")
    control.settings(slack_interactivity_url=app[0])

    with pytest.raises(SandboxControlError, match="button_not_found"):
        control.slack_press(SALES, made["ts"], "go")
    with pytest.raises(SandboxControlError, match="user_not_found"):
        control.slack_press(SALES, made["ts"], "go", user="U0NOBODY")


def test_an_app_that_is_away_is_told(slack, control):
    control.settings(slack_interactivity_url="http://127.0.0.1:9/press")
    made = slack.chat_postMessage(channel=SALES, text="x", blocks=[{"type": "actions", "elements": [button()]}])  # fmt: skip

    assert control.slack_press(SALES, made["ts"], "go")["status"] == 0


@pytest.mark.parametrize(
    "elements",
    [
        [button(), button()],
        [button(confirm={"title": {"type": "plain_text", "text": "x"}})],
        [button(confirm={part: {"type": "plain_text", "text": "x" * 101} for part in ("title", "text", "confirm", "deny")})],
        [button(value="x" * 2001)],
    ],
)  # fmt: skip
def test_buttons_that_break_the_rules_are_refused(slack, elements):
    blocks = [{"type": "actions", "elements": elements}]

    assert error(slack.chat_postMessage, channel=SALES, text="x", blocks=blocks) == "invalid_blocks"


def test_an_ephemeral_message_is_seen_by_one_member(slack, control):
    slack.chat_postEphemeral(channel=SALES, user="U0ADAM001", text="psst")

    (shown,) = control.slack_whispers()
    assert (shown["user"], shown["text"], shown["channel"]) == ("U0ADAM001", "psst", SALES)
    assert error(slack.chat_postEphemeral, channel=SALES, user="U0NOBODY", text="x") == "user_not_in_channel"  # fmt: skip
    assert control.slack_messages("#sales") == []


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


def test_a_webhook_whose_app_is_gone_takes_no_message(sandbox, control):
    control.add_fault("slack", "token_revoked")
    url = f"{sandbox.url}/slack/services/T0SANDBOX/B0HOOK001/sandbox-sales"

    answer = requests.post(url, data='{"text": "hi"}', timeout=5)

    assert (answer.status_code, answer.text) == (403, "invalid_token")
    assert control.slack_messages() == []


def test_a_webhooks_chosen_error_is_in_words_too(sandbox, control):
    control.add_fault("slack", "slack_error", times=2, code="no_active_hooks")
    url = f"{sandbox.url}/slack/services/T0SANDBOX/B0HOOK001/sandbox-sales"

    answer = requests.post(url, data='{"text": "hi"}', timeout=5)

    assert (answer.status_code, answer.text) == (404, "no_active_hooks")


def test_every_answer_to_a_token_says_what_it_may_do(slack, control):
    control.settings(slack_scopes="chat:write,im:write")

    assert slack.auth_test().headers["X-OAuth-Scopes"] == "chat:write,im:write"


def test_a_line_in_a_thread_may_be_shown_in_the_channel_too(slack):
    made = slack.chat_postMessage(channel=SALES, text="card")
    slack.chat_postMessage(channel=SALES, text="quiet", thread_ts=made["ts"])
    slack.chat_postMessage(channel=SALES, text="loud", thread_ts=made["ts"], reply_broadcast=True)

    shown = [row["text"] for row in slack.conversations_history(channel=SALES)["messages"]]

    assert shown == ["loud", "card"]
