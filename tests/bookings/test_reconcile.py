"""Snapshots become mirror rows and events: newest wins, once each, in any order."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking, BookingEvent, EventType, Host, Invitee, RefetchRequest
from bookings.reconcile import reconcile, stop_waiting
from bookings.snapshots import (
    Answer,
    EventTypeSnapshot,
    HostSnapshot,
    Location,
    NoShowSnapshot,
    RoutingSubmissionSnapshot,
)
from tests.bookings.histories import API, BASE, Account, origin, silent

pytestmark = pytest.mark.django_db


def apply(*snapshots):
    return [event.kind for s in snapshots for event in reconcile(s, origin=origin()).events]


def kinds():
    return list(BookingEvent.objects.values_list("kind", flat=True))


def test_a_first_snapshot_becomes_a_booking_with_host_type_and_invitee():
    booked = Account().book()

    assert apply(*booked) == ["booked"]

    booking = Booking.objects.get()
    assert (booking.name, booking.status, booking.account) == (
        "Discovery call",
        "active",
        "calendly:1",
    )
    assert [str(row) for row in booking.booking_hosts.all()] == ["Hanna Host"]
    assert str(booking.event_type) == "Discovery call"
    invitee = booking.invitees.get()
    assert (invitee.chain, invitee.email_folded) == (invitee, "ann@example.com")


def test_the_same_snapshot_again_changes_nothing_and_writes_nothing():
    (booked,) = Account().book()
    apply(booked)

    with CaptureQueriesContext(
        connection,
    ) as queries:
        result = reconcile(booked, origin=origin(BASE + timedelta(hours=1)))

    assert (result.events, result.changed) == ((), False)
    writes = [q["sql"] for q in queries if q["sql"].split()[0] in {"INSERT", "UPDATE"}]
    assert writes == []


def test_an_older_snapshot_never_overwrites_a_newer_one():
    account = Account()
    (booked,) = account.book()
    (canceled,) = account.cancel(booked.invitees[0].uri)

    assert apply(canceled, booked) == ["booked", "canceled"]

    assert Invitee.objects.get().is_canceled
    assert Booking.objects.get().status == "canceled"


def test_a_cancel_is_final_where_versions_are_equal():
    account = Account()
    (booked,) = account.book()
    (canceled,) = account.cancel(booked.invitees[0].uri)
    at = booked.invitees[0].updated_at
    canceled = replace(
        canceled,
        booking=replace(canceled.booking, updated_at=at),
        invitees=(replace(canceled.invitees[0], updated_at=at),),
    )

    apply(canceled, replace(booked, observed_at=canceled.observed_at + timedelta(hours=1)))

    assert Invitee.objects.get().is_canceled
    assert Booking.objects.get().status == "canceled"


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0), (2, 0, 1), (1, 2, 0)]
)
def test_a_reschedule_is_one_chain_and_two_events_in_any_order(order):
    account = Account()
    (booked,) = account.book()
    told = [booked, *account.reschedule(booked.invitees[0].uri)]

    apply(*[told[i] for i in order])

    assert kinds() == ["booked", "rescheduled"]
    old, new = Invitee.objects.order_by("created_at")
    assert (old.chain, new.chain) == (old, old)
    assert not RefetchRequest.objects.exists()
    moved = BookingEvent.objects.get(kind="rescheduled").changes["start_at"]
    assert moved == [old.booking.start_at.isoformat(), new.booking.start_at.isoformat()]


def test_half_of_a_reschedule_announces_nothing_and_asks_for_its_partner():
    account = Account()
    (booked,) = account.book()
    canceled, rescheduled = account.reschedule(booked.invitees[0].uri)

    assert apply(booked, canceled) == ["booked"]

    request = RefetchRequest.objects.get()
    assert request.reason == RefetchRequest.Reason.SUCCESSOR
    assert request.object_uri == rescheduled.booking.uri
    assert request.due_at == BASE + timedelta(seconds=30)


def test_a_new_booking_waits_for_the_one_it_was_moved_from():
    account = Account()
    (booked,) = account.book()
    _, rescheduled = account.reschedule(booked.invitees[0].uri)

    assert apply(rescheduled) == []

    assert RefetchRequest.objects.get().object_uri == booked.booking.uri
    assert Invitee.objects.get().announced_at is None


def test_a_new_booking_whose_old_one_cannot_be_found_is_announced_alone():
    account = Account()
    (booked,) = account.book()
    _, rescheduled = account.reschedule(booked.invitees[0].uri)
    apply(rescheduled)

    result = stop_waiting(rescheduled.invitees[0].uri, origin=origin())

    assert [event.kind for event in result.events] == ["booked"]
    assert not RefetchRequest.objects.exists()


def test_an_old_booking_that_comes_too_late_joins_the_chain_announced_without_it():
    account = Account()
    (booked,) = account.book()
    canceled, rescheduled = account.reschedule(booked.invitees[0].uri)
    apply(rescheduled)
    stop_waiting(rescheduled.invitees[0].uri, origin=origin())

    apply(booked, canceled)

    chains = set(Invitee.objects.values_list("chain", flat=True))
    assert chains == {Invitee.objects.get(uri=rescheduled.invitees[0].uri).pk}
    assert "canceled" not in kinds()


def test_a_cancel_whose_new_booking_cannot_be_found_is_announced_as_a_cancel():
    account = Account()
    (booked,) = account.book()
    canceled, _ = account.reschedule(booked.invitees[0].uri)
    apply(booked, canceled)

    stop_waiting(booked.invitees[0].uri, origin=origin())

    assert kinds() == ["booked", "canceled"]


def test_a_cancel_that_names_no_partner_is_silent_when_the_new_booking_names_it():
    account = Account()
    (booked,) = account.book()
    canceled, rescheduled = account.reschedule(booked.invitees[0].uri)
    bare = replace(canceled.invitees[0], rescheduled=False, new_invitee_uri="")

    apply(booked, rescheduled, replace(canceled, invitees=(bare,)))

    assert kinds() == ["booked", "rescheduled"]


def test_a_moved_booking_that_stays_active_is_looked_at_again():
    account = Account()
    (booked,) = account.book()
    _, rescheduled = account.reschedule(booked.invitees[0].uri)

    apply(booked, rescheduled)

    assert RefetchRequest.objects.get().reason == RefetchRequest.Reason.COUNTERPART


def test_each_invitee_of_a_group_event_is_a_meeting_of_its_own():
    account = Account()
    (first,) = account.book(into="group")
    (second,) = account.book(into=first.booking.uri, email="bo@example.com")
    (canceled,) = account.cancel(first.invitees[0].uri)

    apply(first, second, canceled)

    booking = Booking.objects.get()
    assert (booking.status, booking.invitees_active) == ("active", 1)
    assert Invitee.objects.values("chain").distinct().count() == 2
    assert kinds() == ["booked", "booked", "canceled"]


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0)])
def test_a_no_show_counts_by_its_own_version_in_any_order(order):
    account = Account()
    (booked,) = account.book()
    uri = booked.invitees[0].uri
    told = [booked, *account.mark_no_show(uri), *account.unmark_no_show(uri)]

    apply(*[told[i] for i in order])

    assert not Invitee.objects.get().is_no_show


def test_marking_and_unmarking_a_no_show_are_two_events():
    account = Account()
    (booked,) = account.book()
    uri = booked.invitees[0].uri

    apply(booked, *account.mark_no_show(uri), *account.unmark_no_show(uri))

    assert kinds() == ["booked", "no_show", "no_show_removed"]


@pytest.mark.parametrize("what", ["no-show", "reschedule announced alone", "not listed any more"])
def test_whatever_changes_an_invitee_is_seen_by_who_asks_what_changed(what):
    account = Account()
    (booked,) = account.book()
    invitee = booked.invitees[0]
    if what == "reschedule announced alone":
        booked = replace(booked, invitees=(replace(invitee, old_invitee_uri=f"{API}/gone"),))
    apply(booked)
    Invitee.objects.update(mirrored_at=BASE)
    later = replace(booked, invitees=(), complete=True, observed_at=BASE + timedelta(days=9))

    match what:
        case "no-show":
            apply(*account.mark_no_show(invitee.uri))
        case "reschedule announced alone":
            stop_waiting(invitee.uri, origin=origin())
        case _:
            apply(later)

    assert Invitee.objects.get().mirrored_at > BASE


def test_a_body_that_is_silent_about_no_shows_takes_none_back():
    account = Account()
    (booked,) = account.book()
    uri = booked.invitees[0].uri
    apply(booked, *account.mark_no_show(uri))
    (canceled,) = account.cancel(uri)

    apply(silent(canceled))

    assert Invitee.objects.get().is_no_show


def test_two_no_show_messages_of_one_second_are_settled_by_asking():
    account = Account()
    (booked,) = account.book()
    uri = booked.invitees[0].uri
    (marked,) = account.mark_no_show(uri)
    (unmarked,) = account.unmark_no_show(uri)
    apply(booked, marked)

    apply(replace(unmarked, observed_at=marked.observed_at))

    assert not Invitee.objects.get().is_no_show
    assert RefetchRequest.objects.get().reason == RefetchRequest.Reason.NO_SHOW


def test_a_bare_no_show_of_an_unknown_invitee_asks_for_the_booking():
    snapshot = NoShowSnapshot(
        invitee_uri=f"{API}/scheduled_events/E9/invitees/I9",
        booking_uri=f"{API}/scheduled_events/E9",
        no_show=None,
        observed_at=BASE,
    )

    reconcile(snapshot, origin=origin())

    assert RefetchRequest.objects.get().reason == RefetchRequest.Reason.DETAILS


def test_a_body_without_its_booking_asks_for_it_and_loses_nothing():
    (booked,) = Account().book()

    result = reconcile(replace(booked, booking=None), origin=origin())

    assert "asked" in result.note
    assert RefetchRequest.objects.get().reason == RefetchRequest.Reason.DETAILS
    apply(booked)
    assert not RefetchRequest.objects.exists()


def test_a_body_without_its_booking_is_applied_where_the_booking_is_known():
    account = Account()
    (booked,) = account.book()
    apply(booked)
    (canceled,) = account.cancel(booked.invitees[0].uri)

    apply(replace(canceled, booking=None))

    assert kinds() == ["booked", "canceled"]


def test_a_link_still_in_the_making_is_read_again_and_told_when_it_is_there():
    account = Account()
    (booked,) = account.book()
    location = Location(type="google_conference", status="processing")
    early = replace(booked, booking=replace(booked.booking, location=location))
    apply(early)
    assert RefetchRequest.objects.get().reason == RefetchRequest.Reason.CONFERENCE_LINK

    pushed = replace(
        early.booking,
        location=Location(
            type="google_conference", status="pushed", join_url="https://meet.example/1"
        ),
        updated_at=early.booking.updated_at + timedelta(seconds=2),
    )
    apply(replace(early, booking=pushed, observed_at=early.observed_at + timedelta(seconds=2)))

    assert kinds() == ["booked", "updated"]
    assert BookingEvent.objects.latest("id").changes == {"join_url": ["", "https://meet.example/1"]}
    assert not RefetchRequest.objects.exists()


def test_a_change_of_host_is_told_for_every_invitee_of_the_booking():
    account = Account()
    (first,) = account.book(into="group")
    (second,) = account.book(into=first.booking.uri, email="bo@example.com")
    apply(first, second)
    other = HostSnapshot(uri=f"{API}/users/U2", name="Otto Other", email="otto@calsync.example")
    booking = replace(
        second.booking, hosts=(other,), updated_at=second.booking.updated_at + timedelta(seconds=9)
    )

    apply(replace(second, booking=booking))

    updates = BookingEvent.objects.filter(kind="updated")
    assert [event.changes for event in updates] == [{"hosts": [["Hanna Host"], ["Otto Other"]]}] * 2


def test_a_booking_moved_in_place_is_a_reschedule():
    account = Account()
    (booked,) = account.book()
    apply(booked)
    later = replace(
        booked.booking,
        start_at=booked.booking.start_at + timedelta(hours=1),
        end_at=booked.booking.end_at + timedelta(hours=1),
        updated_at=booked.booking.updated_at + timedelta(seconds=9),
    )

    apply(replace(booked, booking=later))

    assert kinds() == ["booked", "rescheduled"]


def test_changed_answers_are_an_update():
    account = Account()
    (booked,) = account.book()
    apply(booked)
    answered = replace(
        booked.invitees[0],
        answers=(Answer(question="Company", answer="Northwind"),),
        updated_at=booked.invitees[0].updated_at + timedelta(seconds=9),
    )

    apply(replace(booked, invitees=(answered,)))

    assert kinds() == ["booked", "updated"]


def test_a_mention_of_a_host_overwrites_no_full_one():
    full = HostSnapshot(
        uri=f"{API}/users/U1", name="Hanna H.", email="h@example.com", updated_at=BASE
    )
    reconcile(full, origin=origin())

    apply(*Account().book())

    assert Host.objects.get().name == "Hanna H."


def test_a_retired_event_type_is_kept_and_an_older_version_is_refused():
    retired = EventTypeSnapshot(
        uri=f"{API}/event_types/T1", name="Old call", active=False, deleted_at=BASE, updated_at=BASE
    )
    reconcile(retired, origin=origin())
    older = replace(retired, name="Older", active=True, updated_at=BASE - timedelta(days=1))

    reconcile(older, origin=origin())

    event_type = EventType.objects.get()
    assert (event_type.name, event_type.active) == ("Old call", False)


def test_a_routing_form_submission_is_one_event():
    submission = RoutingSubmissionSnapshot(
        uri=f"{API}/routing_form_submissions/S1", routing_form_uri=f"{API}/routing_forms/F1",
        created_at=BASE, updated_at=BASE, answers=(Answer(question="Industry", answer="IT"),),
    )  # fmt: skip

    assert apply(submission, submission) == ["routing_form_submitted"]
