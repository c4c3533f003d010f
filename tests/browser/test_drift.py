import os
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations import drift
from integrations.deliver import deliver
from integrations.models import Delivery, DriftFinding
from integrations.sandbox import SandboxServer
from integrations.sandbox.salesforce.org import Write
from tests.factories import (
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
    RuleFactory,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PEOPLE = {"Maria Lopez": "maria", "Paul Brandt": "paul", "Kim Sato": "kim"}


@pytest.fixture
def org(server: SandboxServer, settings):
    server.reset()
    settings.SALESFORCE_LOGIN_URL = f"{server.url}/salesforce"
    return server.state.salesforce


@pytest.fixture
def deliveries(org, server: SandboxServer) -> list[Delivery]:
    """Meetings that were written to Salesforce; then somebody moved one, renamed one and deleted one there."""
    config = server.state.config
    connection = ConnectionFactory.create(
        provider="salesforce", name="Salesforce",
        secrets={"client_id": config.salesforce_client_id, "client_secret": config.salesforce_client_secret},
    )  # fmt: skip
    rule = RuleFactory.create(name="Write meetings", connection=connection, action="sync_meeting")
    made = []
    for name, box in PEOPLE.items():
        person = InviteeFactory.create(
            name=name, email=f"{box}@acme.example", booking__name="Product demo"
        )
        event = BookingEventFactory.create(invitee=person)
        made.append(DeliveryFactory.create(event=event, rule=rule, serial_key=box))
        deliver(made[-1].pk, clock=timezone.now)
    moved, renamed, deleted = list(org.records["Event"])
    by_hand = Write(via="ui")
    org.update("Event", moved, {"StartDateTime": "2026-12-03T15:00:00Z"}, how=by_hand)
    org.update(
        "Event", renamed, {"Subject": "Call with Paul about the offer", "Location": "Office"}, how=by_hand
    )  # fmt: skip
    org.delete("Event", deleted)
    return made


def _picture(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    folder = os.environ.get("CALSYNC_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_staff_compare_look_and_have_ours_written_again(
    staff_page: Page, deliveries: list[Delivery], org
):
    page, connection = staff_page, deliveries[0].connection
    page.goto(f"/admin/integrations/connection/{connection.pk}/change/")
    _picture(page, "drift-connection")
    page.get_by_role("button", name="Compare now").click()
    page.wait_for_load_state()
    now = timezone.now()
    drift.drain(connection.pk, until=now + timedelta(minutes=1), clock=timezone.now)

    page.goto("/admin/integrations/driftrun/")
    _picture(page, "drift-runs")
    page.locator("#result_list a").first.click()
    expect(page.get_by_text("Salesforce", exact=True).first).to_be_visible()
    _picture(page, "drift-run")
    page.goto("/admin/integrations/driftfinding/")
    expect(page.get_by_text("Call with Paul about the offer")).to_be_visible()
    expect(page.get_by_text("It is gone over there", exact=False)).to_be_visible()
    _picture(page, "drift")

    finding = DriftFinding.objects.get(fields__has_key="Location")
    page.goto(f"/admin/integrations/driftfinding/{finding.pk}/change/")
    _picture(page, "drift-finding")
    page.get_by_role("button", name="Write ours again").click()
    expect(page.get_by_text("1 written again now", exact=False)).to_be_visible()
    finding.refresh_from_db()
    assert finding.delivery
    deliver(finding.delivery.pk, clock=timezone.now)
    assert org.records["Event"][finding.remote_id]["Subject"] == "Product demo with Paul Brandt"


def test_the_differences_fit_a_phone(staff_page: Page, deliveries: list[Delivery]):
    drift.start(deliveries[0].connection, now=timezone.now())
    drift.drain(
        deliveries[0].connection_id, until=timezone.now() + timedelta(minutes=1), clock=timezone.now
    )
    page = staff_page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/integrations/driftfinding/")

    _picture(page, "drift-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    cell = page.locator("td.field-difference", has_text="Call with Paul")
    cut = cell.evaluate("cell => cell.scrollHeight > cell.clientHeight + 1")
    assert not cut, "a difference is cut off"
