"""When a booking starts: the questions of time by which staff narrow the list. Days and weeks (from Monday) are UTC's."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bookings.filters import DropdownChoice
from bookings.models import Booking

if TYPE_CHECKING:
    INPUT_CLASSES: list[str]
else:
    from unfold.widgets import INPUT_CLASSES

Span = tuple[datetime | None, datetime | None]

_DAY = timedelta(days=1)


class WhenFilter(DropdownChoice):
    """In which of the usual spans the booking starts."""

    title = "when"
    parameter_name = "when"
    choices_offered = [
        ("today", "Today"),
        ("tomorrow", "Tomorrow"),
        ("week", "This week"),
        ("next_week", "Next week"),
        ("upcoming", "Upcoming"),
        ("past", "Past"),
    ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings that start in the chosen span."""
        return _within(queryset, _span(self.value(), timezone.now()))


#: Spans of `WhenFilter` that are read from their beginning.
SOONEST_FIRST = frozenset(value for value, _ in WhenFilter.choices_offered) - {"past"}


class DaysForm(forms.Form):
    """Ask for the first and the last day."""

    def __init__(self, *, data: dict[str, str]) -> None:
        super().__init__(data)
        for name, label in (("from", "From day"), ("to", "To day")):
            attributes = {"type": "date", "class": " ".join(INPUT_CLASSES)}
            self.fields[name] = forms.DateField(
                label=label, required=False, widget=forms.DateInput(attrs=attributes)
            )


class DaysFilter(admin.ListFilter):
    """From which day to which the booking starts, both included; days are UTC's."""

    title = "days (UTC)"
    template = "unfold/filters/filters_field.html"
    parameter_names: ClassVar = ("from", "to")

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Booking], model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.parameter_names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        """Tell that it is always shown."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the names of its parameters."""
        return list(self.parameter_names)

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the form that Unfold's template shows."""
        yield {"form": DaysForm(data={name: self._given(name) for name in self.parameter_names})}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings of these days; what is no day is said, and shows none rather than all."""
        try:
            first, last = (self._day(name) for name in self.parameter_names)
            after = last + _DAY if last else None
        except (ValueError, OverflowError):
            messages.warning(request, "Enter days as year-month-day, such as 2026-11-30.")
            return queryset.none()
        return _within(queryset, (_midnight(first), _midnight(after)))

    def _day(self, name: str) -> date | None:
        value = self._given(name)
        return date.fromisoformat(value) if value else None

    def _given(self, name: str) -> str:
        return str(self.used_parameters.get(name, ""))


def _within(queryset: QuerySet[Booking], span: Span) -> QuerySet[Booking]:
    start, end = span
    if start:
        queryset = queryset.filter(start_at__gte=start)
    return queryset.filter(start_at__lt=end) if end else queryset


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


def _span(choice: str | None, now: datetime) -> Span:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    monday = day - timedelta(days=day.weekday())
    week = timedelta(days=7)
    spans: dict[str | None, Span] = {
        "today": (day, day + _DAY),
        "tomorrow": (day + _DAY, day + 2 * _DAY),
        "week": (monday, monday + week),
        "next_week": (monday + week, monday + 2 * week),
        "upcoming": (now, None),
        "past": (None, now),
    }
    return spans.get(choice, (None, None))
