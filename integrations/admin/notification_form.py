"""The form of a notification channel: only connections that can tell something, and options that fit the chosen one."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminSelectWidget

from integrations.admin.fields import ReadableJSONField
from integrations.admin.providers import check_options, describe
from integrations.connectors.base import connector_class
from integrations.models import Connection, NotificationChannel


def notifying() -> list[str]:
    """Return the providers through which staff can be told."""
    return [name for name in settings.CONNECTORS if connector_class(name).notifies]


class NotificationChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Choose where, when and what is told, and check the options against the connection's connector."""

    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        widget=UnfoldAdminSelectWidget,
        help_text="Whose day it is.",
        initial="UTC",
    )
    options = ReadableJSONField()

    class Meta:
        model = NotificationChannel
        fields = (
            "name", "enabled", "connection", "options", "sends_agenda", "sends_health", "sends_alerts", "at",
            "time_zone", "weekdays_only", "tells_nothing", "host", "group", "event_type",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "connection" in self.fields:
            chosen: Any = self.fields["connection"]
            chosen.queryset = Connection.objects.filter(provider__in=notifying())
        if "options" in self.fields:
            self.fields["options"].help_text = _known_options()

    def clean(self) -> dict[str, Any]:
        """Check the options against the connection's connector, and that something is told at all."""
        cleaned = super().clean() or self.cleaned_data
        if not any(cleaned.get(name) for name in ("sends_agenda", "sends_health", "sends_alerts")):
            self.add_error("sends_agenda", "Choose at least one: agenda, report or alerts.")
        if {"connection", "options"} <= cleaned.keys():
            self._check_options(cleaned["connection"], cleaned["options"])
        return cleaned

    def _check_options(self, connection: Connection, options: Any) -> None:
        try:
            check_options(connector_class(connection.provider).notice_options_model, options)
        except forms.ValidationError as error:
            self.add_error("options", error)


def _known_options() -> str:
    found = [connector_class(name) for name in notifying()]
    return " ".join(f"{one.label}: {describe(one.notice_options_model)}" for one in found)
