import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bookings.meeting import Person
from bookings.snapshots import Answer
from integrations.connectors.slack.card import draw_card, size
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.thread import draw_reply
from integrations.connectors.slack.wording import in_zone
from tests.connectors.builders import START, canceled, make_meeting, make_task, moved

OPTIONS = SlackOptions(channel="#sales")
NASTY = "<!channel> <@U1> <http://evil.example|bank> *b* _i_ ~s~ `c`\n\u202eend"


def draw(meeting, **options):
    return draw_card(
        meeting, options=OPTIONS.model_copy(update=options), booking_url="https://calsync.example/1"
    )


def texts(blocks, kind):
    """Every text object of a kind, wherever it is."""
    found, rest = [], list(blocks)
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            if item.get("type") == kind:
                found.append(item["text"])
            rest.extend(item.values())
        elif isinstance(item, list | tuple):
            rest.extend(item)
    return found


@pytest.mark.parametrize(
    ("meeting", "word"),
    [
        (make_meeting(), "Booked"),
        (moved(make_meeting(), days=1), "Rescheduled"),
        (canceled(moved(make_meeting(), days=1)), "Canceled"),
        (make_meeting(is_no_show=True), "No-show"),
    ],
)
def test_the_header_tells_how_the_meeting_stands(meeting, word):
    assert draw(meeting).blocks[0]["text"]["text"] == f"{word}: Product demo"


def test_the_card_tells_who_when_host_and_where():
    card = json.dumps(draw(make_meeting()).blocks)

    assert "Ida Invitee (j***@" not in card
    assert "Ida Invitee (i***@customer.example)" in card
    assert "ida@customer.example" not in card
    unix = int(START.timestamp())
    assert f"<!date^{unix}^{{date_long_pretty}} {{time}}|Tue, 01 Dec 2026 09:00 UTC>" in card
    assert "Tue, 01 Dec 10:00 Europe/Berlin" in card
    assert "Hannah Host" in card
    assert "<https://zoom.example/j/123|Join the meeting>" in card
    assert "<https://calsync.example/1|Open in Calsync>" in card


def test_the_old_time_is_struck_after_a_reschedule():
    card = json.dumps(draw(moved(make_meeting(), days=1)).blocks)

    assert f"~<!date^{int(START.timestamp())}^" in card
    assert "Rescheduled once" in card


def test_the_address_is_shown_only_when_the_rule_says_so():
    shown = draw(make_meeting(), mask_email=False)
    hidden = draw(make_meeting(invitee_name="ida@customer.example"))

    assert "ida@customer.example" in json.dumps(shown.blocks)
    assert "ida@" not in json.dumps(hidden.blocks) + hidden.text


def test_answers_are_shown_only_when_the_rule_says_so():
    assert "Customer Ltd" not in json.dumps(draw(make_meeting()).blocks)
    assert "Customer Ltd" in json.dumps(draw(make_meeting(), show_answers=True).blocks)


def nasty_meeting():
    return make_meeting(
        name=NASTY, invitee_name=NASTY, location_text=NASTY, join_url="", timezone=NASTY,
        hosts=(Person(name=NASTY, email="", timezone=""),), is_canceled=True, canceled_by=NASTY,
        cancel_reason=NASTY, answers=(Answer(question=NASTY, answer=NASTY),),
    )  # fmt: skip


def test_a_strangers_words_never_reach_text_that_slack_interprets():
    card = draw(nasty_meeting(), show_answers=True)
    reply = draw_reply(
        make_task(nasty_meeting(), action="post_card", kind="canceled"), options=OPTIONS
    )

    assert reply
    for message in (card, reply):
        assert "<" not in message.text
        assert "\u202e" not in json.dumps(message.blocks, ensure_ascii=False)
        for marked in texts(message.blocks, "mrkdwn"):
            assert "channel" not in marked
            assert "evil" not in marked


