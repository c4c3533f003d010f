import pytest
from django.test import RequestFactory

from integrations.admin.navigation import home, sidebar
from tests.factories import DeliveryFactory, InboundWebhookFactory, StaffUserFactory

pytestmark = pytest.mark.django_db


def _request(*permissions: str, **user):
    request = RequestFactory().get("/admin/")
    request.user = StaffUserFactory.create(permissions=permissions, **user)
    return request


def test_the_sidebar_shows_only_what_may_be_seen():
    groups = sidebar(_request("integrations.view_delivery"))

    assert [(group["title"], [i["title"] for i in group["items"]]) for group in groups] == [
        ("Traffic", ["Deliveries out"])
    ]


def test_the_sidebar_shows_everything_to_a_superuser():
    titles = [group["title"] for group in sidebar(_request(is_superuser=True))]

    assert titles == ["Calendar", "Traffic", "Setup", "People"]


def test_the_first_page_counts_what_needs_a_person():
    DeliveryFactory.create(failed=True)
    DeliveryFactory.create()
    InboundWebhookFactory.create(state="failed")

    counts = home(_request(is_superuser=True), {"title": "Home"})["counts"]

    assert {count["label"]: count["number"] for count in counts} == {
        "Failed deliveries": 1,
        "Waiting deliveries": 1,
        "Failed webhooks": 1,
        "Connections in trouble": 0,
    }


def test_the_first_page_counts_nothing_for_who_may_see_nothing():
    assert home(_request(), {})["counts"] == []
