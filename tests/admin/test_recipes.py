"""Recipes and files of rules in the admin: what is offered, installed, exported and imported, and by whom."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from integrations.models import Connection, Rule
from integrations.recipes import export, recipes
from tests.factories import ConnectionFactory, RuleFactory

pytestmark = pytest.mark.django_db

CONNECTION = "admin:integrations_connection_add"
RULE = "admin:integrations_rule_add"
LIST = "admin:integrations_rule_changelist"
IMPORT = "admin:integrations_rule_import"


def page(name):
    return reverse("admin:integrations_rule_recipe", args=[name])


def told(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.fixture
def chosen():
    """Connections for the roles of the recipe Sales, and answers to what it asks for."""
    crm = ConnectionFactory.create(provider="salesforce", name="Salesforce")
    chat = ConnectionFactory.create(provider="slack", name="Slack")
    return {"role_crm": crm.pk, "role_chat": chat.pk, "ask_sales_channel": "#demos"}


def test_every_recipe_is_offered_above_a_rule_and_on_the_page_of_recipes(operator):
    above = operator.get(reverse(RULE)).content.decode()
    cards = operator.get(reverse("admin:integrations_rule_recipes")).content.decode()

    for name, recipe in recipes().items():
        assert page(name) in above
        assert page(name) in cards
        assert recipe.title in cards


def test_no_recipe_is_offered_where_its_connector_is_not_installed(operator, settings):
    settings.CONNECTORS = {"slack": settings.CONNECTORS["slack"]}

    assert page("brevo") not in operator.get(reverse(RULE)).content.decode()
    assert operator.get(page("brevo")).status_code == 404


def test_nothing_is_offered_on_what_is_there(operator):
    connection = ConnectionFactory.create(provider="rest")
    change = reverse("admin:integrations_connection_change", args=[connection.pk])

    assert "Start from a recipe" not in operator.get(change).content.decode()


def test_a_connection_begins_with_the_recipes_settings(operator):
    begun = recipes()["brevo"].roles["marketing"].connection
    assert begun is not None
    add = f"{reverse(CONNECTION)}?recipe=brevo"
    response = operator.get(add)
    assert response.context["adminform"].form.initial == {"provider": "rest", "name": "Brevo"}

    operator.post(add, {"provider": "rest", "name": "Brevo"})

    assert Connection.objects.get().settings == begun.settings


def test_a_connection_of_another_provider_takes_nothing_of_a_recipe(operator):
    operator.post(f"{reverse(CONNECTION)}?recipe=brevo", {"provider": "slack", "name": "Slack"})

    assert Connection.objects.get().settings == {}


def test_a_part_without_a_connection_leads_to_its_set_up(operator):
    html = operator.get(page("sales")).content.decode()

    assert f"{reverse(CONNECTION)}?provider=salesforce" in html
    assert f"{reverse(CONNECTION)}?recipe=vitally" in html
    assert "may be left out" in html
    assert html.count("There is no connection for this yet") == 4


def test_a_part_with_one_connection_has_it_chosen(operator, chosen):
    response = operator.get(page("sales"))

    assert response.context["form"]["role_crm"].value() == chosen["role_crm"]
    assert response.content.decode().count("There is no connection for this yet") == 2


def test_only_connections_that_fit_can_be_chosen(operator, chosen):
    response = operator.post(page("sales"), {**chosen, "role_crm": chosen["role_chat"]})

    assert "role_crm" in response.context["form"].errors
    assert not Rule.objects.exists()


def test_a_recipe_is_installed_off_named_and_logged(operator, chosen):
    response = operator.post(page("sales"), {**chosen, "event_types": "Demo\n\n Intro call "})

    crm, card = Rule.objects.order_by("position")
    assert (crm.enabled, card.enabled) == (False, False)
    assert (card.waits_for, card.options["channel"]) == (crm, "#demos")
    assert crm.conditions["value"] == ["Demo", "Intro call"]
    made, unmet = told(response)
    assert made.startswith(
        "Made: Sales: Lead and Event in Salesforce, Sales: card in Slack. They are off"
    )
    assert "the recipe counts on “The host, when created”" in unmet
    assert {entry.change_message for entry in LogEntry.objects.all()} == {"Installed by the recipe “Sales”."}  # fmt: skip


def test_a_recipe_installed_twice_says_what_exists_and_makes_what_is_missing(operator, chosen):
    operator.post(page("sales"), {**chosen, "enabled": "on"})
    Rule.objects.filter(name="Sales: card in Slack").update(options={"channel": "#ours"})
    brevo = ConnectionFactory.create(provider="rest", name="Brevo")

    response = operator.post(page("sales"), {**chosen, "role_marketing": brevo.pk, "ask_list": "2"})

    assert Rule.objects.count() == 4
    assert Rule.objects.get(name="Sales: card in Slack").options == {"channel": "#ours"}
    assert told(response)[-2].startswith(
        "There already, and left as they are: Sales: Lead and Event"
    )


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"role_crm": ""}, "role_crm", "Choose a connection."),
        ({"ask_sales_channel": ""}, "ask_sales_channel", "This is needed."),
        ({"ask_sales_channel": "demos"}, "__all__", "is no place in Slack"),
        ({"role_marketing": "rest"}, "ask_list", "This is needed."),
        ({"role_marketing": "rest", "ask_list": "two"}, "ask_list", "Write a number, such as 2."),
    ],
)  # fmt: skip
def test_what_cannot_be_installed_is_told_and_nothing_is_made(
    operator, chosen, change, field, words
):
    if "role_marketing" in change:
        rest = ConnectionFactory.create(provider="rest", name="Brevo").pk
        change = {**change, "role_marketing": rest}

    response = operator.post(page("sales"), {**chosen, **change})

    assert words in str(response.context["form"].errors[field])
    assert not Rule.objects.exists()


def test_a_recipe_that_there_is_not_has_no_page(operator):
    assert operator.get(page("nothing")).status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_add_rules_neither_installs_nor_imports(viewer, chosen, method):
    for url in (page("sales"), reverse(IMPORT), reverse("admin:integrations_rule_export")):
        assert getattr(viewer, method)(url, chosen).status_code == 403
    html = viewer.get(reverse(LIST)).content.decode()

    assert "Recipes</a>" not in html
    assert "Import</a>" not in html
    assert not Rule.objects.exists()


def test_rules_are_exported_and_the_same_file_is_nothing_to_do(operator):
    RuleFactory.create(connection__provider="slack", action="post_card", options={"channel": "#a"})

    response = operator.get(reverse("admin:integrations_rule_export"))

    assert response["Content-Disposition"] == 'attachment; filename="rules.yaml"'
    sent = SimpleUploadedFile("rules.yaml", response.content)
    assert "nothing to do" in operator.post(reverse(IMPORT), {"file": sent}).content.decode()


def test_a_file_is_checked_shown_and_then_imported(operator):
    rule = RuleFactory.create(connection__provider="slack", action="post_card", options={"channel": "#a"})  # fmt: skip
    text = export().replace("#a", "#b")

    html = operator.post(reverse(IMPORT), {"text": text}).content.decode()
    rule.refresh_from_db()
    assert "+  channel: &#x27;#b&#x27;" in html
    assert rule.options == {"channel": "#a"}
    response = operator.post(reverse(IMPORT), {"text": text, "confirmed": "1"})

    rule.refresh_from_db()
    assert rule.options == {"channel": "#b"}
    assert told(response) == ["Imported: 0 new, 1 changed, 0 equal."]
    assert LogEntry.objects.get().get_change_message() == "Changed option channel."
    history = operator.get(reverse("admin:integrations_rule_history", args=[rule.pk]))
    assert "<td>#a</td><td>#b</td>" in history.content.decode()


def test_a_wrong_file_is_told_by_line_and_kept_as_it_was_typed(operator):
    text = "rules:\n  - name: <b>\n    colour: red\n"

    html = operator.post(reverse(IMPORT), {"text": text, "confirmed": "1"}).content.decode()

    assert "Line 3: “&lt;b&gt;”: colour: there is no such name." in html
    assert "colour: red" in html
    assert "<b>" not in html
