"""The form of a connection: typed settings, and one write-only field for each secret of its provider."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanWidget

from integrations import grants
from integrations.admin import secret_places
from integrations.admin.fields import SecretField
from integrations.admin.providers import get_provider, provider_choices
from integrations.admin.typed_fields import label_of
from integrations.admin.typed_form import Shape, TypedForm, posted_values, truth_field, typed_form
from integrations.models import Connection

_PREFIX = "secret_"
#: The field that takes stored secrets away.
FORGET = "forget_secrets"


class NewConnectionForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Ask for the provider first: the rest depends on it."""

    provider = forms.ChoiceField(choices=provider_choices, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Connection
        fields = ("provider", "name")


class ConnectionForm(TypedForm):
    """Edit a connection; `connection_form` adds the settings and secrets of its provider."""

    truth = "settings"
    settings = truth_field("Settings as JSON")

    class Meta:
        model = Connection
        fields = ("name", "settings", "parallelism")
        labels = {"parallelism": "At once"}

    def clean(self) -> dict[str, Any]:
        """Refuse secrets that the provider's connector could not use, each at its field, and those that would go elsewhere."""
        cleaned = super().clean()
        check = get_provider(self.instance.provider).check_secret
        for name, value in self.entered_secrets.items():
            if problem := check(name, value):
                self.add_error(_PREFIX + name, problem)
        if "settings" in cleaned:
            self._keep_secrets_at_their_host(cleaned["settings"])
        return cleaned

    def _keep_secrets_at_their_host(self, after: Mapping[str, Any]) -> None:
        provider = get_provider(self.instance.provider)
        before = self.instance  # what was entered is put into it later
        replaced = {*self.entered_secrets, *self.forgotten_secrets}
        held = {name for name, value in stored_secrets(before).items() if value} - replaced
        for name, was, is_now, setting in secret_places.moved(
            provider.secret_hosts, provider.settings_model, before=before.settings, after=after
        ):
            if name not in held:
                continue
            if _PREFIX + name in self.fields:
                where = f"It is stored for {was}" if was else "It is stored"
                self.add_error(
                    _PREFIX + name,
                    f"{where}, and would now go to {is_now}: enter it again, or have it forgotten below.",
                )
            else:
                self.refuse(
                    setting,
                    f"Access was granted for {was}, and its token would now go to {is_now}: disconnect first, then change the address.",
                )

    @property
    def forgotten_secrets(self) -> frozenset[str]:
        """Return the secrets that are to be forgotten: all that have a field and were not entered, where that was asked for."""
        if not self.cleaned_data.get(FORGET):
            return frozenset()
        names = get_provider(self.instance.provider).secret_fields
        return frozenset(names) - self.entered_secrets.keys()

    @property
    def entered_secrets(self) -> dict[str, str]:
        """Return the secrets that were entered by name; the others stay as they are."""
        return {
            name.removeprefix(_PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(_PREFIX) and value
        }


def connection_form(connection: Connection, data: QueryDict | None = None) -> type[TypedForm]:
    """Return the form with a field for each setting, and one write-only for each secret, of the connection's provider."""
    values = connection.settings
    if data is not None:
        values = posted_values(data, ConnectionForm.truth, stored=values)
    return typed_form(
        ConnectionForm, settings_shape(connection), values=values, **secret_form_fields(connection)
    )


def settings_shape(connection: Connection) -> Shape:
    """Return what the connection's settings have to be."""
    model = get_provider(connection.provider).settings_model
    return Shape(model=model, mark=connection.provider)


def secret_form_fields(connection: Connection) -> dict[str, forms.Field]:
    """Return a write-only field for each secret of the connection's provider, and the one that forgets."""
    stored = stored_secrets(connection)
    provider = get_provider(connection.provider)
    fields: dict[str, forms.Field] = {
        f"{_PREFIX}{name}": SecretField(
            label=label_of(name),
            about=about,
            stored=name in stored,
            lines=6 if name in provider.long_secrets else 1,
        )
        for name, about in provider.secret_fields.items()
    }
    if stored.keys() & provider.secret_fields.keys() and connection.provider in settings.CONNECTORS:
        fields[FORGET] = forms.BooleanField(
            label="Forget the others", required=False, widget=UnfoldBooleanWidget,
            help_text="Forget the stored secrets above that are not entered now.",
        )  # fmt: skip
    return fields


def stored_secrets(connection: Connection) -> Mapping[str, str]:
    """Return the secrets that can be read; sealed with a lost key, they have to be entered again."""
    return grants.readable_secrets(connection)
