"""One delivery and several places: channels, direct messages, and what was written before."""

from typing import Any

import pytest

from bookings.meeting import Person
from integrations.connectors.base import Applied, Link, Send, Skip
from integrations.connectors.slack.carrying import worst
from integrations.errors import (
    ConfigurationError,
    DeadTargetError,
    PermanentError,
    PostponedError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harnesses.slack import slack_messages

ADAM = Person(name="Adam Adler", email="adam@harbor.example", timezone="UTC")
UMA = Person(name="Uma Underwood", email="uma@harbor.example", timezone="UTC")
DM_ADAM, DM_UMA = "D0ADAM001", "D0UMA0001"
LOOK_UP, OPEN = {"path_contains": "users.lookupByEmail"}, {"path_contains": "conversations.open"}


def by_host(**more: Any) -> dict[str, Any]:
    return {
        "channel": "#sales",
        "routes": [
            {"when": {"host": ADAM.email}, "channel": "#consulting"},
            {"when": {"host": UMA.email}, "channel": "#recruiting"},
            {"when": {"event_type": "Product demo"}, "channel": "C0SALES01"},
        ],
        **more,
    }


def to(channel: str) -> dict[str, str]:
    return {"path_contains": "chat.postMessage", "body_contains": f'"channel": "{channel}"'}


def said(driver, channel):
    return [row["text"] for row in slack_messages(driver.server, channel)]


def calls(driver, method):
    return sum(path.endswith(method) for path in driver.requests())


def meeting(*hosts, **more):
    return make_meeting(hosts=hosts, **more)


def test_each_fitting_route_gets_a_card_and_is_remembered_by_itself(to_slack):
    to_slack.options = by_host()

    applied = to_slack.deliver(meeting(ADAM))
    again = to_slack.deliver(meeting(ADAM))

    assert isinstance(applied, Applied)
    assert applied.summary == "The cards in #consulting, C0SALES01 are up to date."
    assert len(said(to_slack, "C0CONSULT")) == len(said(to_slack, "C0SALES01")) == 1
    assert said(to_slack, "C0RECRUIT") == []
    assert {record.key for record in to_slack.memory.records} == {"#consulting", "C0SALES01"}
    assert again == Skip(reason="already equal")
    assert calls(to_slack, "chat.postMessage") == 2


def test_the_plan_says_where_and_why(to_slack):
    to_slack.options = by_host()

    decision = to_slack.plan(meeting(ADAM))

    assert isinstance(decision, Send)
    assert [step.detail for step in decision.steps] == [
        "#consulting: the host is adam@harbor.example.",
        "C0SALES01: the event type is 'Product demo'.",
    ]


def test_a_rule_without_a_place_for_the_meeting_asks_nobody(to_slack):
    to_slack.options = {"routes": [{"when": {"team": "Support"}, "channel": "#support"}]}

    skipped = to_slack.deliver()

    assert isinstance(skipped, Skip)
    assert "Looked at: teams none." in skipped.reason
    assert to_slack.requests() == []


def test_a_new_host_moves_the_card_on_and_keeps_the_old_one_true(to_slack):
    to_slack.options = by_host(channel="")
    to_slack.deliver(meeting(ADAM, name="Talk"))
    changes = {"hosts": [["Adam Adler"], ["Uma Underwood"]]}

    applied = to_slack.deliver(
        meeting(UMA, name="Talk"), kind="updated", event_id=2, changes=changes
    )

    assert isinstance(applied, Applied)
    old = slack_messages(to_slack.server, "C0CONSULT")
    assert "Uma Underwood" in str(old[0]["blocks"])
    assert old[1]["text"] == "Host: Uma Underwood (before: Adam Adler)"
    assert len(said(to_slack, "C0RECRUIT")) == 1
    told = to_slack.deliver(canceled(meeting(UMA, name="Talk")), kind="canceled", event_id=3)
    assert isinstance(told, Applied)
    assert said(to_slack, "C0CONSULT")[0].startswith("Canceled")
    assert said(to_slack, "C0RECRUIT")[0].startswith("Canceled")


def test_a_card_that_no_rule_leads_to_any_more_is_kept_true_while_it_is_there(to_slack):
    to_slack.options = by_host(channel="")
    to_slack.deliver(meeting(ADAM, name="Talk"))

    later = moved(meeting(name="Talk"), days=1)
    applied = to_slack.deliver(later, kind="rescheduled", event_id=2)
    again = to_slack.deliver(later, kind="rescheduled", event_id=2)

    assert isinstance(applied, Applied)
    assert said(to_slack, "C0CONSULT")[0].startswith("Rescheduled")
    assert isinstance(again, Skip)
    assert again.reason.startswith("No route fits")


@pytest.mark.parametrize("gone", ["archived", "deleted"])
def test_an_old_card_that_cannot_be_changed_is_let_go_and_harms_nothing(to_slack, gone):
    to_slack.options = by_host(channel="")
    to_slack.deliver(meeting(ADAM, name="Talk"))
    slack = to_slack.server.state.slack
    if gone == "archived":
        slack.channels["C0CONSULT"]["is_archived"] = True
    else:
        slack.messages["C0CONSULT"].clear()

    first = to_slack.deliver(meeting(UMA, name="Talk"), kind="updated", event_id=2)
    again = to_slack.deliver(meeting(UMA, name="Talk"), kind="updated", event_id=2)

    assert isinstance(first, Applied)
    assert any("is left as it is" in step.detail for step in first.steps)
    assert {record.key for record in to_slack.memory.records} == {"#recruiting"}
    assert again == Skip(reason="already equal")


def test_what_fails_in_one_channel_keeps_no_other_from_its_card(to_slack):
    to_slack.options = by_host()
    to_slack.server.state.slack.channels["C0CONSULT"]["is_archived"] = True

    with pytest.raises(DeadTargetError, match="is_archived") as caught:
        to_slack.deliver(meeting(ADAM, UMA))

    assert len(said(to_slack, "C0RECRUIT")) == len(said(to_slack, "C0SALES01")) == 1
    told = [f"{step['name']}: {step['detail']}" for step in caught.value.steps]
    assert any("failure: #consulting: Slack answered" in line for line in told)
    assert any("The card in #recruiting is message" in line for line in told)
    to_slack.server.state.slack.channels["C0CONSULT"]["is_archived"] = False
    before = calls(to_slack, "chat.postMessage")
    to_slack.deliver(meeting(ADAM, UMA))
    assert calls(to_slack, "chat.postMessage") == before + 1
    assert len(said(to_slack, "C0CONSULT")) == 1


def test_a_lost_answer_in_one_channel_makes_one_card_in_each(to_slack):
    to_slack.options = by_host()
    to_slack.break_request("drop_after", match=to("#consulting"))

    with pytest.raises(TemporaryError) as caught:
        to_slack.deliver(meeting(ADAM, UMA))
    to_slack.deliver(meeting(ADAM, UMA), look_first=True)

    assert caught.value.ambiguous
    for channel in ("C0CONSULT", "C0RECRUIT", "C0SALES01"):
        assert len(said(to_slack, channel)) == 1


def test_when_slack_asks_to_wait_the_other_places_wait_too(to_slack):
    to_slack.options = by_host()
    to_slack.break_request("rate_limited", match=to("#consulting"), retry_after=7)

    with pytest.raises(ThrottledError) as caught:
        to_slack.deliver(meeting(ADAM, UMA))

    assert caught.value.retry_after == 7
    assert calls(to_slack, "chat.postMessage") == 1
    assert any("waits for the next try" in step["detail"] for step in caught.value.steps)
    to_slack.deliver(meeting(ADAM, UMA))
    assert len(said(to_slack, "C0SALES01")) == 1


def lost(**more: Any) -> TemporaryError:
    return TemporaryError("lost", ambiguous=True, **more)


@pytest.mark.parametrize(
    ("failures", "kind", "ambiguous"),
    [
        ([DeadTargetError("a"), TemporaryError("b")], TemporaryError, False),
        ([RuleError("a"), PermanentError("b")], RuleError, None),
        ([RuleError("a"), DeadTargetError("b")], DeadTargetError, None),
        ([TemporaryError("a"), ConfigurationError("b")], ConfigurationError, None),
        ([ConfigurationError("a"), lost()], TemporaryError, True),
        ([lost(), ThrottledError("b")], ThrottledError, True),
        ([PostponedError("a"), TemporaryError("b")], TemporaryError, False),
        ([PostponedError("a"), lost()], TemporaryError, True),
        ([PermanentError("a"), PostponedError("b")], PostponedError, False),
    ],
)
def test_the_worst_is_what_decides_and_never_hides_a_lost_answer(failures, kind, ambiguous):
    found = worst(failures)

    assert type(found) is kind
    assert getattr(found, "ambiguous", None) == ambiguous


def test_the_host_gets_a_direct_message_that_is_kept_true(to_slack):
    to_slack.options = {"channel": "@host"}
    to_slack.deliver(meeting(ADAM))

    to_slack.deliver(canceled(meeting(ADAM)), kind="canceled", event_id=2)

    first, line = said(to_slack, DM_ADAM)
    assert first.startswith("Canceled")
    assert line.startswith("Canceled by")
    assert calls(to_slack, "users.lookupByEmail") == calls(to_slack, "conversations.open") == 1
    (record,) = (item for item in to_slack.memory.records if item.object_type == "message")
    assert record.data["channel"] == DM_ADAM
    assert record.data["label"] == "direct message to Adam Adler"


def test_a_direct_message_whose_answer_was_lost_is_looked_for(to_slack):
    to_slack.options = {"channel": "@host"}
    to_slack.break_request("drop_after", match=to(DM_ADAM))

    with pytest.raises(TemporaryError):
        to_slack.deliver(meeting(ADAM))
    to_slack.deliver(meeting(ADAM), look_first=True)

    assert len(said(to_slack, DM_ADAM)) == 1
    assert calls(to_slack, "chat.postMessage") == 1


def test_a_host_who_is_not_in_slack_is_named_and_the_others_get_theirs(to_slack):
    to_slack.options = {"channel": "@host"}
    stranger = Person(name="Sam", email="sam@elsewhere.example", timezone="UTC")

    with pytest.raises(RuleError, match="users_not_found") as caught:
        to_slack.deliver(meeting(stranger, UMA))

    assert "Invite them to Slack" in caught.value.hint
    assert len(said(to_slack, DM_UMA)) == 1


def test_another_host_gets_a_direct_message_of_their_own(to_slack):
    to_slack.options = {"channel": "@host"}
    to_slack.deliver(meeting(ADAM))

    changes = {"hosts": [["Adam Adler"], ["Uma Underwood"]]}
    to_slack.deliver(meeting(UMA), kind="updated", event_id=2, changes=changes)

    assert len(said(to_slack, DM_UMA)) == 1
    assert said(to_slack, DM_ADAM)[1] == "Host: Uma Underwood (before: Adam Adler)"


def test_the_host_is_mentioned_and_looked_up_once(to_slack):
    to_slack.options = {"channel": "#sales", "mention_host": True}
    to_slack.deliver(meeting(ADAM, UMA))

    again = to_slack.deliver(meeting(ADAM, UMA))
    to_slack.deliver(canceled(meeting(ADAM, UMA)), kind="canceled", event_id=2)

    (card, _) = slack_messages(to_slack.server)
    assert "Adam Adler, Uma Underwood <@U0ADAM001> <@U0UMA0001>" in str(card["blocks"])
    assert again == Skip(reason="already equal")
    assert calls(to_slack, "users.lookupByEmail") == 2


@pytest.mark.parametrize("code", ["users_not_found", "missing_scope"])
def test_a_host_who_cannot_be_mentioned_is_named(to_slack, code):
    to_slack.options = {"channel": "#sales", "mention_host": True}
    to_slack.break_request("slack_error", match=LOOK_UP, code=code)

    applied = to_slack.deliver(meeting(ADAM))

    assert isinstance(applied, Applied)
    assert any(f"is not mentioned: Slack answered {code}" in s.detail for s in applied.steps)
    (card,) = slack_messages(to_slack.server)
    assert "Adam Adler" in str(card["blocks"])
    assert "<@" not in str(card["blocks"])


def test_a_mention_that_slack_does_not_answer_is_tried_again(to_slack):
    to_slack.options = {"channel": "#sales", "mention_host": True}
    to_slack.break_request("error", match=LOOK_UP, status=503)

    with pytest.raises(TemporaryError) as caught:
        to_slack.deliver(meeting(ADAM))

    assert not caught.value.ambiguous
    assert said(to_slack, "C0SALES01") == []


@pytest.mark.parametrize(
    ("kind", "is_loud"), [("rescheduled", True), ("canceled", True), ("no_show", False)]
)
def test_a_line_is_broadcast_where_the_rule_says_so(to_slack, kind, is_loud):
    to_slack.options = {"channel": "#sales", "broadcast": True}
    to_slack.deliver()

    to_slack.deliver(canceled(moved(make_meeting(), days=1)), kind=kind, event_id=2)

    _, line = slack_messages(to_slack.server)
    assert (line.get("subtype") == "thread_broadcast") == is_loud


def test_a_dry_run_into_several_places_writes_nothing(to_slack):
    to_slack.options = {"channel": "@host", "mention_host": True}
    task, connector = to_slack.task(meeting(ADAM, UMA)), to_slack.connector(dry_run=True)

    connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert not any(to_slack.server.state.slack.messages.values())
    assert DM_ADAM not in to_slack.server.state.slack.channels


def test_records_of_other_systems_are_linked_with_good_labels(to_slack):
    links = (
        Link(label="Salesforce EU: Lead", url="https://x.example/00Q1", object_type="Lead"),
        Link(label="Salesforce EU: Event", url="https://x.example/00U1", object_type="Event"),
    )

    to_slack.deliver(links=links)

    (card,) = slack_messages(to_slack.server)
    context = card["blocks"][-1]["elements"][0]["text"]
    assert context.endswith(
        "<https://x.example/00U1|Event in Salesforce EU> · <https://x.example/00Q1|Lead in Salesforce EU>"
    )
