"""The form of a connection: typed settings, and one write-only field for each secret of its provider."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from integrations.admin.fields import ReadableJSONField, SecretField
from integrations.admin.providers import check_options, describe, get_provider, provider_choices
from integrations.errors import ConfigurationError
from integrations.models import Connection

_PREFIX = "secret_"


class NewConnectionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Ask for the provider first: the rest depends on it."""

    provider = forms.ChoiceField(choices=provider_choices, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Connection
        fields = ("provider", "name")


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Edit a connection; `connection_form` adds the secrets of its provider."""

    settings = ReadableJSONField()

    class Meta:
        model = Connection
        fields = ("name", "settings", "parallelism")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "settings" in self.fields:
            model = get_provider(self.instance.provider).settings_model
            self.fields["settings"].help_text = describe(model)

    def clean_settings(self) -> dict[str, Any]:
        """Return the settings as the provider's connector accepts them."""
        values: dict[str, Any] = self.cleaned_data["settings"]
        check_options(get_provider(self.instance.provider).settings_model, values)
        return values

    def save(self, commit: bool = True) -> Connection:
        """Seal the secrets that were entered beside those that were kept."""
        entered = {
            name.removeprefix(_PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(_PREFIX) and value
        }
        if entered:
            self.instance.set_secrets({**stored_secrets(self.instance), **entered})
        saved: Connection = super().save(commit=commit)
        return saved


def connection_form(connection: Connection) -> type[ConnectionForm]:
    """Return the form with one write-only field for each secret of the connection's provider."""
    stored = stored_secrets(connection)
    fields: dict[str, Any] = {
        f"{_PREFIX}{name}": SecretField(
            label=name.replace("_", " ").capitalize(), about=about, stored=name in stored
        )
        for name, about in get_provider(connection.provider).secret_fields.items()
    }
    return type("ProviderConnectionForm", (ConnectionForm,), fields)


def stored_secrets(connection: Connection) -> Mapping[str, str]:
    """Return the secrets that can be read; sealed with a lost key, they have to be entered again."""
    try:
        return connection.secrets
    except ConfigurationError:
        return {}
