"""What the lists tell, and what they can be asked."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking, Invitee
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryFactory,
    EventTypeFactory,
    HostFactory,
    InviteeFactory,
    RemoteRecordFactory,
    RoutingSubmissionFactory,
    RuleFactory,
)

pytestmark = pytest.mark.django_db

LISTS = {
    "bookings": "Booking",
    "invitees": "Invitee",
    "events": "BookingEvent",
    "hosts": "Host",
    "event_types": "EventType",
    "deliveries": "Delivery",
}


def meeting(**delivery):
    """Make a booking with an invitee, an event, a delivery and a record."""
    invitee = InviteeFactory.create(no_show=True, booking__guests=["guest@example.com"])
    event = BookingEventFactory.create(invitee=invitee, changes={"email": ["a@x.org", "b@x.org"]})
    made = DeliveryFactory.create(event=event, **(delivery or {"failed": True}))
    RemoteRecordFactory.create(connection=made.connection, chain=invitee)
    return made


def ids(response):
    assert response.status_code == 200, response.json()
    return [row["id"] for row in response.json()["results"]]


@pytest.mark.parametrize(("path", "component"), LISTS.items())
def test_every_answer_is_what_the_document_says(ask, hold, path, component):
    meeting()
    InviteeFactory.create(canceled=True, booking__status="canceled", booking__event_type=None)
    BookingEventFactory.create(
        invitee=None, booking=None, chain=None, kind="routing_form_submitted",
        routing_submission=RoutingSubmissionFactory.create(),
    )  # fmt: skip
    DeliveryFactory.create()

    rows = ask(path).json()
    one = ask(f"{path}/{rows['results'][0]['id']}").json()

    assert len(rows["results"]) >= 2
    hold(f"Paginated{component}List", rows)
    hold(component, one)
    assert one == rows["results"][0]


@pytest.mark.parametrize("path", LISTS)
def test_a_page_costs_the_same_however_long_it_is(ask, path):
    meeting()

    with CaptureQueriesContext(connection) as short:
        ask(path)
    for _ in range(3):
        meeting()
    with CaptureQueriesContext(connection) as long:
        answer = ask(path).json()

    assert len(answer["results"]) >= 4
    assert len(long) == len(short) - 1  # the token's use is noted once a minute


def test_a_booking_carries_its_chain_its_people_and_its_destinations(ask):
    host = HostFactory.create(name="Harper Host", email="harper@example.com")
    first = InviteeFactory.create(canceled=True, rescheduled=True, booking__hosts=[host])
    second = InviteeFactory.create(
        chain=first, old_invitee_uri=first.uri, created_at=NOW + timedelta(hours=1), no_show=True,
        booking__location_text="Room 1",
    )  # fmt: skip
    event = BookingEventFactory.create(invitee=second, chain=first)
    delivery = DeliveryFactory.create(event=event, failed=True, rule__connection__name="Sales")
    record = RemoteRecordFactory.create(connection=delivery.connection, chain=first)

    before, after = (ask(f"bookings/{i.booking_id}").json() for i in (first, second))

    assert (before["chain"], after["chain"]) == (first.pk, first.pk)
    assert (before["previous"], after["next"]) == (None, None)
    assert before["next"]["booking_id"] == after["id"]
    assert after["previous"]["invitee_uri"] == first.uri
    assert (after["uri"], after["no_show"], before["no_show"]) == (second.booking.uri, True, False)
    assert before["hosts"][0] | {"id": 0, "uri": ""} == {
        "id": 0, "uri": "", "name": "Harper Host", "email": "harper@example.com",
    }  # fmt: skip
    assert after["location"]["location"] == "Room 1"
    assert after["location"]["join_url"] == second.booking.join_url
    assert after["invitees"][0]["questions_and_answers"][0]["answer"] == "Pricing"
    [sync] = after["sync"]
    assert (sync["connection"]["name"], sync["state"]) == ("Sales", "failed")
    assert (sync["error"], sync["hint"]) == (delivery.error, delivery.hint)
    assert [r["url"] for r in sync["records"]] == [record.url]
    assert ask("bookings").headers["Cache-Control"] == "private, no-store"
    assert after["start_time"] == "2026-11-22T09:00:00Z"


def test_bookings_are_found_by_what_they_are(ask):
    host = HostFactory.create(email="Harper@example.com")
    kind = EventTypeFactory.create()
    wanted = BookingFactory.create(
        hosts=[host], event_type=kind, status="canceled", start_at=NOW, created_at=NOW,
        uri="https://api.calendly.com/scheduled_events/WANTED",
    )  # fmt: skip
    invitee = InviteeFactory.create(booking=wanted, email="Ines@Example.com", no_show=True)
    other = BookingFactory.create(start_at=NOW + timedelta(days=1), created_at=NOW - timedelta(1))
    InviteeFactory.create(booking=other)
    delivery = DeliveryFactory.create(event__invitee=invitee, failed=True)
    rule = RuleFactory.create()
    DeliveryFactory.create(event__invitee=other.invitees.get(), rule=rule, delivered=True)

    questions: list[dict[str, Any]] = [
        {"status": "canceled"},
        {"host": host.pk},
        {"host_email": "harper@EXAMPLE.com"},
        {"event_type": kind.pk},
        {"invitee_email": " ines@EXAMPLE.com"},
        {"no_show": "true"},
        {"chain": invitee.pk},
        {"uri": wanted.uri},
        {"max_start_time": "2026-11-20T10:00:00+01:00", "ordering": "start_time"},
        {"max_start_time": "2026-11-20T09:00:01Z"},
        {"min_created_at": "2026-11-20T09:00:00Z"},
        {"sync": "failed"},
        {"sync": "failed", "connection": delivery.connection_id},
        {"connection": delivery.connection_id},
    ]
    found = {str(question): ids(ask("bookings", **question)) for question in questions}

    assert found.pop(str(questions[8])) == []  # that is 09:00 UTC, and the bound is not included
    assert all(rows == [wanted.pk] for rows in found.values()), found
    assert ids(ask("bookings", no_show="false")) == [other.pk]
    assert ids(ask("bookings", sync="synced")) == [other.pk]
    assert ids(ask("bookings", sync="synced", connection=rule.connection_id)) == [other.pk]
    assert ids(ask("bookings", sync="failed", connection=rule.connection_id)) == []
    assert ids(ask("bookings", sync="pending")) == []
    assert ids(ask("bookings", min_start_time="2026-11-20T09:00:00Z")) == [other.pk, wanted.pk]


def test_deliveries_invitees_and_events_are_found_by_what_they_are(ask):
    delivery = meeting(failed=True)
    other = DeliveryFactory.create(event__kind="canceled")
    event, invitee = delivery.event, delivery.event.invitee

    for question in (
        {"state": "failed"}, {"failure_class": "permanent"}, {"connection": delivery.connection_id},
        {"rule": delivery.rule_id}, {"event": event.pk}, {"booking": event.booking_id}, {"chain": invitee.pk},
        {"min_settled_at": "2026-11-20T09:00:00Z"},
    ):  # fmt: skip
        assert ids(ask("deliveries", **question)) == [delivery.pk], question
    for question in (
        {"email": invitee.email.upper()}, {"no_show": "true"}, {"booking": event.booking_id}, {"chain": invitee.pk},
        {"uri": invitee.uri},
    ):  # fmt: skip
        assert ids(ask("invitees", **question)) == [invitee.pk], question
    for question in ({"kind": "booked"}, {"booking": event.booking_id}, {"invitee": invitee.pk}):
        assert ids(ask("events", **question)) == [event.pk], question
    assert ids(ask("events", after=event.pk)) == [other.event_id]
    assert ids(ask("deliveries", ordering="id")) == [delivery.pk, other.pk]


def test_what_changed_since_is_found_by_its_own_change_and_by_its_invitees(ask):
    quiet, own, theirs = (InviteeFactory.create().booking for _ in range(3))
    Booking.objects.update(mirrored_at=NOW)
    Invitee.objects.update(mirrored_at=NOW)
    Booking.objects.filter(pk=own.pk).update(mirrored_at=NOW + timedelta(hours=2))
    Invitee.objects.filter(booking=theirs).update(mirrored_at=NOW + timedelta(hours=3))

    answer = ask("bookings", updated_since="2026-11-20T10:00:00Z", ordering="id")

    assert ids(answer) == [own.pk, theirs.pk]
    assert [row["updated_at"] for row in answer.json()["results"]] == [
        "2026-11-20T11:00:00Z",
        "2026-11-20T12:00:00Z",
    ]
    assert quiet.pk in ids(ask("bookings", updated_since="2026-11-20T09:00:00Z"))


def cursor(*told):
    """Return a cursor that says this, whether or not we would say so."""
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ({"status": "gone"}, "Choose one of: active, canceled."),
        ({"no_show": "maybe"}, "Choose true or false."),
        ({"host": "x"}, "Enter a whole number."),
        ({"host": "1.5"}, "Enter a whole number."),
        ({"host": "99999999999999999999999"}, "less than or equal to"),
        ({"min_start_time": "tomorrow"}, "Write a time in ISO 8601"),
        ({"invitee_emial": "a@example.com"}, "There is no such parameter. There are: chain,"),
        ({"ordering": "name"}, "Choose one of: start_time, -start_time"),
        ({"page_size": "201"}, "Choose a number from 1 to 200."),
        ({"page_size": "0"}, "Choose a number from 1 to 200."),
        ({"page_size": "000000200999"}, "Choose a number from 1 to 200."),
        ({"updated_since": "0001-01-01T00:00:00+14:00"}, "Write a time in ISO 8601"),
        ({"max_start_time": "9999-12-31T23:00:00-12:00"}, "Write a time in ISO 8601"),
        ({"cursor": "what"}, "This cursor was not made here."),
        ({"cursor": "W10"}, "This cursor was not made here."),
        ({"cursor": "é"}, "This cursor was not made here."),
        (
            {"cursor": cursor("-id", 5, "2026-11-20T09:00:00Z"), "ordering": "-id"},
            "This cursor was not made here.",
        ),
        ({"cursor": cursor("-start_time", 5, None)}, "This cursor was not made here."),
        (
            {"cursor": cursor("-start_time", 5, "0001-01-01T00:00:00+14:00")},
            "This cursor was not made here.",
        ),
        ({"uri": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_a_question_that_is_not_understood_is_answered_with_what_to_do(ask, hold, question, words):
    response = ask("bookings", **question)

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    hold("Problem", response.json())
    assert words in response.json()["errors"][next(iter(question))][0]


def test_connections_are_named_where_they_decide(ask):
    connection_ = ConnectionFactory.create(name="Card", provider="slack", state="paused", state_reason="No token.")  # fmt: skip
    made = DeliveryFactory.create(rule__connection=connection_)

    [sync] = ask(f"bookings/{made.event.booking_id}").json()["sync"]

    assert (sync["state"], sync["error"]) == ("paused", "No token.")
    assert ids(ask("bookings", sync="pending")) == [made.event.booking_id]
