import json
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


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://erp.example/hook", "url: erp.example would be called without encryption."),
        ("https://169.254.169.254/", "url: 169.254.169.254 is no place to send to."),
    ],
)
def test_an_address_that_may_not_be_called_is_refused_with_what_to_do(operator, url, told):
    made = ConnectionFactory.create(provider="webhook", settings={"url": "https://erp.example/"})

    form = {"name": made.name, "settings": json.dumps({"url": url}), "parallelism": 1}
    response = operator.post(_page(made), form)

    (problem,) = _errors(response)["settings"]
    assert problem.startswith(told)
    assert "CALSYNC_OUTBOUND_ALLOWED_HOSTS" in problem or "Correct the address" in problem


def test_a_signing_secret_that_is_none_is_refused_at_its_field(operator):
    made = ConnectionFactory.create(provider="webhook", settings={"url": "https://erp.example/"})

    form = {"name": made.name, "settings": '{"url": "https://erp.example/"}', "parallelism": 1}
    response = operator.post(_page(made), form | {"secret_signing_secret": "hunter2hunter2"})

    (problem,) = _errors(response)["secret_signing_secret"]
    assert problem.startswith("A signing secret begins with whsec_.")
    assert "hunter2" not in response.content.decode()


@pytest.fixture
def rest():
    """A connection that holds more secrets than its way to say who calls needs."""
    return ConnectionFactory.create(
        provider="rest", settings={"base_url": "https://api.example.com/v1", "auth": "bearer"},
        secrets={"token": "right-token", "client_secret": "old-secret"},
    )  # fmt: skip


def _saved(client, row, **given: Any):
    changed = {
        name: value
        for name, value in given.items()
        if not name.startswith("secret_") and name != "forget_secrets"
    }
    entered = {name: value for name, value in given.items() if name not in changed}
    settings = json.dumps(row.settings | changed)
    form = {"name": row.name, "settings": settings, "parallelism": 1, **NO_INLINES, **entered}
    response = client.post(_page(row), form)
    row.refresh_from_db()
    return response


@pytest.mark.parametrize(
    "base_url",
    [
        "https://evil.example/v1", "https://api.example.com.evil.example/v1", "https://api.example.com:8443/v1",
        "https://api.example.co/v1",
    ],
)  # fmt: skip
def test_a_stored_secret_never_goes_to_another_host(operator, rest, base_url):
    told = _errors(_saved(operator, rest, base_url=base_url))

    assert set(told) == {"secret_token", "secret_client_secret"}
    assert told["secret_token"][0].startswith("It is stored for https://api.example.com, and would")
    assert rest.settings["base_url"] == "https://api.example.com/v1"
    assert rest.secrets == {"token": "right-token", "client_secret": "old-secret"}


def test_secrets_that_are_entered_again_go_along_and_others_can_be_forgotten(operator, rest):
    moved = {"base_url": "https://new.example/v1", "secret_token": "new-token"}

    told = _errors(_saved(operator, rest, **moved))
    response = _saved(operator, rest, **moved, forget_secrets="on")

    assert set(told) == {"secret_client_secret"}
    assert response.status_code == 302
    assert rest.settings["base_url"] == "https://new.example/v1"
    assert rest.secrets == {"token": "new-token"}


def test_another_path_on_the_same_host_needs_no_secret_again(operator, rest):
    response = _saved(operator, rest, base_url="https://API.example.com:443/v2")

    assert response.status_code == 302
    assert rest.secrets["token"] == "right-token"


def test_a_token_url_that_is_new_gets_no_stored_client_secret(operator, rest):
    told = _errors(_saved(operator, rest, token_url="https://evil.example/token"))

    assert set(told) == {"secret_client_secret"}


def test_a_stored_secret_that_is_not_needed_can_be_forgotten(operator, rest):
    response = _saved(operator, rest, secret_token="new-token", forget_secrets="on")

    assert response.status_code == 302
    assert rest.secrets == {"token": "new-token"}


