import json
from datetime import UTC, datetime

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.models import Connection
from tests.factories import (
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryAttemptFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RemoteRecordFactory,
    RuleFactory,
    SignatureTallyFactory,
    WebhookSubscriptionFactory,
)

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
LISTS = [
    "bookings_booking",
    "integrations_delivery",
    "integrations_inboundwebhook",
    "integrations_connection",
    "integrations_webhooksubscription",
    "integrations_rule",
]


def _list(name: str) -> str:
    return reverse(f"admin:{name}_changelist")


def _page(row) -> str:
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def _html(client: Client, url: str, **query) -> str:
    response = client.get(url, query)
    assert response.status_code == 200
    return response.content.decode()


def _make_story(**given):
    invitee = InviteeFactory.create(**given)
    webhook = InboundWebhookFactory.create(
        booking=invitee.booking, payload={"event": "invitee.created", "name": invitee.name}
    )
    event = BookingEventFactory.create(invitee=invitee, cause_id=webhook.pk)
    delivery = DeliveryFactory.create(event=event, failed=True)
    DeliveryAttemptFactory.create(delivery=delivery, outcome="failed", error=delivery.error)
    RemoteRecordFactory.create(connection=delivery.connection, chain=invitee.chain)
    SignatureTallyFactory.create(subscription=webhook.subscription)
    return delivery


def _queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(database) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(operator, name):
    _make_story()
    client = operator
    client.get(_list(name))
    few = _queries(client, _list(name))
    for _ in range(4):
        _make_story()

    assert _queries(client, _list(name)) == few


@pytest.mark.parametrize("name", LISTS)
def test_a_list_is_shown_to_who_may_only_look(viewer, name):
    _make_story()

    assert viewer.get(_list(name)).status_code == 200


def test_the_list_of_bookings_shows_people_status_and_destinations(viewer):
    delivery = _make_story(name="Maria Lopez", no_show=True)

    html = _html(viewer, _list("bookings_booking"))

    assert "Maria Lopez" in html
    assert "no-show" in html
    assert f"{delivery.connection.name}: failed" in html
    assert delivery.chain.remote_records.get().url in html


def test_a_booking_that_everyone_left_for_another_is_called_rescheduled(viewer):
    InviteeFactory.create(canceled=True, rescheduled=True, booking__status="canceled")

    assert "rescheduled" in _html(viewer, _list("bookings_booking"))


def test_the_booking_tells_the_whole_story(viewer):
    delivery = _make_story(name="Maria Lopez", timezone="America/New_York")

    html = _html(viewer, _page(delivery.event.booking))

    for told in (
        delivery.error, delivery.hint, "Body as it came", "chat.postMessage", "Attempt 1", str(delivery.rule),
        "America/New_York", "Pricing", "newsletter", delivery.chain.cancel_url,
    ):  # fmt: skip
        assert told.replace("'", "&#x27;") in html


def test_the_booking_shows_the_start_in_the_invitees_zone(viewer):
    invitee = InviteeFactory.create(
        timezone="America/New_York", booking__start_at=datetime(2026, 11, 25, 20, tzinfo=UTC)
    )  # fmt: skip

    assert "Wed 25 Nov 2026, 15:00" in _html(viewer, _page(invitee.booking))


def test_a_rescheduled_booking_links_to_the_one_it_became(viewer):
    old = InviteeFactory.create(canceled=True, rescheduled=True)
    new = InviteeFactory.create(chain=old, old_invitee_uri=old.uri)

    assert f'href="{_page(new.booking)}"' in _html(viewer, _page(old.booking))
    assert f'href="{_page(old.booking)}"' in _html(viewer, _page(new.booking))


