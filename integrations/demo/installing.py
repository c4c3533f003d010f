"""The recipes in the demo: each is installed for its own event type, and the demo's other rules leave that part to it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.models import Connection
from integrations.recipes import install, recipes
from integrations.recipes.shape import Beginning

#: For which event types each recipe is, and what it asks for. The list "After a demo" is number 2 in the sandbox's Brevo.
_INSTALLED: Mapping[str, tuple[list[str], dict[str, str]]] = {
    "sales": (["Sales Demo"], {"sales_channel": "#sales", "list": "2"}),
    "consulting": (["Consulting Session"], {"questionnaire_url": "https://forms.example/intake"}),
    "recruiting": (["Interview"], {"hiring_manager": "host", "recruiting_channel": "#recruiting", "lever_user": "sandbox"}),
}  # fmt: skip
#: Where the sandbox imitates each interface.
_PATHS = {"brevo": "brevo/v3", "vitally": "vitally", "lever": "lever/v1"}


def install_all(roles: Mapping[str, Connection], *, now: datetime) -> None:
    """Install the recipes, switched on, at the connections for their roles."""
    for name, (event_types, answers) in _INSTALLED.items():
        recipe = recipes()[name]
        install(
            recipe, connections={role: roles[role] for role in recipe.roles}, answers=answers,
            event_types=event_types, enabled=True, now=now,
        )  # fmt: skip


def others(recipe: str) -> dict[str, Any]:
    """Return the condition of a rule that is for the meetings that a recipe is not for."""
    return {"fact": "event_type.name", "op": "is none of", "value": _INSTALLED[recipe][0]}


def beginning(recipe: str) -> tuple[Beginning, str]:
    """Return what the connection of a recipe with one role begins with, and the path of the sandbox's interface.

    Raises:
        ValueError: the recipe describes no connection.
    """
    (role,) = recipes()[recipe].roles.values()
    if role.connection is None:
        raise ValueError(f"{recipe} describes no connection")
    return role.connection, _PATHS[recipe]
