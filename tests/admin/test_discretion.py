"""Personal data on every page of the admin: shown to who may see it, covered for everybody else."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from bookings import searching
from bookings.models import Invitee
from tests.admin.crawling import MARK, Story, pages, staff_with, tell

pytestmark = pytest.mark.django_db

#: Kept, and shown nowhere.
NOWHERE = {"notification.steps"}


@pytest.fixture
def story() -> Story:
    return tell()


def _client(*without: str) -> Client:
    """Return staff with all permissions but these, who did what the story's audit log tells."""
    client, user = Client(), staff_with(Permission.objects.exclude(codename__in=without))
    client.force_login(user)
    LogEntry.objects.update(user=user)
    return client


def _text(client: Client, url: str) -> str:
    return client.get(url).content.decode(errors="replace")


def test_no_page_shows_personal_data_to_who_may_not_see_it(story):
    client = _client("view_personal_data")

    found = {page.name: story.marks.found_in(_text(client, page.url)) for page in pages(story)}

    assert {name: columns for name, columns in found.items() if columns} == {}


def test_every_mark_of_the_story_stands_on_the_page_of_some_row_for_who_may_see_it(story):
    client = _client()

    rows = [page.url for page in pages(story) if page.name.endswith("_change")]
    shown = set().union(*(story.marks.found_in(_text(client, url)) for url in rows))

    assert set(story.marks.given.values()) - shown == NOWHERE


def test_pages_that_are_pressed_for_cover_people_too(story, settings):
    settings.CONNECTORS = {
        **settings.CONNECTORS,
        "slack": "tests.admin.fake_connector.FakeConnector",
    }
    client = _client("view_personal_data")
    review, delivery = story.row("integrations.matchreview"), story.row("integrations.delivery")
    answer = {"verdict": "use", "remote_id": "00Q1"}

    confirm = client.post(
        reverse("admin:integrations_matchreview_decide", args=[review.pk]), answer
    )
    dry_run = client.post(reverse("admin:integrations_delivery_dry_run", args=[delivery.pk]))

    assert "Use this record?" in confirm.content.decode()
    assert "Dry run" in dry_run.content.decode()
    for page in (confirm, dry_run):
        assert story.marks.found_in(page.content.decode()) == set()


def test_requests_and_answers_take_a_permission_of_their_own(story):
    delivery = story.row("integrations.delivery")
    page = reverse("admin:integrations_delivery_change", args=[delivery.pk])

    shown = story.marks.found_in(_text(_client("view_deliveryattempt"), page))

    assert "attempt.steps" in shown
    assert not shown & {"exchange.request", "exchange.response"}


@pytest.mark.parametrize("query", [{"email__startswith": MARK}, {"chain__name__contains": MARK}])
def test_a_list_is_not_narrowed_by_what_may_not_be_seen(story, query):
    people = reverse("admin:bookings_invitee_changelist")
    searching.refresh([invitee.booking_id for invitee in Invitee.objects.all()])

    assert _client("view_personal_data").get(people, query).status_code == 400


def test_a_list_is_not_sorted_by_what_may_not_be_seen(story):
    people = reverse("admin:bookings_invitee_changelist")
    clear, masked = _client(), _client("view_personal_data")

    orders = [
        client.get(people, {"o": "0.1.2"}).context["cl"].queryset.query.order_by
        for client in (clear, masked)
    ]

    assert "name" in orders[0]
    assert not {"name", "email"} & set(orders[1])


def test_nobody_is_found_by_a_name_that_may_not_be_seen(story):
    people = reverse("admin:bookings_invitee_changelist")
    searching.refresh([invitee.booking_id for invitee in Invitee.objects.all()])

    found = [
        client.get(people, {"q": MARK}).context["cl"].result_count
        for client in (_client("view_personal_data"), _client())
    ]

    assert found == [0, 1]


def test_covering_changes_no_row(story):
    before = Invitee.objects.values().get()
    client = _client("view_personal_data")

    client.get(reverse("admin:bookings_invitee_change", args=[before["id"]]))
    client.post(reverse("admin:bookings_invitee_change", args=[before["id"]]), {"name": "x"})

    assert Invitee.objects.values().get() == before
