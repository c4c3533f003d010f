"""Erasing a person: nothing of them is left in any table, and nothing that arrives later brings them back."""

import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from bookings.erasure import digest, forget_erased
from bookings.models import (
    Booking,
    BookingEvent,
    ErasedAddress,
    Invitee,
    OrganizationMembership,
)
from bookings.personal import ERASED
from bookings.reconcile import reconcile
from bookings.snapshots import Cancellation
from integrations import erasure, inbox, tasks
from integrations.models import (
    BackfillProblem,
    BackfillRun,
    BulkOperation,
    Delivery,
    DriftFinding,
    DriftRun,
    ErasureRequest,
    InboundWebhook,
    RemoteRecord,
)
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
    NotificationFactory,
    RefetchRequestFactory,
    RemoteRecordFactory,
    RoutingSubmissionFactory,
    StaffUserFactory,
)
from tests.integrations.bodies import envelope, invitee
from tests.integrations.leftovers import leftovers

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
WORDS = (ANN, "Ann Lee", "Annegret", "+1 555 0100")
ASKED = NOW + timedelta(days=1)
LATER = ASKED + timedelta(minutes=5)
State = Delivery.State


@dataclass
class Scene:
    """Hold the rows of a person about whom every table has something to tell."""

    first: Invitee
    moved: Invitee
    bob: Invitee
    bobs: Delivery


@pytest.fixture
def scene(db):
    """Ann booked, moved, and sits in a group event beside Bob, who names her."""
    first = _place(
        name="Intro call with Ann Lee",
        canceled=True,
        canceled_by="Ann Lee",
        cancel_reason="I, Ann, am ill",
    )
    moved = _place(name="Intro call with Ann Lee", chain=first, old_invitee_uri=first.uri)
    group = BookingFactory.create(
        name="Webinar", guests=[ANN, "carl@example.com"], raw={"guests": [ANN]}
    )
    _place(booking=group)
    bob = InviteeFactory.create(
        booking=group, email="bob@example.com", name="Bob Ray",
        answers=[{"question": "Who sent you?", "answer": f"Ann Lee <{ANN}>".replace("Ann Lee ", ""), "position": 0}],
    )  # fmt: skip
    for person in (first, moved):
        _told(person)
    _elsewhere(moved)
    return Scene(first=first, moved=moved, bob=bob, bobs=_told_of(bob))


def _place(*, booking=None, name="Intro call", **fields):
    booking = booking or BookingFactory.create(
        name=name, guests=["Ann@example.com"], raw={"email": ANN, "name": "Ann Lee"}, location_type="outbound_call",
        location_text="+1 555 0100", cancel_reason="Ann Lee is ill", canceled_by="Ann Lee",
    )  # fmt: skip
    return InviteeFactory.create(
        booking=booking, email="Ann@Example.com", name="Ann Lee", first_name="Annegret", last_name="Lee",
        text_reminder_number="+1 555 0100", raw={"email": ANN, "name": "Ann Lee"},
        answers=[{"question": "Name?", "answer": "Annegret", "position": 0}], tracking={"utm_term": ANN}, **fields,
    )  # fmt: skip


