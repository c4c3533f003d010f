"""The list of bookings as a CSV file: who may, what is in it, and that it is known who took it."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, PAGE_VAR, SEARCH_VAR
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from bookings.browsing import ModelAdmin
from bookings.discretion import Discretion
from bookings.models import Booking
from integrations import exporting

#: Parts of a list's address that do not narrow it.
_NO_FILTERS = frozenset({ORDER_VAR, PAGE_VAR, SEARCH_VAR, "e"})


class ExportAdmin(ModelAdmin):
    """Give the list of bookings its export: of all that the search and the filters leave, or of chosen rows."""

    def has_export_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether this person may take the bookings with them."""
        return request.user.has_perm("bookings.export_booking")

    def get_urls(self) -> list[URLPattern]:
        """Add the address of the export, which the button POSTs to: it is written down who exported."""
        view = self.admin_site.admin_view(require_POST(self.export_view))
        return [path("export/", view, name="bookings_booking_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Export the bookings that the address asks for, as the list's would."""
        if not (self.has_export_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return self._refused(request, "The filters were not understood: choose them again.")
        return self._export(request, rows, asked=_asked(request.GET))

    @admin.action(description="Export to CSV", permissions=["export"])
    def export_selected(
        self, request: HttpRequest, queryset: QuerySet[Booking]
    ) -> HttpResponseBase:
        """Export the chosen rows."""
        return self._export(request, queryset, asked="chosen rows")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list with its button for who may export."""
        url = f"{reverse('admin:bookings_booking_export')}?{request.GET.urlencode()}"
        offered = {"export_url": url} if self.has_export_permission(request) else {}
        response: HttpResponse = super().changelist_view(
            request, {**offered, **(extra_context or {})}
        )
        return response

    def _export(
        self, request: HttpRequest, rows: QuerySet[Booking], *, asked: str
    ) -> HttpResponseBase:
        if exporting.is_too_long(rows):
            told = f"Nothing was exported: these are more than {exporting.MOST:,} bookings. Narrow the list, by days for example, and export it in parts."
            return self._refused(request, told)
        discretion = Discretion.of(request.user)
        asked += "" if discretion.is_clear else "; people masked"
        entry = _note(request, f"Exported bookings ({asked}); not finished.")
        parts = exporting.parts(rows, discretion=discretion)
        response = StreamingHttpResponse(
            _noted(parts, entry, asked), content_type="text/csv; charset=utf-8"
        )
        name = f"bookings-{timezone.now():%Y%m%d-%H%M}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        response["Cache-Control"] = "no-store"
        return response

    def _refused(self, request: HttpRequest, told: str) -> HttpResponse:
        messages.error(request, told)
        url = reverse("admin:bookings_booking_changelist")
        return HttpResponseRedirect(f"{url}?{request.GET.urlencode()}")


def _asked(parameters: Mapping[str, str]) -> str:
    """Say what narrowed the list; not what was searched, for words may name somebody who is to be erased one day."""
    told = [
        f"{name}={value}" for name, value in parameters.items() if value and name not in _NO_FILTERS
    ]
    told += ["a search"] if parameters.get(SEARCH_VAR) else []
    return ", ".join(told) or "all"


def _note(request: HttpRequest, message: str) -> LogEntry:
    """Note in Django's admin log who exports what, before the first line leaves."""
    return LogEntry.objects.create(
        user_id=request.user.pk or 0,
        content_type=ContentType.objects.get_for_model(Booking),
        object_repr="bookings",
        action_flag=CHANGE,
        change_message=message,
    )


def _noted(parts: Iterator[exporting.Part], entry: LogEntry, asked: str) -> Iterator[str]:
    """Yield the file's text, and note at last how many rows left."""
    count, how = 0, "broken off after"
    try:
        for part in parts:
            yield part.text
            count += part.count
        how = "whole:"
    finally:
        entry.change_message = f"Exported bookings ({asked}); {how} {count:,} rows."
        entry.save(update_fields=["change_message"])
