"""The form of a notification channel: only connections that can tell something, and options that fit the chosen one."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget

from integrations.admin.cards import Card, Group
from integrations.admin.providers import get_provider
from integrations.admin.typed_form import Shape, TypedForm, truth_field
from integrations.connectors.base import connector_class
from integrations.models import Connection, NotificationChannel


def notifying() -> list[str]:
    """Return the providers through which staff can be told."""
    return [name for name in settings.CONNECTORS if connector_class(name).notifies]


class NotificationChannelForm(TypedForm):
    """Choose where, when and what is told; the options are those of the connection's connector."""

    truth = "options"
    chosen_by = "connection"
    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        widget=UnfoldAdminSelectWidget,
        help_text="Whose day it is.",
        initial="UTC",
    )
    options = truth_field("Options as JSON")

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

    def clean(self) -> dict[str, Any]:
        """Check that something is told at all."""
        cleaned = super().clean()
        if not any(cleaned.get(name) for name in ("sends_agenda", "sends_health", "sends_alerts")):
            self.add_error("sends_agenda", "Choose at least one: agenda, report or alerts.")
        return cleaned


def notice_shape(data: Mapping[str, Any], channel: NotificationChannel | None) -> Shape:
    """Return what the options have to be, by the connection that a page asks for, else the channel's."""
    number = str(data.get("connection") or (channel.connection_id if channel else ""))
    rows = Connection.objects.filter(provider__in=notifying())
    found = rows.filter(pk=number).first() if number.isdigit() else None
    if found is None:
        return Shape(mark="none")
    return Shape(model=connector_class(found.provider).notice_options_model, mark=found.provider)


def channel_choices() -> list[Group]:
    """Return the connections through which staff can be told."""
    page = reverse("admin:integrations_notificationchannel_add")
    cards = [
        Card(label=str(row), about=get_provider(row.provider).label, url=f"{page}?{urlencode({'connection': row.pk})}")
        for row in Connection.objects.filter(provider__in=notifying())
    ]  # fmt: skip
    return [Group(title="Connections that can tell staff something", cards=cards)] if cards else []