def _told(person):
    event = BookingEventFactory.create(
        invitee=person, chain=person.chain, cause_id=_webhook(person).pk,
        changes={"email": ["", ANN], "name": ["", "Ann Lee"], "start_at": [None, NOW.isoformat()], "guests": [[], [ANN]]},
    )  # fmt: skip
    delivery = DeliveryFactory.create(
        event=event,
        delivered=True,
        result="Lead Ann Lee written.",
        error=f"{ANN} was refused",
        hint="Ask Ann Lee.",
    )
    DeliveryFactory.create(
        event=event, failed=True, error="Lead Ann Lee exists.", acknowledged_at=NOW, acknowledged_reason="Ann Lee left."
    )  # fmt: skip
    DeliveryAttemptFactory.create(
        delivery=delivery, error=f"refused: {ANN}", steps=[{"name": "person", "detail": f"Lead of {ANN}"}],
        exchanges=[{
            "method": "GET", "url": "https://x.salesforce.com/query?q=Email+%3D+%27ann%40example.com%27",
            "request": {"LastName": "Ann Lee"}, "response": [{"Email": ANN}], "status": 200, "milliseconds": 5, "error": "",
        }],
        changes={"Lead 00Q1": {"Email": [None, ANN], "LastName": [None, "Ann Lee"]}},
    )  # fmt: skip
    DriftFinding.objects.create(
        run=DriftRun.objects.create(connection=delivery.connection, created_at=NOW, state="done"),
        chain=person.chain, object_type="Event", remote_id="00U1", created_at=NOW,
        fields={"Subject": ["Call with Ann Lee", "Call with Ann"], "Email": [ANN, ""]},
    )  # fmt: skip
    RemoteRecordFactory.create(
        chain=person.chain, connection=delivery.connection, data={"email": ANN, "ts": "1.2"}
    )


def _told_of(person):
    """Return a delivery of somebody else's whose exchange names Ann."""
    event = BookingEventFactory.create(invitee=person, chain=person.chain, kind="canceled")
    delivery = DeliveryFactory.create(event=event)
    DeliveryAttemptFactory.create(
        delivery=delivery, exchanges=[{"request": {"text": f"Bob, {ANN}"}, "url": "u"}]
    )
    return delivery


def _webhook(person, **fields):
    body = json.dumps(
        {
            "event": "invitee.created",
            "payload": {"uri": person.uri, "email": ANN, "name": "Ann Lee"},
        }
    )
    return InboundWebhookFactory.create(
        body=body.replace("@", "\\u0040").encode(),
        booking=person.booking,
        error=f"KeyError: {ANN}",
        **fields,
    )


def _elsewhere(person):
    connection = ConnectionFactory.create(last_error=f"{ANN} has no seat")
    InboundWebhookFactory.create(
        payload={"event": "contact.created", "payload": {"contact": {"email": ANN.upper()}}}
    )
    InboundWebhookFactory.create(body=b'not json, but "ann@example.com"')
    RoutingSubmissionFactory.create(
        answers=[{"question": "E-mail", "answer": ANN, "position": 0}], result_type="external_url",
        result_value=f"https://example.com/?e={ANN}", raw={"answers": [ANN, "Ann Lee"]},
    )  # fmt: skip
    RoutingSubmissionFactory.create(
        submitter_uri=person.uri, answers=[{"question": "Name", "answer": "Ann Lee"}]
    )
    RefetchRequestFactory.create(
        object_uri=person.booking.uri, subject_uri=person.uri, last_error=f"Ann Lee {ANN}"
    )
    host = HostFactory.create(
        email="ANN@example.com", name="Ann Lee", raw={"email": ANN, "name": "Ann Lee"}
    )
    OrganizationMembership.objects.create(
        uri="m", host=host, organization_uri="o", raw={"user": {"email": ANN, "name": "Ann Lee"}}
    )
    run = BackfillRun.objects.create(
        connection=connection, trigger="command", window_from=NOW, window_to=LATER, created_at=NOW
    )
    BackfillProblem.objects.create(run=run, uri=person.uri, error=f"bad: {ANN}", created_at=NOW)
    NotificationFactory.create(
        content={"text": f"Lead Ann Lee <{ANN}> exists"}, error=f"refused: {ANN}", hint="Ask Ann Lee.",
        result="Told: Ann Lee", steps=[{"name": "line", "detail": "Ann Lee"}],
        exchanges=[{"request": {"text": "Annegret, Ann Lee"}, "response": {"text": ANN}, "url": "u"}],
    )  # fmt: skip
    BulkOperation.objects.create(
        kind="ignore", choice={"cause": "Lead Ann Lee exists."}, options={"reason": "Ann Lee left."}, label="Ignore",
        error=f"refused: {ANN}", requested_by="olivia", upto=1, created_at=NOW,
    )  # fmt: skip
    _log(person, f"{person}")
    _log(person.booking, f"{person.booking}")


