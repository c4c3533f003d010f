"""What is so about an event and its meeting, as conditions ask for it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from bookings.models import BookingHost
from integrations.conditions import FACTS
from integrations.conditions.operators import comparable
from integrations.facts import PlanFacts
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    EventTypeFactory,
    HostFactory,
    InviteeFactory,
)

pytestmark = pytest.mark.django_db

ANSWERS = [
    {"question": "Company size", "answer": " 51-200 ", "position": 0},
    {"question": "Your company?", "answer": "Customer Ltd", "position": 1},
    {"question": "Anything else?", "answer": "", "position": 2},
]


def read(event, name, argument=""):
    return PlanFacts([event]).of(event)(name, argument)


def everything(event):
    return {name: read(event, name, "company  SIZE" if fact.argument else "") for name, fact in FACTS.items()}  # fmt: skip


@pytest.fixture
def told():
    """An event about which everything is known."""
    hosts = [
        HostFactory.create(name="Hannah", email="hannah@calsync.example"),
        HostFactory.create(name="Hugo", email="hugo@calsync.example"),
    ]
    booking = BookingFactory.create(
        hosts=hosts, guests=["g1@x.example", "g2@x.example"], start_at=NOW + timedelta(hours=36, minutes=30),
        event_type=EventTypeFactory.create(name="Demo", slug="demo", uri="https://c.example/TYPE1"),
    )  # fmt: skip
    invitee = InviteeFactory.create(
        booking=booking, name="Ida", email="Ida@Gmail.com", email_folded="ida@gmail.com", answers=ANSWERS,
        canceled=True, canceler_type="invitee", cancel_reason="Ill", text_reminder_number="+49 1",
        tracking={"utm_source": "ads", "utm_term": "crm", "salesforce_uuid": "00Q1"},
    )  # fmt: skip
    changes = {
        "status": ["active", "canceled"], "no_show": [True, False], "start_at": ["2026-12-01T09:00:00+00:00", None],
        "hosts": [["Hugo"], ["Hannah", "Hugo"]], "email": ["", "ida@gmail.com"],
        "answers": [[], [{"question": "Company size", "answer": "1-10", "position": 0}]],
    }  # fmt: skip
    return BookingEventFactory.create(
        invitee=invitee, kind="canceled", cause="refetch", changes=changes
    )


def test_every_fact_is_read_from_the_event_and_the_meeting(told):
    found = everything(told)

    changes = {name: value for name, value in found.items() if name.startswith(("before.", "after."))}  # fmt: skip
    assert {name: value for name, value in changes.items() if value is not None} == {
        "before.status": "active", "after.status": "canceled", "before.no_show": True, "after.no_show": False,
        "before.start_at": "2026-12-01T09:00:00+00:00", "before.hosts": ("Hugo",), "after.hosts": ("Hannah", "Hugo"),
        "before.email": "", "after.email": "ida@gmail.com", "after.answer": "1-10",
    }  # fmt: skip
    assert {name: value for name, value in found.items() if name not in changes} == {
        "event.kind": "canceled", "event.cause": "refetch",
        "changed": ("status", "no_show", "start_at", "hosts", "email", "answers"),
        "booking.status": "canceled", "booking.start_at": NOW + timedelta(hours=36, minutes=30),
        "booking.hours_ahead": 36.5, "booking.weekday": "Saturday", "booking.hour": 22, "booking.duration": 30,
        "booking.location_type": "zoom", "booking.reschedule_count": 0, "booking.is_canceled": True,
        "booking.is_no_show": False, "booking.cancel_reason": "Ill", "booking.canceler_type": "invitee",
        "booking.guest_count": 2, "invitee.name": "Ida", "invitee.email": "Ida@Gmail.com",
        "invitee.email_domain": "gmail.com", "invitee.is_free_mail": True, "invitee.company": "Customer Ltd",
        "invitee.has_phone": True, "invitee.timezone": "America/New_York", "invitee.prior_bookings": 0,
        "invitee.prior_no_shows": 0, "invitee.prior_cancels": 0, "answer": "51-200", "utm_source": "ads",
        "utm_medium": None, "utm_campaign": None, "utm_term": "crm", "utm_content": None, "salesforce_uuid": "00Q1",
        "host.name": "Hannah", "host.email": "hannah@calsync.example",
        "host.emails": ("hannah@calsync.example", "hugo@calsync.example"), "host.teams": (),
        "event_type.name": "Demo", "event_type.slug": "demo", "event_type.uri": "https://c.example/TYPE1",
    }  # fmt: skip
    for name, value in found.items():
        assert value is None or comparable(FACTS[name].type, value) is not None, name


def test_what_nobody_told_is_not_known():
    booking = BookingFactory.create(hosts=[], event_type=None, name="")
    invitee = InviteeFactory.create(
        booking=booking, name="", email="", answers=[], tracking={}, timezone=""
    )

    found = everything(BookingEventFactory.create(invitee=invitee))

    known = {name: value for name, value in found.items() if value is not None}
    assert known == {
        "event.kind": "booked", "event.cause": "webhook", "changed": (), "booking.status": "booked",
        "booking.start_at": booking.start_at, "booking.hours_ahead": 48.0, "booking.duration": 30,
        "booking.location_type": "zoom", "booking.reschedule_count": 0, "booking.is_canceled": False,
        "booking.is_no_show": False, "booking.guest_count": 0, "invitee.has_phone": False, "host.emails": (),
        "host.teams": (),
    }  # fmt: skip


def test_an_answer_is_found_by_the_exact_question_before_one_that_looks_alike():
    rows = [{"question": question, "answer": question} for question in ("SIZE ", "Size", "Blank")]
    invitee = InviteeFactory.create(answers=[*rows, {"question": "blank", "answer": " "}])
    event = BookingEventFactory.create(invitee=invitee)

    found = [read(event, "answer", question) for question in ("Size", "  sIZE", "blank", "Other")]

    assert found == ["Size", "SIZE", None, None]


@pytest.mark.parametrize(
    ("zone", "start", "expected"),
    [
        ("Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), ("Sunday", 2)),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), ("Sunday", 2)),
        ("Europe/Berlin", datetime(2026, 10, 25, 2, 30, tzinfo=UTC), ("Sunday", 3)),
        ("Europe/Berlin", datetime(2027, 3, 28, 0, 59, tzinfo=UTC), ("Sunday", 1)),
        ("Europe/Berlin", datetime(2027, 3, 28, 1, 0, tzinfo=UTC), ("Sunday", 3)),
        ("America/Los_Angeles", datetime(2026, 11, 30, 7, 59, tzinfo=UTC), ("Sunday", 23)),
        ("Pacific/Auckland", datetime(2026, 11, 29, 11, 0, tzinfo=UTC), ("Monday", 0)),
        ("Asia/Kathmandu", datetime(2026, 11, 29, 18, 15, tzinfo=UTC), ("Monday", 0)),
        ("Mars/Olympus", datetime(2026, 11, 29, 11, 0, tzinfo=UTC), (None, None)),
        ("../etc/passwd", datetime(2026, 11, 29, 11, 0, tzinfo=UTC), (None, None)),
        ("", datetime(2026, 11, 29, 11, 0, tzinfo=UTC), (None, None)),
    ],
)
def test_weekday_and_hour_are_those_of_the_first_hosts_clock(zone, start, expected):
    booking = BookingFactory.create(hosts=[HostFactory.create(timezone=zone)], start_at=start)
    BookingHost.objects.create(booking=booking, host=HostFactory.create(timezone="UTC"), position=1)
    event = BookingEventFactory.create(invitee=InviteeFactory.create(booking=booking))

    assert (read(event, "booking.weekday"), read(event, "booking.hour")) == expected


def invited(*, minutes, **given):
    at = NOW + timedelta(minutes=minutes)
    return InviteeFactory.create(
        email="Ann@x.example", email_folded="ann@x.example", created_at=at, **given
    )


def test_earlier_meetings_of_the_same_address_are_counted_by_how_they_stand():
    invited(minutes=-9, no_show=True)
    invited(minutes=-8, canceled=True)
    moved = invited(minutes=-7, canceled=True, cancel_announced_at=None)
    invited(minutes=-6, chain=moved, no_show=True)
    InviteeFactory.create(created_at=NOW - timedelta(days=1), no_show=True)
    first = invited(minutes=0, canceled=True, cancel_announced_at=None)
    now = invited(minutes=5, chain=first)
    invited(minutes=1, no_show=True)

    event = BookingEventFactory.create(invitee=now, chain=first)

    facts = PlanFacts([event]).of(event)
    found = [facts(f"invitee.prior_{name}", "") for name in ("bookings", "no_shows", "cancels")]
    assert found == [3, 2, 1]


def test_facts_of_many_events_take_as_many_queries_as_of_one_and_of_the_event_none():
    def queries(count, *names):
        events = [BookingEventFactory.create() for _ in range(count)]
        facts = PlanFacts(events)
        with CaptureQueriesContext(database) as captured:
            for event in events:
                for name in names:
                    facts.of(event)(name, "")
        return len(captured)

    assert queries(3, "event.kind", "before.start_at") == 0
    meetings = queries(1, "booking.status", "host.name")
    assert queries(5, "booking.status", "host.name", "host.teams") == meetings
    assert queries(5, "invitee.prior_bookings", "invitee.prior_cancels") == meetings + 1
