"""Slack where there is but an incoming webhook: one message an event, and an address that stays secret."""

import json
import logging

import pytest

from integrations.connectors.base import (
    Applied,
    Link,
    Notice,
    NoticeLine,
    NoticeSection,
    Send,
    Skip,
)
from integrations.connectors.slack.connector import SlackConnector
from integrations.errors import (
    ConfigurationError,
    IntegrationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver
from tests.connectors.harnesses.slack import slack_messages
from tests.connectors.harnesses.slack_webhook import HOOK

HOOKS = {"path_contains": "/services/"}
KEY = HOOK.rpartition("/")[2]


@pytest.fixture
def by_webhook(sandbox):
    return Driver("slack_webhook", sandbox)


def said(driver):
    return [row["text"] for row in slack_messages(driver.server)]


def shown(driver):
    return json.dumps(slack_messages(driver.server)[-1].get("blocks"))


def test_each_event_is_one_message_that_says_what_changed(by_webhook):
    meeting = make_meeting()
    later = moved(meeting, days=1)
    story = [("booked", meeting), ("rescheduled", later), ("canceled", canceled(later))]

    for event_id, (kind, state) in enumerate(story, start=1):
        by_webhook.deliver(state, kind=kind, event_id=event_id)
        by_webhook.deliver(state, kind=kind, event_id=event_id)

    first, second, third = said(by_webhook)
    assert first.startswith("Booked: Product demo - Ida Invitee")
    assert second.startswith("Rescheduled to Wed, 02 Dec 2026 09:00 UTC. Rescheduled: Product demo")
    assert third.startswith("Canceled by Ida Invitee: Ill. Canceled: Product demo")
    assert "Canceled by Ida Invitee: Ill" in shown(by_webhook)
    assert len(by_webhook.requests()) == 3


def test_a_notice_is_posted_without_buttons_and_says_when_it_may_be_there_twice(by_webhook):
    line = NoticeLine(text="2 at Slack: is_archived", acknowledges=(4, 5))
    notice = Notice(key="1:k", title="2 deliveries failed", sections=(NoticeSection(heading="", lines=(line,)),))  # fmt: skip
    by_webhook.secrets["signing_secret"] = "s"
    by_webhook.break_request("drop_after", match=HOOKS)
    connector, options = by_webhook.connector(), {"channel": "#sales"}

    with pytest.raises(TemporaryError) as caught:
        connector.notify(notice, options=options, look_first=False)
    record = connector.notify(notice, options=options, look_first=True)

    assert caught.value.ambiguous
    first, second = (json.dumps(row["blocks"]) for row in slack_messages(by_webhook.server))
    assert "may be here twice" not in first
    assert "may be here twice" in second
    assert "Acknowledge" not in first + second
    assert KEY not in str(record)


def test_a_change_nobody_cares_for_is_no_message_even_when_a_link_is_new(by_webhook):
    by_webhook.deliver()
    link = Link(label="Salesforce: Event", url="https://x.example/1", object_type="Event")

    changes = {"text_reminder_number": ["", "+49"]}
    again = by_webhook.deliver(kind="updated", event_id=2, changes=changes, links=(link,))

    assert again == Skip(reason="already equal")
    assert len(said(by_webhook)) == 1


def test_the_first_message_tells_the_present_state_alone(by_webhook):
    by_webhook.deliver(canceled(make_meeting()), kind="canceled", event_id=7)

    (text,) = said(by_webhook)
    assert text.startswith("Canceled: Product demo")


def test_after_a_lost_answer_it_is_posted_again_with_a_remark(by_webhook):
    by_webhook.break_request("drop_after", match=HOOKS)

    with pytest.raises(TemporaryError) as caught:
        by_webhook.deliver()
    by_webhook.deliver(look_first=True)
    by_webhook.deliver(canceled(make_meeting()), kind="canceled", event_id=2, look_first=True)

    assert caught.value.ambiguous
    remarks = [
        "may be here twice" in json.dumps(row["blocks"])
        for row in slack_messages(by_webhook.server)
    ]
    assert remarks == [False, True, False]


def test_what_was_refused_for_certain_is_posted_without_a_remark(by_webhook):
    by_webhook.break_request("rate_limited", match=HOOKS, retry_after=3)

    with pytest.raises(ThrottledError):
        by_webhook.deliver()
    by_webhook.deliver(look_first=True)

    assert "may be here twice" not in shown(by_webhook)


def test_a_refusal_after_a_lost_answer_does_not_make_the_answer_known(by_webhook):
    by_webhook.break_request("drop_after", match=HOOKS)
    with pytest.raises(TemporaryError):
        by_webhook.deliver()
    by_webhook.break_request("rate_limited", match=HOOKS)
    with pytest.raises(ThrottledError):
        by_webhook.deliver()

    by_webhook.deliver()

    assert "may be here twice" in shown(by_webhook)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("no_service", 404, ConfigurationError),
        ("no_active_hooks", 404, ConfigurationError),
        ("channel_is_archived", 410, ConfigurationError),
        ("action_prohibited", 403, ConfigurationError),
        ("posting_to_general_channel_denied", 403, ConfigurationError),
        ("rollup_error", 500, TemporaryError),
        ("surprise", 403, TemporaryError),
    ],
)
def test_slacks_words_say_what_happens_next(by_webhook, code, status, kind):
    by_webhook.break_request("slack_error", match=HOOKS, code=code, status=status)

    with pytest.raises(IntegrationError, match=code) as caught:
        by_webhook.deliver()

    assert type(caught.value) is kind
    assert caught.value.hint
    assert said(by_webhook) == []