def _log(row, words):
    LogEntry.objects.log_actions(
        user_id=StaffUserFactory.create().pk,
        queryset=[row],
        action_flag=CHANGE,
        change_message=words,
    )


def erase(email=ANN, *, now=LATER):
    request = erasure.request(email, requested_by="olivia", now=ASKED)
    assert erasure.carry_out(request, now=now)
    request.refresh_from_db()
    return request


def test_the_scene_names_the_person_in_many_places(scene):
    assert len(leftovers(*WORDS)) > 35


def test_nothing_of_the_person_is_left_in_any_column(scene):
    erase()

    assert leftovers(*WORDS) == []


def test_the_request_counts_and_forgets_the_address(scene):
    request = erase(" Ann@Example.com ")

    assert (request.state, request.sealed_email, request.email, request.finished_at) == (
        "done",
        "",
        "",
        LATER,
    )
    assert request.found["invitees"] == 3
    assert request.found["bookings"] == 3
    assert request.found["hosts"] == 1
    assert request.found["routing_submissions"] == 2
    assert request.found["attempts"] == 2
    assert request.digest == digest(ANN)
    assert ErasedAddress.objects.get().erased_at == ASKED


def test_state_links_and_times_are_kept(scene):
    erase()

    scene.moved.refresh_from_db()
    scene.first.refresh_from_db()
    assert (scene.moved.chain_id, scene.moved.old_invitee_uri) == (scene.first.pk, scene.first.uri)
    assert (scene.first.status, scene.first.canceled_at) == ("canceled", NOW)
    assert scene.moved.erased_at == scene.moved.booking.erased_at == LATER
    assert scene.moved.booking.name == f"Intro call with {ERASED}"
    event = BookingEvent.objects.filter(invitee=scene.moved).get()
    assert event.changes["start_at"] == [None, NOW.isoformat()]
    assert event.changes["email"] == ["", ERASED]


def test_somebody_in_the_same_group_event_stays(scene):
    erase()

    scene.bob.refresh_from_db()
    scene.bobs.refresh_from_db()
    assert (scene.bob.name, scene.bob.email, scene.bob.erased_at) == (
        "Bob Ray",
        "bob@example.com",
        None,
    )
    assert scene.bob.answers[0]["answer"] == f"<{ERASED}>"
    assert (scene.bob.booking.name, scene.bob.booking.guests) == ("Webinar", ["carl@example.com"])
    assert scene.bob.booking.erased_at is None
    assert scene.bobs.state == State.WAITING
    assert scene.bobs.attempts.get().exchanges == [
        {"request": {"text": f"Bob, {ERASED}"}, "url": "u"}
    ]


@pytest.mark.parametrize(
    "email", ["joann@example.com", "ann+b@example.com", "a.ann@example.com", "ann@example.com.au", "ann@sample.com"]
)  # fmt: skip
def test_somebody_with_a_similar_address_is_untouched(scene, email):
    other = InviteeFactory.create(email=email, name="Jo Other", raw={"email": email})
    webhook = InboundWebhookFactory.create(payload={"email": email}, booking=other.booking)
    form = RoutingSubmissionFactory.create(answers=[{"question": "E-mail", "answer": email}])

    erase()

    for row in (other, webhook, form):
        before = {
            f.name: getattr(row, f.name) for f in row._meta.concrete_fields if f.name != "body"
        }
        row.refresh_from_db()
        assert {name: getattr(row, name) for name in before} == before
    assert bytes(webhook.body) == json.dumps({"email": email}).encode()


def test_what_exists_at_other_systems_is_listed_and_kept(scene):
    request = erase()

    records = RemoteRecord.objects.filter(chain=scene.first)
    assert sorted(r["remote_id"] for r in request.remote) == sorted(r.remote_id for r in records)
    assert {r["object_type"] for r in request.remote} == {"message"}
    assert all(r["url"].startswith("https://") and r["connection"] for r in request.remote)
    assert records.order_by("pk")[0].data == {"email": ERASED, "ts": "1.2"}


