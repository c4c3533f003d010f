"""A page of bookings is one batch: the same end as one by one, at a fraction of the statements."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from bookings.models import Booking, BookingEvent, Invitee, RefetchRequest
from bookings.reconcile import reconcile, reconcile_bookings
from bookings.snapshots import Answer, Location, NoShowSnapshot
from tests.bookings.histories import BASE, Account, origin
from tests.bookings.test_any_order import STEPS, mirror_after, play, what_is_seen

pytestmark = pytest.mark.django_db

BACKFILL = BookingEvent.Cause.BACKFILL


def quiet(**kwargs):
    return origin(cause=BACKFILL, cause_id=1, silent=True, **kwargs)


def statements_of(run):
    with CaptureQueriesContext(connection) as queries:
        run()
    return len(queries)


def account_of(count):
    account = Account()
    for number in range(count):
        account.book(email=f"person{number}@example.com")
    return account


def page_of(account):
    return [replace(account.fetch(uri), complete=True) for uri in account.bookings]


@given(steps=STEPS, data=st.data())
def test_pages_of_any_size_and_order_end_where_single_snapshots_do(steps, data):
    _, told = play(steps)
    shuffled = data.draw(st.permutations(told))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(told) - 1)))))
    pages = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(told)], strict=True)]

    with transaction.atomic():
        for page in pages:
            if page:
                reconcile_bookings(page, origin=origin())
        seen = what_is_seen()
        transaction.set_rollback(True)

    assert seen == mirror_after(told)


def test_a_page_of_new_bookings_costs_less_than_a_statement_each():
    account = account_of(50)

    spent = statements_of(lambda: reconcile_bookings(page_of(account), origin=quiet()))

    assert Invitee.objects.exclude(announced_at=None).count() == 50
    assert spent <= 40


def test_a_changed_booking_of_a_page_costs_two_statements():
    account = account_of(50)
    reconcile_bookings(page_of(account), origin=quiet())
    for invitee in list(account.invitees.values()):
        account.cancel(invitee.uri)

    spent = statements_of(lambda: reconcile_bookings(page_of(account), origin=quiet()))

    assert BookingEvent.objects.filter(kind="canceled").count() == 50
    assert spent <= 2 * 50 + 30


def test_the_same_page_again_writes_no_booking_and_makes_no_event():
    account = account_of(3)
    reconcile_bookings(page_of(account), origin=quiet())

    result = reconcile_bookings(page_of(account), origin=quiet())

    assert (result.events, result.changed, result.changed_bookings) == ((), False, frozenset())


def test_a_page_names_the_bookings_that_differed():
    account = account_of(3)
    reconcile_bookings(page_of(account), origin=quiet())
    first, second, _ = list(account.invitees.values())
    account.cancel(first.uri)
    account.mark_no_show(second.uri)

    result = reconcile_bookings(page_of(account), origin=quiet())

    assert result.changed_bookings == {first.booking_uri, second.booking_uri}


def test_what_a_backfill_finds_is_silent():
    account = account_of(2)

    result = reconcile_bookings(page_of(account), origin=quiet())

    assert [event.silent for event in result.events] == [True, True]


def test_a_webhook_that_a_backfill_has_overtaken_makes_its_fact_speak_up():
    account = Account()
    (told,) = account.book()
    reconcile_bookings(page_of(account), origin=quiet())

    result = reconcile(told, origin=origin())

    assert [(event.kind, event.silent) for event in result.events] == [("booked", False)]
    assert not BookingEvent.objects.filter(silent=True).exists()
    assert reconcile(told, origin=origin()).events == ()


def test_a_no_show_by_its_name_alone_makes_its_fact_speak_up():
    account = Account()
    (told,) = account.book()
    reconcile(told, origin=origin())
    (marked,) = account.mark_no_show(told.invitees[0].uri)
    reconcile_bookings(page_of(account), origin=quiet())
    invitee = marked.invitees[0]

    result = reconcile(
        NoShowSnapshot(
            invitee_uri=invitee.uri, booking_uri=invitee.booking_uri, no_show=invitee.no_show,
            observed_at=account.now,
        ),
        origin=origin(),
    )  # fmt: skip

    assert [event.kind for event in result.events] == ["no_show"]


def test_old_history_stays_silent_when_a_webhook_tells_of_something_new():
    account = Account()
    (told,) = account.book()
    reconcile_bookings(page_of(account), origin=quiet())
    account.now += timedelta(days=30)
    (canceled,) = account.cancel(told.invitees[0].uri)

    result = reconcile(canceled, origin=origin(account.now))

    assert [event.kind for event in result.events] == ["canceled"]
    assert BookingEvent.objects.get(kind="booked").silent


def test_a_wait_that_a_backfill_began_speaks_up_once_a_webhook_asks_the_same():
    account = Account()
    (booked,) = account.book()
    _, moved = account.reschedule(booked.invitees[0].uri)
    reconcile(moved, origin=quiet(hold=timedelta(hours=1)))
    assert RefetchRequest.objects.get().silent

    quietly_due = RefetchRequest.objects.get().due_at

    reconcile(moved, origin=origin())

    request = RefetchRequest.objects.get()
    assert (request.silent, request.due_at) == (False, BASE + timedelta(seconds=30))
    assert quietly_due == BASE + timedelta(hours=1)


def test_what_a_webhook_left_waiting_speaks_up_though_a_backfill_finds_the_rest():
    account = Account()
    (booked,) = account.book()
    account.now += timedelta(days=30)
    canceled, moved = account.reschedule(booked.invitees[0].uri)
    assert reconcile(moved, origin=origin()).events == ()

    result = reconcile_bookings(page_of(account), origin=quiet())

    told = {(event.kind, event.silent) for event in result.events}
    assert told == {("booked", True), ("rescheduled", False)}
    assert not RefetchRequest.objects.exists()
    assert reconcile(canceled, origin=origin()).events == ()


def test_a_cancel_that_a_webhook_left_waiting_speaks_up_as_the_reschedule_it_is_half_of():
    account = Account()
    (booked,) = account.book()
    reconcile(booked, origin=origin())
    canceled, moved = account.reschedule(booked.invitees[0].uri)
    assert reconcile(canceled, origin=origin()).events == ()

    result = reconcile_bookings(page_of(account), origin=quiet())

    assert [(event.kind, event.silent) for event in result.events] == [("rescheduled", False)]
    assert reconcile(moved, origin=origin()).events == ()


def test_a_webhook_without_details_speaks_up_when_a_backfill_brings_them():
    account = Account()
    (booked,) = account.book()
    reconcile(replace(booked, booking=None), origin=origin())

    result = reconcile_bookings(page_of(account), origin=quiet())

    assert [(event.kind, event.silent) for event in result.events] == [("booked", False)]


def test_a_conference_link_that_was_awaited_speaks_up_when_a_backfill_brings_it():
    account = Account()
    (booked,) = account.book()
    making = Location(type="zoom", status="processing")
    assert booked.booking is not None
    reconcile(
        replace(booked, booking=replace(booked.booking, location=making)), origin=origin(BASE)
    )
    (ready,) = page_of(account)
    assert ready.booking is not None
    pushed = replace(
        ready.booking, location=Location(type="zoom", status="pushed", join_url="https://zoom.example/1"),
        updated_at=account.now + timedelta(seconds=2),
    )  # fmt: skip

    result = reconcile_bookings([replace(ready, booking=pushed)], origin=quiet())

    assert [(event.kind, event.silent) for event in result.events] == [("updated", False)]


def test_an_invitee_that_is_no_longer_listed_is_marked_and_comes_back():
    account = Account()
    account.book(into="group")
    (joined,) = account.book(into=next(iter(account.bookings)), email="bo@example.com")
    reconcile_bookings(page_of(account), origin=quiet())
    whole = page_of(account)[0]
    later = whole.observed_at + timedelta(minutes=5)
    without = replace(whole, invitees=whole.invitees[:1], observed_at=later)

    reconcile_bookings([without], origin=quiet(now=BASE + timedelta(hours=1)))
    gone = Invitee.objects.get(uri=joined.invitees[0].uri)
    reconcile_bookings([replace(whole, observed_at=later)], origin=quiet())

    assert gone.vanished_at == BASE + timedelta(hours=1)
    gone.refresh_from_db()
    assert gone.vanished_at is None


def test_all_invitees_were_read_is_noted_only_when_all_were():
    account = Account()
    (told,) = account.book()
    reconcile(told, origin=origin())
    assert Booking.objects.get().invitees_read_at is None

    reconcile_bookings(page_of(account), origin=quiet())

    assert Booking.objects.get().invitees_read_at == account.now


def test_a_link_that_was_never_made_is_not_asked_for_once_the_meeting_is_over():
    account = Account()
    (told,) = account.book()
    making = replace(told.booking, location=Location(type="google_conference", status="processing"))

    reconcile(replace(told, booking=making), origin=quiet(now=making.end_at))

    assert not RefetchRequest.objects.exists()


def test_an_erased_invitee_is_followed_without_its_personal_data():
    account = Account()
    (told,) = account.book()
    reconcile(told, origin=origin())
    Invitee.objects.update(
        email="", email_folded="", name="", answers=[], raw={}, erased_at=timezone.now()
    )
    (canceled,) = account.cancel(told.invitees[0].uri)
    talkative = replace(canceled.invitees[0], answers=(Answer(question="Who?", answer="Ann"),))

    reconcile(replace(canceled, invitees=(talkative,)), origin=origin())

    invitee = Invitee.objects.get()
    assert (invitee.status, invitee.email, invitee.answers, invitee.raw) == ("canceled", "", [], {})
