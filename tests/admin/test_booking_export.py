"""The list of bookings as a file: of what is shown, for who may, and written down."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings import searching
from integrations import exporting
from tests.factories import (
    NOW,
    BookingFactory,
    DeliveryFactory,
    EventTypeFactory,
    HostFactory,
    InviteeFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

LIST = reverse("admin:bookings_booking_changelist")
EXPORT = reverse("admin:bookings_booking_export")
MAY = ["bookings.view_booking", "bookings.export_booking", "bookings.view_personal_data"]


def client_of(*permissions: str) -> Client:
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=list(permissions)))
    return client


@pytest.fixture
def exporter() -> Client:
    return client_of(*MAY)


def rows(response) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(response.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def export(client: Client, query: str = "") -> list[dict[str, str]]:
    return rows(client.post(f"{EXPORT}?{query}"))


def test_an_invitee_is_a_row_with_answers_and_how_each_destination_stands(exporter):
    answers = [{"question": "Company", "answer": "=Acme", "position": 0}]
    booking = BookingFactory.create(
        name="Intro, Maria", event_type=EventTypeFactory.create(name="Intro"),
        hosts=[HostFactory.create(name="Harper Host", email="harper@example.com")], start_at=datetime(2026, 11, 25, 20, tzinfo=UTC),
    )  # fmt: skip
    invitee = InviteeFactory.create(
        booking=booking, name="Maria Lopez", email="maria@example.com", answers=answers, no_show=True
    )  # fmt: skip
    moved = InviteeFactory.create(booking=booking, name="Bo", canceled=True, rescheduled=True)
    DeliveryFactory.create(event__invitee=invitee, failed=True, rule__connection__name="Slack")

    first, second = export(exporter)

    assert {
        "Starts (UTC)": "2026-11-25T20:00:00Z", "Ends (UTC)": "2026-11-25T20:30:00Z", "Event": "Intro, Maria",
        "Event type": "Intro", "Status": "active", "No-show": "yes", "Hosts": "Harper Host",
        "Hosts' e-mail": "harper@example.com", "Invitee": "Maria Lopez", "E-mail": "maria@example.com",
        "Time zone": "America/New_York", "Starts (their time)": "2026-11-25 15:00", "Company": "'=Acme",
        "UTM source": "newsletter", "Other answers": "", "Slack": "failed",
    }.items() <= first.items()  # fmt: skip
    assert (second["Invitee"], second["Status"], second["Slack"]) == (moved.name, "rescheduled", "")
    assert second["What shall we talk about?"] == "Pricing"


def test_what_has_no_column_of_its_own_is_told_in_the_last(exporter, monkeypatch):
    monkeypatch.setattr("bookings.spreadsheet.MOST_QUESTIONS", 1)
    answers = [{"question": f"Q{n}", "answer": f"A{n}", "position": n} for n in range(3)]
    InviteeFactory.create(answers=answers)

    (row,) = export(exporter)

    assert (row["Q0"], row["Other answers"]) == ("A0", "Q1: A1 | Q2: A2")


def test_the_file_holds_what_the_search_and_the_filters_leave(exporter):
    wanted = InviteeFactory.create(name="Maria Lopez", booking__status="canceled")
    InviteeFactory.create(name="Maria Active")
    InviteeFactory.create(name="Bo", booking__status="canceled")
    searching.refresh([invitee.booking_id for invitee in type(wanted).objects.all()])

    (row,) = export(exporter, "status=canceled&q=maria&p=3")

    assert row["Invitee"] == "Maria Lopez"
    entry = LogEntry.objects.get()
    assert entry.change_message == "Exported bookings (status=canceled, a search); whole: 1 rows."


def test_chosen_rows_are_exported_by_who_may_only_look_and_export(exporter):
    chosen, _ = InviteeFactory.create_batch(2)

    given = {"action": "export_selected", "_selected_action": [chosen.booking_id]}
    (row,) = rows(exporter.post(LIST, given))

    assert row["Invitee"] == chosen.name
    assert "chosen rows" in LogEntry.objects.get().change_message


def test_who_may_not_see_people_exports_none(exporter):
    answers = [{"question": "Company", "answer": "Acme", "position": 0}]
    InviteeFactory.create(
        name="Maria Lopez", email="maria@example.com", answers=answers, canceled=True, cancel_reason="Maria is ill",
        canceled_by="Maria", booking__name="Maria", booking__location_text="At Maria's",
    )  # fmt: skip

    response: Any = client_of(*MAY[:2]).post(EXPORT)
    text = b"".join(response.streaming_content).decode()

    assert "M. L." in text
    assert "m***@example.com" in text
    for personal in ("Maria", "maria@", "Acme", "ill", "newsletter", "zoom.example.com/j"):
        assert personal not in text
    assert "people masked" in LogEntry.objects.get().change_message


@pytest.mark.parametrize("missing", [0, 1])
def test_who_may_not_export_is_refused_and_not_offered_it(missing):
    BookingFactory.create()
    client = client_of(*(name for number, name in enumerate(MAY) if number != missing))

    assert client.post(EXPORT).status_code == 403
    given = {"action": "export_selected", "_selected_action": [1]}
    assert client.post(LIST, given).status_code == 403
    assert not LogEntry.objects.exists()
    if missing:
        assert EXPORT not in client.get(LIST).content.decode()


def test_an_export_is_posted_with_its_token(exporter):
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = exporter.cookies

    assert exporter.get(EXPORT).status_code == 405
    assert careful.post(EXPORT).status_code == 403
    assert f'action="{EXPORT}?when=past"' in exporter.get(LIST, {"when": "past"}).content.decode()


def test_a_list_that_is_too_long_is_refused_rather_than_cut(exporter, monkeypatch):
    monkeypatch.setattr(exporting, "MOST", 2)
    BookingFactory.create_batch(3, status="canceled")

    response = exporter.post(f"{EXPORT}?status=canceled", follow=True)

    assert response.redirect_chain == [(f"{LIST}?status=canceled", 302)]
    assert "Nothing was exported: these are more than 2 bookings" in response.content.decode()
    assert not LogEntry.objects.exists()


def test_filters_that_are_not_understood_are_said(exporter):
    response = exporter.post(f"{EXPORT}?event_type__id__exact=x")

    assert response.status_code == 302


def test_chunks_hold_each_booking_once_and_each_costs_the_same(exporter, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 2)
    same = [BookingFactory.create(start_at=NOW) for _ in range(3)]
    others = [BookingFactory.create(start_at=NOW + timedelta(days=n)) for n in (1, 2, 3)]
    for booking in (*same, *others):
        InviteeFactory.create(booking=booking, email=f"{booking.pk}@example.com")
    response = exporter.post(EXPORT)

    costs = []
    chunks = iter(response.streaming_content)
    text = next(chunks)
    while True:
        with CaptureQueriesContext(database) as captured:
            part = next(chunks, None)
        if part is None:
            break
        costs.append(len(captured))
        text += part

    told = [row["E-mail"] for row in csv.DictReader(io.StringIO(text.decode()[1:], newline=""))]
    newest_first = [*reversed(others), *reversed(same)]
    assert told == [f"{booking.pk}@example.com" for booking in newest_first]
    assert len(costs) == 3
    assert costs[1] == costs[2]


def test_an_export_that_is_broken_off_is_written_down_as_such(exporter, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 1)
    InviteeFactory.create_batch(3)
    response = exporter.post(EXPORT)
    assert "not finished" in LogEntry.objects.get().change_message

    chunks = iter(response.streaming_content)
    next(chunks)
    next(chunks)
    next(chunks)
    for close in response._resource_closers:  # what closing it does before the connection goes
        close()

    assert "broken off after 1 rows" in LogEntry.objects.get().change_message
