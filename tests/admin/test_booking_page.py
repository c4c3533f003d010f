"""A booking's page: what it tells, whom it shows what, and that it stays quick."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.models import Booking
from integrations.admin import booking_page
from integrations.models import Interaction, Rule
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
    RefetchRequestFactory,
    RemoteRecordFactory,
    RuleFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

MARKER = "Zaphod Beeblebrox"
MARKED = "zaphod.b@heartofgold.example"
LOOKS = ["bookings.view_booking", "integrations.view_delivery", "integrations.view_interaction"]
SEES = [*LOOKS, "bookings.view_personal_data", "integrations.view_deliveryattempt", "integrations.view_inboundwebhook"]  # fmt: skip


def staff(*permissions) -> Client:
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=permissions))
    return client


def address(row) -> str:
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def html(client, row) -> str:
    answer = client.get(address(row))
    assert answer.status_code == 200
    return str(answer.content.decode())


def queries(client, row) -> int:
    with CaptureQueriesContext(database) as captured:
        html(client, row)
    return len(captured)


def marked():
    """Return a delivery whose booking and all that belongs to it name the person wherever they can be named."""
    both = f"{MARKER} {MARKED}"
    host = HostFactory.create(name=MARKER, email=MARKED)
    booking = BookingFactory.create(
        name=both, location_text=both, join_url=f"https://zoom.example/{MARKED}", guests=[MARKED], status="canceled",
        canceled_by=MARKER, cancel_reason=both, hosts=[host], raw={"who": both}, start_at=NOW - timedelta(days=2),
    )  # fmt: skip
    old = InviteeFactory.create(booking__name=both, canceled=True, rescheduled=True, name=MARKER)
    invitee = InviteeFactory.create(
        booking=booking, chain=old, old_invitee_uri=old.uri, name=MARKER, email=MARKED, text_reminder_number=both,
        answers=[{"question": both, "answer": both, "position": 0}], tracking={"utm_term": both}, canceled=True,
        canceled_by=MARKER, cancel_reason=both, cancel_url=f"https://x.example/{MARKED}", no_show=True,
    )  # fmt: skip
    InviteeFactory.create(booking=booking, chain=None, announced_at=None, name=MARKER)
    webhook = InboundWebhookFactory.create(booking=booking, payload={"a": both}, outcome=both, error=both)  # fmt: skip
    event = BookingEventFactory.create(
        invitee=invitee, cause_id=webhook.pk,
        changes={"location_text": ["", both], "start_at": ["2026-11-20T09:00:00Z", "2026-11-21T10:30:00Z"]},
    )  # fmt: skip
    delivery = DeliveryFactory.create(event=event, failed=True, error=both, hint=both, result=both, options={"to": both})  # fmt: skip
    exchange = {"method": "POST", "url": f"https://x.example/?q={MARKED}", "request": both, "response": both, "status": 200, "milliseconds": 1, "error": both}  # fmt: skip
    DeliveryAttemptFactory.create(
        delivery=delivery, outcome="failed", error=f"{both}!", hint=both, steps=[{"name": "person", "detail": both}],
        changes={f"Lead {both}": {"Name": ["", both]}}, exchanges=[exchange],
    )  # fmt: skip
    RemoteRecordFactory.create(
        connection=delivery.connection, chain=old, remote_id=MARKED, url="https://x.example/1"
    )
    RefetchRequestFactory.create(object_uri=booking.uri, last_error=both)
    Interaction.objects.create(
        connection=delivery.connection, key="1", action="mark_no_show", chain_ref=old.pk, presser_name=MARKER, presser_email=MARKED,
        result=both, received_at=NOW, finished_at=NOW, state="done",
    )  # fmt: skip
    return delivery


def test_who_may_not_see_people_sees_states_and_times_and_nobody():
    delivery = marked()
    client = staff(*LOOKS, "integrations.view_deliveryattempt", "integrations.view_inboundwebhook")

    pages = [html(client, delivery.event.booking), html(client, delivery)]
    history = reverse("admin:bookings_booking_history", args=[delivery.event.booking_id])

    for page in (*pages, client.get(history).content.decode()):
        assert "Beeblebrox" not in page
        assert "zaphod" not in page.lower()
    for page in pages:
        assert "Z. B." in page
        assert "failed" in page
        assert "(hidden)" in page
    assert "Sat 21 Nov 2026, 10:30 UTC" in pages[0]
    assert delivery.event.booking.event_type.name in pages[0]


def test_who_may_see_people_sees_all_of_it():
    delivery = marked()

    page = html(staff(*SEES), delivery.event.booking)

    for told in (MARKER, MARKED, "Body as it came", "1 request", f"https://x.example/?q={MARKED}"):
        assert told in page


@pytest.mark.parametrize(
    ("lacking", "hidden"),
    [
        ("integrations.view_deliveryattempt", f"https://x.example/?q={MARKED}"),
        ("integrations.view_inboundwebhook", "Body as it came"),
    ],
)
def test_who_lacks_a_right_sees_outcomes_without_what_was_said(lacking, hidden):
    delivery = marked()

    page = html(staff(*set(SEES) - {lacking}), delivery.event.booking)

    assert hidden not in page
    assert MARKER in page
    assert "Attempt 1" in page


def test_the_start_is_told_in_everybodys_zone():
    start = datetime(2026, 11, 25, 20, tzinfo=UTC)
    booking = BookingFactory.create(start_at=start, end_at=start + timedelta(hours=4))
    InviteeFactory.create_batch(2, booking=booking, timezone="America/New_York")
    InviteeFactory.create(booking=booking, timezone="Mars/Olympus")

    page = html(staff(*SEES), booking)

    assert "Wed 25 Nov 2026, 20:00" in page
    assert "Wed 25 Nov 2026, 21:00 – Thu 26 Nov, 01:00" in page
    assert "Europe/Berlin, host" in page
    assert "America/New_York, 2 invitees" in page
    assert f'datetime="{start:%Y-%m-%dT%H:%M:%S}+00:00" data-local-time' in page


def _stop(day: int, **given):
    start = datetime(2026, 5, day, 9, tzinfo=UTC)
    return InviteeFactory.create(booking__start_at=start, created_at=start, canceled=True, **given)


def test_the_way_of_a_meeting_is_one_line_with_its_end():
    first = _stop(12, rescheduled=True)
    second = _stop(14, rescheduled=True, chain=first, old_invitee_uri=first.uri)
    stops = [first, second, _stop(16, chain=first, old_invitee_uri=second.uri)]

    page = html(staff(*SEES), stops[1].booking)

    way = page[page.index('class="cs-way"') : page.index("</dd>", page.index('class="cs-way"'))]
    told = ["12 May 2026, 09:00", "14 May 2026, 09:00 (here)", "16 May 2026, 09:00", "canceled"]
    places = [way.index(text) for text in told]
    assert places == sorted(places)
    assert [address(stop.booking) in way for stop in stops] == [True, False, True]
    assert way.count("canceled") == 1


def test_a_rule_that_sent_nothing_is_among_the_destinations_with_why():
    event = BookingEventFactory.create()
    for given in (
        {"name": "Later"},
        {"name": "Off", "enabled": False},
        {"name": "Deaf", "kinds": ["no_show"]},
    ):
        RuleFactory.create(**given)  # fmt: skip
    Rule.objects.exclude(name="Later").update(created_at=NOW - timedelta(days=1))

    page = html(staff(*SEES), event.booking)

    table = page[page.index('id="destinations"') : page.index('id="story"')]
    assert "Not sent: it was made later, on" in table
    assert "Not sent: it acts on no-show only." in table
    assert "Off" not in table


def test_of_many_destinations_the_most_pressing_come_first(monkeypatch):
    monkeypatch.setattr(booking_page, "PLACES_SHOWN", 2)
    event = BookingEventFactory.create()
    for name, trait in (("First", "skipped"), ("Second", "delivered"), ("Third", "failed")):
        DeliveryFactory.create(event=event, rule=RuleFactory.create(name=name), **{trait: True})

    page = html(staff(*SEES), event.booking)

    table = page[page.index('id="destinations"') : page.index('id="story"')]
    assert table.index("Third") < table.index("Second")
    assert "First" not in table
    assert "and 1 more" in table


BUTTONS = [
    ("bookings.change_booking", "Send again to every destination"),
    ("bookings.change_booking", "Read again from Calendly"),
    ("bookings.change_booking", "Mark as no-show"),
    ("bookings.cancel_booking", "Cancel at Calendly"),
    ("integrations.change_delivery", "Retry"),
]


@pytest.mark.parametrize(("permission", "button"), BUTTONS)
def test_a_button_is_shown_to_who_may_press_it(permission, button):
    starts = timezone.now() + timedelta(days=1 if "Cancel" in button else -1)
    booking = BookingFactory.create(start_at=starts)
    event = BookingEventFactory.create(invitee=InviteeFactory.create(booking=booking))
    DeliveryFactory.create(event=event, failed=True)
    others = {name for name, _ in BUTTONS} - {permission}

    assert button in html(staff(*SEES, permission), booking)
    assert f">{button}" not in html(staff(*SEES, *others), booking)


@pytest.mark.parametrize(
    ("booking", "button"),
    [({"status": "canceled"}, "Cancel at"), ({"start_at": NOW}, "Cancel at")],
)
def test_what_makes_no_sense_is_not_offered(booking, button):
    row = BookingFactory.create(**booking)

    assert button not in html(staff(*SEES, "bookings.cancel_booking"), row)


def _grow(booking: Booking, kind: str, connection) -> None:
    invitee = InviteeFactory.create(booking=booking, chain=booking.invitees.first())
    webhook = InboundWebhookFactory.create(booking=booking)
    event = BookingEventFactory.create(invitee=invitee, kind=kind, cause_id=webhook.pk)
    delivery = DeliveryFactory.create(event=event, rule__connection=connection, delivered=True)
    DeliveryAttemptFactory.create(delivery=delivery)
    LogEntry.objects.log_actions(
        StaffUserFactory.create().pk, [delivery], CHANGE, change_message="Retried."
    )


@pytest.mark.parametrize("permissions", [LOOKS, [*SEES, "bookings.change_booking", "bookings.cancel_booking"]])  # fmt: skip
def test_a_long_story_takes_as_many_queries_as_a_short_one(permissions):
    booking = InviteeFactory.create().booking
    client, connection = staff(*permissions), ConnectionFactory.create()
    _grow(booking, "booked", connection)
    html(client, booking)
    few = queries(client, booking)
    for _ in range(4):
        _grow(booking, "updated", connection)

    assert queries(client, booking) == few


def test_of_a_long_story_the_older_part_is_folded_away():
    booking = InviteeFactory.create().booking
    connection = ConnectionFactory.create()
    for number in range(12):
        _grow(booking, "updated" if number else "booked", connection)

    page = html(staff(*SEES), booking)

    assert "6 earlier entries" in page
    assert page.index("earlier entries") < page.index('id="timeline"')


def test_what_the_clock_brought_is_not_said_to_be_calendlys():
    event = BookingEventFactory.create(kind="starting", cause="clock")

    page = html(staff(*SEES), event.booking)

    assert "by the clock</span>" in page
    assert "Calendly was asked again" not in page