def test_waiting_deliveries_are_skipped_with_the_reason(scene):
    waiting = DeliveryFactory.create(
        event=BookingEventFactory.create(invitee=scene.moved, kind="updated", chain=scene.first)
    )

    erase()

    waiting.refresh_from_db()
    assert (waiting.state, waiting.settled_at) == (State.SKIPPED, LATER)
    assert waiting.result.startswith("Erased on 21 Nov 2026")
    assert waiting.serial_key == f"chain {scene.first.pk}"


def test_a_chain_that_somebody_else_carries_on_is_still_sent(scene):
    heir = InviteeFactory.create(
        email="bob@example.com", chain=scene.first, created_at=NOW + timedelta(hours=2)
    )
    waiting = DeliveryFactory.create(
        event=BookingEventFactory.create(invitee=heir, chain=scene.first)
    )

    erase()

    waiting.refresh_from_db()
    heir.refresh_from_db()
    assert (waiting.state, heir.email) == (State.WAITING, "bob@example.com")
    assert leftovers(*WORDS) == []


def test_what_is_being_sent_is_waited_for(scene):
    sending = DeliveryFactory.create(
        event=BookingEventFactory.create(invitee=scene.moved, kind="updated", chain=scene.first),
        state=State.SENDING, lease_expires_at=LATER,
    )  # fmt: skip
    request = erasure.request(ANN, requested_by="olivia", now=ASKED)

    assert not erasure.carry_out(request, now=LATER)
    assert (request.state, request.email) == ("waiting", ANN)
    Delivery.objects.filter(pk=sending.pk).update(
        state="delivered", lease_expires_at=None, result="Wrote Ann Lee."
    )
    assert erasure.carry_out(request, now=LATER + timedelta(minutes=1))

    assert leftovers(*WORDS) == []


def test_a_webhook_that_is_still_to_be_read_is_waited_for(subscription):
    webhook = _arrive(subscription, _booked())
    request = erasure.request(ANN, requested_by="olivia", now=ASKED)

    assert not erasure.carry_out(request, now=LATER)
    _drain()
    assert erasure.carry_out(request, now=LATER)

    webhook.refresh_from_db()
    assert (webhook.state, bytes(webhook.body)) == ("processed", b"")
    assert leftovers(*WORDS) == []


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_crash_in_between_leaves_it_to_be_done_again(scene, settings, steps):
    """Let the n-th transaction fail, whichever it is, then do it again."""
    request = erasure.request(ANN, requested_by="olivia", now=ASKED)
    for _ in range(2):
        with pytest.raises(Crash), CrashingAfter(steps):
            erasure.carry_out(request, now=LATER)
        request.refresh_from_db()
        assert (request.state, request.email) == ("waiting", ANN)

    assert erasure.carry_out(request, now=LATER)

    assert leftovers(*WORDS) == []
    assert request.found["invitees"] == 3
    assert len(request.remote) == 2


class Crash(Exception):
    """Stand for a process that dies."""


class CrashingAfter:
    """Die at the n-th UPDATE of the request's row, inside its transaction."""

    def __init__(self, count):
        self.left = count

    def __enter__(self):
        from django.db import connection

        self.wrapper = connection.execute_wrapper(self)
        self.wrapper.__enter__()

    def __exit__(self, *error):
        self.wrapper.__exit__(*error)

    def __call__(self, execute, sql, params, many, context):
        if sql.startswith('UPDATE "integrations_erasurerequest"'):
            if not self.left:
                raise Crash
            self.left -= 1
        return execute(sql, params, many, context)


def test_a_second_request_while_one_waits_is_the_first():
    first = erasure.request(ANN, requested_by="olivia", now=ASKED)
    second = erasure.request("ANN@example.com", requested_by="carl", now=LATER)

    assert first == second
    assert ErasureRequest.objects.count() == 1


