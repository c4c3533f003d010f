"""A person who went the whole road is erased, and the road does not bring them back."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings.models import Booking, Invitee
from integrations import drift, erasure, refetch, reviews
from integrations.errors import Candidate
from integrations.models import (
    Delivery,
    DeliveryAttempt,
    ErasureRequest,
    FieldMapping,
    InboundWebhook,
    MatchReview,
    RemoteRecord,
)
from tests.factories import RuleFactory, StaffUserFactory
from tests.integrations.bodies import envelope
from tests.integrations.leftovers import leftovers

pytestmark = pytest.mark.django_db

ANN = "ann.o'leary+eu@example.org"
PHONE = "+49 30 5550177"
SAID = "My cat’s name is Mæve"
WORDS = (ANN, "Annegret", "O'Leary", PHONE, SAID, "Her cat is ill", "spring-ann")


def booked(sandbox, *, now, **more):
    return sandbox.book(
        name="Annegret O'Leary", email="Ann.O'Leary+EU@example.org", guests=[ANN, "carl@example.org"], silently=True,
        now=now.isoformat(), answers={"Who are you?": f"Annegret, {ANN}", "Cat": SAID}, text_reminder_number=PHONE,
        first_name="Annegret", last_name="O'Leary", tracking={"utm_campaign": "spring-ann"},
        location={"kind": "outbound_call", "location": PHONE}, **more,
    )  # fmt: skip


def told(sandbox, kind, person):
    """Return the webhook about an invitee as they stand now."""
    held = sandbox.calendly()
    events = {event["uri"]: event for event in held["events"]}
    return envelope(
        kind,
        {**person, "scheduled_event": events[person["event"]]},
        created_at=person["updated_at"],
    )


def read(road, uri):
    """Have Calendly asked about a booking, and carry out what follows."""
    account = road.subscription.connection.account
    refetch.ask_now(uri, account=account, now=timezone.now())
    road.work()


def erase(address=ANN):
    request = erasure.request(address, requested_by="olivia", now=timezone.now())
    assert erasure.carry_out(request, now=timezone.now())
    return request


def test_who_was_carried_everywhere_is_erased_here_and_listed_there(road, sandbox):
    person = booked(sandbox, now=timezone.now() - timedelta(days=1))
    read(road, person["event"])
    assert leftovers(*WORDS)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}

    request = erase()

    assert leftovers(*WORDS) == []
    listed = {(record["object_type"], record["remote_id"]) for record in request.remote}
    assert listed == set(RemoteRecord.objects.values_list("object_type", "remote_id"))
    assert {kind for kind, _ in listed} >= {"Lead", "Event", "message"}


def test_who_came_in_moved_and_canceled_was_looked_at_and_retried_leaves_nothing(road, sandbox):
    """Every table is filled: through the door, by the destinations' answers, by staff in the admin."""
    day = timezone.now() - timedelta(days=1)
    person = booked(sandbox, now=day)
    road.receive(told(sandbox, "invitee.created", person))
    road.receive({"event": "contact.created", "payload": {"contact": {"email": ANN, "name": "Annegret"}}})  # fmt: skip
    road.receive(f"no JSON, {ANN}".encode())
    road.work()
    sandbox.add_fault("salesforce", "error", status=500)
    moved = sandbox.reschedule(
        person["uri"], start_time=(day + timedelta(days=9)).isoformat(), silently=True,
        now=(day + timedelta(minutes=1)).isoformat(),
    )  # fmt: skip
    read(road, person["event"])
    read(road, moved["event"])
    sandbox.cancel(
        moved["uri"],
        reason="Her cat is ill",
        silently=True,
        now=(day + timedelta(minutes=2)).isoformat(),
    )
    read(road, moved["event"])
    staff = Client()
    staff.force_login(StaffUserFactory.create(is_superuser=True))
    for name, row in (("invitee", Invitee.objects.first()), ("booking", Booking.objects.first())):
        assert row
        assert staff.get(reverse(f"admin:bookings_{name}_change", args=[row.pk])).status_code == 200
    tables = {place.partition(".")[0] for place in leftovers(*WORDS)}
    assert tables >= {
        "bookings_booking", "bookings_invitee", "integrations_inboundwebhook",
        "integrations_deliveryattempt",
    }  # fmt: skip

    erase()

    assert leftovers(*WORDS) == []
    assert DeliveryAttempt.objects.count() > 3
    assert InboundWebhook.objects.count() == 3
    assert not InboundWebhook.objects.exclude(body=b"").exists()


