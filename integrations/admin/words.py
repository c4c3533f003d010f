"""Small pieces of the lists: badge colours, links, and text that fits a cell."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator

from bookings.models import Booking

#: Badge colours by state, for every model here.
TONES: Mapping[str, str] = {
    "healthy": "success", "delivered": "success", "processed": "success", "active": "success",
    "waiting": "info", "sending": "info", "received": "info",
    "degraded": "warning", "paused": "warning",
    "failed": "danger", "disabled": "danger",
    "skipped": "default", "duplicate": "default", "ignored": "default",
}  # fmt: skip


def booking_link(booking: Booking | None, *, text: str = "") -> str:
    """Link to a booking's page, where its whole story is."""
    if booking is None:
        return "-"
    url = reverse("admin:bookings_booking_change", args=[booking.pk])
    return format_html(
        '<a class="text-primary-600 hover:underline" href="{}">{}</a>', url, text or booking
    )


def short(text: str) -> str:
    """Cut a text to what a list's cell can hold."""
    return Truncator(text).chars(90)