def test_a_request_after_one_that_is_done_is_a_new_one():
    first = erase()
    second = erasure.request(ANN, requested_by="olivia", now=LATER)

    assert first != second
    assert ErasedAddress.objects.get().erased_at == LATER


@pytest.mark.parametrize(
    "email", ["", "ann", "ann@", "@example.com", "ann@example", "ann@example.com, bob@example.com",
              "Ann <ann@example.com>", "ann@example.com bob@example.com", "a@b@example.com"]
)  # fmt: skip
def test_what_is_no_address_is_refused(email):
    with pytest.raises(ValidationError):
        erasure.request(email, requested_by="olivia", now=ASKED)
    with pytest.raises(ValidationError):
        erasure.preview(email, now=ASKED)


def test_the_preview_counts_and_changes_nothing(scene):
    before = leftovers(*WORDS)

    found = erasure.preview(ANN, now=ASKED)

    assert (
        found["invitees"],
        found["bookings"],
        found["left_at_other_systems"],
        found["hosts"],
    ) == (3, 3, 2, 1)
    assert (found["webhooks"], found["routing_submissions"]) == (2, 1)
    assert leftovers(*WORDS) == before
    assert ErasureRequest.objects.count() == ErasedAddress.objects.count() == 0


def test_nothing_known_of_the_person_is_a_finished_request_and_a_tombstone():
    request = erase("nobody@example.com")

    assert (request.state, request.found, request.remote) == ("done", {}, [])
    assert ErasedAddress.objects.exists()


# --- what arrives afterwards --------------------------------------------------------------------------------------------


def _booked(**fields):
    return envelope("invitee.created", invitee(**fields))


def _arrive(subscription, body, *, at=NOW, **fields):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return InboundWebhookFactory.create(
        subscription=subscription, body=raw, state="received", kind="", delivery_key="", outcome="",
        processed_at=None, received_at=at, **fields,
    )  # fmt: skip


def _drain(at=LATER):
    inbox.drain(until=at + timedelta(seconds=1), clock=lambda: at)


@pytest.fixture
def mirrored(subscription, rule):
    """Ann's booking as a webhook told of it."""
    webhook = _arrive(subscription, _booked())
    _drain(NOW)
    return webhook


def test_a_mirrored_booking_is_erased(mirrored):
    assert leftovers(*WORDS)

    erase()

    assert leftovers(*WORDS) == []


@pytest.mark.django_db(transaction=True)
def test_the_same_bytes_again_are_known_and_not_stored(mirrored, subscription):
    from integrations.sources.base import SignatureOutcome, Verification

    erase()
    verification = Verification(outcome=SignatureOutcome.VALID, key_name="current", signed_at=LATER)

    new = inbox.receive(
        subscription,
        body=json.dumps(_booked()).encode(),
        headers={},
        verification=verification,
        now=LATER,
    )

    assert not new
    assert leftovers(*WORDS) == []


@pytest.mark.parametrize("event", ["invitee.created", "invitee.canceled"])
def test_an_older_fact_in_other_bytes_revives_nobody(mirrored, subscription, event):
    erase()
    gone = invitee(
        status="canceled", updated_at="2026-11-21T12:00:00Z",
        cancellation={"canceled_by": "Ann Lee", "reason": "Annegret is ill", "canceler_type": "invitee"},
    )  # fmt: skip
    body = envelope(
        event, gone if event == "invitee.canceled" else invitee(), created_at="2026-11-21T12:00:01Z"
    )

    webhook = _arrive(subscription, body, at=LATER)
    _drain()

    webhook.refresh_from_db()
    assert bytes(webhook.body) == b""
    assert webhook.state in {"processed", "duplicate"}
    assert leftovers(*WORDS) == []
    assert Invitee.objects.get().status == ("canceled" if event == "invitee.canceled" else "active")


