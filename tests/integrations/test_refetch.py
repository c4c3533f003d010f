"""Asking the source again: partners found, partners given up, links that were still in the making."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from bookings.models import BookingEvent, Invitee, RefetchRequest
from bookings.reconcile import reconcile
from bookings.snapshots import Location
from integrations import refetch
from integrations.errors import ConfigurationError, TemporaryError
from integrations.models import Delivery
from integrations.sources.base import get_source
from integrations.sources.calendly.source import CalendlySource
from tests.bookings.histories import BASE, Account, origin
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

HOLD = BASE + timedelta(seconds=30)


class AccountSource(CalendlySource):
    """Answer from a pretend account instead of the API, or fail as told."""

    account: ClassVar[Account]
    failure: ClassVar[Exception | None] = None
    asked: ClassVar[int] = 0

    def fetch_booking(self, account, *, booking_uri):
        """Return what the account holds."""
        type(self).asked += 1
        if self.failure:
            raise self.failure
        return self.account.fetch(booking_uri)


@pytest.fixture(autouse=True)
def account(settings):
    settings.SOURCES = {"calendly": "tests.integrations.test_refetch.AccountSource"}
    get_source.cache_clear()
    told = source()
    told.account, told.failure, told.asked = Account(), None, 0
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
