"""What surrounds the bookings: written once, kept when it is gone, and cheap to read again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from bookings.directory import mark_vanished, reconcile_directory_page
from bookings.models import (
    Booking,
    BookingEvent,
    EventType,
    Group,
    GroupRelationship,
    Host,
    OrganizationMembership,
    RoutingForm,
    RoutingSubmission,
)
from bookings.reconcile import reconcile
from bookings.snapshots import (
    EventTypeSnapshot,
    GroupRelationshipSnapshot,
    GroupSnapshot,
    HostSnapshot,
    MembershipSnapshot,
    RoutingFormSnapshot,
    RoutingSubmissionSnapshot,
)
from tests.bookings.histories import API, BASE, Account, origin

pytestmark = pytest.mark.django_db

LATER = BASE + timedelta(hours=1)
ORGANIZATION = f"{API}/organizations/O"
HOST = HostSnapshot(
    uri=f"{API}/users/U", name="Hanna Host", email="hanna@example.com", updated_at=BASE
)
MEMBERSHIP = MembershipSnapshot(
    uri=f"{API}/organization_memberships/M",
    host=HOST,
    organization_uri=ORGANIZATION,
    updated_at=BASE,
    role="user",
)
GROUP = GroupSnapshot(
    uri=f"{API}/groups/G", name="Sales", updated_at=BASE, organization_uri=ORGANIZATION
)
PLACE = GroupRelationshipSnapshot(
    uri=f"{API}/group_relationships/R",
    group_uri=GROUP.uri,
    updated_at=BASE,
    membership_uri=MEMBERSHIP.uri,
    role="admin",
)
EVENT_TYPE = EventTypeSnapshot(
    uri=f"{API}/event_types/T", name="Intro", updated_at=BASE, slug="intro"
)
FORM = RoutingFormSnapshot(
    uri=f"{API}/routing_forms/F",
    name="Demo",
    updated_at=BASE,
    status="published",
    questions=({"name": "Size?"},),
)
SUBMISSION = RoutingSubmissionSnapshot(
    uri=f"{API}/routing_form_submissions/S",
    routing_form_uri=FORM.uri,
    created_at=BASE,
    updated_at=BASE,
)
EVERYTHING = [HOST, MEMBERSHIP, GROUP, PLACE, EVENT_TYPE, FORM, SUBMISSION]
SOURCE_MODELS: list[Any] = [
    Host,
    OrganizationMembership,
    Group,
    GroupRelationship,
    EventType,
    RoutingForm,
]


def write(*snapshots, **kwargs):
    return [reconcile(snapshot, origin=origin(**kwargs)) for snapshot in snapshots]


def queries(snapshots, **kwargs):
    with CaptureQueriesContext(database) as captured:
        reconcile_directory_page(snapshots, origin=origin(**kwargs))
    return [query["sql"] for query in captured]


def test_everything_is_written_with_the_account_that_told_of_it():
    write(*EVERYTHING, account="calendly:7")

    for model in SOURCE_MODELS:
        assert model.objects.get().account == "calendly:7"
    place: Any = GroupRelationship.objects.get()
    assert (str(place.membership.host), str(place.group), place.role) == (
        "Hanna Host",
        "Sales",
        "admin",
    )
    assert OrganizationMembership.objects.get().organization_uri == ORGANIZATION
    assert RoutingForm.objects.get().questions == [{"name": "Size?"}]
    assert RoutingSubmission.objects.get().routing_form_uri == FORM.uri


@pytest.mark.parametrize("snapshot", EVERYTHING)
def test_the_same_again_changes_nothing(snapshot):
    write(snapshot)

    (again,) = write(snapshot, now=LATER)

    assert (again.changed, again.events) == (False, ())


def test_only_a_submission_is_an_event_and_only_once():
    write(*EVERYTHING, silent=True)
    write(*EVERYTHING)

    event = BookingEvent.objects.get()
    assert (event.kind, event.silent) == ("routing_form_submitted", True)


def test_a_new_role_and_a_new_name_of_the_member_are_each_seen():
    write(MEMBERSHIP)

    (promoted,) = write(replace(MEMBERSHIP, role="admin", updated_at=LATER))
    (renamed,) = write(replace(MEMBERSHIP, host=replace(HOST, name="Hanna H.", updated_at=LATER)))

    assert promoted.changed
    assert renamed.changed
    assert Host.objects.get().name == "Hanna H."
    assert OrganizationMembership.objects.get().role == "admin"


def test_an_older_answer_overwrites_nothing():
    write(replace(GROUP, name="Sales and more", updated_at=LATER))

    write(GROUP)

    assert Group.objects.get().name == "Sales and more"


def test_a_membership_that_only_names_its_user_makes_a_stub_and_spoils_no_row():
    mention = replace(MEMBERSHIP, host=HostSnapshot(uri=HOST.uri))

    write(mention, account="calendly:7")
    stub = Host.objects.get()
    write(HOST, mention)

    assert (stub.source_updated_at, stub.account) == (None, "calendly:7")
    assert Host.objects.get().name == "Hanna Host"


def test_a_place_before_its_group_makes_a_stub_that_the_group_fills():
    write(MEMBERSHIP, PLACE)
    stub = Group.objects.get()

    write(GROUP)

    assert (stub.name, stub.source_updated_at) == ("", None)
    assert Group.objects.get().name == "Sales"
    assert GroupRelationship.objects.get().group.name == "Sales"


def test_a_place_before_its_membership_is_filled_when_it_is_told_again():
    reconcile_directory_page([PLACE], origin=origin())
    before = GroupRelationship.objects.get().membership

    reconcile_directory_page([MEMBERSHIP], origin=origin(now=LATER))
    reconcile_directory_page([PLACE], origin=origin(now=LATER))

    assert before is None
    assert GroupRelationship.objects.get().membership == OrganizationMembership.objects.get()


def test_a_place_of_who_has_not_joined_is_written_once():
    invited = replace(PLACE, membership_uri="")
    write(invited)

    assert len(queries([invited], now=LATER)) == 1


def test_a_retired_event_type_is_kept():
    write(EVENT_TYPE, replace(EVENT_TYPE, active=False, deleted_at=LATER, updated_at=LATER))

    row = EventType.objects.get()
    assert (row.name, row.active, row.deleted_at) == ("Intro", False, LATER)


@pytest.mark.parametrize(
    ("snapshot", "models"),
    [
        (HOST, 1),
        (MEMBERSHIP, 2),
        (GROUP, 1),
        (PLACE, 1),
        (EVENT_TYPE, 1),
        (FORM, 1),
        (SUBMISSION, 1),
    ],
)
def test_a_hundred_that_are_known_cost_one_query_a_model(snapshot, models):
    write(MEMBERSHIP, GROUP)
    page = [_numbered(snapshot, number) for number in range(100)]
    reconcile_directory_page(page, origin=origin())

    again = queries(page, now=LATER)

    assert len(again) == models
    assert all(sql.startswith("SELECT") for sql in again)


def _numbered(snapshot, number):
    numbered = replace(snapshot, uri=f"{snapshot.uri}{number}")
    if isinstance(snapshot, MembershipSnapshot):
        return replace(numbered, host=replace(snapshot.host, uri=f"{snapshot.host.uri}{number}"))
    return numbered


def test_only_what_is_new_in_a_page_is_written():
    page = [_numbered(GROUP, number) for number in range(10)]
    reconcile_directory_page(page, origin=origin())
    page[3] = replace(page[3], name="Renamed", updated_at=LATER)

    (told,) = reconcile_directory_page(page, origin=origin(now=LATER))

    assert told.changed
    assert Group.objects.filter(name="Renamed").count() == 1


def test_a_row_from_before_accounts_were_kept_learns_its_own():
    write(EVENT_TYPE, account="")

    reconcile_directory_page([EVENT_TYPE], origin=origin(now=LATER, account="calendly:7"))

    assert EventType.objects.get().account == "calendly:7"


@pytest.mark.parametrize("number", range(len(SOURCE_MODELS)))
def test_what_is_gone_is_marked_once_and_unmarked_when_it_answers_again(number):
    write(*EVERYTHING)
    snapshot, model = EVERYTHING[number], SOURCE_MODELS[number]

    marked = mark_vanished(snapshot.uri, origin=origin())
    mark_vanished(snapshot.uri, origin=origin(now=LATER))

    assert marked == model.objects.get()
    assert model.objects.get().vanished_at == BASE
    reconcile_directory_page([snapshot], origin=origin(now=LATER))
    assert model.objects.get().vanished_at is None


def test_a_removed_member_leaves_the_host():
    write(MEMBERSHIP)

    mark_vanished(MEMBERSHIP.uri, origin=origin())

    assert OrganizationMembership.objects.get().vanished_at == BASE
    assert Host.objects.get().vanished_at is None


def test_a_booking_can_be_marked_and_an_unknown_object_cannot():
    (booked,) = Account().book()
    write(booked)

    assert mark_vanished(booked.booking.uri, origin=origin()) == Booking.objects.get()
    assert mark_vanished(f"{API}/scheduled_events/unknown", origin=origin()) is None
    assert Booking.objects.get().vanished_at == BASE
