"""The form that installs a recipe: a connection for each role, what the recipe asks for, and whether its rules begin at once."""

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations.admin.recipes import connection_url
from integrations.connectors.base import connector_class
from integrations.models import Connection
from integrations.recipes import Ask, Recipe, Role, recipes
from integrations.recipes.installing import unusable

#: Event types that may be named.
_MOST_TYPES = 50


class RecipeForm(forms.Form):
    """Choose connections for the roles of a recipe, and answer what it asks for."""

    event_types = forms.CharField(
        label="Only for these event types", required=False, max_length=5_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "class": "cs-wide"}),
        help_text="Their names as at Calendly, one in each line. Empty: for every meeting.",
    )  # fmt: skip
    enabled = forms.BooleanField(
        label="Switch the rules on at once", required=False, widget=UnfoldBooleanWidget,
        help_text="Otherwise they are off, so that you can look at each of them first.",
    )  # fmt: skip

    def __init__(self, *args: Any, name: str, recipe: Recipe, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.recipe, self.name = recipe, name
        for key, role in recipe.roles.items():
            self.fields[f"role_{key}"] = _role_field(role)
        for key, ask in recipe.asks.items():
            self.fields[f"ask_{key}"] = _ask_field(ask)

    @property
    def parts(self) -> Iterator[Mapping[str, Any]]:
        """Yield each role with its fields, the rules that it carries out, and where a connection for it is made."""
        for key, role in self.recipe.roles.items():
            rules = [rule.name for rule in self.recipe.rules if rule.role == key]
            asks = [self[f"ask_{name}"] for name, ask in self.recipe.asks.items() if ask.role == key]  # fmt: skip
            field = self[f"role_{key}"]
            yield {
                "role": role, "fields": [field, *asks], "rules": rules, "has_choice": any(value for value, _ in getattr(field.field, "choices", ())),
                "add_url": connection_url(self._describing(key), role),
            }  # fmt: skip

    @property
    def connections(self) -> dict[str, Connection]:
        """The connections that were chosen, by role."""
        chosen = {key: self.cleaned_data.get(f"role_{key}") for key in self.recipe.roles}
        return {key: connection for key, connection in chosen.items() if connection}

    @property
    def answers(self) -> dict[str, str]:
        """What was answered."""
        return {key: self.cleaned_data.get(f"ask_{key}", "") for key in self.recipe.asks}

    def clean_event_types(self) -> list[str]:
        """Return the lines that say something."""
        lines = [line.strip() for line in self.cleaned_data["event_types"].splitlines()]
        found = [line for line in dict.fromkeys(lines) if line]
        if len(found) > _MOST_TYPES:
            raise forms.ValidationError(f"{_MOST_TYPES} event types at most.")
        return found

    def clean(self) -> dict[str, Any]:
        """Ask for what the chosen roles need."""
        cleaned: dict[str, Any] = super().clean() or {}
        asked = {key: ask for key, ask in self.recipe.asks.items() if ask.role in self.connections}
        for key, words in unusable(asked, self.answers):
            self.add_error(f"ask_{key}", words)
        return cleaned

    def _describing(self, role: str) -> str:
        """Return the recipe that says what a role's connection begins with."""
        names = (name for name in self.recipe.includes if role in recipes()[name].roles)
        return next(names, self.name)


def unmet(role: Role, connection: Connection) -> list[str]:
    """Return in words which settings of a connection are not as a recipe counts on."""
    model = connector_class(connection.provider).settings_model
    found = []
    for name, wanted in role.wants.items():
        info = model.model_fields[name]
        held = connection.settings.get(name, info.get_default())
        if held != wanted:
            label = info.title or name.replace("_", " ").capitalize()
            labels = model.choice_labels.get(name, {})
            found.append(f"“{label}” is “{labels.get(held, held)}”, and the recipe counts on “{labels.get(wanted, wanted)}”")  # fmt: skip
    return found


def _role_field(role: Role) -> forms.ModelChoiceField:  # type: ignore[type-arg]  # not generic at run time
    rows = Connection.objects.filter(provider__in=[name for name in role.providers if name in settings.CONNECTORS]).order_by("name")  # fmt: skip
    fitting = list(rows.only("name", "provider")[:50])
    begins = [row for row in fitting if not role.connection or row.name.startswith(role.connection.name)]  # fmt: skip
    return forms.ModelChoiceField(
        rows, label="Connection", required=not role.optional, widget=UnfoldAdminSelectWidget,
        empty_label="Leave this part out" if role.optional else "Choose a connection",
        initial=begins[0].pk if begins else None, error_messages={"required": "Choose a connection."},
    )  # fmt: skip


def _ask_field(ask: Ask) -> forms.CharField:
    return forms.CharField(
        label=ask.title, required=False, max_length=500, initial=ask.begins, help_text=ask.about,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"} if ask.kind == "number" else {}),
    )  # fmt: skip
