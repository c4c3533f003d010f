"""A person connects Salesforce with the button, and sees who they are there."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Connection
from integrations.sandbox import SandboxServer
from tests.salesforce_granting import point_to

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def sandbox(settings, live_server) -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        point_to(server, settings)
        settings.CALSYNC_PUBLIC_URL = live_server.url
        yield server


def test_staff_connect_salesforce_with_the_button_and_leave_again(
    staff_page: Page, sandbox: SandboxServer, broker_url: str
):
    page = staff_page

    page.goto("/admin/integrations/connection/add/")
    page.get_by_role("link", name="Salesforce").click()
    page.get_by_label("Name").fill("Harbor")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_label("How to log in").select_option("oauth")
    page.get_by_label("Client id").fill("sandbox-salesforce-client")
    page.get_by_label("Client secret").fill("sandbox-salesforce-secret")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("heading", name="Not connected yet")).to_be_visible()

    page.locator(".cs-card").get_by_role("button", name="Connect with Salesforce").click()
    expect(page.get_by_role("heading", name="Allow access?")).to_be_visible()
    page.get_by_role("button", name="Deny").click()
    expect(page.get_by_text("Access was declined at Salesforce.")).to_be_visible()

    page.locator(".cs-card").get_by_role("button", name="Connect with Salesforce").click()
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name="Connected as Inga Integration")).to_be_visible()
    expect(page.get_by_text("inga@harbor.example").first).to_be_visible()
    assert Connection.objects.get(name="Harbor").secrets["refresh_token"]

    page.get_by_role("button", name="Test connection").first.click()
    expect(
        page.get_by_text("Salesforce accepts the log-in as inga@harbor.example").first
    ).to_be_visible()
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_role("button", name="Disconnect").click()
    expect(page.get_by_role("heading", name="Not connected", exact=True)).to_be_visible()
    assert sandbox.state.salesforce.tokens.refresh == {}
