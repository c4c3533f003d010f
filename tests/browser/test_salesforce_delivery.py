"""What a delivery's page and a booking's timeline tell of a write to Salesforce, for each way that one can go."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations.deliver import deliver
from integrations.models import Delivery, FieldMapping
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

MARIA = "maria@acme.example"
BY_HAND = Write(via="ui")


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    settings.SALESFORCE_LOGIN_URL = f"{server.url}/salesforce"
    return server


@pytest.fixture
def org(sandbox):
    return sandbox.state.salesforce


@pytest.fixture
def rule(sandbox):
    config = sandbox.state.config
    connection = ConnectionFactory.create(
        provider="salesforce", name="Salesforce",
        secrets={"client_id": config.salesforce_client_id, "client_secret": config.salesforce_client_secret},
    )  # fmt: skip
    return RuleFactory.create(name="Write meetings", connection=connection, action="sync_meeting")


@pytest.fixture
def booked(rule) -> Delivery:
    """A meeting that is to be written."""
    person = InviteeFactory.create(
        name="Maria Lopez", email=MARIA, booking__name="Product demo", timezone="Europe/Madrid",
        answers=[{"question": "Company", "answer": "Acme Iberia", "position": 0}],
    )  # fmt: skip
    return DeliveryFactory.create(event=BookingEventFactory.create(invitee=person), rule=rule)


def send(delivery: Delivery) -> Delivery:
    deliver(delivery.pk, clock=timezone.now)
    delivery.refresh_from_db()
    return delivery


def _picture(page: Page, name: str) -> None:
    """Keep a picture where somebody wants to look at it."""
    folder = os.environ.get("CALSYNC_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def look_at(page: Page, delivery: Delivery, name: str) -> None:
    """Open the delivery's page, on a desk and on a phone, and its booking's."""
    address = f"/admin/integrations/delivery/{delivery.pk}/change/"
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    _picture(page, f"{name}-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"/admin/bookings/booking/{delivery.event.booking_id}/change/")
    _picture(page, f"{name}-booking")
    page.goto(address)
    _picture(page, name)


def row(page: Page, field: str):
    """Return the cells before and after of a written field."""
    return page.locator("tr", has=page.get_by_role("cell", name=field, exact=True)).locator("td")


def steps(page: Page) -> str:
    return " ".join(page.locator("dl.cs-facts").all_inner_texts())


def test_a_new_booking(staff_page: Page, booked: Delivery):
    send(booked)
    look_at(staff_page, booked, "new")

    expect(row(staff_page, "Company")).to_have_text(["Company", "(empty)", "Acme Iberia"])
    expect(row(staff_page, "Subject").last).to_have_text("Product demo with Maria Lopez")
    told = steps(staff_page)
    assert "created" in told
    assert "No record has this e-mail address." in told
    expect(staff_page.get_by_text("4 requests", exact=False)).to_be_visible()


def test_a_known_person_and_a_change_of_the_meeting(staff_page: Page, booked: Delivery, rule, org):
    contact = org.create("Contact", {"LastName": "Lopez", "Email": MARIA}, how=BY_HAND)
    send(booked)
    booking = booked.event.booking
    assert booking
    booking.start_at += timedelta(days=1)
    booking.end_at += timedelta(days=1)
    booking.save()
    moved = BookingEventFactory.create(invitee=booked.chain, kind="rescheduled")
    again = send(DeliveryFactory.create(event=moved, rule=rule))

    look_at(staff_page, booked, "known")
    expect(row(staff_page, "WhoId").last).to_have_text(contact)
    look_at(staff_page, again, "change")
    start = booking.start_at
    expect(row(staff_page, "StartDateTime")).to_have_text(
        [
            "StartDateTime",
            f"{start - timedelta(days=1):%a %d %b %Y, %H:%M} UTC",
            f"{start:%a %d %b %Y, %H:%M} UTC",
        ]
    )
    expect(row(staff_page, "Subject")).to_have_count(0)
    expect(row(staff_page, "WhoId")).to_have_count(0)


def test_a_question_to_a_person(staff_page: Page, booked: Delivery, org):
    for name in ("Lopez", "Lopez Garcia"):
        org.create("Contact", {"LastName": name, "Email": MARIA}, how=BY_HAND)
    send(booked)
    look_at(staff_page, booked, "review")

    assert "A person has to choose" in steps(staff_page)
    expect(staff_page.get_by_text("What to do:").first).to_be_visible()
    expect(staff_page.get_by_role("link", name="Choose the record").first).to_be_visible()


def test_a_mapped_value_that_was_cut(staff_page: Page, booked: Delivery, rule):
    FieldMapping.objects.create(
        connection=rule.connection, object_type="Lead", field="Title", source="constant", argument="Head of " * 30,
        write_mode="always",
    )  # fmt: skip
    send(booked)
    look_at(staff_page, booked, "cut")

    assert "Lead.Title: cut from" in steps(staff_page)


def test_a_refused_field(staff_page: Page, booked: Delivery, sandbox):
    sandbox.state.faults.add(
        service="salesforce", kind="salesforce_error", times=0, match={"path_contains": "/sobjects/Event/"},
        params={"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Meetings need a room.", "fields": ["Location"], "status": 400},
    )  # fmt: skip
    send(booked)
    look_at(staff_page, booked, "refused")

    expect(staff_page.get_by_text("Meetings need a room.").first).to_be_visible()
    expect(staff_page.get_by_text("A validation rule", exact=False).first).to_be_visible()
    told = steps(staff_page)
    assert "created" in told
    expect(row(staff_page, "LastName").last).to_have_text("Lopez")


def test_a_throttled_delivery(staff_page: Page, booked: Delivery, sandbox):
    sandbox.state.config.salesforce_daily_limit = 0
    send(booked)
    sandbox.state.config.salesforce_daily_limit = 15_000
    look_at(staff_page, booked, "throttled")

    expect(staff_page.get_by_text("REQUEST_LIMIT_EXCEEDED").first).to_be_visible()
    expect(staff_page.get_by_text("Company Information", exact=False).first).to_be_visible()


def test_a_dry_run(staff_page: Page, booked: Delivery, org):
    page = staff_page
    page.goto(f"/admin/integrations/delivery/{booked.pk}/change/")
    page.get_by_role("button", name="Dry run").click()

    expect(page.get_by_text("Nothing was written anywhere", exact=False)).to_be_visible()
    expect(row(page, "Subject").last).to_have_text("Product demo with Maria Lopez")
    expect(row(page, "Company").last).to_have_text("Acme Iberia")
    _picture(page, "dry")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    _picture(page, "dry-phone")
    assert org.records["Event"] == {}
