"""Asking the source again: partners found, partners given up, links that were still in the making."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from bookings.models import Booking, BookingEvent, EventType, Host, Invitee, RefetchRequest
from bookings.reconcile import reconcile
from bookings.snapshots import EventTypeSnapshot, HostSnapshot, Location
from integrations import breaker, refetch
from integrations.budget import Priority
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Delivery
from integrations.sources.base import get_source
from integrations.sources.calendly.source import CalendlySource
from tests.bookings.histories import BASE, Account, origin
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

Reason = RefetchRequest.Reason
HOLD = BASE + timedelta(seconds=30)


class AccountSource(CalendlySource):
    """Answer from a pretend account instead of the API, or fail as told."""

    account: ClassVar[Account]
    failure: ClassVar[Exception | None] = None
    asked: ClassVar[int] = 0
    is_reserve_left: ClassVar[bool] = False
    others: ClassVar[dict[str, Any]] = {}

    def fetch(self, account, *, uri, priority=Priority.LIVE):
        """Return what the account holds."""
        type(self).asked += 1
        if self.failure:
            raise self.failure
        if self.is_reserve_left and priority == Priority.BACKGROUND:
            raise ThrottledError("What is left is for live traffic.", retry_after=42)
        return self.others.get(uri) or self.account.fetch(uri)


@pytest.fixture(autouse=True)
def account(settings):
    settings.SOURCES = {"calendly": "tests.integrations.test_refetch.AccountSource"}
    get_source.cache_clear()
    told = source()
    told.account, told.failure, told.asked, told.others = Account(), None, 0, {}
    told.is_reserve_left = False
    yield told.account
    get_source.cache_clear()


@pytest.fixture
def connection(db):
    return ConnectionFactory.create(provider="calendly")


def source() -> Any:
    return type(get_source("calendly"))


def apply(connection, *snapshots):
    for snapshot in snapshots:
        reconcile(snapshot, origin=origin(account=connection.account))


def drain(at=HOLD):
    return refetch.drain(until=at + timedelta(seconds=5), clock=lambda: at)


def kinds():
    return list(BookingEvent.objects.values_list("kind", flat=True))


def test_a_lost_new_booking_is_fetched_and_announced(connection, account, rule):
    (booked,) = account.book()
    canceled, _ = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, canceled)

    connections = drain()

    assert kinds() == ["booked", "rescheduled"]
    assert BookingEvent.objects.latest("id").cause == "refetch"
    assert connections == {rule.connection_id}
    assert Delivery.objects.count() == 1
    assert not RefetchRequest.objects.exists()


def test_a_lost_old_booking_is_fetched_and_the_new_one_follows(connection, account):
    (booked,) = account.book()
    _, rescheduled = account.reschedule(booked.invitees[0].uri)
    apply(connection, rescheduled)

    drain()

    assert kinds() == ["booked", "rescheduled"]
    assert Invitee.objects.values("chain").distinct().count() == 1


def test_nothing_is_asked_before_the_hold_is_over(connection, account):
    (booked,) = account.book()
    canceled, _ = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, canceled)

    drain(at=HOLD - timedelta(seconds=1))

    assert source().asked == 0


def test_nothing_is_asked_when_the_partner_came_meanwhile(connection, account):
    (booked,) = account.book()
    told = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, *told)

    drain()

    assert source().asked == 0


@pytest.mark.parametrize("failure", [None, ConfigurationError("no token", hint="connect")])
def test_a_partner_the_source_cannot_tell_of_is_given_up(connection, account, failure):
    (booked,) = account.book()
    canceled, rescheduled = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, canceled)
    del account.bookings[rescheduled.booking.uri]
    source().failure = failure

    drain()

    assert kinds() == ["booked", "canceled"]
    assert not RefetchRequest.objects.exists()


def test_a_refused_token_pauses_the_connection_and_is_not_tried_again(connection, account):
    for _ in range(2):
        (booked,) = account.book()
        canceled, _ = account.reschedule(booked.invitees[0].uri)
        apply(connection, booked, canceled)
    source().failure = ConfigurationError("token revoked", hint="connect again")

    drain()

    connection.refresh_from_db()
    assert (connection.state, connection.state_hint) == ("paused", "connect again")
    assert source().asked == 1
    assert kinds().count("canceled") == 2


def test_a_source_that_is_down_is_asked_again_later(connection, account):
    (booked,) = account.book()
    canceled, _ = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, canceled)
    source().failure = TemporaryError("down")

    drain()

    request = RefetchRequest.objects.get()
    assert (request.attempts, request.last_error) == (1, "down")
    assert request.due_at == HOLD + timedelta(seconds=10)
    source().failure = None
    drain(at=request.due_at)
    assert kinds() == ["booked", "rescheduled"]


def test_a_moved_booking_whose_cancel_was_lost_is_read_again(connection, account):
    (booked,) = account.book()
    _, rescheduled = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, rescheduled)

    drain()

    assert Invitee.objects.get(uri=booked.invitees[0].uri).is_canceled
    assert kinds() == ["booked", "rescheduled"]


def test_a_webhook_without_details_is_completed_from_the_source(connection, account):
    (booked,) = account.book()
    apply(connection, replace(booked, booking=None))

    drain(at=BASE)

    assert kinds() == ["booked"]
    assert not RefetchRequest.objects.exists()


def test_details_nobody_can_give_stay_as_a_note_for_staff(connection, account):
    (booked,) = account.book()
    apply(connection, replace(booked, booking=None))
    account.bookings.clear()

    drain(at=BASE)

    request = RefetchRequest.objects.get()
    assert request.due_at is None
    assert "does not know" in request.last_error


@pytest.mark.parametrize("failure", [ConfigurationError("revoked", hint="connect again"), None])
def test_what_waits_while_the_connection_is_paused_is_asked_about_afterwards(
    connection, account, failure
):
    """A conference link in the making would never reach the CRM: the backfill that finds it later sends nothing."""
    (booked,) = account.book()
    uri, person = booked.booking.uri, booked.invitees[0].uri
    subjects = {Reason.CONFERENCE_LINK: uri, Reason.DETAILS: person, Reason.OPERATOR: uri}
    for reason, subject in subjects.items():
        RefetchRequest.objects.create(
            object_uri=uri, reason=reason, subject_uri=subject,
            account=connection.account, due_at=BASE, created_at=BASE,
        )  # fmt: skip
    source().failure = failure
    if not failure:
        breaker.pause(connection, now=BASE, reason="Paused by ann.", hint="Resume it when ready.")

    drain(at=BASE)
    asked = source().asked
    drain(at=BASE + timedelta(seconds=59))
    drain(at=BASE + timedelta(seconds=61))

    said = "revoked connect again" if failure else "Paused by ann. Resume it when ready."
    assert asked == source().asked == (1 if failure else 0)
    assert set(RefetchRequest.objects.values_list("attempts", "last_error")) == {(0, said)}
    source().failure = None
    breaker.resume(connection, now=BASE)
    drain(at=BASE + timedelta(minutes=5))
    assert kinds() == ["booked"]
    assert not RefetchRequest.objects.exists()


def test_a_conference_link_is_awaited_for_some_minutes_then_left(connection, account):
    (booked,) = account.book()
    making = Location(type="google_conference", status="processing")
    account.bookings[booked.booking.uri] = replace(booked.booking, location=making)
    apply(connection, account.tell(booked.invitees[0].uri))
    at = BASE
    for _ in range(10):
        request = RefetchRequest.objects.first()
        if request is None:
            break
        at = request.due_at or at
        drain(at=at)

    assert source().asked == 4
    assert at - BASE <= timedelta(minutes=10)


def test_a_person_can_ask_for_a_booking_at_any_time(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    account.cancel(booked.invitees[0].uri)
    refetch.ask_now(booked.booking.uri, account=connection.account, now=BASE)

    drain(at=BASE)

    assert kinds() == ["booked", "canceled"]
    assert not RefetchRequest.objects.exists()


def test_a_note_is_worked_on_by_one_worker_at_a_time(connection, account):
    (booked,) = account.book()
    canceled, _ = account.reschedule(booked.invitees[0].uri)
    apply(connection, booked, canceled)
    request = RefetchRequest.objects.get()
    twin = RefetchRequest.objects.get()

    assert refetch._claim(request, now=HOLD)
    assert not refetch._claim(twin, now=HOLD)


def ask_about(connection, uri, at=BASE):
    refetch.ask_now(uri, account=connection.account, now=at)
    drain(at=at)


def test_a_booking_the_source_knows_no_more_is_kept_and_marked(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    account.bookings.clear()

    ask_about(connection, booked.booking.uri)

    row = Booking.objects.get()
    assert (row.vanished_at, row.status) == (BASE, "active")
    assert kinds() == ["booked"]
    assert (
        RefetchRequest.objects.get().last_error == "Calendly does not know this booking any more."
    )


def test_a_mark_keeps_its_first_moment(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    account.bookings.clear()

    ask_about(connection, booked.booking.uri)
    ask_about(connection, booked.booking.uri, at=BASE + timedelta(days=1))

    assert Booking.objects.get().vanished_at == BASE


def test_a_booking_that_answers_again_loses_its_mark(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    Booking.objects.update(vanished_at=BASE)

    ask_about(connection, booked.booking.uri, at=BASE + timedelta(days=1))

    assert Booking.objects.get().vanished_at is None
    assert not RefetchRequest.objects.exists()


def test_what_cannot_be_asked_about_is_not_taken_for_gone(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    source().failure = PermanentError("names nothing that Calendly can be asked about")

    ask_about(connection, booked.booking.uri)

    assert Booking.objects.get().vanished_at is None
    assert "names nothing" in RefetchRequest.objects.get().last_error


def test_a_connection_that_is_gone_says_nothing_of_its_bookings(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    type(connection).objects.all().delete()

    ask_about(connection, booked.booking.uri)

    assert Booking.objects.get().vanished_at is None
    assert "no longer there" in RefetchRequest.objects.get().last_error


def test_a_host_and_an_event_type_that_were_only_mentioned_are_read(connection, account):
    (booked,) = account.book()
    apply(connection, booked)
    host, event_type = Host.objects.get(), EventType.objects.get()
    source().others = {
        host.uri: HostSnapshot(uri=host.uri, name="Hanna H.", timezone="Europe/Berlin", updated_at=BASE),
        event_type.uri: EventTypeSnapshot(uri=event_type.uri, name="Intro", updated_at=BASE, deleted_at=BASE),
    }  # fmt: skip

    ask_about(connection, host.uri)
    ask_about(connection, event_type.uri)

    host.refresh_from_db()
    event_type.refresh_from_db()
    assert (host.name, host.timezone) == ("Hanna H.", "Europe/Berlin")
    assert (event_type.name, event_type.deleted_at) == ("Intro", BASE)
    assert not RefetchRequest.objects.exists()


def test_a_removed_host_is_marked_and_keeps_the_name(connection, account):
    (booked,) = account.book()
    apply(connection, booked)

    ask_about(connection, Host.objects.get().uri)

    host = Host.objects.get()
    assert (host.name, host.vanished_at) == ("Hanna Host", BASE)
    assert RefetchRequest.objects.get().last_error == "Calendly does not know this host any more."


def test_what_a_silent_note_brings_is_silent(connection, account, rule):
    (booked,) = account.book()
    RefetchRequest.objects.create(
        object_uri=booked.booking.uri, reason="details", subject_uri=booked.invitees[0].uri,
        account=connection.account, due_at=BASE, created_at=BASE, silent=True,
    )  # fmt: skip

    drain(at=BASE)

    event = BookingEvent.objects.get()
    assert (event.kind, event.silent) == ("booked", True)


def test_a_person_who_asks_speaks_up_for_a_silent_note(connection, account):
    (booked,) = account.book()
    uri = booked.booking.uri
    RefetchRequest.objects.create(
        object_uri=uri, reason="operator", subject_uri=uri, created_at=BASE, silent=True
    )

    refetch.ask_now(uri, account=connection.account, now=BASE)

    assert not RefetchRequest.objects.get().silent


def test_being_throttled_is_no_try_and_the_whole_account_waits(connection, account):
    other = ConnectionFactory.create(provider="calendly", name="Other")
    (first,), (second,), (third,) = (account.book() for _ in range(3))
    refetch.ask_now(first.booking.uri, account=connection.account, now=BASE)
    refetch.ask_now(second.booking.uri, account=connection.account, now=BASE)
    refetch.ask_now(third.booking.uri, account=other.account, now=BASE)
    source().failure = ThrottledError("the request budget is used up", retry_after=42)

    for turn in range(7):
        drain(at=BASE + turn * timedelta(seconds=42))

    assert source().asked == 2 * 7  # once an account and turn
    notes = RefetchRequest.objects.order_by("id")
    assert [note.attempts for note in notes] == [0, 0, 0]
    assert {note.due_at for note in notes} == {BASE + 7 * timedelta(seconds=42)}
    source().failure = None
    drain(at=BASE + 7 * timedelta(seconds=42))
    assert kinds() == ["booked"] * 3


def test_what_a_backfill_waits_for_leaves_the_reserve_and_the_first_place_to_webhooks(
    connection, account
):
    (old,), (young,) = account.book(), account.book()
    for booked, due_at, silent in ((old, BASE, True), (young, HOLD, False)):
        RefetchRequest.objects.create(
            object_uri=booked.booking.uri, reason="details", subject_uri=booked.invitees[0].uri,
            account=connection.account, due_at=due_at, created_at=BASE, silent=silent,
        )  # fmt: skip
    source().is_reserve_left = True

    drain()

    assert list(BookingEvent.objects.values_list("booking__uri", flat=True)) == [young.booking.uri]
    note = RefetchRequest.objects.get()
    assert (note.silent, note.attempts, note.due_at) == (True, 0, HOLD + timedelta(seconds=42))
    source().is_reserve_left = False
    drain(at=HOLD + timedelta(seconds=42))
    assert set(BookingEvent.objects.values_list("silent", flat=True)) == {True, False}


def test_a_throttled_note_of_a_backfill_holds_up_none_of_a_webhook(connection, account):
    (first,), (second,) = account.book(), account.book()
    for booked, silent in ((first, True), (second, False)):
        RefetchRequest.objects.create(
            object_uri=booked.booking.uri, reason="details", subject_uri=booked.invitees[0].uri,
            account=connection.account, due_at=BASE, created_at=BASE, silent=silent,
        )  # fmt: skip
    source().is_reserve_left = True
    quiet = RefetchRequest.objects.get(silent=True)

    assert refetch._claim(quiet, now=BASE)
    refetch.refetch(quiet, now=BASE)

    assert RefetchRequest.objects.get(silent=False).due_at == BASE
    assert RefetchRequest.objects.get(silent=True).due_at == BASE + timedelta(seconds=42)
