"""Guided set-up: what can be connected, how far each connection is, and what comes next."""

import pytest
from django.conf import settings
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations import deliver
from integrations.admin.connector_panel import connector_panel
from integrations.connectors.base import connector_class
from integrations.errors import ConfigurationError
from integrations.models import Connection, Rule
from integrations.sources.base import get_source
from tests.factories import NOW, ConnectionFactory, RuleFactory

pytestmark = pytest.mark.django_db

ADD = "admin:integrations_connection_add"

#: Settings and secrets that are enough to be tested, by provider.
ENOUGH = {
    "slack": ({}, {"bot_token": "xoxb-1"}),
    "webhook": ({"url": "https://erp.example/"}, {"signing_secret": "whsec_x"}),
    "rest": ({"base_url": "https://api.example.com"}, {"token": "t"}),
    "email": ({"host": "mail.example.com", "from_address": "a@b.example", "username": "u"}, {"password": "p"}),
    "salesforce": ({"login_url": "https://acme.my.salesforce.com"}, {"client_id": "i", "client_secret": "s"}),
}  # fmt: skip


def steps(connection: Connection):
    connection.refresh_from_db()
    found = connector_panel(connection, may_add_rules=True)
    assert found
    return {step.title: step for step in found.steps}


def states(connection: Connection):
    return [step.state for step in steps(connection).values()]


def page(connection: Connection) -> str:
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def test_every_provider_says_what_it_is_for_and_what_one_needs(operator):
    html = operator.get(reverse(ADD)).content.decode()

    for name in (*settings.SOURCES, *settings.CONNECTORS):
        found = get_source(name) if name in settings.SOURCES else connector_class(name)
        assert found.purpose
        assert found.needs
        assert f"?provider={name}" in html
        assert found.purpose.split(":")[0] in html


def test_a_card_leads_to_a_form_with_provider_and_name(operator):
    ConnectionFactory.create(provider="slack", name="Slack")

    first = operator.get(f"{reverse(ADD)}?provider=email").context["adminform"].form.initial
    second = operator.get(f"{reverse(ADD)}?provider=slack").context["adminform"].form.initial

    assert first == {"provider": "email", "name": "E-mail"}
    assert second == {"provider": "slack", "name": ""}


def test_who_may_add_nothing_is_shown_no_cards(viewer):
    for name in ("connection", "rule", "notificationchannel"):
        assert viewer.get(reverse(f"admin:integrations_{name}_add")).status_code == 403


@pytest.mark.parametrize("provider", ENOUGH)
def test_each_provider_leads_from_entering_to_the_first_rule(provider):
    values, secrets = ENOUGH[provider]
    connection = ConnectionFactory.create(provider=provider, settings={}, secrets={})

    assert states(connection) == ["next", "later", "later"]
    connection.settings = values
    connection.set_secrets(secrets)
    connection.save()
    assert states(connection) == ["done", "next", "later"]
    connection.last_check = {"at": NOW.isoformat(), "ok": True, "said": "Signed in."}
    connection.save()
    assert states(connection) == ["done", "done", "next"]
    assert steps(connection)["First rule"].url.endswith(f"?connection={connection.pk}")
    RuleFactory.create(connection=connection, name="All of it")
    assert states(connection) == ["done", "done", "done"]
    assert "All of it" in steps(connection)["First rule"].words


def test_what_is_lacking_is_named_as_in_the_form():
    mail = ConnectionFactory.create(provider="email", settings={"port": 0}, secrets={})

    assert (
        steps(mail)["Entered"].words == "Fill in below, and save: Mail server, Port, From address."
    )


def test_what_a_test_found_stands_on_the_page_until_something_is_changed(operator, fake_provider):
    crm = ConnectionFactory.create(
        provider=fake_provider, settings={"base_url": "https://crm.example.com"}, secrets={"api_key": "wrong"}
    )  # fmt: skip

    with pytest.raises(ConfigurationError):
        deliver.check_connection(crm, now=timezone.now())
    refused = steps(crm)["Tested"]
    form = {
        "name": crm.name,
        "settings": '{"base_url": "https://crm.example.com"}',
        "parallelism": 4,
    }
    saved = operator.post(page(crm), form | {"secret_api_key": "right", "_save": "Save"})
    entered = steps(crm)["Tested"]
    deliver.check_connection(crm, now=timezone.now())
    accepted = steps(crm)["Tested"]
    operator.post(page(crm), form | {"name": "Another name"})

    assert (refused.state, refused.words) == ("trouble", "The key was refused. Enter it again.")
    assert saved.url == page(crm)
    assert entered.state == "next"
    assert (accepted.state, accepted.words) == ("done", "Signed in as Calsync.")
    assert steps(crm)["Tested"].state == "done"


