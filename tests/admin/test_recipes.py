"""A connection or rule that begins with a recipe: the link fills in the form, and what is left to staff is asked for."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from integrations.connectors.rest.recipes import recipes
from integrations.models import Connection, Rule
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

CONNECTION = "admin:integrations_connection_add"
RULE = "admin:integrations_rule_add"


def initial(response):
    return response.context["adminform"].form.initial


@pytest.mark.parametrize("page", [CONNECTION, RULE])
def test_an_empty_form_offers_every_recipe(operator, page):
    html = operator.get(reverse(page)).content.decode()

    assert "Start from a recipe" in html
    for recipe in recipes().values():
        assert f"?recipe={recipe.name}" in html


def test_no_recipe_is_offered_where_its_connector_is_not_installed(operator, settings):
    settings.CONNECTORS = {"slack": settings.CONNECTORS["slack"]}

    assert "Start from a recipe" not in operator.get(reverse(RULE)).content.decode()


def test_nothing_is_offered_on_what_is_there(operator):
    connection = ConnectionFactory.create(provider="rest")
    page = reverse("admin:integrations_connection_change", args=[connection.pk])

    assert "Start from a recipe" not in operator.get(page).content.decode()


def test_a_connection_begins_with_the_recipes_settings(operator):
    page = f"{reverse(CONNECTION)}?recipe=brevo"
    assert initial(operator.get(page)) == {"provider": "rest", "name": "Brevo"}

    operator.post(page, {"provider": "rest", "name": "Brevo"})

    assert Connection.objects.get().settings == recipes()["brevo"].settings


def test_a_connection_of_another_provider_takes_nothing_of_a_recipe(operator):
    operator.post(f"{reverse(CONNECTION)}?recipe=brevo", {"provider": "slack", "name": "Slack"})

    assert Connection.objects.get().settings == {}


def test_a_rule_begins_with_the_recipes_options(operator):
    connection = ConnectionFactory.create(provider="rest", name="Lever")

    response = operator.get(f"{reverse(RULE)}?recipe=lever&rule=0")

    rule = recipes()["lever"].rules[0]
    assert initial(response) == {
        "name": rule.name, "kinds": rule.kinds, "connection": connection.pk, "action": "call",
        "options": rule.options,
    }  # fmt: skip
    assert "How to find the object again" in response.content.decode()


@pytest.mark.parametrize("asked", ["recipe=none", "recipe=lever&rule=9", "recipe=lever&rule=x"])
def test_a_recipe_that_there_is_not_fills_in_nothing(operator, asked):
    response = operator.get(f"{reverse(RULE)}?{asked}")

    assert response.status_code == 200
    assert "options" not in initial(response)


def _form(connection, options):
    return {
        "name": "Notes", "enabled": "on", "kinds": ["booked"], "connection": connection.pk, "action": "call",
        "options": options, "position": "0",
    }  # fmt: skip


def test_what_is_left_to_staff_is_refused_with_its_place(operator):
    connection = ConnectionFactory.create(provider="rest")
    options = json.dumps(recipes()["lever"].rules[0].options)

    response = operator.post(reverse(RULE), _form(connection, options))

    assert response.context["adminform"].form.errors["options"] == [
        "create.query.perform_as: Put your own value in place of CHANGE-ME."
    ]


def test_what_is_filled_in_is_saved(operator):
    connection = ConnectionFactory.create(provider="rest")
    options = json.dumps(recipes()["lever"].rules[0].options).replace("CHANGE-ME: ", "")

    operator.post(reverse(RULE), _form(connection, options))

    assert Rule.objects.get().options["each"] == "event"


def test_recipes_are_listed_and_printed():
    listed, printed = StringIO(), StringIO()

    call_command("rest", "recipes", stdout=listed)
    call_command("rest", "recipes", "brevo", stdout=printed)

    assert "lever: Applicant tracking (Lever)" in listed.getvalue()
    assert json.loads(printed.getvalue())["connection"] == "Brevo"


def test_a_recipe_that_there_is_not_is_told():
    with pytest.raises(CommandError, match="brevo, lever, vitally"):
        call_command("rest", "recipes", "none")
