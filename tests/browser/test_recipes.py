import pytest
from playwright.sync_api import Page, expect

from integrations.models import Connection, Rule

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
