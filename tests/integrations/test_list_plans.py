"""PostgreSQL answers what the list of bookings asks by indexes: a million rows are not read for fifty."""

import re

import pytest
from django.db import connection
from django.utils import timezone

from bookings import searching
from bookings.models import Booking
from bookings.standing import MARKED
from integrations.destinations import with_sync

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def plan(bookings) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off"
        )  # the tables here are too small for an index
        cursor.execute("SET LOCAL enable_sort = off")
    return str(bookings[:50].explain())


@pytest.mark.parametrize(
    ("bookings", "index"),
    [
        (Booking.objects.all, "booking_by_start"),
        (lambda: Booking.objects.order_by("start_at", "id"), "Index Scan Backward using booking_by_start"),
        (lambda: Booking.objects.filter(status="canceled"), "booking_by_status_start"),
        (Booking.objects.with_no_show, "invitee_no_show"),
        (lambda: Booking.objects.filter(MARKED["erased"]), "booking_erased"),
        (lambda: Booking.objects.filter(MARKED["mentioned"]), "booking_mentioned"),
        (lambda: with_sync(Booking.objects.all(), "failed", now=timezone.now()), "delivery_by_state"),
        (lambda: with_sync(Booking.objects.all(), "behind", now=timezone.now()), "delivery_(unsettled|behind)"),
    ],
)  # fmt: skip
def test_a_question_is_answered_by_its_index(bookings, index):
    assert re.search(index, plan(bookings()))


def test_words_are_found_by_the_index_of_their_parts():
    found = searching.found(Booking.objects.order_by(), "lopez intro", is_clear=True)

    assert "booking_search" in plan(found)
