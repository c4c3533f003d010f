import os

import pytest
from playwright.sync_api import Page, expect

from integrations.models import Delivery, MatchReview
from integrations.sandbox import SandboxServer
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
    RuleFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def delivery(server: SandboxServer, settings) -> Delivery:
    """A meeting of somebody whom Salesforce holds twice, asked about."""
    server.reset()
    settings.SALESFORCE_LOGIN_URL = f"{server.url}/salesforce"
    config = server.state.config
    connection = ConnectionFactory.create(
        provider="salesforce", name="Salesforce",
        secrets={"client_id": config.salesforce_client_id, "client_secret": config.salesforce_client_secret},
    )  # fmt: skip
    invitee = InviteeFactory.create(
        name="Maria Lopez", email="maria@acme.example", booking__name="Product demo", timezone="Europe/Madrid",
        answers=[{"question": "Company", "answer": "Acme Iberia", "position": 0}],
    )  # fmt: skip
    event = BookingEventFactory.create(invitee=invitee)
    rule = RuleFactory.create(name="Write meetings", connection=connection, action="sync_meeting")
    MatchReview.objects.create(
        connection=connection, chain=invitee, serial_key="maria", created_at=NOW, question="2 records have this e-mail address.",
        candidates=[
            {"object_type": "Contact", "remote_id": "0035g00000000A1AAI", "label": "Maria Lopez", "detail": "Acme Iberia S.L. · owner Uma Underwood · changed 2026-11-18", "url": "https://acme.my.salesforce.com/lightning/r/Contact/0035g00000000A1AAI/view"},
            {"object_type": "Contact", "remote_id": "0035g00000000A2AAI", "label": "Maria López García", "detail": "Acme Holding AG · owner Adam Adler · changed 2025-02-03", "url": "https://acme.my.salesforce.com/lightning/r/Contact/0035g00000000A2AAI/view"},
        ],
    )  # fmt: skip
    return DeliveryFactory.create(
        event=event, rule=rule, serial_key="maria", failed=True, failure_class="review",
        error="2 records have this e-mail address.", hint="Open the match review, and choose the record.",
    )  # fmt: skip


def _picture(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    folder = os.environ.get("CALSYNC_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_staff_come_from_a_booking_to_its_question_and_answer_it(
    staff_page: Page, delivery: Delivery
):
    page = staff_page
    page.goto(f"/admin/bookings/booking/{delivery.event.booking_id}/change/")
    _picture(page, "booking")

    page.locator("#timeline").get_by_role("link", name="Choose the record").click()
    expect(page.get_by_role("heading", name="Who is Maria Lopez?").first).to_be_visible()
    expect(page.get_by_text("Acme Iberia S.L.")).to_be_visible()
    _picture(page, "review")
    page.get_by_role("button", name="Use Contact Maria López García").click()
    expect(page.get_by_text("It holds for every meeting of this person")).to_be_visible()
    _picture(page, "confirm")
    page.get_by_role("button", name="Confirm").click()

    expect(page.get_by_text("Answered. 1 delivery is sent now.")).to_be_visible()
    expect(page.get_by_text("chosen", exact=True)).to_be_visible()
    _picture(page, "answered")
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.WAITING
    assert MatchReview.objects.get().remote_id == "0035g00000000A2AAI"
    page.goto("/admin/integrations/matchreview/")
    expect(page.get_by_text("use this record, by")).to_be_visible()
    _picture(page, "list")


def test_staff_name_a_record_by_the_address_of_its_page(
    staff_page: Page, delivery: Delivery, server: SandboxServer
):
    lead = next(iter(server.state.salesforce.records["Lead"]))
    page = staff_page
    page.goto(f"/admin/integrations/matchreview/{MatchReview.objects.get().pk}/change/")

    page.get_by_label("Another record").fill("0035g00000000zz")
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_text("Salesforce knows no such person")).to_be_visible()
    page.get_by_label("Another record").fill(
        f"https://acme.lightning.force.com/lightning/r/Lead/{lead}/view"
    )
    page.get_by_role("button", name="Look it up").click()
    expect(page.get_by_text("Liam Lake")).to_be_visible()
    page.get_by_role("button", name="Confirm").click()

    expect(page.get_by_text("Answered.", exact=False).first).to_be_visible()
    assert MatchReview.objects.get().remote_id == lead


def test_the_question_fits_a_phone(staff_page: Page, delivery: Delivery):
    page = staff_page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"/admin/integrations/matchreview/{MatchReview.objects.get().pk}/change/")

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    _picture(page, "phone")