def test_a_webhook_of_an_archived_channel_and_one_that_is_gone_need_a_person(by_webhook):
    url = by_webhook.secrets["webhook_url"]
    for other in ("T0SANDBOX/B0HOOK003/sandbox-archived", "T0SANDBOX/B0HOOK009/gone"):
        by_webhook.secrets = {"webhook_url": url.replace(HOOK, other)}

        with pytest.raises(ConfigurationError):
            by_webhook.connector().check()
        with pytest.raises(ConfigurationError):
            by_webhook.deliver()


def test_a_refused_layout_is_posted_as_words_once(by_webhook):
    by_webhook.break_request("slack_error", match=HOOKS, code="invalid_payload")

    by_webhook.deliver()

    (row,) = slack_messages(by_webhook.server)
    assert "blocks" not in row
    assert len(by_webhook.requests()) == 2


def test_words_refused_too_need_a_person(by_webhook):
    by_webhook.break_request("slack_error", match=HOOKS, times=2, code="invalid_payload")

    with pytest.raises(PermanentError):
        by_webhook.deliver()

    assert len(by_webhook.requests()) == 2
    assert by_webhook.memory.records == ()


@pytest.mark.parametrize("kind", ["drop_before", "error", "slack_error", "token_revoked"])
def test_the_address_is_told_to_nobody(by_webhook, kind, caplog):
    caplog.set_level(logging.DEBUG)
    by_webhook.break_request(kind, match=HOOKS if kind != "token_revoked" else {})

    with pytest.raises(IntegrationError) as caught:
        by_webhook.deliver()

    told = [str(caught.value), repr(caught.value), caught.value.hint, repr(caught.value.__cause__)]
    seen = json.dumps([told, by_webhook.recorder.exchanges, caplog.text], default=str)
    assert KEY not in seen
    assert HOOK not in seen
    assert by_webhook.recorder.exchanges[0]["url"].endswith("/services/[secret]")


def test_the_address_is_in_nothing_that_is_kept(by_webhook):
    by_webhook.deliver()

    kept = json.dumps([by_webhook.recorder.exchanges, *map(repr, by_webhook.memory.records)])
    assert KEY not in kept
    assert KEY not in repr(by_webhook.connector().account)


def test_the_check_names_workspace_and_webhook_and_posts_nothing(by_webhook):
    checked = by_webhook.connector().check()

    assert checked.summary == (
        "The incoming webhook B0HOOK001 of workspace T0SANDBOX takes messages."
    )
    assert checked.profile
    assert checked.profile.organization_uri == "T0SANDBOX"
    assert said(by_webhook) == []


@pytest.mark.parametrize(
    "options",
    [
        {"channel": "@host"},
        {"channel": "#sales", "routes": [{"when": {"team": "A"}, "channel": "#a"}]},
    ],
)
def test_what_a_webhook_cannot_do_is_the_rules_fault(by_webhook, options):
    by_webhook.options = options

    with pytest.raises(RuleError) as caught:
        by_webhook.plan()

    assert "bot token" in caught.value.hint


def test_options_that_change_nothing_are_told(by_webhook):
    by_webhook.options = {"channel": "#sales", "broadcast": True}

    decision = by_webhook.plan()

    assert isinstance(decision, Send)
    assert "broadcast change nothing" in decision.steps[0].detail


def test_a_bot_token_goes_before_a_webhook(by_webhook):
    by_webhook.secrets["bot_token"] = by_webhook.server.state.config.slack_bot_token

    applied = by_webhook.deliver()

    assert isinstance(applied, Applied)
    assert by_webhook.requests()[0].endswith("chat.postMessage")


@pytest.mark.parametrize(
    ("name", "value", "is_fine"),
    [
        ("webhook_url", "https://hooks.slack.com/services/T1/B1/abcDEF", True),
        ("webhook_url", " https://hooks.slack-gov.com/services/T1/B1/abc ", True),
        ("webhook_url", "http://127.0.0.1:8025/slack/services/T1/B1/abc", True),
        ("webhook_url", "http://hooks.slack.com/services/T1/B1/abc", False),
        ("webhook_url", "https://hooks.slack.com.evil.example/services/T1/B1/abc", False),
        ("webhook_url", "https://evil.example/services/T1/B1/abc", False),
        ("webhook_url", "https://user:x@hooks.slack.com/services/T1/B1/abc", False),
        ("webhook_url", "https://hooks.slack.com/services/T1/B1", False),
        ("webhook_url", "https://hooks.slack.com/workflows/T1/A1/1/abc", False),
        ("webhook_url", "xoxb-1", False),
        ("webhook_url", "https://[", False),
        ("bot_token", "xoxb-1-2", True),
        ("bot_token", "xoxp-1-2", False),
    ],
)
def test_a_secret_is_looked_at_before_it_is_stored(name, value, is_fine):
    problem = SlackConnector.check_secret(name, value)

    assert (problem == "") == is_fine
    assert value.strip() not in problem or not problem


def test_an_address_of_somebody_else_is_never_called(by_webhook):
    by_webhook.secrets = {"webhook_url": "https://evil.example/services/T1/B1/abc"}

    with pytest.raises(ConfigurationError) as caught:
        by_webhook.deliver()

    assert "abc" not in str(caught.value)