def test_what_invitees_write_is_escaped_everywhere(operator):
    answers = [{"question": EVIL, "answer": EVIL, "position": 0}]
    delivery = _make_story(name=EVIL, email=f"{EVIL}@x", answers=answers, cancel_reason=EVIL)
    delivery.attempts.update(steps=[{"name": EVIL, "detail": EVIL}], exchanges=[{"response": EVIL}])
    booking = delivery.event.booking
    webhook = booking.inbound_webhooks.get()

    for url in (*map(_list, LISTS), _page(booking), _page(delivery), _page(webhook)):
        assert EVIL not in _html(operator, url)


def test_a_link_that_could_run_a_script_is_shown_as_text(viewer):
    booking = BookingFactory.create(join_url="javascript:alert(1)")
    invitee = InviteeFactory.create(booking=booking, cancel_url="javascript:alert(2)")
    delivery = DeliveryFactory.create(event__invitee=invitee, delivered=True)
    RemoteRecordFactory.create(
        connection=delivery.connection, chain=invitee, url="javascript:alert(3)"
    )

    for url in (_list("bookings_booking"), _page(booking)):
        assert 'href="javascript' not in _html(viewer, url)


def test_a_body_that_is_no_text_is_shown_safely(viewer):
    webhook = InboundWebhookFactory.create(body=b"\xff" + EVIL.encode())

    html = _html(viewer, _page(webhook))

    assert "\\xff&lt;script&gt;" in html


def test_a_webhook_shows_its_body_pretty_and_the_events_it_caused(viewer):
    webhook = InboundWebhookFactory.create(payload={"event": "invitee.created"})
    event = BookingEventFactory.create(cause_id=webhook.pk)

    html = _html(viewer, _page(webhook))

    assert json.dumps({"event": "invitee.created"}, indent=2).replace('"', "&quot;") in html
    assert _page(event.booking) in html


def test_secrets_never_come_back(operator):
    subscription = WebhookSubscriptionFactory.create(connection=ConnectionFactory.create())
    RuleFactory.create(connection=subscription.connection)

    for url in (_page(subscription.connection), _page(subscription), *map(_list, LISTS)):
        html = _html(operator, url)
        assert "a-very-secret" not in html
        assert subscription.sealed_keys not in html
        assert subscription.connection.sealed_secrets not in html


def test_a_connection_shows_the_full_url_of_its_subscriptions(viewer, settings):
    settings.CALSYNC_PUBLIC_URL = "https://calsync.example.com"
    subscription = WebhookSubscriptionFactory.create()

    url = f"https://calsync.example.com/webhooks/calendly/{subscription.token}"

    assert url in _html(viewer, _page(subscription.connection))


def test_the_list_of_connections_counts_what_waits_and_what_failed(viewer):
    connection = ConnectionFactory.create(name="Counted")
    rule = RuleFactory.create(connection=connection)
    DeliveryFactory.create_batch(3, rule=rule)
    DeliveryFactory.create_batch(2, rule=rule, failed=True)

    rows = viewer.get(_list("integrations_connection")).context["cl"].result_list

    counts = {row.name: (row.waiting, row.failed) for row in rows}
    assert counts["Counted"] == (3, 2)


def test_the_first_page_is_shown(operator):
    Connection.objects.all().delete()

    assert operator.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("verb", ["add", "delete"])
@pytest.mark.parametrize("name", ["bookings_booking", "integrations_delivery"])
def test_what_stations_write_cannot_be_added_or_deleted(admin_client, name, verb):
    delivery = DeliveryFactory.create()
    row = delivery if name == "integrations_delivery" else delivery.chain.booking
    args = [] if verb == "add" else [row.pk]

    assert admin_client.get(reverse(f"admin:{name}_{verb}", args=args)).status_code == 403


@pytest.mark.parametrize(
    "model",
    ["bookings_host", "bookings_eventtype", "bookings_invitee", "bookings_routingsubmission",
     "bookings_refetchrequest", "auth_user", "auth_group"],
)  # fmt: skip
def test_the_other_lists_are_shown_and_searched(admin_client, model):
    BookingFactory.create()

    assert admin_client.get(_list(model), {"q": "a"}).status_code == 200
