"""Erasing a person from the admin: who may, in which steps, and that no page or log tells whom."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from integrations import erasure, tasks
from integrations.models import ErasureRequest
from tests.factories import (
    NOW,
    InboundWebhookFactory,
    InviteeFactory,
    RemoteRecordFactory,
    StaffUserFactory,
)
from tests.integrations.leftovers import leftovers

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
START = "/admin/integrations/erasurerequest/add/"
MAY = ("integrations.add_erasurerequest", "integrations.view_erasurerequest")


def staff(*permissions):
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=permissions))
    return client


@pytest.fixture
def officer():
    """Who may erase people."""
    return staff(*MAY, "bookings.view_invitee", "bookings.view_personal_data")


@pytest.fixture
def ann():
    invitee = InviteeFactory.create(email=ANN, name="Ann Lee")
    InboundWebhookFactory.create(payload={"email": ANN}, booking=invitee.booking)
    RemoteRecordFactory.create(
        chain=invitee, remote_id="00Q1", url="https://x.salesforce.com/00Q1", object_type="Lead"
    )
    return invitee


def page_of(request):
    return reverse("admin:integrations_erasurerequest_change", args=[request.pk])


@pytest.mark.parametrize(
    "permissions", [(), ("integrations.view_erasurerequest",), ("bookings.change_invitee",)]
)
def test_who_may_not_erase_is_refused(ann, permissions):
    client = staff(*permissions)

    assert client.get(START).status_code == 403
    assert client.post(START, {"email": ANN, "confirmed": "1"}).status_code == 403
    assert not ErasureRequest.objects.exists()


def test_a_forged_request_is_refused(ann):
    client = Client(enforce_csrf_checks=True)
    client.force_login(StaffUserFactory.create(is_superuser=True))

    assert client.post(START, {"email": ANN, "confirmed": "1"}).status_code == 403
    assert not ErasureRequest.objects.exists()


def test_first_it_shows_what_there_is_and_changes_nothing(officer, ann):
    page = officer.post(START, {"email": ANN})

    assert page.context["found"]["invitees"] == 1
    assert page.context["found"]["webhooks"] == 1
    assert "Erase for ever" in page.content.decode()
    assert not ErasureRequest.objects.exists()
    assert leftovers(ANN)


def test_an_address_that_is_none_is_asked_for_again(officer):
    for data in ({"email": "ann"}, {"email": "", "confirmed": "1"}):
        page = officer.post(START, data)

        assert page.context["form"].errors
    assert not ErasureRequest.objects.exists()


def test_confirmed_it_waits_for_a_worker_who_erases(officer, ann):
    response = officer.post(START, {"email": ANN, "confirmed": "1"})

    request = ErasureRequest.objects.get()
    assert response.url == page_of(request)
    assert (request.state, request.requested_by) == ("waiting", User.objects.get().get_username())
    assert "A worker does it" in officer.get(page_of(request)).content.decode()

    tasks.drain_erasure()

    shown = officer.get(page_of(request)).content.decode()
    assert "https://x.salesforce.com/00Q1" in shown
    assert ANN not in shown
    assert leftovers(ANN, "Ann Lee") == []


def test_the_admin_log_tells_who_asked_and_not_whom(officer, ann):
    officer.post(START, {"email": ANN, "confirmed": "1"})

    entry = LogEntry.objects.get()
    assert entry.user == User.objects.get()
    assert (entry.object_repr, entry.change_message) == (
        str(ErasureRequest.objects.get()), "Asked to erase a person.",
    )  # fmt: skip
    assert leftovers(ANN)
    assert not leftovers_in_log()


def leftovers_in_log():
    return [place for place in leftovers(ANN, "Ann Lee") if place.startswith("django_admin_log.")]


def test_the_list_counts_and_names_nobody(officer, ann):
    request = erasure.request(ANN, requested_by="olivia", now=NOW.replace(day=21))
    erasure.carry_out(request, now=NOW.replace(day=21))

    shown = officer.get(reverse("admin:integrations_erasurerequest_changelist")).content.decode()

    assert f"erasure #{request.pk}" in shown
    assert ANN not in shown


def test_who_may_ask_but_not_look_is_led_home(ann):
    client = staff("integrations.add_erasurerequest")

    response = client.post(START, {"email": ANN, "confirmed": "1"})

    assert response.url == reverse("admin:index")
    assert ErasureRequest.objects.exists()


def test_an_invitees_page_leads_to_erasing_them_without_the_address_in_a_url(officer, ann):
    page = officer.get(reverse("admin:bookings_invitee_change", args=[ann.pk])).content.decode()

    assert f"{START}?invitee={ann.pk}" in page
    assert f'value="{ANN}"' in officer.get(f"{START}?invitee={ann.pk}").content.decode()


def test_an_invitees_page_offers_nothing_to_others_and_of_who_is_erased(officer, ann):
    page = reverse("admin:bookings_invitee_change", args=[ann.pk])

    assert START not in staff("bookings.view_invitee").get(page).content.decode()
    erasure.carry_out(
        erasure.request(ANN, requested_by="o", now=NOW.replace(day=21)), now=NOW.replace(day=21)
    )
    assert START not in officer.get(page).content.decode()


def test_an_address_is_not_shown_to_who_may_not_see_invitees(ann):
    client = staff(*MAY)

    for asked in (str(ann.pk), "0", "x"):
        assert ANN not in client.get(f"{START}?invitee={asked}").content.decode()
