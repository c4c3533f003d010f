"""When a rule of the clock acts, and what becomes of a moment that has passed: a table, and no database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from integrations.clock.moments import Moment, Verdict, about, due_at, in_words, judge, span
from integrations.models import Rule
from tests.factories import NOW

pytestmark = pytest.mark.db_independent

HOUR = timedelta(hours=1)
START = NOW + 24 * HOUR
LONG_AGO = NOW - timedelta(days=9)


def rule(**given):
    return Rule(name="Remind", kinds=["starting"], offset_minutes=24 * 60, **given)


def moment(kind="starting", **given):
    plain = Moment(kind=kind, anchor_at=START, start_at=START, set_at=LONG_AGO, heard_at=LONG_AGO)
    return replace(plain, **given)


TELL = Rule(name="Tell the host", kinds=[])
OFF = Rule(name="Tell nobody", kinds=[], enabled=False)
LATE = "booked 3 hours before the start, inside the 24 hours of the rule"


@pytest.mark.parametrize(
    ("after", "given", "policy", "expected"),
    [
        (0, {}, {}, Verdict(acts=True)),
        (1, {}, {}, Verdict(acts=True)),
        (2, {}, {}, Verdict(acts=False, reason="Calsync looked at the clock 2 hours too late, and 1 hour may pass at most")),
        (2, {}, {"grace_minutes": 120}, Verdict(acts=True)),
        (2, {"heard_at": NOW + HOUR}, {}, Verdict(acts=False, reason="Calsync heard of the meeting 2 hours too late, and 1 hour may pass at most")),
        (24, {}, {"grace_minutes": 1440}, Verdict(acts=False, reason="the meeting has begun, and its moment was 24 hours ago")),
        (21, {"set_at": NOW + 21 * HOUR}, {}, Verdict(acts=True, reason=f"{LATE}: sent at once")),
        (21, {"set_at": NOW + 21 * HOUR, "is_move": True}, {"late_policy": "skip"}, Verdict(acts=False, reason=LATE.replace("booked", "moved"))),
        (21, {"set_at": NOW + 21 * HOUR}, {"late_policy": "other", "late_rule": TELL}, Verdict(acts=True, reason=f"{LATE}: “Tell the host” acted instead", by=TELL)),
        (21, {"set_at": NOW + 21 * HOUR}, {"late_policy": "other", "late_rule": OFF}, Verdict(acts=False, reason=f"{LATE}, and “Tell nobody”, which is to act instead, is off")),
        (21, {"set_at": NOW + 21 * HOUR}, {"late_policy": "other"}, Verdict(acts=False, reason=f"{LATE}, and the rule that is to act instead is gone: choose another one")),
        (23, {"set_at": NOW + 21 * HOUR}, {}, Verdict(acts=False, reason="Calsync looked at the clock 2 hours too late, and 1 hour may pass at most")),
        (23, {"set_at": NOW + 20 * HOUR, "heard_at": NOW + 20.5 * HOUR}, {}, Verdict(acts=False, reason="Calsync looked at the clock 3 hours too late, and 1 hour may pass at most")),
        (23, {"set_at": NOW + 20 * HOUR, "heard_at": NOW + 23 * HOUR}, {}, Verdict(acts=False, reason="Calsync heard of the meeting 3 hours too late, and 1 hour may pass at most")),
        (25, {"set_at": NOW + 25 * HOUR}, {}, Verdict(acts=False, reason="the meeting has begun, and its moment was 25 hours ago")),
    ],
)  # fmt: skip
def test_a_moment_before_the_start_is_decided_by_how_late_it_is_and_why(
    after, given, policy, expected
):
    assert judge(moment(**given), rule(**policy), now=NOW + after * HOUR) == expected


@pytest.mark.parametrize(
    ("given", "acts"),
    [({}, True), ({"is_no_show": True}, False)],
)
def test_after_the_end_nothing_is_sent_where_nobody_came(given, acts):
    ended = moment("ended", anchor_at=NOW, start_at=NOW - HOUR, **given)

    verdict = judge(ended, Rule(name="Thank", kinds=["ended"]), now=NOW)

    assert verdict == (Verdict(acts=True) if acts else Verdict(acts=False, reason="the invitee did not come"))  # fmt: skip


@pytest.mark.parametrize(
    ("start", "due"),
    [  # clocks go forward on 28 March 2027, and back on 25 October 2026
        (datetime(2027, 3, 28, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")), datetime(2027, 3, 27, 10, 0, tzinfo=UTC)),
        (datetime(2026, 10, 25, 12, 0, tzinfo=ZoneInfo("Europe/Berlin")), datetime(2026, 10, 24, 11, 0, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_24_hours_are_24_hours_of_time_across_a_change_of_clocks(start, due):
    assert due_at(rule(), "starting", start.astimezone(UTC)) == due


def test_it_says_when_a_rule_acts():
    both = Rule(kinds=["booked", "starting", "ended"], offset_minutes=90)

    assert in_words(both) == ["90 minutes before the start", "90 minutes after the end"]
    assert in_words(Rule(kinds=["ended"])) == ["at the end"]
    assert in_words(Rule(kinds=["booked"], offset_minutes=5)) == []
    assert [span(n) for n in (1, 60, 1440, 2880, 1500)] == ["1 minute", "1 hour", "24 hours", "2 days", "25 hours"]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "less than a minute"), (59, "less than a minute"), (61, "1 minute"), (3 * 3600 - 1, "2 hours 59 minutes"),
        (3 * 3600, "3 hours"), (25 * 3600 + 60, "25 hours 1 minute"), (2 * 86_400, "2 days"), (3 * 86_400 - 1, "2 days"),
    ],
)  # fmt: skip
def test_how_long_something_took_is_said_to_the_minute_of_less_than_two_days(seconds, told):
    assert about(timedelta(seconds=seconds)) == told