def test_what_is_paused_says_so_and_how_it_goes_on(operator):
    connection = ConnectionFactory.create(
        provider="slack", secrets={"bot_token": "x"}, state="paused", state_reason="Token revoked.", state_hint="Enter another."
    )  # fmt: skip

    tested = steps(connection)["Tested"]
    html = operator.get(page(connection)).content.decode()

    assert (tested.state, tested.operation) == ("trouble", "resume")
    assert "Token revoked. Enter another." in tested.words
    assert "sent in order once you press Resume" in html


def test_missing_rights_are_told_with_the_providers_own_words(operator):
    profile = {
        "user_uri": "U1", "user_name": "calsync", "user_email": "", "organization_uri": "T1", "organization_name": "Harbor",
        "plan": "", "role": "", "granted": ["chat:write"], "needed": ["chat:write", "channels:join"],
    }  # fmt: skip
    connection = ConnectionFactory.create(provider="slack", secrets={"bot_token": "x"}, profile=profile)  # fmt: skip

    html = operator.get(page(connection)).content.decode()

    assert steps(connection)["Allowed"].words == "Missing: channels:join. See below what to do."
    assert "allow everything that Slack asks for" in html
    assert "joins a public channel by itself" in html


def test_secrets_sealed_with_a_lost_key_are_asked_for():
    connection = ConnectionFactory.create(
        provider="webhook", settings={"url": "https://a.example/"}
    )
    Connection.objects.update(sealed_secrets="no longer readable")

    assert "cannot be read any more" in steps(connection)["Entered"].words


def test_the_page_takes_as_many_queries_for_many_rules_as_for_one(operator):
    connection = ConnectionFactory.create(provider="slack", secrets={"bot_token": "x"})
    RuleFactory.create(connection=connection)
    with CaptureQueriesContext(database) as one:
        operator.get(page(connection))
    RuleFactory.create_batch(5, connection=connection)

    with CaptureQueriesContext(database) as many:
        html = operator.get(page(connection)).content.decode()

    assert len(many) == len(one)
    assert "and more" in html


@pytest.mark.parametrize(
    ("provider", "action", "options", "kinds", "told"),
    [
        ("salesforce", "sync_meeting", {}, ["booked", "rescheduled"], "When a booking is made or moved, create or update the person and the Event in Salesforce."),
        ("salesforce", "create_task", {}, ["booked"], "When a booking is made, create a follow-up task in Salesforce."),
        ("slack", "post_card", {"channel": "@host", "routes": [{}]}, ["canceled"], "When a booking is canceled, post a card to the host in person and the places of its routes in Slack, and keep it up to date."),
        ("email", "send_email", {"template": "t", "to": ["host", "guests", "a@b.example", "answer:Boss"]}, ["no_show"], "When a booking is marked as a no-show, send the message “t” to the host, the guests, who is named in an answer and 1 address by e-mail."),
        ("email", "send_invite", {"to": 7}, ["booked"], "When a booking is made, send calendar invitations to nobody, and keep them true."),
        ("rest", "call", {"object": "note", "each": "event"}, ["booked", "rescheduled", "canceled", "no_show", "no_show_removed", "updated"], "When anything happens to a booking, make a new note by a REST interface."),
        ("webhook", "send_event", {}, ["routing_form_submitted"], "When a routing form is submitted, send every event as a signed message."),
        ("gone", "fly", {}, [], "Only where another rule names it, do what is not installed: fly."),
    ],
)  # fmt: skip
def test_a_rule_is_told_in_a_sentence(operator, provider, action, options, kinds, told):
    connection = ConnectionFactory.create(provider=provider)
    rule = RuleFactory.create(connection=connection, action=action, options=options, kinds=kinds)

    for name, args in (("changelist", []), ("change", [rule.pk])):
        html = operator.get(reverse(f"admin:integrations_rule_{name}", args=args)).content.decode()
        assert told in html


def test_a_copy_of_a_rule_is_off_and_has_a_name_of_its_own(operator, viewer):
    rule = RuleFactory.create(
        name="x" * 100,
        options={"channel": "#a"},
        paused_at=NOW,
        paused_reason="Gone.",
        enabled=True,
    )
    url = reverse("admin:integrations_rule_duplicate", args=[rule.pk])

    refused = viewer.post(url)
    looked = operator.get(url)
    responses = [operator.post(url), operator.post(url)]

    assert (refused.status_code, looked.status_code) == (403, 405)
    first, second = Rule.objects.exclude(pk=rule.pk).order_by("pk")
    assert responses[1].url == reverse("admin:integrations_rule_change", args=[second.pk])
    assert len({rule.name, first.name, second.name}) == 3
    assert (first.enabled, first.paused_at, first.options) == (False, None, {"channel": "#a"})
    rule.refresh_from_db()
    assert (rule.enabled, rule.paused_reason) == (True, "Gone.")


def test_the_list_of_rules_takes_as_many_queries_for_many_as_for_one(operator):
    url = reverse("admin:integrations_rule_changelist")
    RuleFactory.create()
    with CaptureQueriesContext(database) as one:
        operator.get(url)
    RuleFactory.create_batch(5)

    with CaptureQueriesContext(database) as many:
        operator.get(url)

    assert len(many) == len(one)
