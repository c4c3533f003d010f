"""An administrator connects Slack step by step, lets a colleague in, and hands out a key."""

import pytest
import requests
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from integrations import tasks
from integrations.models import Connection, Rule
from integrations.roles import ADMINISTRATOR
from integrations.sandbox.control_client import SandboxControl
from tests.browser.conftest import person_in, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def calendar(connected: SandboxControl) -> SandboxControl:
    """A calendar whose bookings arrive, and nothing that they are carried to."""
    Rule.objects.all().delete()
    Connection.objects.exclude(provider="calendly").delete()
    return connected


def test_an_administrator_connects_slack_and_bookings_reach_it(
    page: Page, sign_in, calendar: SandboxControl, broker_url: str
):
    sign_in(person_in(ADMINISTRATOR, "anna"))

    page.goto("/admin/integrations/connection/add/")
    page.get_by_role("link", name="Slack").click()
    page.get_by_label("Name").fill("Team chat")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Not connected yet")).to_be_visible()
    page.get_by_label("Bot token").fill("xoxb-sandbox")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".cs-steps").first.get_by_role("button", name="Test connection").click()
    expect(page.locator(".cs-steps").first.get_by_text("Tested: done")).to_be_attached()

    page.get_by_role("link", name="Add a rule").click()
    page.locator("#content-main").get_by_role("link", name="card").click()
    page.get_by_label("Name").fill("Tell sales")
    page.get_by_label("Channel", exact=True).fill("sales")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("'sales' is no place in Slack")).to_be_visible()
    page.get_by_label("Channel", exact=True).fill("#sales")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/rule/")

    calendar.book(name="Ann Lee", email="ann@example.com")
    assert calendar.wait_idle()
    tasks.drain_inbox()
    tasks.drain_connection(Connection.objects.get(name="Team chat").pk)
    assert len(calendar.slack_messages("#sales")) == 1
    page.get_by_role("link", name="Bookings").first.click()
    expect(page.get_by_role("row", name="Ann Lee")).to_contain_text("Team chat")


def test_an_administrator_lets_a_colleague_in_and_hands_out_a_key(page: Page, sign_in, live_server):
    sign_in(person_in(ADMINISTRATOR, "anna"))

    page.goto("/admin/auth/user/add/")
    page.get_by_label("Username").fill("vic")
    for field in ("password1", "password2"):
        page.locator(f"[name={field}]").fill("a-long-pass-phrase")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/change/")
    page.get_by_label("Staff status").check()
    page.locator("#id_groups_from").select_option(label="Viewer")
    page.locator("#id_groups_add_link, #id_groups_add").first.click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/user/")
    vic = User.objects.get(username="vic")
    assert vic.has_perms(["bookings.view_booking", "bookings.export_booking"])
    assert not vic.has_perm("integrations.change_delivery")

    page.goto("/admin/integrations/apitoken/add/")
    page.get_by_label("Name").fill("Weekly report")
    page.get_by_role("button", name="Save", exact=True).click()
    key = page.get_by_label("Token of anna").input_value()

    def status() -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.get(f"{live_server.url}/api/v1/bookings", headers=headers, timeout=5).status_code  # fmt: skip

    assert status() == 200
    page.get_by_role("link", name="I have copied it").click()
    assert key not in page.content()
    page.get_by_role("link", name="Weekly report").click()
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked: Weekly report")).to_be_visible()
    assert status() == 401


def test_an_administrator_raises_nobody_above_themselves(page: Page, sign_in):
    root = User.objects.create_superuser("root", "root@example.com", "password")
    sign_in(person_in(ADMINISTRATOR, "anna"))

    page.goto(f"/admin/auth/user/{User.objects.get(username='anna').pk}/change/")
    expect(page.locator("input[name=is_superuser]")).to_have_count(0)
    assert press(page, f"/admin/auth/user/{root.pk}/password/", password1="x", password2="x") == 403
    assert press(page, f"/admin/auth/user/{root.pk}/delete/", post="yes") == 403
