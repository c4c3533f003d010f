"""The audit log: who did what, when, and to which row. Django writes it; here it is only read."""

from datetime import MAXYEAR, date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.html import format_html

from bookings.browsing import ReadOnlyAdmin, display
from bookings.covering import register

_KINDS = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}
_TONES = {"added": "success", "changed": "info", "deleted": "danger"}
#: Days that the filter offers; any other can be put into the address: `?day=2026-11-03`.
_DAYS_OFFERED = 14


class DayFilter(admin.SimpleListFilter):
    """On which day, UTC."""

    title = "day (UTC)"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the last days, and the one that was asked for."""
        today = timezone.now().date()
        days = [today - timedelta(days=back) for back in range(_DAYS_OFFERED)]
        asked = _day(request.GET.get(self.parameter_name, ""))
        offered = days if asked is None or asked in days else [*days, asked]
        return [(day.isoformat(), f"{day:%a %d %b %Y}") for day in offered]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        """Keep the entries of the chosen day."""
        day = _day(self.value() or "")
        if day is None:
            return queryset
        start = datetime.combine(day, time(), tzinfo=timezone.get_default_timezone())
        return queryset.filter(action_time__gte=start, action_time__lt=start + timedelta(days=1))


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """What staff did here, newest first; presses of buttons elsewhere too, where they have an account."""

    list_display = ("when", "user", "kind", "row", "message")
    list_display_links = ("when",)
    list_filter = ("user", "action_flag", DayFilter)
    list_select_related = ("user", "content_type")
    fields = ("when", "user", "kind", "row", "message")
    readonly_fields = fields
    ordering = ("-id",)
    when_empty = "Nothing was done by hand yet."

    @display(description="when", ordering="id")
    def when(self, entry: LogEntry) -> str:
        """Show when."""
        return f"{entry.action_time:%d %b %Y, %H:%M:%S} UTC"

    @display(description="what", ordering="action_flag", label=_TONES)
    def kind(self, entry: LogEntry) -> str:
        """Show whether something was added, changed (or done with it) or deleted."""
        return _KINDS.get(entry.action_flag, "-")

    @display(description="on")
    def row(self, entry: LogEntry) -> str:
        """Link to the row by what it was called then, unless that may name somebody."""
        kind = entry.content_type.name if entry.content_type else "row"
        text = f"{kind}: {entry.object_repr or entry.object_id}"
        url = None if entry.action_flag == DELETION else entry.get_admin_url()
        if url is None:
            return text
        return format_html('<a class="text-primary-600 hover:underline" href="{}">{}</a>', url, text)  # fmt: skip

    @display(description="message")
    def message(self, entry: LogEntry) -> str:
        """Show what was done: of a form, which fields were changed, never what they held."""
        return entry.get_change_message() or "-"


def _day(text: str) -> date | None:
    """Return the day, or None where it is none."""
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and day.year < MAXYEAR else None


register(LogEntry, object_repr=lambda _discretion, _name: "")
