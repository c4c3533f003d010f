"""Notices in Slack: drawn within its limits, told once, found again, and safe whatever a value holds."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from integrations.connectors.base import Notice, NoticeLine, NoticeSection
from integrations.connectors.slack.buttons import acknowledge_button
from integrations.connectors.slack.notice import draw_notice
from integrations.errors import ConfigurationError, RuleError, TemporaryError, ThrottledError
from integrations.http import NOT_SENT
from integrations.sandbox.slack import blocks as rules
from tests.connectors.harnesses.slack import CHANNEL_ID, slack_messages
from tests.connectors.test_slack_injection import ATTACKS, HIDDEN, OURS

AT = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
POST = {"path_contains": "/chat.postMessage"}
WHERE = {"channel": "#sales"}
EVIL = "<!channel> <@U1> <#C1> <http://evil.example|bank> & <!subteam^S1> @here\n\u202eend"
LINE = NoticeLine(text="Product demo with Ida", url="https://calsync.example/1", at=AT, detail="Host: Hannah · https://zoom.example/j/1")  # fmt: skip


def make_notice(*lines, key="7:agenda:2026-12-01", **more):
    section = NoticeSection(heading="Meetings", lines=lines or (LINE,))
    given = {"title": "One meeting", "sections": (section,), "url": "https://calsync.example/"}
    return Notice(key=key, **{**given, **more})


def button(delivery_ids):
    element = {"type": "button", "text": {"type": "plain_text", "text": "Acknowledge"}}
    return {**element, "action_id": "acknowledge", "value": json.dumps(delivery_ids)}


def marked_texts(message):
    """Every text that Slack reads for links and mentions, and the words for notifications."""
    found, rest = [message.text], list(message.blocks)
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            if item.get("type") == "mrkdwn":
                found.append(item["text"])
            rest.extend(item.values())
        elif isinstance(item, list | tuple):
            rest.extend(item)
    return found


def check(message):
    """Judge a message as Slack's SDK and the sandbox do."""
    for block in Block.parse_all([dict(block) for block in message.blocks]):
        block.validate_json()
    rules.checked([dict(block) for block in message.blocks])
    assert len(message.text) <= 10_000


def test_a_notice_has_a_header_sections_lines_and_a_link_to_more():
    message = draw_notice(make_notice())

    header, section, tail = message.blocks
    assert header["text"]["text"] == "One meeting"
    assert section["text"]["text"] == (
        f"*Meetings*\n• <!date^{int(AT.timestamp())}^{{date_long_pretty}} {{time}}|Tue, 01 Dec 2026 09:00 UTC>  "
        "<https://calsync.example/1|Product demo with Ida>\n"
        "    Host: Hannah · <https://zoom.example/j/1|https://zoom.example/j/1>"
    )
    assert tail["elements"][0]["text"] == "<https://calsync.example/|Open in Calsync>"
    assert message.text == "One meeting. Product demo with Ida"
    check(message)


def test_no_value_mentions_anybody_or_hides_a_link():
    line = NoticeLine(
        text=EVIL, url="javascript:alert(1)", detail=f"{EVIL} https://ok.example/<!here>|x"
    )
    message = draw_notice(
        make_notice(line, NoticeLine(text=EVIL, url=f"https://x.example/{EVIL}"), title=EVIL, url=EVIL,
                    sections=(NoticeSection(heading=EVIL, lines=(line,)),))
    )  # fmt: skip

    for text in marked_texts(message):
        for opened in text.split("<")[1:]:
            assert opened.startswith(
                ("https://ok.example/&lt;!here&gt;%7Cx|", "https://x.example/")
            )
    assert "\u202e" not in json.dumps(message.blocks, ensure_ascii=False)
    check(message)


def test_a_button_stands_beside_what_can_be_acknowledged():
    lines = (LINE, NoticeLine(text="2 at Slack: is_archived", acknowledges=(4, 5)), LINE)

    drawn = draw_notice(make_notice(*lines), button=button)
    plain = draw_notice(make_notice(*lines))

    sections = [block for block in drawn.blocks if block["type"] == "section"]
    assert [block.get("accessory", {}).get("value") for block in sections] == [None, "[4, 5]", None]
    assert len([block for block in plain.blocks if block["type"] == "section"]) == 1
    check(drawn)


def test_the_buttons_of_ten_causes_leave_room_for_every_line():
    lines = [
        NoticeLine(text=f"20 at Slack: cause {number} {'x' * 150}", detail="Mend it. " * 8, url="https://calsync.example/1",
                   acknowledges=tuple(10**8 + 20 * number + n for n in range(20)))
        for number in range(10)
    ]  # fmt: skip

    message = draw_notice(make_notice(*lines), button=acknowledge_button)

    assert sum("accessory" in block for block in message.blocks) == 10
    check(message)


def test_a_long_line_is_not_cut_to_the_length_of_a_link(to_slack):
    cause = "Slack answered chat.postMessage with restricted_action because the channel takes posts of its owners alone."

    message = draw_notice(make_notice(NoticeLine(text=cause, url="https://calsync.example/1")))

    assert cause in str(message.blocks)


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_strangers_words_are_harmless_wherever_they_stand(attack):
    """Names, event types, and the errors that providers answer with."""
    said = ATTACKS[attack]
    lines = (
        NoticeLine(text=f"{said} with {said}", detail=f"Host: {said} · {said}", at=AT, url="https://calsync.example/1"),
        NoticeLine(text=said, detail=said, acknowledges=(1,)),
    )  # fmt: skip
    notice = make_notice(title=said, sections=(NoticeSection(heading=said, lines=lines),))

    message = draw_notice(notice, button=acknowledge_button)

    for text in [*marked_texts(message)]:
        rest = OURS.sub("", text)
        rest = re.sub(r"^\*(.*)\*$", r"\1", rest, flags=re.MULTILINE)  # our heading
        assert not set(rest) & set("<>*~`")
        assert not re.search(r"(?<!\w)_|_(?!\w)", rest)
        assert not re.search(r"&(?!amp;|lt;|gt;)", rest)
        assert not HIDDEN.search(rest)
    check(message)


