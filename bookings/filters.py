"""The questions by which staff narrow the list of bookings."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from bookings.discretion import Discretion
from bookings.given import row_id
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

        def __init__(self, **given: Any) -> None: ...

else:
    from unfold.contrib.filters.admin import AutocompleteSelectFilter as Autocomplete
    from unfold.contrib.filters.admin import DropdownFilter as Dropdown
    from unfold.contrib.filters.forms import AutocompleteDropdownForm as AutocompleteForm

Choices = list[tuple[str, str]]


class ChoiceFilter(admin.SimpleListFilter):
    """Narrow the bookings by one of a few fixed choices."""

    choices_offered: ClassVar[Choices]

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Return the choices."""
        return self.choices_offered


class DropdownChoice(Dropdown, ChoiceFilter):
    """Offer the choices in a field of the filters' form, which keeps the others' values."""


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
        chosen = row_id(self.value() or "")
        if chosen is None:
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
