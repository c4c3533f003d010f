import pytest
from playwright.sync_api import Page, expect

from tests.factories import ConnectionFactory, RuleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_staff_write_conditions_with_the_keyboard_and_correct_the_row_that_is_wrong(
    staff_page: Page,
):
    page = staff_page
    connection = ConnectionFactory.create(provider="webhook", settings={"url": "https://a.example/"})  # fmt: skip
    rule = RuleFactory.create(connection=connection, action="send_event")

    page.goto(f"/admin/integrations/rule/{rule.pk}/change/")
    expect(page.locator("[name=offset]")).to_be_hidden()
    page.get_by_role("button", name="Add a condition").press("Enter")
    row = page.get_by_role("group", name="Condition 1 of 1")
    expect(row.get_by_label("What is looked at")).to_be_focused()
    row.get_by_label("What is looked at").select_option("booking.duration")
    row.get_by_label("How it is compared").select_option("is at least")
    row.get_by_label("Value").fill("long")
    page.get_by_role("button", name="Add a group").press("Enter")
    page.get_by_label("How the conditions of this group belong together").nth(1).select_option("none of these")  # fmt: skip
    row = page.get_by_role("group", name="Condition 2 of 2")
    row.get_by_label("What is looked at").select_option("booking.weekday")
    row.get_by_label("How it is compared").select_option("is one of")
    row.get_by_label("Value").select_option(["Saturday", "Sunday"])
    page.get_by_role("button", name="Save and continue editing").click()

    row = page.get_by_role("group", name="Condition 1 of 2")
    expect(row.get_by_text("Write a number")).to_be_visible()
    expect(row.get_by_label("Value")).to_have_value("long")
    row.get_by_label("Value").fill("30")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    rule.refresh_from_db()
    assert rule.conditions == {
        "and": [
            {"fact": "booking.duration", "op": ">=", "value": 30},
            {"not": {"fact": "booking.weekday", "op": "is one of", "value": ["Saturday", "Sunday"]}},
        ]
    }  # fmt: skip

    page.get_by_role("group", name="Condition 2 of 2").get_by_role("button").press("Enter")
    expect(page.get_by_role("group", name="Condition 1 of 1")).to_be_visible()
    expect(page.get_by_role("button", name="Add a group")).to_be_focused()
    page.get_by_label("starting").check()
    expect(page.locator("[name=offset]")).to_be_visible()
