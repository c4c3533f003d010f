import pytest
from playwright.sync_api import Page, expect

from integrations.models import Delivery, InboundWebhook
from tests.factories import (
    BookingEventFactory,
    DeliveryAttemptFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RuleFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def failed() -> Delivery:
    invitee = InviteeFactory.create(name="Maria Lopez", booking__name="Intro call")
    webhook = InboundWebhookFactory.create(booking=invitee.booking)
    event = BookingEventFactory.create(invitee=invitee, cause_id=webhook.pk)
    rule = RuleFactory.create(name="Tell sales", connection__name="Slack")
    delivery = DeliveryFactory.create(event=event, rule=rule, failed=True)
    DeliveryAttemptFactory.create(delivery=delivery, outcome="failed", error=delivery.error)
    return delivery


def test_staff_find_a_failed_booking_read_why_and_retry_it(staff_page: Page, failed: Delivery):
    InviteeFactory.create(name="Jon Healthy", booking__name="Workshop")
    page = staff_page

    page.goto("/admin/bookings/booking/")
    expect(page.get_by_text("Jon Healthy")).to_be_visible()
    page.locator("a", has_text="Filters").first.click()
    page.get_by_role("link", name="Failed somewhere").click()
    expect(page.get_by_text("Jon Healthy")).to_have_count(0)
    page.get_by_role("link", name="Intro call").first.click()

    timeline = page.locator("#timeline")
    expect(timeline.get_by_text("Attempt 1")).to_be_visible()
    timeline.get_by_text("Body as it came").click()
    expect(timeline.get_by_text('"event": "invitee.created"')).to_be_visible()
    timeline.get_by_text("chat.postMessage").click()
    expect(timeline.get_by_text('"channel": "C1"')).to_be_visible()
    expect(page.get_by_text("Check the channel in the rule, then retry.").first).to_be_visible()

    page.get_by_role("button", name="Retry").click()

    expect(page.get_by_text("It is sent again.")).to_be_visible()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    failed.refresh_from_db()
    assert failed.state == Delivery.State.WAITING


def test_staff_process_a_webhook_again(staff_page: Page):
    webhook = InboundWebhookFactory.create(state="failed", error="KeyError: 'payload'")
    page = staff_page

    page.goto("/admin/integrations/inboundwebhook/")
    page.get_by_role("link", name="20 Nov 2026").click()
    expect(page.get_by_text("KeyError")).to_be_visible()
    page.get_by_role("button", name="Process again").click()

    expect(page.get_by_text("1 webhook will be processed again now.")).to_be_visible()
    webhook.refresh_from_db()
    assert webhook.state == InboundWebhook.State.RECEIVED


def test_staff_retry_many_deliveries_from_their_list(staff_page: Page, failed: Delivery):
    page = staff_page

    page.goto("/admin/integrations/delivery/")
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("retry")
    page.get_by_role("button", name="Run").click()

    expect(page.get_by_text("It is sent again.")).to_be_visible()
    failed.refresh_from_db()
    assert failed.state == Delivery.State.WAITING
