import pytest
from playwright.sync_api import Page, expect

from integrations.models import Connection, Rule
from tests.factories import BookingEventFactory, ConnectionFactory, InviteeFactory, RuleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_recipe_becomes_a_connection_and_a_rule(staff_page: Page):
    page = staff_page
    page.goto("/admin/integrations/rule/recipes/lever/")
    page.get_by_role("link", name="set one up").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/change/")
    expect(page.get_by_label("Base URL")).to_have_value("https://api.lever.co/v1")

    page.goto("/admin/integrations/rule/recipes/lever/")
    page.get_by_role("button", name="Make these rules").click()
    expect(page.get_by_text("This is needed.")).to_be_visible()
    page.get_by_label("Lever user who writes").fill("u1")
    page.get_by_role("button", name="Make these rules").click()
    page.wait_for_url("**/rule/")

    rule = Rule.objects.get()
    assert rule.connection == Connection.objects.get(name="Lever")
    assert rule.options["create"]["query"] == {"perform_as": "u1"}


def test_on_a_phone_a_rule_is_read_whole_and_tried_out_on_a_booking(staff_page: Page):
    page = staff_page
    page.set_viewport_size({"width": 390, "height": 844})
    connection = ConnectionFactory.create(provider="webhook", settings={"url": "https://a.example/"})  # fmt: skip
    companies = [f"Company number {number}" for number in range(6)]
    RuleFactory.create(
        name="Tell others", connection=connection, action="send_event", kinds=["booked"],
        conditions={"fact": "invitee.company", "op": "is none of", "value": companies},
    )  # fmt: skip
    BookingEventFactory.create(kind="booked", invitee=InviteeFactory.create(name="Ann Lee"))

    page.goto("/admin/integrations/rule/")
    sentence = page.locator(".field-does")
    expect(sentence).to_contain_text("and 1 more")
    assert sentence.evaluate("cell => cell.scrollHeight <= cell.clientHeight")
    page.get_by_role("link", name="Tell others").click()
    page.get_by_role("button", name="Try it out").first.click()
    button = page.get_by_role("button", name="Test on", exact=False).first
    box = button.bounding_box()
    assert box
    assert box["x"] + box["width"] <= 390
    button.click()
    expect(page.get_by_role("region", name="What would happen")).to_contain_text("Ann Lee")
    condition = page.locator(".cs-parts td").nth(1)
    assert condition.evaluate("cell => getComputedStyle(cell, '::before').content") == "none"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
