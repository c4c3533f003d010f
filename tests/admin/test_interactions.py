"""What staff see of presses, and acknowledging what failed."""

import html

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from integrations.models import Interaction
from tests.factories import NOW, ConnectionFactory, DeliveryFactory, InviteeFactory

pytestmark = pytest.mark.django_db


def make_press(**fields):
    usual = {
        "connection": ConnectionFactory.create(), "key": "k", "action": "mark_no_show", "received_at": NOW,
        "presser_name": "Olivia Owens", "presser_email": "olivia@harbor.example", "acted_as": "olivia",
        "state": "done", "result": "Marked as a no-show at Calendly.", "finished_at": NOW,
    }  # fmt: skip
    row = Interaction(**{**usual, **fields})
    row.set_reply({"response_url": "https://hooks.slack.com/actions/very-secret"})
    row.save()
    return row


def shown(client, url):
    response = client.get(url)
    assert response.status_code == 200
    return html.unescape(response.content.decode())


def test_the_list_tells_who_pressed_what_and_what_became_of_it(viewer):
    make_press()

    page = shown(viewer, reverse("admin:integrations_interaction_changelist"))

    for words in ("Mark as no-show", "Olivia Owens", "Marked as a no-show at Calendly.", "done"):
        assert words in page


def test_a_press_leads_to_its_booking_and_keeps_its_answering_address_to_itself(viewer):
    invitee = InviteeFactory.create()
    row = make_press(value={"ids": [invitee.pk]})

    page = shown(viewer, reverse("admin:integrations_interaction_change", args=[row.pk]))

    assert reverse("admin:bookings_booking_change", args=[invitee.booking_id]) in page
    assert "olivia@harbor.example" in page
    assert row.sealed_reply not in page
    assert "very-secret" not in page


def test_a_press_leads_to_the_deliveries_it_names(viewer):
    delivery = DeliveryFactory.create(failed=True)
    row = make_press(action="acknowledge", value={"ids": [delivery.pk]})

    page = shown(viewer, reverse("admin:integrations_interaction_change", args=[row.pk]))

    assert reverse("admin:integrations_delivery_change", args=[delivery.pk]) in page


def test_what_nobody_knows_is_shown_all_the_same(viewer):
    row = make_press(action="dance", value={"ids": [10**17]}, presser_name="", presser_email="")

    assert "dance" in shown(viewer, reverse("admin:integrations_interaction_change", args=[row.pk]))


def test_nobody_changes_a_press(operator):
    row = make_press()
    url = reverse("admin:integrations_interaction_change", args=[row.pk])

    assert operator.post(url, {"state": "received"}).status_code == 403


def operate(delivery, name="acknowledge"):
    return reverse("admin:integrations_delivery_operate", args=[delivery.pk, name])


def test_a_failure_is_acknowledged_shown_and_logged(operator):
    delivery = DeliveryFactory.create(failed=True)
    page = reverse("admin:integrations_delivery_change", args=[delivery.pk])

    operator.post(operate(delivery))

    delivery.refresh_from_db()
    assert delivery.acknowledged_by.startswith("staff")
    seen = shown(operator, page)
    assert f"by {delivery.acknowledged_by}" in seen
    assert LogEntry.objects.get().get_change_message() == "Acknowledged."


def test_who_may_only_look_acknowledges_nothing(viewer):
    delivery = DeliveryFactory.create(failed=True)

    assert viewer.post(operate(delivery)).status_code == 403

    delivery.refresh_from_db()
    assert delivery.acknowledged_at is None


def test_what_did_not_fail_cannot_be_acknowledged(operator):
    delivery = DeliveryFactory.create(delivered=True)

    response = operator.post(operate(delivery), follow=True)

    assert "Nothing to acknowledge" in html.unescape(response.content.decode())
    assert not LogEntry.objects.exists()


def test_acknowledged_failures_count_no_more(operator):
    first, second = DeliveryFactory.create(failed=True), DeliveryFactory.create(failed=True)

    def failures():
        needs = operator.get(reverse("admin:index")).context["needs"]
        return [row for row in needs if row.need.failure]

    assert len(failures()) == 2

    operator.post(operate(first))

    (left,) = failures()
    assert f"#{second.pk}" in operator.get(left.url).content.decode()
    seen = operator.get(reverse("admin:integrations_delivery_changelist") + "?failed=seen")
    assert [row.pk for row in seen.context["cl"].result_list] == [first.pk]
    listed = operator.get(reverse("admin:integrations_connection_changelist")).context["cl"]
    assert {row.pk: row.failed for row in listed.result_list} == {
        first.connection_id: 0, second.connection_id: 1,
    }  # fmt: skip


def test_the_connections_page_says_where_presses_go_and_whether_they_are_taken(operator):
    off = ConnectionFactory.create(secrets={"bot_token": "xoxb-1"})
    on = ConnectionFactory.create(secrets={"bot_token": "xoxb-1", "signing_secret": "s"})
    pages = [
        shown(operator, reverse("admin:integrations_connection_change", args=[row.pk]))
        for row in (off, on)
    ]

    for row, page in zip((off, on), pages, strict=True):
        assert f"http://127.0.0.1:8000/interactions/slack/{row.pk}</code>" in page
    assert "off until a signing secret is entered" in pages[0]
    assert "off until" not in pages[1]
