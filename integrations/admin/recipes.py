"""Begin with a recipe: the links above an empty form, and what the form of a connection then begins with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from integrations.recipes import Recipe, Role, recipes


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Lead to a form that a recipe fills in, or to the page that installs it."""

    title: str
    about: str
    url: str
    docs: str = ""


def connection_starts() -> list[Start]:
    """Return a way to begin each connection that a recipe describes."""
    return [
        Start(title=recipe.title, about=recipe.about, docs=recipe.docs[0], url=connection_url(name, role))
        for name, recipe in offered().items()
        for role in recipe.roles.values()
        if role.connection and not role.optional
    ]  # fmt: skip


def rule_starts() -> list[Start]:
    """Return the page that installs each recipe."""
    return [
        Start(title=recipe.title, about=recipe.about, docs=next(iter(recipe.docs), ""), url=recipe_url(name))
        for name, recipe in offered().items()
    ]  # fmt: skip


def offered() -> dict[str, Recipe]:
    """Return the recipes whose connectors are installed here."""
    return {
        name: recipe
        for name, recipe in recipes().items()
        if all(role.optional or set(role.providers) & settings.CONNECTORS.keys() for role in recipe.roles.values())
    }  # fmt: skip


def recipe_url(name: str) -> str:
    """Return the page that installs a recipe."""
    return reverse("admin:integrations_rule_recipe", args=[name])


def connection_url(recipe: str, role: Role) -> str:
    """Return the form that makes a connection for a role: filled in, where the recipe says with what."""
    page = reverse("admin:integrations_connection_add")
    asked = {"recipe": recipe} if role.connection else {"provider": role.providers[0]}
    return f"{page}?{urlencode(asked)}"


def connection_initial(request: HttpRequest) -> dict[str, Any]:
    """Return what the form of a new connection begins with."""
    role = _asked(request)
    return {"provider": role.providers[0], "name": role.connection.name} if role and role.connection else {}  # fmt: skip


def connection_settings(request: HttpRequest, provider: str) -> Mapping[str, Any]:
    """Return the settings of a connection that is begun from a recipe."""
    role = _asked(request)
    return role.connection.settings if role and role.connection and provider in role.providers else {}  # fmt: skip


def _asked(request: HttpRequest) -> Role | None:
    """Return the role whose connection is asked for by the name of the recipe that describes it."""
    recipe = offered().get(request.GET.get("recipe", ""))
    roles = recipe.roles.values() if recipe else ()
    return next((role for role in roles if role.connection and not role.optional), None)
