import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from integrations.admin.navigation import sidebar
from tests.factories import BackfillRunFactory, StaffUserFactory

pytestmark = pytest.mark.django_db


def _request(*permissions: str, **user):
    request = RequestFactory().get("/admin/")
    request.user = StaffUserFactory.create(permissions=permissions, **user)
    return request


def test_who_signs_in_without_coming_from_anywhere_is_led_to_the_first_page():
    user = StaffUserFactory.create(username="olga")
    user.set_password("open sesame")
    user.save()

    form = {"username": "olga", "password": "open sesame"}
    response = Client().post(reverse("admin:login"), form)

    assert response.headers["Location"] == reverse("admin:index")


def test_the_sidebar_shows_only_what_may_be_seen():
    groups = sidebar(_request("integrations.view_delivery"))

    assert [(group["title"], [i["title"] for i in group["items"]]) for group in groups] == [
        ("Traffic", ["Error inbox", "Deliveries out"]),
        ("Setup", ["REST API"]),
    ]


def test_the_sidebar_shows_everything_to_a_superuser():
    titles = [group["title"] for group in sidebar(_request(is_superuser=True))]

    assert titles == ["Calendar", "Traffic", "Setup", "People"]


def test_the_sidebar_counts_the_backfills_that_go_on():
    def badge() -> object:
        items = [i for group in sidebar(_request(is_superuser=True)) for i in group["items"]]
        return next(item for item in items if item["title"] == "Backfills").get("badge")

    before = badge()
    BackfillRunFactory.create_batch(2)

    assert (before, badge()) == (None, "2")
