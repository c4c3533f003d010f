"""An operator's day: something breaks, is found, understood and mended; a guest does not come, another is called off."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings.models import Booking
from integrations.embedded import Child
from integrations.models import Delivery, Rule
from integrations.roles import OPERATOR
from integrations.sandbox.control_client import SandboxControl
from tests.browser.conftest import person_in, press, until
from tests.factories import BookingEventFactory, ConnectionFactory, DeliveryFactory, RuleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: One more than is done while somebody waits.
MANY = 101
#: Milliseconds for what a worker has to do.
LONG = 30_000


def book(sandbox: SandboxControl, name: str, *, starts: timedelta) -> None:
    """Have a meeting booked at Calendly, which tells the site."""
    now = timezone.now()
    sandbox.book(
        name=name, email=f"{name.casefold().replace(' ', '.')}@example.com", start_time=(now + starts).isoformat(),
        now=(now - timedelta(days=2)).isoformat(), answers={"Company": "Northwind"},
    )  # fmt: skip


def leave_old_failures() -> None:
    """Leave more failures at a connection that is used no more than are dealt with while somebody waits."""
    connection = ConnectionFactory.create(name="Old team")
    event = BookingEventFactory.create()
    rules = Rule.objects.bulk_create(
        RuleFactory.build(connection=connection, enabled=False) for _ in range(MANY)
    )
    Delivery.objects.bulk_create(
        DeliveryFactory.build(event=event, chain=event.chain, rule=rule, connection=connection, failed=True)
        for rule in rules
    )  # fmt: skip


def open_booking(page: Page, invitee: str) -> None:
    page.goto("/admin/bookings/booking/")
    page.get_by_role("row", name=invitee).get_by_role("link").first.click()


def test_an_operator_finds_what_broke_has_it_sent_again_and_looks_after_bookings(
    page: Page, sign_in, connected: SandboxControl, worker: Child
):
    refused = {"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Meetings need a room.", "fields": ["Location"], "status": 400}  # fmt: skip
    connected.add_fault("salesforce", "salesforce_error", times=0, match={"path_contains": "/sobjects/Event"}, **refused)  # fmt: skip
    book(connected, "Ann Lee", starts=-timedelta(hours=1))
    book(connected, "Bo Berg", starts=timedelta(days=2))
    failed = Delivery.objects.filter(state="failed", connection__provider="salesforce")
    until(lambda: failed.count() == 2, "Salesforce refuses both")
    leave_old_failures()

    sign_in(person_in(OPERATOR, "olga"))
    page.goto("/admin/")
    page.get_by_role("link", name="2 deliveries").click()
    expect(page.get_by_text("Meetings need a room.").first).to_be_visible()
    expect(page.get_by_text("What to do:")).to_be_visible()
    connected.clear_faults()
    page.get_by_role("link", name="Retry all 2").click()
    page.get_by_role("button", name="Retry: 2 deliveries").click()
    expect(page.get_by_text("2 deliveries: sent again.")).to_be_visible()
    expect(page.get_by_text("Nothing of this cause is left")).to_have_count(0)
    until(lambda: not Delivery.objects.filter(connection__provider="salesforce").exclude(state="delivered").exists(), "both are delivered")  # fmt: skip
    assert len(connected.salesforce_records("Event")) == 2

    page.get_by_role("link", name="Error inbox").first.click()
    page.get_by_role("region", name="Old team").get_by_role("link", name="Ignore all 101").click()
    page.get_by_label("Why is nothing done about them?").fill("That team is gone")
    page.get_by_role("button", name="Ignore: 101 deliveries").click()
    expect(page.get_by_text("All of them were looked at.")).to_be_visible(timeout=LONG)

    open_booking(page, "Ann Lee")
    page.locator("#timeline").get_by_text("Body as it came").first.click()
    expect(page.locator("#timeline").get_by_text('"event": "invitee.created"')).to_be_visible()
    page.get_by_role("button", name="Mark as no-show").click()
    expect(page.get_by_text("Marked as a no-show at Calendly.").first).to_be_visible()
    until(Booking.objects.filter(invitees__no_show_at__isnull=False).exists, "the no-show comes back")  # fmt: skip

    open_booking(page, "Bo Berg")
    page.get_by_role("button", name="Cancel at Calendly").click()
    page.get_by_label("Reason").fill("Flooded")
    page.get_by_role("button", name="Cancel the meeting").click()
    expect(page.get_by_text("Canceled at Calendly.").first).to_be_visible()
    until(Booking.objects.filter(status="canceled", cancel_reason="Flooded").exists, "the cancel comes back")  # fmt: skip

    page.goto("/admin/integrations/inboundwebhook/")
    page.locator("#result_list tbody").get_by_role("link").first.click()
    page.get_by_role("button", name="Process again").click()
    expect(page.get_by_text("1 webhook will be processed again now.")).to_be_visible()

    page.get_by_role("link", name="Audit log").click()
    for what in ("Sent again.", "Ignore deliveries", "Marked a no-show at Calendly.", "Canceled at Calendly.", "Processed again."):  # fmt: skip
        expect(page.get_by_role("row", name=what).filter(has_text="olga").first).to_be_visible()


def test_an_operator_sets_nothing_up_and_lets_nobody_in(page: Page, sign_in):
    rule = RuleFactory.create()
    connection = f"/admin/integrations/connection/{rule.connection_id}"
    sign_in(person_in(OPERATOR, "olga"))

    page.goto(f"{connection}/change/")
    expect(page.get_by_role("button", name="Test connection").first).to_be_visible()
    for name in ("Save", "Disconnect", "Connect with Slack"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    expect(page.get_by_role("link", name="API tokens")).to_have_count(0)
    for place in ("integrations/rule/add/", "integrations/apitoken/", "auth/user/", "integrations/erasurerequest/add/"):  # fmt: skip
        assert page.request.get(f"/admin/{place}").status == 403
    assert press(page, f"/admin/integrations/rule/{rule.pk}/delete/", post="yes") == 403
    assert press(page, f"{connection}/change/", name="Mine") == 403
    assert Rule.objects.get().connection.name == rule.connection.name
