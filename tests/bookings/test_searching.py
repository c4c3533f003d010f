"""The text by which a booking is found follows what the mirror says."""

from dataclasses import replace

import pytest

from bookings.models import Booking
from bookings.reconcile import reconcile
from bookings.snapshots import Answer
from tests.bookings.histories import Account, origin

pytestmark = pytest.mark.django_db


def text() -> str:
    return Booking.objects.get().search_text


def test_what_a_webhook_tells_is_found():
    account = Account()
    (told,) = account.book(email="Ann@Example.com")
    invitee = replace(told.invitees[0], answers=(Answer(question="Company", answer="ACME  Ltd"),))

    reconcile(replace(told, invitees=(invitee,)), origin=origin())

    assert told.booking.name.casefold() in text()
    assert " ann@example.com acme ltd" in text()


def test_everybody_in_a_booking_is_found_and_so_is_what_changes():
    account = Account()
    (first,) = account.book(into="group", email="ann@example.com")
    (second,) = account.book(into=next(iter(account.bookings)), email="bo@example.com")
    reconcile(first, origin=origin())
    reconcile(second, origin=origin())
    assert "ann@example.com" in text()
    assert "bo@example.com" in text()

    renamed = replace(
        second.booking, name="Renamed", updated_at=second.booking.updated_at.replace(year=2030)
    )
    reconcile(replace(second, booking=renamed), origin=origin())

    assert text().startswith(" renamed ")
