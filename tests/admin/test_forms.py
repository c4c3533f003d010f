from typing import Any

import pytest
from django.urls import reverse

from integrations.models import Connection, Rule, WebhookSubscription
from tests.factories import ConnectionFactory, RuleFactory, WebhookSubscriptionFactory

pytestmark = pytest.mark.django_db

NO_INLINES = {"subscriptions-TOTAL_FORMS": "0", "subscriptions-INITIAL_FORMS": "0"}


def _page(row) -> str:
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def _errors(response) -> dict[str, list[str]]:
    assert response.status_code == 200
    return dict(response.context["adminform"].form.errors.items())


@pytest.fixture
def connection(fake_provider) -> Connection:
    return ConnectionFactory.create(
        provider=fake_provider, name="CRM", secrets={"api_key": "old", "other_key": "kept"}
    )


def _connection_form(**given: str) -> dict[str, str]:
    form = {
        "name": "CRM",
        "settings": '{"base_url": "https://crm.example.com"}',
        "parallelism": "4",
    }
    return {**form, **NO_INLINES, **given}


def _rule_form(connection: Connection, **given: Any) -> dict[str, Any]:
    form = {
        "name": "Write all", "enabled": "on", "kinds": ["booked", "canceled"], "connection": connection.pk,
        "action": "write", "options": '{"channel": "sales"}', "position": "0",
    }  # fmt: skip
    return {**form, **given}


def test_adding_a_connection_asks_for_its_provider_and_goes_on_to_its_settings(
    operator, fake_provider
):
    url = reverse("admin:integrations_connection_add")

    response = operator.post(url, {"provider": fake_provider, "name": "New CRM"})

    assert response.url == _page(Connection.objects.get(name="New CRM"))


def test_installed_sources_and_connectors_are_offered(operator, fake_provider):
    html = operator.get(reverse("admin:integrations_connection_add")).content.decode()

    assert "Fake CRM" in html
    assert "Calendly" in html


def test_a_new_secret_is_sealed_and_an_empty_one_kept(operator, connection):
    operator.post(_page(connection), _connection_form(secret_api_key="new", secret_other_key=""))

    connection.refresh_from_db()
    assert connection.secrets == {"api_key": "new", "other_key": "kept"}
    assert connection.settings == {"base_url": "https://crm.example.com"}
    assert "new" not in connection.sealed_secrets


def test_a_form_with_errors_does_not_show_the_entered_secret(operator, connection):
    response = operator.post(
        _page(connection), _connection_form(secret_api_key="entered-secret", settings="{}")
    )

    assert _errors(response)
    assert "entered-secret" not in response.content.decode()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{}", "base_url: is required."),
        ('{"base_url": "x", "colour": 1}', "colour: there is no such name."),
        (
            '{"base_url": "x", "pages": 0}',
            "pages: Input should be greater than or equal to 1.",
        ),
        ("[1]", 'Write a JSON object, such as {"name": "value"}.'),
        ("{oops", "Enter a valid JSON."),
    ],
)
def test_wrong_settings_are_explained_in_plain_words(operator, connection, written, told):
    response = operator.post(_page(connection), _connection_form(settings=written))

    assert _errors(response)["settings"] == [told]


def test_the_known_settings_are_described(operator, connection):
    html = operator.get(_page(connection)).content.decode()

    assert "base_url (Where it lives; required). pages (usually 10)." in html


def test_who_may_only_look_sees_no_secret_fields(viewer, connection):
    assert "secret_api_key" not in viewer.get(_page(connection)).content.decode()


def test_who_may_only_look_cannot_save(viewer, connection):
    assert viewer.post(_page(connection), _connection_form(name="Other")).status_code == 403


def test_a_connection_of_a_removed_provider_is_still_shown(operator):
    assert operator.get(_page(ConnectionFactory.create(provider="gone"))).status_code == 200


def test_secrets_sealed_with_a_lost_key_can_be_entered_again(operator, connection):
    Connection.objects.update(sealed_secrets="no longer readable")

    operator.post(_page(connection), _connection_form(secret_api_key="new"))

    connection.refresh_from_db()
    assert connection.secrets == {"api_key": "new"}


def test_a_connection_with_a_history_is_not_deleted(operator, connection):
    RuleFactory.create(connection=connection)
    subscription = WebhookSubscriptionFactory.create()
    url = "admin:integrations_connection_delete"

    assert operator.get(reverse(url, args=[connection.pk])).status_code == 200
    assert operator.get(reverse(url, args=[subscription.connection.pk])).status_code == 403


def test_a_new_signing_key_keeps_the_one_before_it_as_previous(operator):
    subscription = WebhookSubscriptionFactory.create(signing_key="first")
    form = {"connection": subscription.connection_id, "state": "active", "scope": "user", "uri": ""}

    operator.post(_page(subscription), {**form, "signing_key": "second"})
    rotated = WebhookSubscription.objects.get().signing_keys
    operator.post(_page(subscription), form)
    kept = WebhookSubscription.objects.get().signing_keys
    operator.post(_page(subscription), {**form, "end_rotation": "on"})
    ended = WebhookSubscription.objects.get().signing_keys

    assert rotated == {"current": "second", "previous": "first"}
    assert kept == rotated
    assert ended == {"current": "second"}


def test_a_subscription_is_added_with_its_key(operator):
    connection = ConnectionFactory.create(provider="calendly")
    url = reverse("admin:integrations_webhooksubscription_add")

    operator.post(
        url, {"connection": connection.pk, "state": "active", "scope": "user", "uri": "", "signing_key": "k"}
    )  # fmt: skip

    assert WebhookSubscription.objects.get().signing_keys == {"current": "k"}


def test_a_rule_is_added(operator, connection):
    operator.post(reverse("admin:integrations_rule_add"), _rule_form(connection))

    rule = Rule.objects.get()
    assert (rule.kinds, rule.action, rule.options) == (
        ["booked", "canceled"],
        "write",
        {"channel": "sales"},
    )


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"options": "{}"}, "options", "channel: is required."),
        ({"options": '{"channel": "a", "to": 1}'}, "options", "to: there is no such name."),
        ({"action": "sync_meeting"}, "action", "Fake CRM knows other actions: Write it."),
        ({"kinds": []}, "kinds", "This field is required."),
    ],
)
def test_a_rule_that_cannot_work_is_explained(operator, connection, given, field, told):
    url = reverse("admin:integrations_rule_add")

    response = operator.post(url, _rule_form(connection, **given))

    assert _errors(response)[field] == [told]


def test_a_rule_to_a_source_is_refused(operator, fake_provider):
    calendly = ConnectionFactory.create(provider="calendly")

    response = operator.post(reverse("admin:integrations_rule_add"), _rule_form(calendly))

    assert "nothing is sent there" in _errors(response)["action"][0]


def test_the_options_of_an_existing_rule_are_described(operator, connection):
    rule = RuleFactory.create(connection=connection, action="write", options={"channel": "sales"})

    html = operator.get(_page(rule)).content.decode()

    assert "channel (required)." in html
