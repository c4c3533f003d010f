"""Small pieces of the lists: badge colours, links, and text that fits a cell."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator

from bookings.models import Booking
from integrations.admin.typed_fields import in_words
from integrations.options import Options

#: Badge colours by state, for every model here.
TONES: Mapping[str, str] = {
    "healthy": "success", "delivered": "success", "processed": "success", "active": "success", "done": "success",
    "waiting": "info", "stopping": "warning", "sending": "info", "received": "info", "running": "info",
    "degraded": "warning", "refused": "warning", "paused": "warning", "partial": "warning", "stopped": "warning",
    "failed": "danger", "disabled": "danger", "missing": "danger",
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


def many(number: int, thing: str, *, cap: int = 0) -> str:
    """Say how many there are: "1 delivery", "1,240 deliveries"; at the `cap`, where counting ends, "1,000+"."""
    plural = f"{thing.removesuffix('y')}ies" if thing.endswith("y") else f"{thing}s"
    more = "+" if cap and number >= cap else ""
    return f"{number:,}{more} {thing if number == 1 else plural}"


def duration(seconds: float) -> str:
    """Say how long something takes: "12 s", "3 min", "3 min 5 s" or "2 h 4 min"."""
    whole = max(0, round(seconds))
    minutes, left = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    if not minutes:
        return f"{left} s"
    return f"{minutes} min {left} s" if left else f"{minutes} min"


def told_settings(model: type[Options] | None, values: Mapping[str, Any]) -> str:
    """Show what is set, with what each thing is called; what is not set is as usual."""
    rows = format_html_join("", "<dt>{}</dt><dd>{}</dd>", in_words(model, values))
    if not rows:
        return "Nothing is set: everything is as usual."
    return format_html('<dl class="cs-facts">{}</dl>', rows)
