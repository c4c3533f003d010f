from datetime import UTC, datetime, timedelta, timezone

import pytest

from bookings.given import is_askable, row_id

pytestmark = pytest.mark.db_independent


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", 7), ("007", 7), ("9" * 18, 10**18 - 1), ("9" * 19, None), ("9" * 5000, None), ("²", None), ("٣", None), ("-1", None), ("", None)],
)  # fmt: skip
def test_an_id_is_a_number_that_a_row_can_have(text, expected):
    assert row_id(text) == expected


def test_a_moment_at_the_end_of_the_calendar_is_none_that_can_be_asked_for():
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    last = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12)))

    assert not is_askable(first)
    assert not is_askable(last)
    assert is_askable(datetime(2026, 11, 27, tzinfo=UTC))
