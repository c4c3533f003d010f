"""The questions by which staff narrow the list of bookings."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bookings.models import Booking, BookingHost, Group, GroupRelationship, Status
from bookings.standing import MARKED

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


class StandingFilter(ChoiceFilter):
    """Whether the source still knows it, and whether it may still be told of."""

    title = "at Calendly"
    parameter_name = "standing"
    choices_offered = [
        ("vanished", "Vanished"),
        ("erased", "Erased here"),
        ("mentioned", "Only mentioned"),
    ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the chosen mark."""
        chosen = MARKED.get(self.value() or "")
        return queryset.filter(chosen) if chosen else queryset


class GroupFilter(admin.SimpleListFilter):
    """Whose hosts belong to a Calendly group now."""

    title = "host's group"
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the groups."""
        return [(str(group.pk), str(group)) for group in Group.objects.order_by("name", "id")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings of the chosen group's hosts."""
        chosen = self.value()
        if not chosen or not chosen.isdecimal():
            return queryset
        places = GroupRelationship.objects.filter(group_id=chosen, vanished_at=None)
        hosts = BookingHost.objects.filter(
            host__memberships__in=places.filter(membership__isnull=False).values("membership")
        )
        return queryset.filter(pk__in=hosts.values("booking"))


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
