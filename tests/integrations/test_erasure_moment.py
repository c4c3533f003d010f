"""What is on its way at the moment of an erasure, and what is first heard of afterwards, keeps nothing of the person."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction

from bookings.directory import reconcile_directory
from bookings.erasure import erased_before
from bookings.models import (
    Booking,
    BookingHost,
    EventType,
    GroupRelationship,
    Host,
    Invitee,
    OrganizationMembership,
)
from bookings.reconcile import reconcile
from bookings.snapshots import (
    EventTypeSnapshot,
    GroupRelationshipSnapshot,
    HostSnapshot,
    MembershipSnapshot,
)
from integrations import deliver, erasure, inbox, outbox
from integrations.connectors.base import Applied, Record
from integrations.errors import Candidate, ReviewError
from integrations.models import (
    Delivery,
    DriftFinding,
    DriftRun,
    ErasureRequest,
    MatchReview,
    RemoteRecord,
)
from integrations.outbox import Attempted, Settlement
from tests.bookings.histories import Account, origin
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryAttemptFactory,
    DeliveryFactory,
    HostFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RuleFactory,
    StaffUserFactory,
)
from tests.integrations.bodies import API, envelope, invitee
from tests.integrations.leftovers import leftovers
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

ANN, LEE = "ann@example.com", "Ann Lee"
ASKED = NOW + timedelta(days=1)
LATER = ASKED + timedelta(minutes=5)
AGAIN = "2026-11-21T12:00:01Z"


def ask(email=ANN, *, now=ASKED):
    return erasure.request(email, requested_by="olivia", now=now)


def erase(email=ANN):
    request = ask(email)
    assert erasure.carry_out(request, now=LATER)
    return request


def arrive(subscription, body, *, at=LATER):
    """Store a webhook and have it read."""
    webhook = InboundWebhookFactory.create(
        subscription=subscription, payload=body, state="received", kind="", delivery_key="", outcome="",
        processed_at=None, received_at=at,
    )  # fmt: skip
    inbox.drain(until=at + timedelta(seconds=1), clock=lambda: at)
    webhook.refresh_from_db()
    return webhook


# --- first heard of afterwards ------------------------------------------------------------------------------------------


def test_a_booking_first_heard_of_afterwards_is_carried_nowhere(subscription, rule):
    erase()

    webhook = arrive(subscription, envelope("invitee.created", invitee()))

    assert Invitee.objects.get().erased_at == LATER
    assert Booking.objects.get().erased_at == LATER
    assert bytes(webhook.body) == b""
    assert deliver.deliver(Delivery.objects.get().pk, clock=lambda: LATER) == "skipped"
    assert Delivery.objects.get().attempts.get().exchanges == []
    assert leftovers(ANN, LEE) == []


def test_a_booking_first_heard_of_afterwards_stays_without_names_when_listed_alone():
    erase()
    (booked,) = Account().book()
    named = replace(booked.booking, name="Call with Ann Lee", raw={"name": "Call with Ann Lee"})
    reconcile(replace(booked, booking=named), origin=origin(now=LATER))

    listed = replace(named, updated_at=named.updated_at + timedelta(days=1))
    reconcile(replace(booked, invitees=(), booking=listed), origin=origin(now=LATER))

    assert leftovers(ANN, LEE) == []


def test_others_in_a_group_event_first_heard_of_afterwards_are_carried():
    erase()
    body = Account().book()[0]
    group = replace(body.booking, invitees_limit=50, name="Webinar")

    reconcile(replace(body, booking=group), origin=origin(now=LATER))

    assert Invitee.objects.get().erased_at == LATER
    assert (Booking.objects.get().erased_at, Booking.objects.get().name) == (None, "Webinar")


HOST = HostSnapshot(
    uri=f"{API}/users/U9", name=LEE, email="Ann@Example.com", updated_at=NOW, raw={"email": ANN, "name": LEE}
)  # fmt: skip


def host(**fields):
    return replace(HOST, **fields)


MEMBERSHIP = MembershipSnapshot(
    uri=f"{API}/organization_memberships/M9", host=HOST, organization_uri="o", updated_at=NOW,
    raw={"user": {"email": ANN, "name": LEE}},
)  # fmt: skip


def membership(**fields):
    return replace(MEMBERSHIP, **fields)


@pytest.mark.parametrize("snapshot", [host(), membership(), membership(host=host(updated_at=None))])
def test_a_host_first_heard_of_afterwards_has_no_name(snapshot):
    erase()

    result = reconcile_directory(snapshot, origin=origin(now=LATER))

    assert result.forgotten
    assert (Host.objects.get().name, Host.objects.get().erased_at) == ("", LATER)
    assert leftovers(ANN, LEE) == []


def test_a_host_that_an_older_booking_names_stays_nameless_when_told_of_whole():
    erase("hanna@calsync.example")
    reconcile(Account().book()[0], origin=origin(now=LATER))

    whole = host(name="Hanna Host", email="hanna@calsync.example", updated_at=LATER)
    reconcile_directory(replace(whole, uri=f"{API}/users/U1"), origin=origin(now=LATER))

    assert Host.objects.get().source_updated_at == LATER
    assert leftovers("Hanna Host", "hanna@calsync.example") == []


def test_a_host_who_changed_since_is_a_new_beginning():
    erase()

    reconcile_directory(host(updated_at=LATER), origin=origin(now=LATER))

    assert Host.objects.get().name == LEE


def test_other_objects_lose_the_address_and_keep_the_rest():
    erase()
    kind = EventTypeSnapshot(uri=f"{API}/event_types/T9", name="Intro", updated_at=NOW, raw={"internal_note": f"ask {ANN}", "slug": "intro"})  # fmt: skip
    place = GroupRelationshipSnapshot(uri=f"{API}/group_relationships/R9", group_uri=f"{API}/groups/G9", updated_at=NOW, raw={"owner": {"email": ANN}, "role": "member"})  # fmt: skip

    for snapshot in (kind, place):
        reconcile_directory(snapshot, origin=origin(now=LATER))

    assert EventType.objects.get().raw["slug"] == "intro"
    assert GroupRelationship.objects.get().raw["role"] == "member"
    assert leftovers(ANN) == []


def test_somebody_else_is_told_of_whole():
    erase()
    other = host(name="Bob Ray", email="bob@example.com", raw={"email": "bob@example.com"})

    result = reconcile_directory(membership(host=other, raw={"user": 1}), origin=origin(now=LATER))

    assert not result.forgotten
    assert (Host.objects.get().raw, OrganizationMembership.objects.get().raw) == (
        {"email": "bob@example.com"}, {"user": 1},
    )  # fmt: skip


@pytest.mark.parametrize("text", [ANN, ANN.upper(), r"ann\u0040example.com", "https://x.example/?e=ann%40example.com"])  # fmt: skip
def test_a_webhook_that_nothing_is_read_from_keeps_no_body_that_names_the_person(
    subscription, text
):
    erase()
    told = {"event": "contact.created", "payload": {"contact": {"email": text}}}

    webhook = arrive(subscription, told)

    assert (webhook.state, bytes(webhook.body)) == ("ignored", b"")
    assert "Its body was erased" in webhook.outcome


def test_a_webhook_that_nothing_is_read_from_keeps_what_is_of_others(subscription):
    erase()
    told = {"event": "contact.created", "payload": {"contact": {"email": "bob@example.com"}}}

    assert b"bob@example.com" in bytes(arrive(subscription, told).body)


# --- between the request and the worker -----------------------------------------------------------------------------------


def test_what_is_told_again_before_the_worker_comes_hides_nothing_from_it(subscription, rule):
    arrive(subscription, envelope("invitee.created", invitee()), at=NOW)
    waiting = Delivery.objects.get()
    DeliveryAttemptFactory.create(delivery=waiting, steps=[{"name": "lead", "detail": LEE}])
    request = ask()

    arrive(subscription, envelope("invitee.created", invitee(), created_at=AGAIN))
    assert Invitee.objects.get().email == ANN
    assert erasure.carry_out(request, now=LATER)

    waiting.refresh_from_db()
    assert (request.found["invitees"], waiting.state) == (1, "skipped")
    assert leftovers(ANN, LEE) == []


def test_asked_again_while_it_waits_it_reaches_up_to_now():
    request = ask()
    since = InviteeFactory.create(email=ANN, name=LEE, created_at=ASKED + timedelta(minutes=1))

    assert ask(now=LATER) == request
    request.refresh_from_db()
    assert erasure.carry_out(request, now=LATER)

    since.refresh_from_db()
    assert since.erased_at == LATER
    assert erased_before([ANN]).popitem()[1] == LATER


def test_asked_again_while_a_worker_is_at_it_it_is_not_done():
    """The worker holds the request as it was."""
    held = ask()
    ask(now=LATER)

    assert not erasure.carry_out(held, now=LATER)

    request = ErasureRequest.objects.get()
    assert (request.state, request.email) == ("waiting", ANN)
    assert erased_before([ANN]).popitem()[1] == LATER


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_who_read_before_there_was_a_tombstone_is_waited_for():
    """Somebody found no tombstone, and has not committed yet what they write."""
    reading, written = threading.Event(), threading.Event()

    def write():
        with transaction.atomic():
            assert erased_before([ANN]) == {}
            reading.set()
            written.wait(10)
            InviteeFactory.create(email=ANN, name=LEE)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert reading.wait(10)
    request = ask()
    first = erasure.carry_out(request, now=request.created_at)
    written.set()
    writer.join()

    assert not first
    assert erasure.carry_out(request, now=LATER)
    assert leftovers(ANN, LEE) == []


# --- what was being sent --------------------------------------------------------------------------------------------------


def claimed(person, **fields):
    event = BookingEventFactory.create(invitee=person, chain=person.chain, kind="updated")
    delivery = DeliveryFactory.create(event=event, not_before=NOW, **fields)
    claim = outbox.claim(delivery.pk, now=NOW)
    assert claim
    return claim


def settle(claim, words):
    said = Settlement(
        state=Delivery.State.DELIVERED, outcome=Attempted.DELIVERED, result=f"Wrote {words}.",
        steps=({"name": "lead", "detail": words},),
    )  # fmt: skip
    deliver.settle(claim, said, now=LATER, exchanges=[{"url": "u", "request": {"text": words}, "response": None, "error": ""}])  # fmt: skip


def test_a_worker_that_lost_its_lease_writes_nothing_of_who_was_erased_since():
    claim = claimed(InviteeFactory.create(email=ANN, name=LEE))
    outbox.release_expired(now=NOW + timedelta(hours=1))
    erase()

    settle(claim, LEE)

    assert claim.delivery.attempts.get().outcome == "delivered"
    assert leftovers(ANN, LEE) == []


class SlowConnector(ScriptedConnector):
    """Take so long that another worker gets the delivery, and Ann is erased before the end comes."""

    words = ""

    def apply(self, task, decision, *, remember, forget):
        """Write one thing, or ask who the invitee is, with the words that the test gives."""
        outbox.release_expired(now=LATER + timedelta(hours=1))
        erase()
        ending = self.script.pop(0) if self.script else None
        if ending is not None:
            raise ending
        kept = {"kept": {"Subject": self.words}, "field": "Id__c"}
        remember(Record(object_type="Event", remote_id="E1", content_hash="new", data=kept))
        return Applied(summary="Written.")


@pytest.fixture
def slow_rule(settings):
    """A rule that carries meetings to the slow connector."""
    path = f"{__name__}.{SlowConnector.__name__}"
    settings.CONNECTORS = {**settings.CONNECTORS, "slow": path}
    SlowConnector.plays()
    return RuleFactory.create(connection=ConnectionFactory.create(provider="slow"), action="write")


def send_slowly(rule, person, words):
    SlowConnector.words = words
    event = BookingEventFactory.create(invitee=person, chain=person.chain, kind="updated")
    outbox.add([(event, rule)], now=NOW)
    assert deliver.deliver(Delivery.objects.get().pk, clock=lambda: LATER)


def test_what_a_late_worker_wrote_of_who_was_erased_is_kept_true_no_more(slow_rule):
    send_slowly(slow_rule, InviteeFactory.create(email=ANN, name=LEE), LEE)

    record = RemoteRecord.objects.get()
    assert (record.remote_id, record.data) == ("E1", {"field": "Id__c"})
    assert leftovers(ANN, LEE) == []


def test_what_a_late_worker_wrote_of_others_keeps_no_erased_guest(slow_rule):
    bob = InviteeFactory.create(email="bob@example.com")
    send_slowly(slow_rule, bob, f"Bob with {ANN}")

    assert RemoteRecord.objects.get().data == {"field": "Id__c"}
    assert leftovers(ANN) == []


def test_what_a_late_worker_wrote_of_others_without_them_stays(slow_rule):
    send_slowly(slow_rule, InviteeFactory.create(email="bob@example.com"), "Bob alone")

    assert RemoteRecord.objects.get().data["kept"] == {"Subject": "Bob alone"}


def test_a_late_worker_asks_nobody_who_an_erased_person_is(slow_rule):
    candidate = Candidate(object_type="Contact", remote_id="003A", label=LEE, detail=ANN, url="")
    SlowConnector.plays(ReviewError("One fits.", candidates=[candidate], hint="Choose."))

    send_slowly(slow_rule, InviteeFactory.create(email=ANN, name=LEE), LEE)

    assert not MatchReview.objects.exists()
    assert leftovers(ANN, LEE) == []


@pytest.mark.parametrize("finished", [True, False])
def test_what_is_sent_of_others_loses_an_address_that_was_erased_meanwhile(finished):
    bob = InviteeFactory.create(
        email="bob@example.com", booking=BookingFactory.create(guests=[ANN])
    )
    claim = claimed(bob)
    request = ask()
    if finished:
        assert erasure.carry_out(request, now=LATER)

    settle(claim, f"bob@example.com, {ANN}")

    erasure.carry_out(request, now=LATER)
    assert leftovers(ANN) == []
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.result) == ("delivered", "Wrote bob@example.com, [erased].")
    assert "bob@example.com" in str(delivery.attempts.get().exchanges)


def test_what_is_sent_while_nobody_is_erased_is_kept_as_it_was():
    erase()
    claim = claimed(InviteeFactory.create(email="bob@example.com"))
    ErasureRequest.objects.update(finished_at=NOW - timedelta(days=1))

    settle(claim, f"bob@example.com, {ANN}")

    assert ANN in Delivery.objects.get().result


# --- what merely names the person -----------------------------------------------------------------------------------------


def test_a_guest_of_somebody_else_is_taken_off_the_list():
    booking = BookingFactory.create(guests=["carl@example.com", ANN.upper()])
    InviteeFactory.create(booking=booking, email="bob@example.com")

    erase()

    booking.refresh_from_db()
    assert booking.guests == ["carl@example.com"]


@pytest.mark.parametrize(
    ("email", "text"),
    [
        (ANN, r'{"email": "ann\u0040example.com"}'),
        (ANN, "ann%2540example.com"),
        ("o'leary@example.com", "https://x.example/?e=o'leary%40example.com"),
        ("ann+x@example.com", "https://x.example/?e=ann%2bx@example.com"),
        ("müller@example.com", "https://x.example/?e=m%C3%BCller@example.com"),
    ],
)  # fmt: skip
def test_a_text_is_found_in_whichever_spelling_it_is_stored(email, text):
    row = ConnectionFactory.create(last_error=f"refused: {text}")

    erase(email)

    row.refresh_from_db()
    assert row.last_error in {"[erased]", "refused: https://x.example/?[erased]"}


def test_a_host_is_taken_out_of_the_meetings_they_took():
    ann = HostFactory.create(email=ANN, name=LEE)
    member = {"user": ann.uri, "user_email": ANN, "user_name": LEE}
    booking = BookingFactory.create(name="Intro with Ann Lee", raw={"event_memberships": [member]})
    BookingHost.objects.create(booking=booking, host=ann, position=0)
    bob = InviteeFactory.create(booking=booking, email="bob@example.com", name="Bob Ray")
    changes = {"hosts": [[], [LEE]], "name": ["", "Bob Ray"]}
    event = BookingEventFactory.create(invitee=bob, chain=bob.chain, changes=changes)
    attempt = DeliveryAttemptFactory.create(
        delivery=DeliveryFactory.create(event=event, delivered=True),
        steps=[{"name": "event", "detail": "Bob Ray with Ann Lee"}],
        exchanges=[{"url": "u", "request": {"text": "Bob Ray with Ann Lee"}}],
    )
    record, finding = kept_and_found(attempt.delivery, LEE, "Ann Lee, by hand")
    log(ann)

    erase()

    record.refresh_from_db()
    assert (record.remote_id, record.data) == ("E1", {})
    assert not DriftFinding.objects.filter(pk=finding.pk).exists()
    for row in (bob, event, attempt):
        row.refresh_from_db()
    assert leftovers(ANN, LEE) == []
    assert (bob.name, event.changes["name"]) == ("Bob Ray", ["", "Bob Ray"])
    assert attempt.exchanges[0]["request"] == {"text": "Bob Ray with [erased]"}


@pytest.mark.parametrize("theirs", [ANN, "Bob alone"])
def test_a_difference_that_names_a_guest_is_deleted_and_another_stays(theirs):
    delivery = DeliveryFactory.create(delivered=True)
    _, finding = kept_and_found(delivery, "Bob Ray", theirs)

    erase()

    assert DriftFinding.objects.filter(pk=finding.pk).exists() == (theirs != ANN)
    assert leftovers(ANN) == []


def kept_and_found(delivery, ours, theirs):
    """Return what is kept true of a meeting's Event, and a difference that was found."""
    whose = {"chain": delivery.chain, "object_type": "Event", "remote_id": "E1"}
    record = RemoteRecord.objects.create(
        connection=delivery.connection, data={"kept": {"Who__c": ours}}, **whose
    )
    run = DriftRun.objects.create(connection=delivery.connection, created_at=NOW, state="done")
    finding = DriftFinding.objects.create(
        run=run, created_at=NOW, fields={"Who__c": [ours, theirs]}, **whose
    )
    return record, finding


def log(row):
    from django.contrib.admin.models import CHANGE, LogEntry

    LogEntry.objects.log_actions(
        user_id=StaffUserFactory.create().pk, queryset=[row], action_flag=CHANGE, change_message=str(row),
    )  # fmt: skip


def test_a_host_is_taken_out_of_what_is_told_of_their_meetings_later():
    erase("hanna@calsync.example")
    (booked,) = Account().book()
    raw = {"event_memberships": [{"user_email": "hanna@calsync.example", "user_name": "Hanna Host"}]}  # fmt: skip

    reconcile(replace(booked, booking=replace(booked.booking, raw=raw)), origin=origin(now=LATER))

    assert leftovers("Hanna Host", "hanna@calsync.example") == []
    assert Invitee.objects.get().email == ANN
