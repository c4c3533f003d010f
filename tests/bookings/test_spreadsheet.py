import pytest

from bookings.spreadsheet import safe

pytestmark = pytest.mark.db_independent


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+49 30 123", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠1", " =1", "\u00a0=1"],  # noqa: RUF001
)  # fmt: skip
def test_a_text_that_may_be_taken_for_a_formula_gets_a_quote(text):
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Maria Lopez", "a=b", "2026-11-20T09:00:00Z", "maria@example.com"])  # fmt: skip
def test_other_text_stays_as_it_is(text):
    assert safe(text) == text
