"""A rule's page: testing it on a booking, saved or typed, and simulating it on the last ones."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from integrations import roles, tasks
from integrations.models import BulkOperation, Delivery, Rule
from tests.admin.crawling import staff_with
from tests.factories import BookingEventFactory, ConnectionFactory, InviteeFactory, RuleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(server, settings):
    server.reset()
    settings.SLACK_API_URL = f"{server.url}/slack/api/"
    connection = ConnectionFactory.create(provider="slack", name="Team", settings={})
    connection.set_secrets({"bot_token": server.state.config.slack_bot_token})
    connection.save()
    return RuleFactory.create(
        connection=connection, action="post_card", options={"channel": "#sales"}, enabled=False,
        kinds=["booked"],
    )  # fmt: skip


@pytest.fixture
def chain():
    return BookingEventFactory.create(invitee=InviteeFactory.create(name="Ann Lee")).chain


def client_with(*, without=()):
    client = Client()
    client.force_login(staff_with(Permission.objects.exclude(codename__in=without)))
    return client


def url(rule, page="try"):
    return reverse(f"admin:integrations_rule_{page}", args=[rule.pk])


def typed(page):
    """Return what the rule's form would send as it is."""
    form = page.context["adminform"].form
    data = {}
    for name in form.fields:
        value = form[name].value()
        if value is not None and value is not False:
            data[name] = value
    return data


def test_the_latest_booking_shows_the_request_that_would_be_sent_and_sends_nothing(
    rule, chain, server
):
    page = client_with().post(url(rule), {"try_latest": "1"}).content.decode()

    assert "Afterwards: " in page
    assert "would be made or sent" in page
    assert "chat.postMessage" in page
    assert "not sent: dry run" in page
    assert not server.state.slack.messages["C0SALES01"]
    assert not Delivery.objects.exists()
    told = f"Tested on booking #{chain.booking_id}; nothing was written or sent."
    assert LogEntry.objects.get().change_message == told


def test_what_is_typed_is_tried_out_and_not_saved(rule, chain):
    client = client_with()
    data = typed(client.get(reverse("admin:integrations_rule_change", args=[rule.pk])))
    data["conditions"] = '{"fact": "booking.duration", "op": ">=", "value": 60}'

    page = client.post(url(rule), {**data, "try_booking": chain.pk}).content.decode()

    assert "what you typed, which is not saved yet" in page

    assert "rule would not act" in page
    assert "the duration in minutes is 30" in page
    assert '<input type="hidden" name="conditions"' in page
    assert Rule.objects.get().conditions == {}


def test_a_form_that_cannot_be_saved_says_what_to_correct(rule, chain):
    client = client_with()
    data = typed(client.get(reverse("admin:integrations_rule_change", args=[rule.pk])))

    page = client.post(url(rule), {**data, "name": ""}).content.decode()

    assert "The form has to be corrected first" in page
    assert "This field is required." in page


def test_a_simulation_is_started_watched_and_logged(rule, chain):
    client = client_with()

    answer = client.post(url(rule, "simulate"), {"last": "10", "conditions_only": "on"})

    tasks.drain_bulk()
    operation = BulkOperation.objects.get()
    page = client.get(answer["Location"]).content.decode()
    assert answer["Location"] == reverse(
        "admin:integrations_bulkoperation_change", args=[operation.pk]
    )
    assert re.search(r"rule would act\s*<strong>1</strong>", page)
    assert "Ann Lee" in page
    assert set(LogEntry.objects.values_list("change_message", flat=True)) == {
        "Simulated on 1 booking; nothing is sent.",
        "Started.",
    }


def test_people_are_covered_for_who_may_not_see_them(rule, chain):
    page = client_with(without=["view_personal_data"]).post(url(rule), {"try_booking": chain.pk})

    text = page.content.decode()
    assert "A. L." in text
    assert "Ann Lee" not in text
    assert chain.email not in text


def test_operators_try_nothing_out(rule, chain, server):
    operator = Client()
    operator.force_login(staff_with(roles.permissions_of(roles.OPERATOR)))

    answers = [
        operator.get(url(rule)), operator.post(url(rule), {"try_latest": "1"}),
        operator.post(url(rule, "simulate"), {"last": "10"}),
        operator.post(reverse("admin:integrations_rule_try_new"), {"connection": rule.connection_id}),
    ]  # fmt: skip

    assert {answer.status_code for answer in answers} == {403}
    assert server.requests(service="slack") == []
    assert not BulkOperation.objects.exists()
