"""The pages that are used most, without a mouse."""

import pytest
from playwright.sync_api import Page, expect

from bookings import searching
from integrations.models import Rule
from tests.factories import ConnectionFactory, DeliveryFactory, InviteeFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: Presses of Tab after which what is looked for counts as out of reach.
FAR = 150

#: What the focused element is called: by its label, else by its text.
NAME_OF_FOCUS = """() => {
  const at = document.activeElement, label = at.labels && at.labels[0];
  return (at.getAttribute("aria-label") || (label || at).innerText || at.name || "").replace(/^[a-z_]+\\n/, "").trim();
}"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what is called so has the focus."""
    for _ in range(FAR):
        page.keyboard.press("Tab")
        if page.evaluate(NAME_OF_FOCUS).startswith(name):
            return
    pytest.fail(f"Tab does not come to {name!r}.")


def enter(page: Page) -> None:
    """Press Enter, and wait for the page that it leads to."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_list_a_confirmation_and_a_form_are_used_by_tab_and_enter(staff_page: Page):
    page = staff_page
    delivery = DeliveryFactory.create(failed=True, event__invitee__booking__name="Product demo")
    searching.refresh([delivery.chain.booking_id])
    InviteeFactory.create(booking__name="Another")
    slack = ConnectionFactory.create(name="Slack")

    page.goto("/admin/bookings/booking/")
    page.locator("#searchbar").focus()
    page.keyboard.type("demo")
    enter(page)
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    tab_to(page, "Product demo")
    enter(page)
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()

    page.goto("/admin/integrations/delivery/inbox/")
    tab_to(page, "Ignore it")
    enter(page)
    tab_to(page, "Why is nothing done about them?")
    page.keyboard.type("A test")
    tab_to(page, "Ignore: 1 delivery")
    enter(page)
    expect(page.get_by_text("1 delivery: ")).to_be_visible()
    delivery.refresh_from_db()
    assert delivery.acknowledged_reason == "A test"

    page.goto(f"/admin/integrations/rule/add/?connection={slack.pk}&action=post_card")
    tab_to(page, "Name")
    page.keyboard.press("Control+A")
    page.keyboard.type("By keyboard")
    tab_to(page, "canceled")
    page.keyboard.press("Space")
    tab_to(page, "Channel")
    page.keyboard.type("#sales")
    enter(page)
    rule = Rule.objects.get(name="By keyboard")
    assert (rule.options, rule.kinds) == ({"channel": "#sales"}, ["booked", "rescheduled"])
