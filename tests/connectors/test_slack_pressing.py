"""Presses of Slack's buttons: what is believed, what is read of them, and what a button carries. Pure."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from integrations.connectors.base import UnsignedError
from integrations.connectors.slack.buttons import (
    acknowledge_button,
    draw_buttons,
    read_button,
)
from integrations.connectors.slack.card import draw_card
from integrations.connectors.slack.connector import SlackConnector
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.pressing import presser_of
from integrations.http import Recorder
from integrations.models import Account
from integrations.sandbox.slack.presses import sign
from tests.connectors.builders import make_meeting

NOW = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
STAMP = "X-Slack-Request-Timestamp"
SIGNATURE = "X-Slack-Signature"
PAYLOAD = {
    "type": "block_actions",
    "trigger_id": "1.2.abc",
    "team": {"id": "T1"},
    "user": {"id": "U1", "name": "olivia", "team_id": "T1"},
    "channel": {"id": "C1"},
    "container": {"message_ts": "1.2", "channel_id": "C1"},
    "response_url": "https://hooks.slack.com/actions/T1/1/x",
    "actions": [{"action_id": "calsync:mark_no_show", "value": "17", "action_ts": "9.1"}],
}


def body_of(payload, **more):
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return urlencode({"payload": text, **more}).encode()


def connector(**secrets):
    held = {"bot_token": "xoxb-1", "signing_secret": SECRET, **secrets}
    account = Account(connection_id=1, name="Slack", settings={}, secrets=held)
    return SlackConnector(account, recorder=Recorder())


def read(body, *, age=0, **headers):
    signed = sign(body, SECRET, int(NOW.timestamp()) - age)
    given = {name: value for name, value in {**signed, **headers}.items() if value is not None}
    return connector().read_interaction(body, given, now=NOW)


def test_what_slack_signed_is_read():
    press = read(body_of(PAYLOAD))

    assert press
    assert (press.action, press.ids, press.organization) == ("mark_no_show", (17,), "T1")
    assert (press.user_id, press.user_name) == ("U1", "olivia")
    assert press.reply == {
        "response_url": "https://hooks.slack.com/actions/T1/1/x", "channel": "C1", "user": "U1",
    }  # fmt: skip
    assert "hooks.slack.com" not in repr(press)


def test_slacks_own_example_of_a_signature_fits():
    """Source: https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d1"
        b"0d2c447fce8b6703c"
    )
    headers = {
        STAMP: "1531420618",
        SIGNATURE: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    at = datetime.fromtimestamp(1531420618, tz=UTC)

    assert connector().read_interaction(body, headers, now=at) is None
    with pytest.raises(UnsignedError):
        connector().read_interaction(body + b"&x=1", headers, now=at)


@pytest.mark.parametrize(
    "headers",
    [
        {STAMP: None},
        {SIGNATURE: None},
        {STAMP: None, SIGNATURE: None},
        {SIGNATURE: ""},
        {SIGNATURE: "nonsense"},
        {SIGNATURE: "v1=" + "0" * 64},
        {SIGNATURE: "v0=" + "0" * 64},
        {SIGNATURE: "v0=ünïcode"},
        {STAMP: ""},
        {STAMP: "yesterday"},
        {STAMP: "1e9"},
        {STAMP: "nan"},
        {STAMP: "١٢٣"},
        {STAMP: "9" * 400},
        {STAMP: "9" * 5_000},
        {STAMP: str(int(NOW.timestamp()) + 1)},
    ],
)
def test_what_is_not_rightly_signed_is_refused(headers):
    with pytest.raises(UnsignedError):
        read(body_of(PAYLOAD), **headers)


@pytest.mark.parametrize(("age", "is_taken"), [(300, True), (301, False), (-300, True), (-301, False)])  # fmt: skip
def test_a_signature_holds_for_five_minutes_either_way(age, is_taken):
    if is_taken:
        assert read(body_of(PAYLOAD), age=age)
    else:
        with pytest.raises(UnsignedError):
            read(body_of(PAYLOAD), age=age)


def test_another_apps_signature_is_refused():
    body = body_of(PAYLOAD)
    signed = sign(body, "another secret", int(NOW.timestamp()))

    with pytest.raises(UnsignedError):
        connector().read_interaction(body, signed, now=NOW)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(UnsignedError):
        read(b"payload=\xff\xfe")


@pytest.mark.parametrize(
    "payload",
    [
        "", "no json", "[]", "7", "[" * 100_000, {}, {"type": "view_submission"},
        {**PAYLOAD, "type": "shortcut"}, {**PAYLOAD, "actions": []}, {**PAYLOAD, "actions": "x"}, {**PAYLOAD, "actions": [1]},
        {**PAYLOAD, "actions": [{"action_id": "other:thing", "value": "1"}]},
        {**PAYLOAD, "actions": [{"action_id": "calsync:open", "url": "https://x.example"}]},
        {**PAYLOAD, "actions": [{"action_id": 7, "value": "1"}]},
    ],
)  # fmt: skip
def test_what_is_none_of_our_buttons_is_nothing(payload):
    assert read(body_of(payload)) is None


@pytest.mark.parametrize(
    "value",
    ["", "x", "1;2", "-1", "1,", "1 OR 1=1", "٣", "1" * 19, ",".join(["1"] * 1_500), "1\n"],
)
def test_a_value_that_is_no_list_of_ids_names_nothing(value):
    press = read(body_of({**PAYLOAD, "actions": [{"action_id": "calsync:acknowledge:1", "value": value}]}))  # fmt: skip

    assert press
    assert (press.action, press.ids) == ("acknowledge", ())


@pytest.mark.parametrize(
    "changes",
    [{"trigger_id": "1.2.other"}, {"user": {"id": "U2"}}, {"team": {"id": "T2"}}],
)
def test_the_same_press_has_the_same_key_and_another_has_not(changes):
    first, again, other = (
        read(body_of(payload)) for payload in (PAYLOAD, PAYLOAD, {**PAYLOAD, **changes})
    )

    assert first.key == again.key != other.key
    assert len(first.key) <= 64


def test_parts_of_a_wrong_kind_do_no_harm():
    broken = dict.fromkeys(("team", "user", "channel", "container", "response_url", "trigger_id"), 7)  # fmt: skip

    press = read(body_of({**PAYLOAD, **broken}))

    assert press
    assert (press.organization, press.user_id, press.reply) == ("", "", {})


def test_buttons_are_drawn_only_where_a_press_can_be_told_from_a_forgery():
    assert connector().takes_presses
    assert not connector(signing_secret="").takes_presses


def actions(meeting):
    (block,) = draw_buttons(meeting, booking_url="https://calsync.example/b/1")
    return [element["action_id"] for element in block["elements"]]


def test_the_buttons_are_what_can_be_done_about_the_meeting():
    meeting = make_meeting()

    assert actions(meeting) == ["calsync:open", "calsync:mark_no_show"]
    assert actions(replace(meeting, is_no_show=True)) == ["calsync:open", "calsync:unmark_no_show"]
    assert actions(replace(meeting, is_canceled=True)) == ["calsync:open"]


def test_a_no_show_is_asked_for_twice_and_its_removal_is_not():
    (block,) = draw_buttons(make_meeting(), booking_url="")
    (back,) = draw_buttons(replace(make_meeting(), is_no_show=True), booking_url="")

    assert "confirm" in block["elements"][0]
    assert "confirm" not in back["elements"][0]


def test_a_card_has_buttons_last_and_leads_to_calsync_once():
    options = SlackOptions(channel="#sales", show_answers=True)
    url = "https://calsync.example/b/1"

    plain = draw_card(make_meeting(), options=options, booking_url=url)
    pressable = draw_card(make_meeting(), options=options, booking_url=url, buttons=True)

    assert pressable.blocks[-1]["type"] == "actions"
    assert all(block["type"] != "actions" for block in plain.blocks)
    assert str(plain.blocks).count(url) == str(pressable.blocks).count(url) == 1


def test_without_anything_to_do_there_is_no_block():
    assert draw_buttons(replace(make_meeting(), is_canceled=True), booking_url="no url") == []


def test_a_button_carries_back_what_it_was_given():
    meeting = make_meeting()
    (block,) = draw_buttons(meeting, booking_url="")

    assert read_button(block["elements"][0]) == ("mark_no_show", (meeting.chain_id,))
    assert read_button(acknowledge_button([3, 5])) == ("acknowledge", (3, 5))


def test_as_many_deliveries_as_fit_are_acknowledged_with_one_button():
    ids = [10**12 + n for n in range(1_000)]

    button = acknowledge_button(ids)

    asked = read_button(button)
    assert asked
    named = asked[1]
    assert list(named) == ids[: len(named)]
    assert 2_000 - 14 <= len(button["value"]) <= 2_000
    assert button["text"]["text"] == f"Acknowledge {len(named)}"


def test_the_most_that_a_line_acknowledges_fits_whole():
    ids = tuple(10**11 + number for number in range(150))

    assert read_button(acknowledge_button(ids)) == ("acknowledge", ids)


def test_who_pressed_is_known_by_an_address_that_is_vouched_for():
    profile = {"email": "olivia@harbor.example"}
    user = {"id": "U1", "team_id": "T1", "name": "olivia", "real_name": "Olivia", "profile": profile}  # fmt: skip

    assert presser_of({"user": user}).email == "olivia@harbor.example"
    assert presser_of({"user": {**user, "enterprise_user": {"teams": ["T2"]}}}).organizations == {"T1", "T2"}  # fmt: skip
    spoilt: list[dict[str, object]] = [
        {"is_email_confirmed": False}, {"deleted": True}, {"is_bot": True}, {"profile": {}},
    ]  # fmt: skip
    for spoiled in spoilt:
        assert presser_of({"user": {**user, **spoiled}}).email == ""


def test_a_delta_of_time_is_counted_from_the_clock_that_is_given():
    body = body_of(PAYLOAD)
    signed = sign(body, SECRET, int(NOW.timestamp()))

    with pytest.raises(UnsignedError):
        connector().read_interaction(body, signed, now=NOW + timedelta(hours=1))
