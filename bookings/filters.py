"""The questions by which staff narrow the list of bookings."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bookings.models import Booking, Status

Choices = list[tuple[str, str]]


class ChoiceFilter(admin.SimpleListFilter):
    """Narrow the bookings by one of a few fixed choices."""

    choices_offered: ClassVar[Choices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Return the choices."""
        return self.choices_offered


class WhenFilter(ChoiceFilter):
    """When the booking starts; days and weeks (from Monday) are UTC's."""

    title = "when"
    parameter_name = "when"
    choices_offered = [
        ("today", "Today"),
        ("week", "This week"),
        ("upcoming", "Upcoming"),
        ("past", "Past"),
    ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings that start in the chosen span."""
        now = timezone.now()
        start, end = _span(self.value(), now)
        if start:
            queryset = queryset.filter(start_at__gte=start)
        return queryset.filter(start_at__lt=end) if end else queryset


class StatusFilter(ChoiceFilter):
    """Whether the booking stands."""

    title = "status"
    parameter_name = "status"
    choices_offered = [(status.value, status.label.capitalize()) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings of the chosen status."""
        return queryset.filter(status=self.value()) if self.value() else queryset


class NoShowFilter(ChoiceFilter):
    """Whether someone did not come."""

    title = "no-show"
    parameter_name = "no_show"
    choices_offered = [("yes", "Someone did not come")]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Booking]:
        """Keep the bookings with a no-show."""
        narrowed: QuerySet[Booking] = queryset.with_no_show() if self.value() else queryset
        return narrowed


def _span(choice: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = day - timedelta(days=day.weekday())
    spans: dict[str | None, tuple[datetime | None, datetime | None]] = {
        "today": (day, day + timedelta(days=1)),
        "week": (monday, monday + timedelta(days=7)),
        "upcoming": (now, None),
        "past": (None, now),
    }
    return spans.get(choice, (None, None))
