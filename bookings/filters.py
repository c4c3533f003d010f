"""The questions by which staff narrow the list of bookings."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from bookings.discretion import Discretion
from bookings.models import Booking, BookingHost, Group, GroupRelationship, Host, Invitee, Status
from bookings.standing import MARKED

if TYPE_CHECKING:

    class Dropdown(admin.SimpleListFilter):
        """Stand for Unfold's `DropdownFilter`."""

    class Autocomplete(admin.RelatedFieldListFilter):
        """Stand for Unfold's `AutocompleteSelectFilter`."""

        form_class: type[forms.Form]

    class AutocompleteForm(forms.Form):
        """Stand for the form of `Autocomplete`."""

    INPUT_CLASSES: list[str]
else:
    from unfold.contrib.filters.admin import AutocompleteSelectFilter as Autocomplete
    from unfold.contrib.filters.admin import DropdownFilter as Dropdown
    from unfold.contrib.filters.forms import AutocompleteDropdownForm as AutocompleteForm
    from unfold.widgets import INPUT_CLASSES

Choices = list[tuple[str, str]]
Span = tuple[datetime | None, datetime | None]

DAY = timedelta(days=1)


class ChoiceFilter(admin.SimpleListFilter):
    """Narrow the bookings by one of a few fixed choices."""

    choices_offered: ClassVar[Choices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Return the choices."""
        return self.choices_offered


class DropdownChoice(Dropdown, ChoiceFilter):
    """Offer the choices in a field of the filters' form, which keeps the others' values."""


class WhenFilter(DropdownChoice):
    """When the booking starts; days and weeks (from Monday) are UTC's."""

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

    def __init__(self, *, data: dict[str, str | None]) -> None:
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
        yield {"form": DaysForm(data=dict(self.used_parameters))}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings of these days; what is no day is said, and shows none rather than all."""
        try:
            first, last = (self._day(name) for name in self.parameter_names)
            after = last + DAY if last else None
        except (ValueError, OverflowError):
            messages.warning(request, "Enter days as year-month-day, such as 2026-11-30.")
            return queryset.none()
        return _within(queryset, (_midnight(first), _midnight(after)))

    def _day(self, name: str) -> date | None:
        value = self.used_parameters.get(name)
        return date.fromisoformat(value) if value else None


class WhoseFilter(DropdownChoice):
    """Whether the signed-in person hosts it, known by their e-mail address."""

    title = "owner"
    parameter_name = "whose"
    choices_offered = [("mine", "Mine")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings of the hosts with the person's address; none where there is no such host."""
        if self.value() != "mine":
            return queryset
        address = getattr(request.user, "email", "")
        hosts = Host.objects.filter(email__iexact=address) if address else Host.objects.none()
        return of_hosts(queryset, list(hosts.values_list("pk", flat=True)))


class StatusFilter(DropdownChoice):
    """Whether the booking stands."""

    title = "status"
    parameter_name = "status"
    choices_offered = [(status.value, status.label.capitalize()) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Booking]) -> QuerySet[Booking]:
        """Keep the bookings of the chosen status."""
        return queryset.filter(status=self.value()) if self.value() else queryset


class NoShowFilter(DropdownChoice):
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


class StandingDropdown(Dropdown, StandingFilter):
    """Ask the same in a field of the filters' form."""


class GroupFilter(Dropdown):
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
        hosts = Host.objects.filter(
            memberships__in=places.filter(membership__isnull=False).values("membership")
        )
        return of_hosts(queryset, list(hosts.distinct().values_list("pk", flat=True)))


class HostForm(AutocompleteForm):
    """Name the chosen host as this person may see them."""

    def __init__(self, request: HttpRequest, name: str, **given: Any) -> None:
        super().__init__(request=request, name=name, **given)
        show = Discretion.of(request.user).name
        field: Any = self.fields[name]
        field.label_from_instance = lambda host: show(str(host))


class HostFilter(Autocomplete):
    """Which host takes it; hosts are searched for, not listed."""

    form_class = HostForm


def of_hosts(queryset: QuerySet[Booking], hosts: list[int]) -> QuerySet[Booking]:
    """Keep the bookings that one of these hosts takes."""
    rows = BookingHost.objects.filter(host__in=hosts).order_by()
    return queryset.filter(pk__in=rows.values("booking"))


def of_chains(queryset: QuerySet[Booking], chains: Any) -> QuerySet[Booking]:
    """Keep the bookings with an invitee of these reschedule chains."""
    rows = Invitee.objects.filter(chain__in=chains).order_by()
    return queryset.filter(pk__in=rows.values("booking"))


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
        "today": (day, day + DAY),
        "tomorrow": (day + DAY, day + 2 * DAY),
        "week": (monday, monday + week),
        "next_week": (monday + week, monday + 2 * week),
        "upcoming": (now, None),
        "past": (None, now),
    }
    return spans.get(choice, (None, None))
