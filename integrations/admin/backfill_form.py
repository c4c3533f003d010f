"""The form that starts a backfill: whole days of UTC, with what is usual for the connection filled in."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.conf import settings
from pydantic import ValidationError
from unfold.widgets import UnfoldAdminDateWidget

from integrations.models import BackfillRun, Connection
from integrations.sources.base import SourceSettings


class StartForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Ask which bookings are to be read; `window` turns the two days into the run's window."""

    first_day = forms.DateField(
        widget=UnfoldAdminDateWidget,
        help_text="Bookings that start on this day or later (UTC).",
    )
    last_day = forms.DateField(
        widget=UnfoldAdminDateWidget,
        help_text="Bookings that start on this day or earlier (UTC).",
    )

    class Meta:
        model = BackfillRun
        fields = ("connection", "host", "event_type", "invitees", "dry_run")
        help_texts = {
            "connection": "The calendar to read.",
            "host": "Only this person’s bookings. Empty: everybody’s.",
            "event_type": "Only bookings of this type. Empty: every type.",
            "invitees": (
                "Whose invitees are read. Marking a no-show or editing an answer moves nothing that a list shows; "
                "reading more of them costs a request a booking."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("connection", "host", "event_type"):
            _only_choose(self.fields[name])
        connection = self.fields["connection"]
        if isinstance(connection, forms.ModelChoiceField):
            connection.queryset = source_connections()

    def clean(self) -> dict[str, Any]:
        """Refuse a window that ends before it begins."""
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", "The last day is before the first day.")
        return cleaned

    def window(self) -> tuple[datetime, datetime]:
        """Return the first moment of the first day and the last moment's end of the last one (UTC)."""
        days = self.cleaned_data
        return _midnight(days["first_day"]), _midnight(days["last_day"] + timedelta(days=1))


def _only_choose(field: forms.Field) -> None:
    """Take away the admin's buttons to add, change or view what is chosen from."""
    for verb in ("add", "change", "delete", "view"):
        setattr(field.widget, f"can_{verb}_related", False)


def source_connections() -> Any:
    """Return the connections that bookings come from."""
    return Connection.objects.filter(provider__in=list(settings.SOURCES))


def usual_days(connection: Connection | None, *, now: datetime) -> Mapping[str, date]:
    """Return the first and the last day that the connection's nightly backfill would read."""
    usual = _settings(connection)
    today = now.astimezone(UTC).date()
    return {
        "first_day": today - timedelta(days=usual.backfill_days_back),
        "last_day": today + timedelta(days=usual.backfill_days_ahead),
    }


def _settings(connection: Connection | None) -> SourceSettings:
    """Return what is set on the connection; what is usual where that cannot be understood."""
    try:
        return SourceSettings.model_validate(_spans(connection) if connection else {})
    except ValidationError:
        return SourceSettings()


def _spans(connection: Connection) -> dict[str, Any]:
    known = SourceSettings.model_fields
    return {name: value for name, value in connection.settings.items() if name in known}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
