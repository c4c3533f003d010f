"""The recipes that come with Calsync: each can be read, fits its connectors, and says what it needs."""

import pytest
from django.conf import settings

from integrations.connectors.base import connector_class
from integrations.recipes import UnusableFileError, recipes
from integrations.recipes.shape import Recipe
from integrations.recipes.shipped import parse

pytestmark = pytest.mark.db_independent

GOOD = """
title: Short
about: Of one rule.
roles:
  chat: {title: Chat, about: Cards., providers: [slack]}
asks:
  channel: {role: chat, title: Channel, about: Which.}
rules:
  - {role: chat, name: Card, kinds: [booked], action: post_card, options: {channel: {$ask: channel}}}
"""


@pytest.mark.parametrize("name", sorted(recipes()))
def test_a_recipe_names_actions_that_there_are(name):
    recipe = recipes()[name]

    for rule in recipe.rules:
        for provider in recipe.roles[rule.role].providers:
            assert provider in settings.CONNECTORS
            assert rule.action in connector_class(provider).actions
    for role in recipe.roles.values():
        for provider in role.providers:
            assert role.wants.keys() <= connector_class(provider).settings_model.model_fields.keys()
    assert recipe.about
    assert all(page.startswith("https://") for page in recipe.docs)


def test_what_a_recipe_includes_may_be_left_out():
    sales = recipes()["sales"]

    assert [name for name, role in sales.roles.items() if role.optional] == ["marketing", "success"]
    assert "Vitally: a note at the account" in [rule.name for rule in sales.rules]
    assert not recipes()["vitally"].roles["success"].optional


def test_a_recipe_is_read():
    assert isinstance(parse(GOOD), Recipe)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("role: chat, name", "role: mail, name", "there is no role mail"),
        ("$ask: channel", "$ask: other", "nothing asks for other; no rule uses channel"),
        ("kinds: [booked]", "kinds: [booked], waits_for: Else", "Card: there is no rule Else"),
        ("kinds: [booked]", "kinds: [booked], late_rule: Else", "late_rule has to be a rule of the same role"),
        ("kinds: [booked]", "kinds: [boked]", "Line 9: rules.0.kinds: there is no kind boked"),
        ("title: Short", "titel: Short", "Line 2: titel: there is no such name."),
    ],
)  # fmt: skip
def test_a_recipe_that_does_not_fit_together_is_refused(old, new, told):
    with pytest.raises(UnusableFileError, match=told):
        parse(GOOD.replace(old, new, 1))
