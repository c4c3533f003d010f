"""The pages of hosts, members, groups, event types and forms, and the marks on what is gone or erased."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings.models import (
    EventType,
    Group,
    GroupRelationship,
    Host,
    OrganizationMembership,
    RefetchRequest,
    RoutingForm,
)
from integrations import rules
from tests.factories import (
    API,
    NOW,
    BookingEventFactory,
    BookingFactory,
    EventTypeFactory,
    HostFactory,
    InviteeFactory,
    RoutingSubmissionFactory,
    RuleFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db

LISTS = [
    "bookings_host",
    "bookings_organizationmembership",
    "bookings_group",
    "bookings_eventtype",
    "bookings_routingform",
    "bookings_routingsubmission",
    "bookings_invitee",
]
READABLE = [BookingFactory, HostFactory, EventTypeFactory]


def _list(name: str, **query: object) -> str:
    url = reverse(f"admin:{name}_changelist")
    return url + "?" + "&".join(f"{key}={value}" for key, value in query.items())


def _page(row) -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_change", args=[row.pk])


def _operate(row) -> str:
    name = row._meta.label_lower.replace(".", "_")
    return reverse(f"admin:{name}_operate", args=[row.pk, "read_again"])


def _html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def _member(number: int = 1, **host: Any) -> OrganizationMembership:
    return OrganizationMembership.objects.create(
        uri=f"{API}/organization_memberships/M{number}", role="admin", source_updated_at=NOW,
        organization_uri=f"{API}/organizations/O", host=HostFactory.create(**host),
    )  # fmt: skip


def _group(*members: OrganizationMembership, name: str = "Sales") -> Group:
    group = Group.objects.create(uri=f"{API}/groups/{name}", name=name, source_updated_at=NOW)
    for member in members:
        GroupRelationship.objects.create(
            uri=f"{API}/group_relationships/{name}{member.pk}", group=group, membership=member, role="member"
        )  # fmt: skip
    return group


def _everything(number: int) -> None:
    _group(_member(number), name=f"Group {number}")
    form = RoutingForm.objects.create(uri=f"{API}/routing_forms/F{number}", name="Demo")
    RoutingSubmissionFactory.create(routing_form_uri=form.uri)
    InviteeFactory.create()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(admin_client, name):
    _everything(1)
    _html(admin_client, _list(name))
    with CaptureQueriesContext(database) as few:
        _html(admin_client, _list(name))
    for number in range(2, 6):
        _everything(number)

    with CaptureQueriesContext(database) as many:
        _html(admin_client, _list(name))

    assert len(many) == len(few)


@pytest.mark.parametrize("name", [name for name in LISTS if name != "bookings_routingsubmission"])
@pytest.mark.parametrize("standing", ["vanished", "erased", "mentioned", "nonsense"])
def test_every_list_can_be_narrowed_to_what_is_marked(admin_client, name, standing):
    _everything(1)

    _html(admin_client, _list(name, standing=standing))


@pytest.mark.parametrize("make", READABLE)
def test_what_is_gone_and_what_was_erased_say_so_on_list_and_page(admin_client, make):
    here, gone, erased = (
        make.create(name="Here"),
        make.create(name="Gone", vanished_at=NOW),
        make.create(name="Erased", erased_at=NOW),
    )
    name = here._meta.label_lower.replace(".", "_")

    assert "has not known it since 20 Nov 2026, 09:00 UTC" in _html(admin_client, _page(gone))
    assert "was erased here on 20 Nov 2026" in _html(admin_client, _page(erased))
    assert 'id="marks"' not in _html(admin_client, _page(here))
    assert "gone at Calendly" in _html(admin_client, _list(name))
    shown = admin_client.get(_list(name, standing="vanished")).context["cl"].result_list
    assert list(shown) == [gone]


def test_an_erased_invitee_says_so_on_the_bookings_page(admin_client):
    invitee = InviteeFactory.create(erased_at=NOW)

    assert "erased" in _html(admin_client, _page(invitee.booking))


def test_what_was_only_named_by_others_and_what_is_retired_say_so(admin_client):
    stub = EventTypeFactory.create(source_updated_at=None)
    retired = EventTypeFactory.create(deleted_at=NOW)

    assert "its own details were never read" in _html(admin_client, _page(stub))
    assert "Deleted in Calendly on 20 Nov 2026" in _html(admin_client, _page(retired))


@pytest.mark.parametrize("make", READABLE)
def test_a_button_reads_the_row_again(make):
    row = make.create(account="calendly:7")
    model = row._meta.model_name
    staff, viewer = Client(), Client()
    staff.force_login(
        StaffUserFactory.create(permissions=[f"bookings.view_{model}", "bookings.change_booking"])
    )
    viewer.force_login(StaffUserFactory.create(permissions=[f"bookings.view_{model}"]))

    assert _operate(row) in _html(staff, _page(row))
    assert _operate(row) not in _html(viewer, _page(row))
    assert viewer.post(_operate(row)).status_code == 403
    assert staff.get(_operate(row)).status_code == 405
    assert not RefetchRequest.objects.exists()
    staff.post(_operate(row))

    request = RefetchRequest.objects.get()
    assert (request.object_uri, request.reason, request.account) == (
        row.uri,
        "operator",
        "calendly:7",
    )
    assert LogEntry.objects.get().get_change_message() == "Read again from Calendly."


def test_a_host_from_before_accounts_were_kept_is_asked_of_the_bookings_account(admin_client):
    host = HostFactory.create(account="")
    BookingFactory.create(hosts=[host], account="calendly:9")

    admin_client.post(_operate(host))

    assert RefetchRequest.objects.get().account == "calendly:9"


def test_a_group_shows_its_members_and_a_member_the_groups(admin_client):
    member = _member(name="Hanna Host")
    group = _group(member)
    GroupRelationship.objects.create(uri=f"{API}/group_relationships/X", group=group)

    group_html = _html(admin_client, _page(group))

    assert f'href="{_page(member)}"' in group_html
    assert "Hanna Host" in group_html
    assert "invited, has not joined" in group_html
    assert f'href="{_page(group)}"' in _html(admin_client, _page(member))
    assert f'href="{_page(member)}"' in _html(admin_client, _page(member.host))


def test_a_host_and_an_event_type_link_to_their_bookings(admin_client):
    booking = BookingFactory.create()
    BookingFactory.create()
    rows: list[tuple[Any, str]] = [
        (booking.hosts.get(), "hosts__id__exact"),
        (booking.event_type, "event_type__id__exact"),
    ]

    for row, query in rows:
        link = _list("bookings_booking", **{query: row.pk})
        assert f'href="{link}"' in _html(admin_client, _page(row))
        assert list(admin_client.get(link).context["cl"].result_list) == [booking]


def test_what_every_row_has_comes_after_what_tells_this_kind(admin_client):
    host = HostFactory.create(name="Hanna Host")

    html = _html(admin_client, _page(host))

    assert html.index("Member of") < html.index("Content hash")


def test_a_group_is_not_edited_here(admin_client):
    html = _html(admin_client, _page(_group(_member())))

    assert 'name="_save"' not in html
    assert 'name="relationships-0-role"' not in html


def test_bookings_are_narrowed_to_the_hosts_of_a_group(admin_client):
    inside, outside = _member(1), _member(2)
    left = _member(3)
    group = _group(inside, left)
    GroupRelationship.objects.filter(membership=left).update(vanished_at=NOW)
    wanted = BookingFactory.create(hosts=[inside.host, outside.host])
    BookingFactory.create(hosts=[outside.host])
    BookingFactory.create(hosts=[left.host])

    shown = admin_client.get(_list("bookings_booking", group=group.pk)).context["cl"].result_list

    assert list(shown) == [wanted]
    assert f"?group={group.pk}" in _html(admin_client, _page(group))


def test_a_form_and_its_submissions_link_to_each_other(admin_client):
    form = RoutingForm.objects.create(uri=f"{API}/routing_forms/F", name="Demo form")
    submission = RoutingSubmissionFactory.create(routing_form_uri=form.uri)
    RoutingSubmissionFactory.create(routing_form_uri=f"{API}/routing_forms/other")

    link = (
        _html(admin_client, _page(form)).partition("What was answered")[0].rpartition('href="')[2]
    )
    shown = admin_client.get(link.partition('"')[0].replace("&amp;", "&")).context["cl"].result_list

    assert list(shown) == [submission]
    assert f'href="{_page(form)}"' in _html(admin_client, _page(submission))
    assert "Demo form" in _html(admin_client, _list("bookings_routingsubmission"))


@pytest.mark.parametrize(
    "model", [Host, OrganizationMembership, Group, EventType, RoutingForm], ids=lambda m: m.__name__
)
def test_nobody_adds_what_only_the_calendar_can_tell(admin_client, model):
    name = model._meta.label_lower.replace(".", "_")

    assert admin_client.get(reverse(f"admin:{name}_add")).status_code == 403


def test_the_story_says_why_nothing_was_sent_of_what_a_backfill_found(admin_client):
    RuleFactory.create(name="Tell sales")
    event = BookingEventFactory.create(cause="backfill", cause_id=41, silent=True)
    rules.plan([event], now=NOW)

    html = _html(admin_client, _page(event.booking))

    assert "backfill #41" in html
    assert (
        "Not sent by the rule “Tell sales”: it does not act on what only a backfill found." in html
    )
    assert "Nothing was sent: no rule matched" not in html