def test_who_was_guessed_at_mapped_compared_and_acted_on_leaves_nothing(road, sandbox):
    """Every table that Salesforce fills: reviews, what was changed, what is kept true, and differences."""
    sandbox.salesforce_add_field("Event", "Guests__c", length=200)
    road.salesforce.settings = {"guests": "create"}
    road.salesforce.save()
    map_fields(road)
    for action, kinds in (("file_case", ["booked", "canceled"]), ("create_task", ["booked"])):
        RuleFactory.create(connection=road.salesforce, action=action, kinds=kinds)
    twins = [
        sandbox.salesforce_insert(
            "Contact", LastName=name, Email=ANN, Description=f"Known as {name}"
        )
        for name in ("O'Leary", "Annegret")
    ]
    sandbox.salesforce_insert("Contact", LastName="Carl", Email="carl@example.org")
    person = booked(sandbox, now=timezone.now() - timedelta(days=1))
    read(road, person["event"])
    review = MatchReview.objects.get()
    answer(review, use=twins[0])
    road.work()
    (event,) = sandbox.salesforce_records("Event")
    sandbox.salesforce_change("Event", event["Id"], Guests__c="O'Leary, by hand")
    run = compare(road)
    assert run.findings.exists()
    tables = {place.rpartition(" ")[0] for place in leftovers(*WORDS)}
    assert tables >= {
        "integrations_matchreview.candidates", "integrations_driftfinding.fields",
        "integrations_remoterecord.data", "integrations_deliveryattempt.changes",
    }  # fmt: skip
    assert {"Case", "Task", "Event", "Contact"} <= set(
        RemoteRecord.objects.values_list("object_type", flat=True)
    )

    request = erase()

    assert leftovers(*WORDS) == []
    assert request.found["match_reviews"] == 1
    assert compare(road).compared == 0
    read(road, person["event"])
    assert leftovers(*WORDS) == []


def map_fields(road):
    """Map some of the person with every mode."""
    rows = [
        ("Contact", "Description", "template", "Booked by {{ invitee.name }}", "append"),
        ("Contact", "Title", "invitee.name", "", "always"),
        ("Event", "Guests__c", "invitee.email", "", "always"),
    ]
    for object_type, field, source, argument, mode in rows:
        FieldMapping.objects.create(
            connection=road.salesforce, object_type=object_type, field=field, source=source, argument=argument,
            write_mode=mode,
        )  # fmt: skip


def answer(review, *, use):
    listed = {row["remote_id"]: Candidate(**row) for row in review.candidates}
    reviews.answer(
        review, verdict="use", candidate=listed[use], seen=None, by="olivia", now=timezone.now()
    )


def compare(road):
    run = drift.start(road.salesforce, now=timezone.now())
    drift.drain(road.salesforce.pk, until=timezone.now() + timedelta(minutes=1), clock=timezone.now)
    run.refresh_from_db()
    return run


def test_others_of_the_same_group_event_keep_all_that_is_theirs(road, sandbox):
    day = timezone.now() - timedelta(days=1)
    bob = sandbox.book(
        name="Bob Ray", email="bob@example.org", event_type="group-workshop", silently=True, now=day.isoformat(),
        answers={"Who sent you?": "A friend"},
    )  # fmt: skip
    ann = sandbox.book(
        name="Annegret O'Leary", email=ANN, event_type="group-workshop", silently=True, now=day.isoformat(),
        start_time=sandbox.calendly()["events"][0]["start_time"],
    )  # fmt: skip
    assert ann["event"] == bob["event"]
    road.receive(told(sandbox, "invitee.created", bob))
    road.receive(told(sandbox, "invitee.created", ann))
    road.work()
    before = Invitee.objects.values().get(email="bob@example.org")

    erase()

    assert leftovers(*WORDS) == []
    assert Invitee.objects.values().get(email="bob@example.org") == before
    assert b"bob@example.org" in bytes(InboundWebhook.objects.exclude(body=b"").get().body)
    assert "bob@example.org" in str(DeliveryAttempt.objects.values_list("exchanges", flat=True))


def test_what_calendly_still_holds_does_not_come_back(road, sandbox):
    person = booked(sandbox, now=timezone.now() - timedelta(days=1))
    read(road, person["event"])
    erase()
    carried = DeliveryAttempt.objects.exclude(exchanges=[]).count()

    read(road, person["event"])
    sandbox.edit_event(person["event"], {"name": "Talk with Annegret O'Leary"})
    read(road, person["event"])
    sandbox.cancel(person["uri"], reason="Her cat is ill", silently=True)
    read(road, person["event"])

    assert leftovers(*WORDS) == []
    assert Invitee.objects.get().status == Booking.objects.get().status == "canceled"
    assert Booking.objects.get().guests == ["carl@example.org"]
    assert DeliveryAttempt.objects.exclude(exchanges=[]).count() == carried


def test_what_calendly_held_and_nobody_had_read_yet_is_carried_nowhere(road, sandbox):
    person = booked(sandbox, now=timezone.now() - timedelta(days=1))
    erase()

    read(road, person["event"])
    road.receive(told(sandbox, "invitee.created", person))
    road.work()

    assert Invitee.objects.get().erased_at
    assert set(Delivery.objects.values_list("state", flat=True)) == {"skipped"}
    assert sandbox.slack_messages() == []
    assert not [lead for lead in sandbox.salesforce_records("Lead") if not lead["Email"]]
    assert leftovers(*WORDS) == []


def test_what_the_person_books_afterwards_is_carried_as_usual(road, sandbox):
    erase()
    person = booked(sandbox, now=timezone.now() + timedelta(minutes=1))

    read(road, person["event"])

    invitee = Invitee.objects.get()
    assert (invitee.email.casefold(), invitee.name) == (ANN, "Annegret O'Leary")
    leads = sandbox.salesforce_records("Lead")
    assert [lead for lead in leads if (lead["Email"] or "").casefold() == ANN]


def test_a_request_that_is_repeated_finds_nothing_left(road, sandbox):
    person = booked(sandbox, now=timezone.now() - timedelta(days=1))
    read(road, person["event"])

    first, second = erase(), erase(ANN.upper())

    assert first.found["invitees"] == 1
    assert (second.found, second.remote) == ({}, [])
    assert ErasureRequest.objects.count() == 2
