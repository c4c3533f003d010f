"""Reading again over HTTP: links still being made, and what left Calendly without a word."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bookings.models import (
    Booking,
    EventType,
    Group,
    GroupRelationship,
    Host,
    OrganizationMembership,
    RefetchRequest,
    RoutingForm,
)
from integrations import refetch
from integrations.models import Connection, Delivery
from tests.integrations.bodies import envelope

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=6)


def told(sandbox, invitee):
    """Return the webhook of a booking, with its scheduled event as it stands now."""
    events = {event["uri"]: event for event in sandbox.calendly()["events"]}
    payload = {**invitee, "scheduled_event": events[invitee["event"]]}
    return envelope("invitee.created", payload, created_at=invitee["created_at"])


def named(sandbox, kind, name):
    return next(row["uri"] for row in sandbox.calendly()[kind] if row["name"] == name)


def ask(road, uri):
    """Ask about an object as the button does, and let the workers work."""
    account = Connection.objects.get(provider="calendly").account
    refetch.ask_now(uri, account=account, now=timezone.now())
    road.work()


@pytest.fixture
def booked(road, sandbox) -> dict[str, Any]:
    """A booking that Calendly told of and that was carried on."""
    invitee: dict[str, Any] = sandbox.book(name="Ann Lee", email="ann@example.com")
    road.receive(told(sandbox, invitee))
    road.work()
    return invitee


def wait_for_link(sandbox):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if sandbox.calendly()["events"][0]["location"]["status"] == "pushed":
            return
        time.sleep(0.05)
    pytest.fail("The sandbox made no conference link.")


def test_a_link_that_was_still_being_made_is_read_after_seconds_and_carried_on(road, sandbox):
    sandbox.settings(calendly_conference_delay=0.3)
    invitee = sandbox.book(name="Ann Lee", email="ann@example.com")
    body = told(sandbox, invitee)
    assert body["payload"]["scheduled_event"]["location"]["status"] == "processing"
    road.receive(body)
    road.work()
    before = Booking.objects.get().join_url
    wait_for_link(sandbox)

    road.work(ahead=SOON)

    link = Booking.objects.get().join_url
    assert (before, Booking.objects.get().location_status) == ("", "pushed")
    assert link in str(sandbox.salesforce_records("Event")[0])
    assert not RefetchRequest.objects.exists()


def test_a_link_that_takes_longer_is_asked_for_again(road, sandbox):
    invitee = sandbox.book(name="Ann Lee", email="ann@example.com", conference_delay=600)
    road.receive(told(sandbox, invitee))
    road.work()

    road.work(ahead=SOON)

    request: Any = RefetchRequest.objects.get()
    assert (request.reason, request.attempts) == ("conference_link", 1)
    assert timedelta(seconds=14) < request.due_at - timezone.now() - SOON < timedelta(seconds=16)


def test_a_booking_that_was_erased_at_calendly_is_marked_and_nothing_is_sent(road, sandbox, booked):
    sent = Delivery.objects.count()
    sandbox.erase_event(booked["event"])

    ask(road, booked["event"])

    booking = Booking.objects.get()
    assert booking.vanished_at is not None
    assert (booking.status, booking.invitees.get().email) == ("active", "ann@example.com")
    assert Delivery.objects.count() == sent


def test_a_member_who_left_is_marked_and_keeps_the_name(road, sandbox, booked):
    uma = named(sandbox, "users", "Uma Underwood")
    ask(road, uma)
    known = Host.objects.get(uri=uma)
    sandbox.remove_member(uma)

    ask(road, uma)

    host = Host.objects.get(uri=uma)
    assert (known.vanished_at, known.name) == (None, "Uma Underwood")
    assert host.vanished_at is not None
    assert (host.name, host.email) == (known.name, known.email)


def test_a_retired_event_type_is_kept_as_retired_and_an_erased_one_as_gone(road, sandbox, booked):
    retired = named(sandbox, "event_types", "Interview")
    erased = named(sandbox, "event_types", "Sales Demo")
    for uri in (retired, erased):
        ask(road, uri)
    sandbox.delete_event_type(retired)
    sandbox.erase_event_type(erased)

    for uri in (retired, erased):
        ask(road, uri)

    kept, gone = EventType.objects.get(uri=retired), EventType.objects.get(uri=erased)
    assert kept.deleted_at is not None
    assert kept.vanished_at is None
    assert gone.vanished_at is not None
    assert (kept.name, gone.name) == ("Interview", "Sales Demo")


def test_an_event_type_that_a_booking_only_named_is_read_whole(road, sandbox, booked):
    stub = EventType.objects.get()

    ask(road, stub.uri)

    read = EventType.objects.get()
    assert (stub.source_updated_at, stub.duration_minutes) == (None, None)
    assert read.source_updated_at is not None
    assert read.duration_minutes


def test_members_groups_and_forms_are_read_by_their_uri(road, sandbox):
    state = sandbox.calendly()
    places = state["group_relationships"]

    for place in places:
        for uri in (place["owner"]["uri"], place["uri"], place["group"]):
            ask(road, uri)
    ask(road, state["routing_forms"][0]["uri"])

    assert {str(group) for group in Group.objects.all()} == {"Sales", "Consulting"}
    assert GroupRelationship.objects.filter(membership=None).count() == 0
    assert set(OrganizationMembership.objects.values_list("role", flat=True)) == {
        "owner",
        "admin",
        "user",
    }
    assert RoutingForm.objects.get().questions[0]["name"] == "What do you need?"
    assert not RefetchRequest.objects.exists()


def test_a_budget_that_is_used_up_costs_no_try(road, sandbox, booked):
    sandbox.add_fault("calendly", "rate_limited", retry_after=30)

    ask(road, booked["event"])
    request: Any = RefetchRequest.objects.get()
    road.work(ahead=timedelta(seconds=31))

    assert request.attempts == 0
    assert timedelta(seconds=25) < request.due_at - timezone.now() < timedelta(seconds=31)
    assert not RefetchRequest.objects.exists()


def test_a_colleague_hidden_from_us_is_neither_gone_nor_a_reason_to_pause(road, sandbox, booked):
    connection = Connection.objects.get(provider="calendly")
    connection.set_secrets({"access_token": "sandbox-calendly-pat-user"})
    connection.save()
    hidden = named(sandbox, "users", "Olivia Owens")
    Host.objects.get_or_create(uri=hidden)

    ask(road, hidden)

    connection.refresh_from_db()
    assert connection.state == "healthy"
    assert "403" in connection.last_error
    assert Host.objects.get(uri=hidden).vanished_at is None
    assert "403" in RefetchRequest.objects.get().last_error