def test_a_mail_servers_password_goes_to_no_other_server(operator):
    made = ConnectionFactory.create(
        provider="email", settings={"host": "mail.example.com", "from_address": "a@example.com"},
        secrets={"password": "swordfish"},
    )  # fmt: skip

    told = _errors(_saved(operator, made, host="mail.evil.example"))
    response = _saved(operator, made, port=465, security="tls")

    assert set(told) == {"secret_password"}
    assert response.status_code == 302


def test_what_was_granted_is_disconnected_before_the_address_changes(operator):
    made = ConnectionFactory.create(
        provider="salesforce", settings={"login": "oauth", "login_url": "https://acme.my.salesforce.com"},
        secrets={"client_id": "id", "client_secret": "secret", "refresh_token": "granted"},
    )  # fmt: skip

    other = {"login_url": "https://other.my.salesforce.com", "secret_client_secret": "secret"}
    (told,) = _errors(_saved(operator, made, **other))["settings"]

    assert "disconnect first" in told


@pytest.mark.parametrize("setting", ["base_url", "token_url"])
def test_an_interface_inside_is_refused_when_it_is_entered(operator, rest, setting):
    told = _errors(_saved(operator, rest, **{setting: "https://169.254.169.254/latest"}))

    assert told["settings"] == [
        f"{setting}: 169.254.169.254 is no place to send to. Correct the address: it looks like https://example.com/hook."
    ]


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
        (
            {"action": "sync_meeting"},
            "action",
            "Fake CRM knows other actions: Write it, Add it to a list.",
        ),
    ],
)
def test_a_rule_that_cannot_work_is_explained(operator, connection, given, field, told):
    url = reverse("admin:integrations_rule_add")

    response = operator.post(url, _rule_form(connection, **given))

    assert _errors(response)[field] == [told]


def test_a_rule_is_silent_on_a_backfill_unless_told_otherwise(operator, connection):
    url = reverse("admin:integrations_rule_add")

    operator.post(url, _rule_form(connection))
    operator.post(
        url, _rule_form(connection, name="Late", acts_on_backfill="on", backfill_max_age_days="7")
    )
    html = operator.get(reverse("admin:integrations_rule_changelist")).content.decode()

    found = Rule.objects.order_by("id").values_list("acts_on_backfill", "backfill_max_age_days")
    assert list(found) == [(False, None), (True, 7)]
    assert html.count("It acts on what a backfill finds, too, up to 7 days old.") == 1


def test_an_age_without_acting_on_a_backfill_is_explained(operator, connection):
    url = reverse("admin:integrations_rule_add")

    response = operator.post(url, _rule_form(connection, backfill_max_age_days="7"))

    assert "says nothing" in _errors(response)["backfill_max_age_days"][0]


def test_a_rule_to_a_source_is_refused(operator, fake_provider):
    calendly = ConnectionFactory.create(provider="calendly")

    response = operator.post(reverse("admin:integrations_rule_add"), _rule_form(calendly))

    assert "nothing is sent there" in _errors(response)["action"][0]


def test_the_options_of_an_existing_rule_are_described(operator, connection):
    rule = RuleFactory.create(connection=connection, action="write", options={"channel": "sales"})

    html = operator.get(_page(rule)).content.decode()

    assert "channel (required)." in html


def test_each_action_has_options_of_its_own(operator, connection):
    url = reverse("admin:integrations_rule_add")

    refused = operator.post(url, _rule_form(connection, action="add"))
    operator.post(url, _rule_form(connection, action="add", options='{"list_id": "7"}'))
    shown = operator.get(_page(Rule.objects.get())).content.decode()

    assert _errors(refused)["options"] == [
        "list_id: is required.",
        "channel: there is no such name.",
    ]
    assert "list_id (The list; required)." in refused.content.decode()
    assert Rule.objects.get().options == {"list_id": "7"}
    assert "list_id (The list; required). at (one of top, end; usually end)." in shown
    assert "channel" not in shown


def test_a_new_rule_begins_with_what_is_done_where(operator, connection):
    html = operator.get(reverse("admin:integrations_rule_add")).content.decode()

    assert "Add it to a list" in html
    assert f"?connection={connection.pk}&amp;action=add" in html
