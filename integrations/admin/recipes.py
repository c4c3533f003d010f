"""Begin a connection or a rule from a recipe: a list above the empty form, whose links fill it in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from integrations.connectors.rest.recipes import Recipe, recipes
from integrations.models import Connection

PROVIDER = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Lead to a form that a recipe fills in."""

    title: str
    about: str
    url: str
    docs: str


def connection_starts() -> list[Start]:
    """Return a way to begin a connection for each recipe."""
    page = reverse("admin:integrations_connection_add")
    return [
        Start(title=row.title, about=row.about, docs=row.docs[0], url=_url(page, recipe=row.name))
        for row in _offered()
    ]


def rule_starts() -> list[Start]:
    """Return a way to begin each rule of each recipe."""
    page = reverse("admin:integrations_rule_add")
    return [
        Start(
            title=rule.name, about=row.title, docs=row.docs[0],
            url=_url(page, recipe=row.name, rule=number),
        )
        for row in _offered()
        for number, rule in enumerate(row.rules)
    ]  # fmt: skip


def connection_initial(request: HttpRequest) -> dict[str, Any]:
    """Return what the form of a new connection begins with."""
    recipe = _asked(request)
    return {"provider": PROVIDER, "name": recipe.connection} if recipe else {}


def connection_settings(request: HttpRequest, provider: str) -> Mapping[str, Any]:
    """Return the settings of a connection that is begun from a recipe."""
    recipe = _asked(request)
    return recipe.settings if recipe and provider == PROVIDER else {}


def rule_initial(request: HttpRequest) -> dict[str, Any]:
    """Return what the form of a new rule begins with; the connection is the one that the recipe made, if it is there."""
    recipe, number = _asked(request), request.GET.get("rule", "0")
    if recipe is None or not number.isdigit() or int(number) >= len(recipe.rules):
        return {}
    rule = recipe.rules[int(number)]
    made = Connection.objects.filter(provider=PROVIDER, name=recipe.connection).first()
    return {
        "name": rule.name, "kinds": list(rule.kinds), "connection": made and made.pk, "action": "call",
        "options": dict(rule.options),
    }  # fmt: skip


def _offered() -> list[Recipe]:
    return list(recipes().values()) if PROVIDER in settings.CONNECTORS else []


def _asked(request: HttpRequest) -> Recipe | None:
    return recipes().get(request.GET.get("recipe", ""))


def _url(page: str, **asked: object) -> str:
    return f"{page}?{urlencode(asked)}"