def test_an_erased_body_is_not_processed_again(mirrored):
    erase()

    assert inbox.replay(InboundWebhook.objects.all(), now=LATER) == 0
    mirrored.refresh_from_db()
    assert mirrored.state == "processed"
    assert mirrored.outcome.startswith("Erased on")


def test_a_body_about_others_is_processed_again(mirrored, subscription):
    other = _arrive(
        subscription, _booked(booking="E2", number="I2", email="bob@example.com", name="Bob Ray")
    )
    _drain(NOW)
    erase()

    assert inbox.replay(InboundWebhook.objects.all(), now=LATER) == 1
    other.refresh_from_db()
    assert other.state == "received"


@pytest.mark.parametrize("cause", ["backfill", "refetch"])
def test_what_the_source_still_holds_revives_nobody(cause):
    account = Account()
    (booked,) = account.book()
    told = replace(
        booked,
        booking=replace(
            booked.booking, name="Call with Ann Lee", guests=(ANN,), raw={"email": ANN}
        ),
    )
    reconcile(told, origin=origin())
    erasure.carry_out(erasure.request(ANN, requested_by="olivia", now=ASKED), now=LATER)
    canceled, _ = account.reschedule(booked.invitees[0].uri)
    canceled = replace(
        canceled, booking=replace(canceled.booking, name="Call with Ann Lee", raw={"email": ANN})
    )

    for meeting in forget_erased([told, canceled]):
        reconcile(meeting, origin=origin(cause=cause, now=LATER))

    assert leftovers(*WORDS) == []
    assert Invitee.objects.get().status == "canceled"
    assert BookingEvent.objects.filter(kind="updated").count() == 0


def test_a_booking_that_is_listed_without_its_invitees_keeps_the_name_that_was_left():
    account = Account()
    (booked,) = account.book()
    named = replace(booked, booking=replace(booked.booking, name="Call with Ann Lee"))
    reconcile(named, origin=origin())
    erasure.carry_out(erasure.request(ANN, requested_by="olivia", now=ASKED), now=LATER)
    moved = named.booking.updated_at + timedelta(days=1)
    gone = Cancellation(canceled_by="Ann Lee", reason="Annegret is ill")
    listed = replace(
        named.booking,
        status="canceled",
        cancellation=gone,
        updated_at=moved,
        raw={"name": "Ann Lee"},
    )

    told = replace(named, invitees=(), booking=listed)
    reconcile(forget_erased([told])[0], origin=origin(now=LATER))

    booking = Booking.objects.get()
    assert (booking.status, booking.name) == ("canceled", f"Call with {ERASED}")
    assert leftovers(*WORDS) == []


def test_what_was_never_mirrored_comes_in_without_the_person():
    erasure.request(ANN, requested_by="olivia", now=ASKED)
    (booked,) = Account().book()

    reconcile(forget_erased([booked])[0], origin=origin(now=LATER))

    assert Invitee.objects.get().uri == booked.invitees[0].uri
    assert leftovers(*WORDS) == []


def test_a_booking_after_the_erasure_is_mirrored_and_carried(mirrored, subscription):
    erase()
    fresh = {"created_at": "2026-12-24T09:00:00Z", "updated_at": "2026-12-24T09:00:00Z"}
    body = invitee(booking="E2", number="I2", **fresh)
    body["scheduled_event"] |= fresh

    webhook = _arrive(
        subscription, envelope("invitee.created", body, created_at="2026-12-24T09:00:01Z"), at=LATER
    )
    _drain()

    webhook.refresh_from_db()
    assert ANN.encode() in bytes(webhook.body)
    person = Invitee.objects.get(booking__uri=body["event"])
    assert (person.email, person.name, person.erased_at) == (ANN, "Ann Lee", None)
    assert BookingEvent.objects.filter(invitee=person).count() == 1


