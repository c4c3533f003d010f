"""Browse the bookings and their invitees, and what is to be asked again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from bookings import searching, standing
from bookings.browsing import MirrorAdmin, ReadOnlyAdmin, WalkingPaginator, display
from bookings.discretion import Discretion
from bookings.filters import (
    Autocomplete,
    GroupFilter,
    HostFilter,
    NoShowFilter,
    StandingDropdown,
    StandingFilter,
    StatusFilter,
    WhoseFilter,
)
from bookings.models import Booking, Invitee, RefetchRequest
from bookings.spans import SOONEST_FIRST, DaysFilter, WhenFilter

#: Names shown in one cell of a list; the rest is a number.
NAMES_SHOWN = 3
TONES = {
    "active": "success", "canceled": "default", "rescheduled": "info", "no-show": "danger", **standing.TONES,
}  # fmt: skip


@admin.register(Invitee)
class InviteeAdmin(MirrorAdmin):
    """The people who booked."""

    list_display = ("name", "email", "status", "at_calendly", "booking", "created_at")
    list_filter = (StandingFilter, "status")
    list_select_related = ("booking__event_type",)
    search_fields = ("name", "email_folded")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invitee], search_term: str
    ) -> tuple[QuerySet[Invitee], bool]:
        """Find by name or e-mail; who may not see people, by the event type's name."""
        is_clear = Discretion.of(request.user).is_clear
        return searching.people_found(queryset, search_term, is_clear=is_clear), False


@admin.register(RefetchRequest)
class RefetchRequestAdmin(ReadOnlyAdmin):
    """What the calendar is to be asked again."""

    when_empty = "Nothing waits to be asked again, and nothing was given up."

    list_display = ("object_uri", "reason", "due_at", "attempts", "last_error", "created_at")
    list_filter = ("reason",)
    search_fields = ("object_uri", "subject_uri")
    ordering = ("-id",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """Hold a question that is asked of the list in one press."""

    label: str
    url: str
    is_chosen: bool


class BookingChangeList(ChangeList):
    """Show each booking as this person may see it, and offer the usual spans of time in one press."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        is_clear = Discretion.of(request.user).is_clear
        told = "Name, e-mail, company, any answer, event"
        self.search_help_text = told if is_clear else "Event type"

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows, and note on each what may be seen of its people."""
        super().get_results(request)
        discretion = Discretion.of(request.user)
        rows: list[Any] = list(self.result_list)
        for row in rows:
            row.discretion = discretion
        self.result_list = rows

    @property
    def shortcuts(self) -> Iterator[Shortcut]:
        """Yield the usual questions, each with its address; one that is asked already leads back."""
        for name, choices in (("when", WhenFilter.choices_offered), ("whose", WhoseFilter.choices_offered)):  # fmt: skip
            for value, label in choices:
                is_chosen = self.params.get(name) == value
                asked = {name: None if is_chosen else value}
                yield Shortcut(label=label, url=self.get_query_string(asked, ["p"]), is_chosen=is_chosen)  # fmt: skip


@admin.register(Booking)
class BookingAdmin(MirrorAdmin):
    """The bookings, newest start first; a span of time that begins now or later, soonest first."""

    list_display: Any = ("when", "what", "who_hosts", "who_comes", "how")
    list_display_links = ("when", "what")
    paginator = WalkingPaginator
    list_before_template = "admin/bookings/booking/above.html"
    list_filter_submit = True
    list_filter: ClassVar[Any] = (
        WhenFilter,
        DaysFilter,
        WhoseFilter,
        ("hosts", HostFilter),
        GroupFilter,
        ("event_type", Autocomplete),
        StatusFilter,
        NoShowFilter,
        StandingDropdown,
    )
    search_fields = ("search_text",)
    ordering = ("-start_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Booking]:
        """Return the bookings with everyone in them."""
        invitees = Prefetch("invitees", Invitee.objects.defer("raw"))
        rows = super().get_queryset(request).defer("raw", "search_text")
        return rows.select_related("event_type").prefetch_related("booking_hosts__host", invitees)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows who looks."""
        return BookingChangeList

    def get_ordering(self, request: HttpRequest) -> Any:
        """Return the order: what is to come is read from its beginning."""
        is_ahead = request.GET.get("when") in SOONEST_FIRST
        return ("start_at", "id") if is_ahead else self.ordering

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Booking], search_term: str
    ) -> tuple[QuerySet[Booking], bool]:
        """Find by what the invitees told and the event's name; who may not see people, by the event type's."""
        is_clear = Discretion.of(request.user).is_clear
        return searching.found(queryset, search_term, is_clear=is_clear), False

    @display(description="starts", ordering="start_at", header=True)
    def when(self, booking: Booking) -> list[str]:
        """Show the start in UTC, and how far away it is."""
        return [
            f"{booking.start_at:%d %b %Y, %H:%M} UTC",
            f"{booking.start_at:%a}, {relative(booking)}",
        ]

    @display(description="event")
    def what(self, booking: Any) -> str:
        """Show what was booked; a booking's own name may name somebody."""
        return title_of(booking, booking.discretion)

    @display(description="host")
    def who_hosts(self, booking: Any) -> str:
        """Show the hosts in their order."""
        show = booking.discretion.name
        return named(show(str(row.host)) for row in booking.booking_hosts.all())

    @display(description="invitees", header=True)
    def who_comes(self, booking: Any) -> list[str]:
        """Show the invitees' names over their e-mail addresses."""
        invitees, show = booking.invitees.all(), booking.discretion
        names = named(person_of(invitee, show) for invitee in invitees)
        return [names or "-", named(show.email(invitee.email) for invitee in invitees)]

    @display(description="status", label=TONES)
    def how(self, booking: Booking) -> tuple[str, str]:
        """Show the booking's status, and whether it is gone or erased."""
        status = status_of(booking)
        mark = next(standing.marks(booking), None)
        return (mark.state, f"{status}, {mark.label}") if mark else (status, status)


def title_of(booking: Booking, discretion: Discretion) -> str:
    """Return the booking's name, or its event type's for who may not see people."""
    if discretion.is_clear and booking.name:
        return booking.name
    return str(booking.event_type) if booking.event_type else "Booking"


def person_of(invitee: Invitee, discretion: Discretion) -> str:
    """Return how an invitee is called here; that somebody was erased tells nothing of them."""
    return str(invitee) if invitee.erased_at else discretion.name(str(invitee))


def relative(booking: Booking) -> str:
    """Say how far away the start is: "in 2 days" or "3 hours ago"."""
    now = timezone.now()
    if booking.start_at > now:
        return f"in {timeuntil(booking.start_at, now, depth=1)}"
    return f"{timesince(booking.start_at, now, depth=1)} ago"


def named(names: Iterable[str]) -> str:
    """Join the first few names and count the others."""
    known = [name for name in names if name]
    more = len(known) - NAMES_SHOWN
    return ", ".join(known[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def status_of(booking: Booking) -> str:
    """Return active, canceled, rescheduled (everyone moved to another booking) or no-show."""
    invitees = booking.invitees.all()
    if any(invitee.is_no_show for invitee in invitees):
        return "no-show"
    canceled = [invitee for invitee in invitees if invitee.is_canceled]
    moved = canceled and all(i.rescheduled or i.new_invitee_uri for i in canceled)
    return "rescheduled" if moved and len(canceled) == len(invitees) else booking.status
