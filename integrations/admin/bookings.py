"""The booking's own page: where it went, and the whole story of how."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone

from bookings.admin import BookingAdmin as MirrorBookingAdmin
from bookings.admin import BookingChangeList
from bookings.browsing import display
from bookings.discretion import Discretion
from bookings.filters import DropdownChoice
from bookings.models import Booking
from integrations.admin.booking_actions import BookingActionsAdmin
from integrations.admin.booking_export import ExportAdmin
from integrations.admin.booking_page import headings, page
from integrations.admin.reading_again import ReadAgainAdmin
from integrations.destinations import Sync, destinations, with_sync


class DestinationsChangeList(BookingChangeList):
    """Look up the destinations of a whole page of bookings at once."""

    def get_results(self, request: HttpRequest) -> None:
        """Give each booking of the page its destinations."""
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        found = destinations(rows)
        for row in rows:
            row.destinations = found[row.pk]


class SyncFilter(DropdownChoice):
    """How the booking stands at its destinations."""

    title = "sync"
    parameter_name = "sync"
    choices_offered = [(sync.value, sync.label) for sync in Sync]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings that stand so."""
        return with_sync(queryset, self.value() or "", now=timezone.now())


admin.site.unregister(Booking)


@admin.register(Booking)
class BookingAdmin(ExportAdmin, BookingActionsAdmin, ReadAgainAdmin, MirrorBookingAdmin):
    """The bookings, each with the state and the link of every destination."""

    actions: Any = (*ReadAgainAdmin.actions, "export_selected")
    list_display = (*MirrorBookingAdmin.list_display, "where_it_went")
    list_filter = (
        MirrorBookingAdmin.list_filter[0],
        SyncFilter,
        *MirrorBookingAdmin.list_filter[1:],
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows destinations."""
        return DestinationsChangeList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a booking with its invitees, destinations and timeline."""
        booking = self.get_object(request, object_id)
        context = page(booking, request=request) if booking else {}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show what staff did, under a name of the booking that its reader may see."""
        booking = self.get_object(request, object_id)
        context = headings(booking, Discretion.of(request.user)) if booking else {}
        context = {**context, **(extra_context or {})}
        response: HttpResponse = super().history_view(request, object_id, context)
        return response

    @display(description="destinations")
    def where_it_went(self, booking: Any) -> str:
        """Show each destination's state, linked to what exists there."""
        return render_to_string(
            "admin/calsync/destination_badges.html",
            {"destinations": booking.destinations, "is_clear": booking.discretion.is_clear},
        )
