"""When a day's messages are due by a channel's clock, and what two failures have in common: pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.causes import cause_of, digest_of
from integrations.notifications.days import GRACE, bounds, due_day, moment, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def due(now, *, at=time(7, 30), zone=BERLIN, weekdays_only=False, since=LONG_AGO):
    return due_day(at=at, zone=zone, weekdays_only=weekdays_only, since=since, now=now)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (datetime(2026, 11, 27, 6, 29, 59, tzinfo=UTC), None),
        (datetime(2026, 11, 27, 6, 30, tzinfo=UTC), date(2026, 11, 27)),
        (datetime(2026, 11, 27, 12, 29, tzinfo=UTC), date(2026, 11, 27)),
        (datetime(2026, 11, 27, 12, 30, tzinfo=UTC), None),
    ],
)
def test_a_days_message_is_due_from_its_time_on_and_for_six_hours(now, day):
    assert due(now) == day


def test_the_time_is_the_zones_own_in_summer_and_in_winter():
    assert due(datetime(2026, 7, 1, 5, 30, tzinfo=UTC)) == date(2026, 7, 1)
    assert due(datetime(2026, 12, 1, 5, 30, tzinfo=UTC)) is None


def test_a_time_that_spring_skips_is_due_once_and_not_lost():
    skipped = moment(date(2026, 3, 29), time(2, 30), BERLIN)

    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert due(skipped, at=time(2, 30)) == date(2026, 3, 29)


def test_of_a_time_that_autumn_shows_twice_the_first_counts():
    assert moment(date(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # fmt: skip


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_a_day_on_which_the_clock_changes_has_its_own_length(day, hours):
    begins, ends = bounds(day, BERLIN)

    assert ends - begins == timedelta(hours=hours)


def test_a_late_message_never_belongs_to_yesterday():
    evening = time(23, 0)

    assert due(datetime(2026, 11, 27, 22, 59, tzinfo=UTC), at=evening) == date(2026, 11, 27)
    assert due(datetime(2026, 11, 27, 23, 1, tzinfo=UTC), at=evening) is None


@pytest.mark.parametrize(("day", "is_due"), [(27, True), (28, False), (29, False), (30, True)])
def test_weekends_can_be_left_out(day, is_due):
    found = due(datetime(2026, 11, day, 7, 0, tzinfo=UTC), weekdays_only=True)

    assert (found is not None) == is_due


def test_a_weekend_is_the_zones_own():
    tokyo = ZoneInfo("Asia/Tokyo")
    friday_in_utc = datetime(2026, 11, 27, 22, 30, tzinfo=UTC)

    assert due(friday_in_utc, zone=tokyo, weekdays_only=True) is None


def test_what_was_due_before_the_channel_was_switched_on_is_not():
    now = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)

    assert due(now, since=now - timedelta(minutes=5)) is None


def test_an_unknown_zone_is_utc():
    assert zone_of("Nowhere/At all") == ZoneInfo("UTC")


@given(
    day=st.dates(date(2020, 1, 2), date(2035, 1, 1)),
    at=st.times(),
    zone=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"]),
)  # fmt: skip
def test_every_day_and_time_is_due_at_its_moment_unless_the_day_is_over(day, at, zone):
    begins = moment(day, at, ZoneInfo(zone))

    found = due(begins, at=at, zone=ZoneInfo(zone))

    assert found in {day, None}
    assert found == day or begins.astimezone(ZoneInfo(zone)).date() != day
    assert due(begins + GRACE, at=at, zone=ZoneInfo(zone)) != day


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("No user ann@example.com.", "No user bob+1@example.org."),
        ("Record 00Q5g00000AbCdEFGH is locked", "Record 00Q5g00000ZyXwVUTS is locked"),
        ("Lead 'Ann Lee' exists", "Lead 'Jo O Neil' exists"),
        ("Wait 37 s", "Wait 5 s"),
        ("See https://a.example/1?x=2", "See https://b.example/"),
        ("Job 123e4567-e89b-12d3-a456-426614174000 broke", "Job 9f0e4567-e89b-12d3-a456-000014174000 broke"),
        ("Traceback (most recent call last):\n  File 1\nValueError: 7", "Traceback (most recent call last):\n  File 2\nValueError: 8"),
    ],
)  # fmt: skip
def test_failures_that_differ_in_particulars_have_one_cause(one, other):
    assert cause_of(one) == cause_of(other)
    assert digest_of(cause_of(one)) == digest_of(cause_of(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("HTTP 500", "HTTP 404"), ("channel_not_found", "is_archived"), ("", "HTTP 500")],
)
def test_other_causes_stay_apart(one, other):
    assert cause_of(one) != cause_of(other)


def test_a_cause_names_nobody_and_is_short():
    cause = cause_of(f"The contact “Ann Lee” <ann@example.com> {'is there ' * 100}")

    assert "Ann" not in cause
    assert "ann@" not in cause
    assert len(cause) <= 240
