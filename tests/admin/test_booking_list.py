"""The list of bookings: what narrows it, what finds, and who sees what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings import searching
from bookings.models import Booking, Group, GroupRelationship, Host, OrganizationMembership
from integrations.models import Connection
from tests.factories import (
    API,
    BookingEventFactory,
    BookingFactory,
    DeliveryFactory,
    EventTypeFactory,
    HostFactory,
    InviteeFactory,
    RemoteRecordFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

LIST = reverse("admin:bookings_booking_changelist")
#: A Wednesday.
NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
STARTS = {
    "last week": NOW - timedelta(days=7),
    "earlier today": NOW - timedelta(hours=9),
    "later today": NOW + timedelta(hours=14),
    "tomorrow": NOW + timedelta(days=1),
    "sunday": datetime(2026, 11, 29, 23, 59, tzinfo=UTC),
    "next monday": datetime(2026, 11, 30, tzinfo=UTC),
    "in two weeks": NOW + timedelta(days=14),
}


def shown(client: Client, **query: Any) -> list[str]:
    response = client.get(LIST, query)
    assert response.status_code == 200, response.headers
    return [booking.name for booking in response.context["cl"].result_list]


def html(client: Client, **query: Any) -> str:
    return client.get(LIST, query).content.decode()


def searchable(*bookings: Booking) -> None:
    searching.refresh([booking.pk for booking in bookings or Booking.objects.all()])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"when": "today"}, ["earlier today", "later today"]),
        ({"when": "tomorrow"}, ["tomorrow"]),
        ({"when": "week"}, ["earlier today", "later today", "tomorrow", "sunday"]),
        ({"when": "next_week"}, ["next monday"]),
        ({"when": "upcoming"}, ["later today", "tomorrow", "sunday", "next monday", "in two weeks"]),
        ({"when": "past"}, ["earlier today", "last week"]),
        ({"from": "2026-11-26", "to": "2026-11-30"}, ["next monday", "sunday", "tomorrow"]),
        ({"from": "2026-11-30"}, ["in two weeks", "next monday"]),
        ({"to": "2026-11-24"}, ["last week"]),
        ({"to": "9999-12-31", "from": "2026-12-01"}, []),
        ({"from": "soon"}, []),
    ],
)  # fmt: skip
def test_the_list_shows_a_span_of_time_and_what_is_to_come_soonest_first(viewer, query, found):
    for name, start in STARTS.items():
        BookingFactory.create(name=name, start_at=start, hosts=[])

    with time_machine.travel(NOW, tick=False):
        names = shown(viewer, **query)

    assert names == found


@pytest.mark.parametrize("days", [{"from": "soon"}, {"to": "9999-12-31"}])
def test_what_is_no_day_is_said(viewer, days):
    assert "Enter days as year-month-day" in html(viewer, **days)


def test_the_list_shows_who_signs_in_their_own_bookings(viewer):
    (user,) = StaffUserFactory._meta.model.objects.all()
    mine = HostFactory.create(email=user.email.upper())
    BookingFactory.create(name="mine", hosts=[HostFactory.create(), mine])
    BookingFactory.create(name="another's")

    assert shown(viewer, whose="mine") == ["mine"]

    type(user).objects.update(email="")
    Host.objects.update(email="")
    assert shown(viewer, whose="mine") == []


def in_group(*hosts: Host) -> Group:
    group = Group.objects.create(uri=f"{API}/groups/A", name="Sales")
    for host in hosts:
        membership = OrganizationMembership.objects.create(uri=f"{host.uri}/m", host=host)
        GroupRelationship.objects.create(uri=f"{host.uri}/r", group=group, membership=membership)
    return group


def test_the_list_is_narrowed_by_host_group_event_type_status_and_no_show(viewer):
    wanted = BookingFactory.create(name="wanted", status="canceled")
    InviteeFactory.create_batch(2, booking=wanted, no_show=True)
    InviteeFactory.create(booking__name="other")
    host = wanted.hosts.get()

    for query in (
        {"hosts__id__exact": host.pk},
        {"group": in_group(host).pk},
        {"event_type__id__exact": wanted.event_type_id},
        {"status": "canceled"},
        {"no_show": "yes"},
    ):
        assert shown(viewer, **query) == ["wanted"], query


def test_hosts_and_event_types_are_searched_for_rather_than_listed(admin_client):
    HostFactory.create(name="Harper Unchosen")
    EventTypeFactory.create(name="Unchosen type")
    chosen = HostFactory.create(name="Harper Chosen")
    BookingFactory.create(hosts=[])

    page = html(admin_client, hosts__id__exact=chosen.pk)

    assert "Unchosen" not in page
    assert "Harper Chosen" in page


def test_the_list_is_narrowed_by_how_bookings_stand_at_their_destinations(viewer):
    start = datetime.now(UTC) + timedelta(days=1)

    def delivery(name, **given):
        booking = BookingFactory.create(name=name, start_at=start, created_at=datetime.now(UTC))
        event = BookingEventFactory.create(invitee__booking=booking)
        return DeliveryFactory.create(event=event, **given)

    delivery("failed", failed=True)
    repaired = delivery("repaired", failed=True)
    again = BookingEventFactory.create(kind="updated", invitee=repaired.event.invitee)
    DeliveryFactory.create(event=again, rule=repaired.rule, delivered=True)
    paused = delivery("paused")
    Connection.objects.filter(pk=paused.connection_id).update(state=Connection.State.PAUSED)
    held = delivery("rule paused").rule
    type(held).objects.filter(pk=held.pk).update(paused_at=start)
    delivery("behind")
    delivery("synced", delivered=True)
    DeliveryFactory.create(event=delivery("half", delivered=True).event)
    delivery("skipped", skipped=True)
    InviteeFactory.create(booking__name="nothing", booking__created_at=datetime.now(UTC))
    InviteeFactory.create(booking__name="long ago", booking__created_at=start - timedelta(days=99))

    found = {
        sync: set(shown(viewer, sync=sync))
        for sync in ("failed", "paused", "behind", "synced", "unsent")
    }

    assert found == {
        "failed": {"failed"},
        "paused": {"paused", "rule paused"},
        "behind": {"behind", "half"},
        "synced": {"synced", "repaired"},
        "unsent": {"skipped", "nothing"},
    }


@pytest.mark.parametrize(
    "term", ["maria", "LOPEZ", "maria@example", "example.com", "maria intro", "acme", "größe", "ma", "pric"]
)  # fmt: skip
def test_bookings_are_found_by_every_word_of_people_answers_and_event(viewer, term):
    answers = [
        {"question": "Company", "answer": "Acme  Größe\nLtd", "position": 0},
        {"question": "What about?", "answer": "Pricing", "position": 1},
        {"question": "Phone", "answer": None, "position": 2},
    ]
    InviteeFactory.create(
        name="Maria Lopez", email="Maria@Example.com", answers=answers, booking__name="Intro call"
    )
    InviteeFactory.create(name="Thomas", email="t@x.org", answers=[], booking__name="Workshop")
    searchable()

    assert shown(viewer, q=term) == ["Intro call"]
    assert shown(viewer, q=f"{term} nobody") == []


def test_who_may_not_see_people_sees_them_masked_and_does_not_find_by_them():
    answers = [{"question": "Company", "answer": "Acme", "position": 0}]
    invitee = InviteeFactory.create(
        name="Maria Lopez", email="maria@example.com", answers=answers, booking__name="Maria and Harper",
        booking__event_type__name="Intro call", booking__hosts=[HostFactory.create(name="Harper Host")],
    )  # fmt: skip
    event = BookingEventFactory.create(invitee=invitee)
    DeliveryFactory.create(event=event, failed=True, error="Maria Lopez is unknown.")
    searchable()
    client = Client()
    client.force_login(
        StaffUserFactory.create(permissions=["bookings.view_booking", "bookings.view_host"])
    )

    page = html(client, hosts__id__exact=Host.objects.get().pk)

    assert "M. L." in page
    assert "m***@example.com" in page
    assert "Intro call" in page
    for personal in ("Maria", "Lopez", "maria@", "Harper"):
        assert personal not in page
    for term in ("maria", "lopez", "example.com", "acme"):
        assert shown(client, q=term) == []
    assert len(shown(client, q="intro")) == 1


def test_a_destination_is_two_letters_a_symbol_and_words_for_screen_readers(viewer):
    delivery = DeliveryFactory.create(failed=True, rule__connection__name="Sales force")
    record = RemoteRecordFactory.create(connection=delivery.connection, chain=delivery.chain)

    page = html(viewer)

    assert '<span class="cs-hidden">Sales force: failed</span>' in page
    assert f'title="Sales force: failed. {delivery.error}"' in page
    assert f'href="{record.url}"' in page


def test_the_list_takes_as_many_queries_for_many_rows_as_for_one(viewer):
    def queries() -> int:
        with CaptureQueriesContext(database) as captured:
            html(viewer, when="upcoming", sync="failed")
        return len(captured)

    def story(count: int) -> None:
        for _ in range(count):
            delivery = DeliveryFactory.create(failed=True)
            Booking.objects.update(start_at=datetime.now(UTC) + timedelta(days=1))
            RemoteRecordFactory.create(connection=delivery.connection, chain=delivery.chain)

    story(1)
    queries()
    few = queries()
    story(4)

    assert queries() == few


def test_an_empty_list_says_what_to_do(viewer):
    assert "connect a Calendly account" in html(viewer)

    BookingFactory.create(start_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert "Nothing fits" in html(viewer, when="upcoming")


def test_a_span_is_one_press_and_another_press_takes_it_back(viewer):
    page = viewer.get(LIST, {"when": "today", "status": "active", "p": "1"}).context["cl"]

    spans: Any = {span.label: span for span in page.shortcuts}
    assert spans["Today"].is_chosen
    assert spans["Today"].url == "?status=active"
    assert spans["Tomorrow"].url == "?status=active&when=tomorrow"


def test_invitees_are_found_by_name_and_address(viewer, admin_client):
    InviteeFactory.create(name="Maria Lopez", email="maria@example.com")
    InviteeFactory.create(name="Thomas", email="t@x.org", booking=Booking.objects.get())
    searchable()

    page = admin_client.get(reverse("admin:bookings_invitee_changelist"), {"q": "lopez example"})

    assert [row.name for row in page.context["cl"].result_list] == ["Maria Lopez"]
