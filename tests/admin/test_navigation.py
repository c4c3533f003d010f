import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from integrations.admin.navigation import home, sidebar
from tests.factories import (
    NOW,
    BackfillRunFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    StaffUserFactory,
    WebhookSubscriptionFactory,
)

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
        ("Traffic", ["Error inbox", "Deliveries out"])
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


def _counts() -> dict[str, int]:
    counts = home(_request(is_superuser=True), {})["counts"]
    return {count["label"]: count["number"] for count in counts}


def test_the_first_page_tells_of_running_backfills_and_of_nightly_ones_in_trouble():
    running = BackfillRunFactory.create(state="running", trigger="nightly")
    BackfillRunFactory.create(ended=True, state="partial", trigger="nightly")
    repaired = BackfillRunFactory.create(ended=True, state="failed", trigger="nightly")
    BackfillRunFactory.create(ended=True, trigger="nightly", connection=repaired.connection)
    BackfillRunFactory.create(ended=True, state="failed", connection=running.connection)

    counts = _counts()

    assert counts["Backfills running"] == 1
    assert counts["Nightly backfills in trouble"] == 1


def test_the_first_page_tells_of_subscriptions_in_trouble():
    WebhookSubscriptionFactory.create()
    WebhookSubscriptionFactory.create(state="disabled")
    WebhookSubscriptionFactory.create(retry_started_at=NOW)
    WebhookSubscriptionFactory.create(state="missing", retired_at=NOW)

    assert _counts()["Subscriptions in trouble"] == 2


def test_the_sidebar_counts_the_backfills_that_go_on():
    def badge() -> object:
        items = [i for group in sidebar(_request(is_superuser=True)) for i in group["items"]]
        return next(item for item in items if item["title"] == "Backfills").get("badge")

    before = badge()
    BackfillRunFactory.create_batch(2)

    assert (before, badge()) == (None, "2")
