import pytest
from playwright.sync_api import Page, expect

from integrations.models import Connection, FieldMapping
from integrations.sandbox import SandboxServer
from tests.factories import ConnectionFactory, InviteeFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def salesforce(server: SandboxServer, settings) -> Connection:
    server.reset()
    settings.SALESFORCE_LOGIN_URL = f"{server.url}/salesforce"
    secrets = {
        "client_id": server.state.config.salesforce_client_id,
        "client_secret": server.state.config.salesforce_client_secret,
    }
    return ConnectionFactory.create(provider="salesforce", name="Acme Salesforce", secrets=secrets)


def test_staff_map_a_field_are_told_what_is_wrong_and_mend_it(
    staff_page: Page, salesforce: Connection
):
    InviteeFactory.create(
        name="Maria Lopez", email="maria@x.example", booking__name="Intro call",
        answers=[{"question": "Job title", "answer": "Head of Sales"}, {"question": "Team size", "answer": "10-50"}],
    )  # fmt: skip
    page = staff_page
    page.goto(f"/admin/integrations/connection/{salesforce.pk}/change/")
    page.get_by_role("link", name="Field mapping").click()

    lead = page.locator("#Lead")
    expect(lead.get_by_text("default", exact=True)).to_be_visible()
    lead.get_by_role("button", name="Add a row").click()
    added = lead.get_by_role("group", name="Row 7 of Lead")
    added.get_by_label("Field").select_option("Title")
    added.get_by_label("Value").select_option("answer")
    lead.get_by_role("button", name="Add a row").click()
    other = lead.get_by_role("group", name="Row 8 of Lead")
    other.get_by_label("Field").select_option("NumberOfEmployees")
    other.get_by_label("Value").select_option("booking.start_at")

    page.get_by_role("button", name="Save", exact=True).press("Enter")

    expect(added.get_by_role("alert")).to_have_text("Answer to a question needs the question.")
    expect(other.get_by_role("alert")).to_contain_text("cannot take")
    expect(added.get_by_label("Field")).to_have_value("Title")
    assert not FieldMapping.objects.exists()

    added.get_by_label("Question, text or template").fill("Job title")
    other.get_by_label("Value").select_option("answer")
    other.get_by_label("Question, text or template").fill("Team size")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(added.get_by_text("Head of Sales")).to_be_visible()
    expect(other.get_by_text("'10-50' is no whole number")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("The field mapping of Lead is saved.")).to_be_visible()
    assert FieldMapping.objects.filter(object_type="Lead").count() == 8


def test_the_page_fits_a_phone(staff_page: Page, salesforce: Connection):
    page = staff_page
    page.set_viewport_size({"width": 390, "height": 800})

    page.goto(f"/admin/integrations/connection/{salesforce.pk}/mapping/")

    expect(page.locator("#Lead label", has_text="Written").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