@pytest.mark.parametrize("letter", ["a", "&", "🙂", "\\", '"'])
def test_a_huge_meeting_stays_inside_slacks_limits(letter):
    huge = letter * 5_000
    meeting = make_meeting(
        name=huge, invitee_name=huge, location_text=huge, join_url="https://x.example/" + "&" * 5_000,
        hosts=tuple(Person(name=huge, email="", timezone="") for _ in range(50)), canceled_by=huge,
        is_canceled=True, cancel_reason=huge, previous_start_at=START, reschedule_count=9,
        answers=tuple(Answer(question=huge, answer=huge) for _ in range(100)), email=huge + "@x.example",
    )  # fmt: skip

    card = draw(meeting, show_answers=True, mask_email=False)

    assert len(card.blocks) <= 50
    assert len(card.blocks[0]["text"]["text"].encode("utf-16-le")) // 2 <= 150
    assert len(card.blocks[1]["fields"]) <= 10
    assert all(len(item["text"]) <= 2_000 for item in card.blocks[1]["fields"])
    assert all(len(item) <= 3_000 for item in texts(card.blocks, "plain_text"))
    assert size(list(card.blocks)) < 10_000
    assert len(card.text) < 4_000


def test_answers_left_out_are_counted():
    answers = tuple(Answer(question=f"Q{number}", answer="yes") for number in range(100))

    card = draw(make_meeting(answers=answers), show_answers=True)

    assert "and 80 more answers" in json.dumps(card.blocks)


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Europe/Berlin", "Sun, 29 Mar 01:59 Europe/Berlin"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin", "Sun, 29 Mar 03:00 Europe/Berlin"),
        (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), "America/New_York", "Sun, 01 Nov 01:30 America/New_York"),
        (START, "Not/AZone", ""),
        (START, "/etc/passwd", ""),
        (START, "", ""),
    ],
)  # fmt: skip
def test_the_invitees_clock_is_shown_when_its_zone_is_known(moment, zone, expected):
    assert in_zone(moment, zone) == expected


def test_the_card_depends_on_the_state_alone():
    first, again = draw(make_meeting()), draw(make_meeting())

    assert first.content_hash == again.content_hash
    assert first.content_hash != draw(make_meeting(name="Other")).content_hash


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("booked", {}, None),
        ("rescheduled", {"start_at": ["2026-11-30T09:00:00+00:00", "2026-12-01T09:00:00+00:00"]},
         "Rescheduled to Tue, 01 Dec 2026 09:00 UTC"),
        ("canceled", {}, "Canceled by Ida Invitee: Ill"),
        ("no_show", {}, "The invitee did not come."),
        ("no_show_removed", {}, "The no-show was taken back."),
        ("starting", {}, "Reminder: starts Tue, 01 Dec 2026 09:00 UTC"),
        ("ended", {}, "The meeting is over."),
        ("updated", {"hosts": [["Adam", "a@b.example"], ["B"]]}, "Host: Hannah Host (before: Adam, a\u2217\u2217\u2217@b.example)"),
        ("updated", {"hosts": [[], ["B"]]}, "Host: Hannah Host"),
        ("updated", {"join_url": ["", "x"]}, "There is a new place or join link"),
        ("updated", {"end_at": ["a", "b"]}, "Ends Tue, 01 Dec 2026 09:30 UTC now"),
        ("updated", {"name": ["a", "b"]}, "Now called Product demo"),
        ("updated", {"timezone": ["a", "b"], "email": ["a", "b"]}, None),
    ],
)  # fmt: skip
def test_the_thread_tells_what_a_reader_cares_for(kind, changes, words):
    meeting = replace(make_meeting(), canceled_by="Ida Invitee", cancel_reason="Ill")
    task = make_task(meeting, action="post_card", kind=kind, changes=changes)

    reply = draw_reply(task, options=OPTIONS)

    assert (reply.text if reply else None) == words
