"""Somebody from sales, who looks: finds today's booking, reads where it went, takes the list along; and may do no more."""

import csv
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings import searching
from integrations.models import Delivery
from integrations.roles import VIEWER
from tests.browser.conftest import log_in, person_in, press
from tests.factories import (
    BookingEventFactory,
    ConnectionFactory,
    DeliveryAttemptFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RemoteRecordFactory,
    RuleFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def failed() -> Delivery:
    """Today's meeting of somebody of Northwind: Slack has it, Salesforce refused it. And another's, next month."""
    now = timezone.now()
    invitee = InviteeFactory.create(
        name="Maria Lopez", email="maria@northwind.example", booking__name="Product demo", booking__start_at=now.replace(hour=15, minute=0),
        answers=[{"question": "Company", "answer": "Northwind", "position": 0}],
    )  # fmt: skip
    InviteeFactory.create(name="Jon Healthy", booking__name="Workshop", booking__start_at=now + timedelta(days=40))  # fmt: skip
    searching.refresh([invitee.booking_id])
    event = BookingEventFactory.create(
        invitee=invitee, cause_id=InboundWebhookFactory.create(booking=invitee.booking).pk
    )
    slack = RuleFactory.create(name="Tell sales", connection__name="Slack")
    DeliveryFactory.create(event=event, rule=slack, delivered=True)
    RemoteRecordFactory.create(connection=slack.connection, chain=invitee)
    salesforce = ConnectionFactory.create(provider="salesforce", name="Salesforce", secrets={"client_id": "the-client", "client_secret": "very-hidden"})  # fmt: skip
    refused = DeliveryFactory.create(
        event=event, rule=RuleFactory.create(name="Write meetings", connection=salesforce, action="sync_meeting"), failed=True,
        error="Salesforce refuses the values: Meetings need a room.", hint="Give it a room, then retry.",
    )  # fmt: skip
    DeliveryAttemptFactory.create(delivery=refused, outcome="failed", error=refused.error)
    return refused


def test_a_viewer_finds_todays_booking_reads_where_it_went_and_takes_the_list_along(
    page: Page, failed: Delivery
):
    log_in(page, person_in(VIEWER, "vera"))
    expect(page.get_by_role("link", name="1 delivery to Salesforce failed")).to_be_visible()
    expect(page.get_by_text("Give it a room, then retry.")).to_be_visible()

    page.get_by_role("link", name="Bookings").first.click()
    expect(page.get_by_text("Jon Healthy")).to_be_visible()
    page.get_by_role("link", name="Today").click()
    expect(page.get_by_text("Jon Healthy")).to_have_count(0)
    page.locator("#searchbar").fill("northwind")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=northwind**")
    with page.expect_download() as exported:
        page.get_by_role("button", name="Export to CSV").click()
    with exported.value.path().open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["Invitee"], row["Company"], row["Slack"], row["Salesforce"]) == (
        "Maria Lopez",
        "Northwind",
        "synced",
        "failed",
    )

    page.get_by_role("link", name="Product demo").click()
    places = page.get_by_label("Destinations", exact=True)
    expect(places.get_by_role("row", name="Slack Tell sales")).to_contain_text("synced")
    expect(places.get_by_role("row", name="Salesforce")).to_contain_text("Meetings need a room.")
    expect(page.locator("#timeline").get_by_text("Attempt 1")).to_be_visible()


def test_a_viewer_is_offered_and_told_nothing_more_and_refused_by_hand(
    page: Page, sign_in, failed: Delivery
):
    sign_in(person_in(VIEWER, "vera"))
    booking = f"/admin/bookings/booking/{failed.event.booking_id}"

    page.goto(f"{booking}/change/")
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    for name in ("Retry", "Send again", "Cancel at Calendly", "Mark as no-show", "Read again"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_text("chat.postMessage")).to_have_count(0)
    page.goto(f"/admin/integrations/connection/{failed.connection_id}/change/")
    expect(page.get_by_role("heading", name="Salesforce").first).to_be_visible()
    assert "very-hidden" not in page.content()
    assert "the-client" not in page.content()
    expect(page.locator("input[type=password]")).to_have_count(0)

    assert press(page, f"/admin/integrations/delivery/{failed.pk}/operate/retry/") == 403
    assert press(page, f"{booking}/cancel/", confirmed="1") == 403
    assert (
        press(page, f"/admin/integrations/connection/{failed.connection_id}/operate/pause/") == 403
    )
    failed.refresh_from_db()
    assert failed.state == Delivery.State.FAILED
