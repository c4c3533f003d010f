from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from integrations.admin.inbound_page import SHOWN
from integrations.models import BulkOperation, InboundWebhook
from tests.factories import NOW, BookingEventFactory, InboundWebhookFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

EVIL = b'{"name": "<script>alert(1)</script> MARKER"}'


def _page(webhook) -> str:
    return reverse("admin:integrations_inboundwebhook_change", args=[webhook.pk])


def _body(webhook) -> str:
    return reverse("admin:integrations_inboundwebhook_body", args=[webhook.pk])


def _html(client: Client, url: str, **query) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_says_how_it_came_and_what_it_became(viewer):
    webhook = InboundWebhookFactory.create(
        verified_by="previous",
        signed_at=NOW - timedelta(seconds=75),
        times_seen=3,
        state="duplicate",
    )
    event = BookingEventFactory.create(cause_id=webhook.pk)

    html = _html(viewer, _page(webhook))

    assert "with the previous signing key, which is accepted while a rotation lasts" in html
    assert "1 min 15 s before it arrived" in html
    assert "came 3 times" in html
    assert "An earlier webhook told the same" in html
    assert reverse("admin:bookings_booking_change", args=[event.booking_id]) in html


def test_the_bytes_are_downloaded_as_they_came_and_never_shown_as_a_page(viewer):
    webhook = InboundWebhookFactory.create(body=EVIL + b"\xff")

    response = viewer.get(_body(webhook))

    assert response.content == EVIL + b"\xff"
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (
        response.headers["Content-Disposition"]
        == f'attachment; filename="webhook-{webhook.pk}.txt"'
    )
    assert "&lt;script&gt;alert(1)" in _html(viewer, _page(webhook))


def test_a_long_body_is_shown_from_its_beginning(viewer):
    webhook = InboundWebhookFactory.create(body=b"x" * SHOWN + b"THE END")

    html = _html(viewer, _page(webhook))

    assert "only its beginning" in html
    assert "THE END" not in html


def test_an_erased_body_says_so(viewer):
    webhook = InboundWebhookFactory.create(body=b"")

    assert "The body was erased" in _html(viewer, _page(webhook))
    assert viewer.get(_body(webhook)).status_code == 404


def test_who_may_not_see_people_sees_no_body_and_no_name(db):
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=["integrations.view_inboundwebhook"]))
    webhook = InboundWebhookFactory.create(
        body=EVIL, outcome="MARKER was booked", error="KeyError: MARKER", state="failed"
    )
    BookingEventFactory.create(cause_id=webhook.pk, invitee__name="Mark MARKER")

    page = _html(client, _page(webhook))
    listed = _html(client, reverse("admin:integrations_inboundwebhook_changelist"))

    assert "MARKER" not in page + listed
    assert "M. M." in page
    assert client.get(_body(webhook)).status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state__exact": "processed"}, True),
        ({"kind": "invitee.canceled"}, False),
        ({"connection": "0"}, False),
        ({"received_at_from": "2026-11-20", "received_at_to": "2026-11-21"}, True),
        ({"received_at_from": "2026-11-21"}, False),
    ],
)
def test_webhooks_are_narrowed(viewer, query, found):
    webhook = InboundWebhookFactory.create()

    html = _html(viewer, reverse("admin:integrations_inboundwebhook_changelist"), **query)

    assert (_page(webhook) in html) is found


def test_all_of_a_filter_are_processed_again_once_it_is_confirmed(operator, viewer, monkeypatch):
    monkeypatch.setattr("integrations.bulk.starting.AT_ONCE", 1)
    InboundWebhookFactory.create_batch(2)
    InboundWebhookFactory.create(kind="invitee.canceled")
    listed = reverse("admin:integrations_inboundwebhook_changelist")
    url = reverse("admin:integrations_inboundwebhook_bulk", args=["replay"])

    offered = _html(operator, f"{listed}?kind=invitee.created")
    asked = _html(operator, url, kind="invitee.created")
    refused = viewer.post(f"{url}?kind=invitee.created", {"confirmed": "1"}).status_code
    operator.post(f"{url}?kind=invitee.created", {"confirmed": "1"})

    assert "Process again all of this filter" in offered
    assert "Process again: 2 webhooks" in asked
    assert "changes nothing and sends nothing" in asked
    assert refused == 403
    assert BulkOperation.objects.get().choice == {"kind": "invitee.created"}
    assert not InboundWebhook.objects.filter(state="received").exists()
