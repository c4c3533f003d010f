"""What is shown instead of a page says what to do, and how to go on."""

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import bad_request, server_error

from tests.factories import StaffUserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.db_independent]


def _shows(response, *, status, words):
    text = response.content.decode()
    return (
        response.status_code == status
        and words in text
        and f'href="{reverse("admin:index")}"' in text
    )


@pytest.mark.parametrize("path", ["/nothing", "/admin/nothing/"])
def test_an_unknown_address_leads_back(client, path):
    client.force_login(StaffUserFactory.create(is_superuser=True))

    assert _shows(client.get(path), status=404, words="There is no such page")


def test_who_may_not_is_told_whom_to_ask(client):
    client.force_login(StaffUserFactory.create())

    response = client.get(reverse("admin:integrations_rule_changelist"))

    assert _shows(response, status=403, words="Who looks after the accounts")


def test_a_form_without_its_token_says_what_to_do():
    client = Client(enforce_csrf_checks=True)
    client.force_login(StaffUserFactory.create())

    response = client.post(reverse("admin:logout"))

    assert _shows(response, status=403, words="This form is too old")


@pytest.mark.parametrize(("view", "status"), [(server_error, 500), (bad_request, 400)])
def test_a_fault_is_told_without_asking_the_database(view, status, django_assert_num_queries):
    arguments = {"exception": ValueError("secret")} if status == 400 else {}

    with django_assert_num_queries(0):
        response = view(RequestFactory().get("/admin/"), **arguments)

    assert _shows(response, status=status, words="again")
    assert b"secret" not in response.content