@pytest.mark.parametrize("with_button", [True, False])
def test_what_has_no_room_is_counted(with_button):
    lines = [NoticeLine(text=f"Meeting {number} {'x' * 120}", acknowledges=(number,)) for number in range(200)]  # fmt: skip

    message = draw_notice(make_notice(*lines), button=button if with_button else None)

    shown = sum(text.count("Meeting ") for text in marked_texts(message)[1:])
    (left,) = (
        element["text"]
        for block in message.blocks if block["type"] == "context"
        for element in block["elements"] if element["type"] == "plain_text"
    )  # fmt: skip
    assert 0 < shown < 200
    assert left == f"and {200 - shown} more"
    check(message)


texts = st.text(st.sampled_from("<>&|*_`~@# \n\u202ea€😀"), max_size=900)
lines = st.builds(
    NoticeLine, text=texts, detail=texts, url=st.one_of(st.just(""), texts.map(lambda tail: f"https://x.example/{tail}")),
    at=st.one_of(st.none(), st.just(AT)), acknowledges=st.sampled_from([(), (1, 2)]),
)  # fmt: skip
sections = st.builds(NoticeSection, heading=texts, lines=st.lists(lines, max_size=20).map(tuple))


@given(title=texts, sections=st.lists(sections, max_size=5).map(tuple), url=texts)
def test_any_notice_is_one_that_slack_takes(title, sections, url):
    notice = Notice(key="k", title=title, sections=sections, url=url)

    for made in (draw_notice(notice), draw_notice(notice, button=button)):
        check(made)


# --- against the sandbox ---


def notify(driver, notice=None, *, options=WHERE, look_first=False, dry_run=False):
    return driver.connector(dry_run=dry_run).notify(
        notice or make_notice(), options=options, look_first=look_first
    )


def test_a_notice_is_posted_with_its_key_and_linked(to_slack):
    record = notify(to_slack)

    (message,) = slack_messages(to_slack.server)
    assert message["metadata"]["event_payload"] == {"notice": "7:agenda:2026-12-01"}
    assert (record.remote_id, record.object_type) == (message["ts"], "message")
    assert record.url.startswith("http")
    (sent,) = to_slack.server.requests(service="slack", path_contains="chat.postMessage")
    assert (sent.body["unfurl_links"], sent.body["link_names"]) == (False, False)


def test_after_a_lost_answer_it_looks_and_does_not_post_again(to_slack):
    to_slack.break_request("drop_after", match=POST)
    with pytest.raises(TemporaryError) as caught:
        notify(to_slack)
    assert caught.value.ambiguous
    assert len(slack_messages(to_slack.server)) == 1

    record = notify(to_slack, look_first=True)

    (message,) = slack_messages(to_slack.server)
    assert record.remote_id == message["ts"]


def test_looking_first_posts_what_is_not_there(to_slack):
    notify(to_slack, make_notice(key="7:agenda:2026-11-30"))

    notify(to_slack, look_first=True)

    assert len(slack_messages(to_slack.server)) == 2


def test_a_look_that_fails_is_not_a_message_that_is_missing(to_slack):
    to_slack.break_request("error", match={"path_contains": "conversations.history"}, status=500)

    with pytest.raises(TemporaryError):
        notify(to_slack, look_first=True)

    assert slack_messages(to_slack.server) == []


@pytest.mark.parametrize(
    ("channel", "error"),
    [("#nowhere", RuleError), ("#archived", RuleError), ("C0PRIVATE", RuleError), ("sales", RuleError)],
)  # fmt: skip
def test_a_channel_that_cannot_be_told_says_so(to_slack, channel, error):
    with pytest.raises(error) as caught:
        notify(to_slack, options={"channel": channel})

    assert caught.value.hint


def test_a_refused_token_is_the_connections_fault(to_slack):
    to_slack.secrets["bot_token"] = "xoxb-wrong"

    with pytest.raises(ConfigurationError):
        notify(to_slack)


def test_slack_may_ask_to_wait(to_slack):
    to_slack.break_request("rate_limited", match=POST, retry_after=7)

    with pytest.raises(ThrottledError) as caught:
        notify(to_slack)

    assert caught.value.retry_after == 7


def test_a_dry_run_posts_nothing(to_slack):
    notify(to_slack, dry_run=True)

    assert slack_messages(to_slack.server) == []
    assert [one["error"] for one in to_slack.recorder.exchanges if "postMessage" in one["url"]] == [NOT_SENT]  # fmt: skip


def test_the_longest_notice_is_taken(to_slack):
    lines = [NoticeLine(text=f"Meeting {number} & {'<' * 250}", detail="&" * 500) for number in range(60)]  # fmt: skip

    notify(to_slack, make_notice(*lines))

    (message,) = slack_messages(to_slack.server, CHANNEL_ID)
    assert len(message["blocks"]) > 3
