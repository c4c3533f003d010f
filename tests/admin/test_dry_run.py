"""A dry run in the admin: what sending would ask and write, shown, and nothing written."""

import pytest
from django.urls import reverse

from integrations.models import Delivery, DeliveryAttempt, RemoteRecord
from tests.factories import ConnectionFactory, DeliveryFactory, RuleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(server, settings):
    server.reset()
    settings.SLACK_API_URL = f"{server.url}/slack/api/"
    connection = ConnectionFactory.create(provider="slack", name="Team", settings={})
    connection.set_secrets({"bot_token": server.state.config.slack_bot_token})
    connection.save()
    rule = RuleFactory.create(
        connection=connection, action="post_card", options={"channel": "#sales"}
    )
    return DeliveryFactory.create(rule=rule, action="post_card", options={"channel": "#sales"})


def dry_run(client, delivery):
    return client.post(reverse("admin:integrations_delivery_dry_run", args=[delivery.pk]))


def test_it_shows_the_request_that_would_be_sent_and_sends_nothing(operator, delivery, server):
    page = dry_run(operator, delivery).content.decode()

    assert "would be delivered" in page
    assert "chat.postMessage" in page
    assert "not sent: dry run" in page
    assert not server.state.slack.messages["C0SALES01"]
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempt_count) == ("waiting", 0)
    assert not DeliveryAttempt.objects.exists()
    assert not RemoteRecord.objects.exists()


def test_it_looks_first_as_sending_would_after_an_answer_that_was_lost(operator, delivery):
    DeliveryAttempt.objects.create(
        delivery=delivery, number=1, outcome="temporary", ambiguous=True, started_at=delivery.created_at
    )  # fmt: skip

    assert "conversations.history" in dry_run(operator, delivery).content.decode()


def test_what_would_fail_says_what_to_do(operator, delivery):
    Delivery.objects.update(options={"channel": "not a channel", "what": 1})

    page = dry_run(operator, delivery).content.decode()

    assert "would fail" in page
    assert "Open the rule and correct its options." in page


def test_the_button_stands_on_the_deliverys_page(operator, delivery):
    page = operator.get(reverse("admin:integrations_delivery_change", args=[delivery.pk]))

    assert (
        reverse("admin:integrations_delivery_dry_run", args=[delivery.pk]) in page.content.decode()
    )


def test_who_may_only_look_asks_no_provider(viewer, delivery, server):
    assert dry_run(viewer, delivery).status_code == 403

    assert server.requests(service="slack") == []


def test_a_link_starts_none(operator, delivery):
    page = reverse("admin:integrations_delivery_dry_run", args=[delivery.pk])

    assert operator.get(page).status_code == 405


def test_an_attempt_shows_each_field_before_and_after_as_text(viewer, delivery):
    DeliveryAttempt.objects.create(
        delivery=delivery, number=1, outcome="delivered", started_at=delivery.created_at,
        changes={"Event 00U1": {"Subject": [None, "<i>Demo</i>"]}},
    )  # fmt: skip

    page = viewer.get(reverse("admin:integrations_delivery_change", args=[delivery.pk]))

    assert (
        "<td>Subject</td><td>(empty)</td><td>&lt;i&gt;Demo&lt;/i&gt;</td>" in page.content.decode()
    )


def test_a_message_is_shown_with_its_words_as_they_would_be_read(operator, server):
    mail = ConnectionFactory.create(
        provider="email", name="Mail",
        settings={"host": "127.0.0.1", "port": 9, "security": "none", "from_address": "us@company.example"},
    )  # fmt: skip
    options = {"template": "confirmation", "to": ["invitee"]}
    rule = RuleFactory.create(connection=mail, action="send_email", options=options)
    delivery = DeliveryFactory.create(rule=rule, action="send_email", options=options)

    page = dry_run(operator, delivery).content.decode()

    assert "Would send &#x27;Confirmed: " in page
    assert delivery.chain.email in page
    assert "\n\nyour meeting is confirmed.\n\n" in page
    assert "\\n" not in page.partition("Requests</h3>")[2].partition("<form")[0]