def test_doing_it_again_leaves_what_was_booked_since(scene):
    request = erasure.request(ANN, requested_by="olivia", now=ASKED)
    since = _place(created_at=LATER)
    Booking.objects.filter(pk=since.booking_id).update(created_at=LATER)
    webhook = _webhook(since, received_at=LATER)

    assert erasure.carry_out(request, now=LATER)

    since.refresh_from_db()
    webhook.refresh_from_db()
    assert (since.email, since.raw["email"], since.booking.guests) == (
        "Ann@Example.com",
        ANN,
        ["Ann@example.com"],
    )
    assert bytes(webhook.body)


# --- who does it ------------------------------------------------------------------------------------------------------------


def test_a_worker_carries_out_what_waits_and_finds_it_by_the_sweep(scene, settings):
    erasure.request(ANN, requested_by="olivia", now=ASKED)
    assert erasure.has_waiting()

    assert tasks.drain_erasure() == 1

    assert tasks.drain_erasure() == 0
    assert not erasure.has_waiting()
    assert leftovers(*WORDS) == []


def test_one_request_that_cannot_be_opened_holds_up_no_other(scene, caplog):
    lost = erasure.request("lost@example.com", requested_by="olivia", now=ASKED)
    ErasureRequest.objects.filter(pk=lost.pk).update(sealed_email="sealed with a lost key")
    erasure.request(ANN, requested_by="olivia", now=ASKED)

    assert tasks.drain_erasure() == 1

    assert f"erasure={lost.pk}" in caplog.text


def test_no_log_line_names_the_person(subscription, rule, caplog):
    caplog.set_level(logging.DEBUG)
    _arrive(subscription, _booked())
    _arrive(subscription, b"broken " + ANN.encode())
    _drain(NOW)
    erase()
    _arrive(
        subscription,
        envelope("invitee.created", invitee(), created_at="2026-11-21T12:00:00Z"),
        at=LATER,
    )
    _drain()

    lines = [r.getMessage() for r in caplog.records if not r.name.startswith("django.db")]
    assert any("Erasure done" in line for line in lines)
    assert any("Webhook processed" in line for line in lines)
    assert not [line for line in lines if any(word.casefold() in line.casefold() for word in WORDS)]


def run(*arguments):
    out = StringIO()
    call_command("erase", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_counts_erases_and_says_what_remains(scene):
    said = run(ANN, "--yes")

    assert leftovers(*WORDS) == []
    record = RemoteRecord.objects.filter(chain=scene.first)[0]
    assert f"message {record.remote_id} {record.url}" in said
    assert "       3  invitees" in said
    assert ErasureRequest.objects.get().state == "done"


def test_the_commands_dry_run_changes_nothing(scene):
    before = leftovers(*WORDS)

    said = run(ANN, "--dry-run")

    assert "Nothing was changed." in said
    assert leftovers(*WORDS) == before


@pytest.mark.parametrize(("answer", "left"), [("yes", False), ("y", True), ("", True)])
def test_the_command_asks_before(scene, monkeypatch, answer, left):
    monkeypatch.setattr("builtins.input", lambda _question: answer)

    run(ANN)

    assert bool(leftovers(*WORDS)) == left


def test_the_command_refuses_what_is_no_address():
    with pytest.raises(CommandError, match="no e-mail address"):
        run("ann", "--yes")


def test_the_command_says_when_something_is_on_its_way(subscription):
    _arrive(subscription, _booked())
    said = StringIO()

    with pytest.raises(SystemExit) as stop:
        call_command("erase", ANN, "--yes", stdout=StringIO(), stderr=said)

    assert stop.value.code == 1
    assert "run this again" in said.getvalue()
    assert ErasureRequest.objects.get().state == "waiting"


def test_the_command_changes_nothing_where_nobody_can_answer(db, monkeypatch):
    monkeypatch.setattr("sys.stdin", StringIO(""))

    with pytest.raises(CommandError, match="add --yes"):
        call_command("erase", ANN, stdout=StringIO())

    assert not ErasureRequest.objects.exists()
