"""Browse the bookings and their invitees, and what is to be asked again."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timesince import timesince, timeuntil

from bookings import standing
from bookings.browsing import MirrorAdmin, ReadOnlyAdmin, display
from bookings.filters import GroupFilter, NoShowFilter, StandingFilter, StatusFilter, WhenFilter
from bookings.models import Booking, Invitee, RefetchRequest

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
    search_fields = ("name", "email_folded__startswith")


@admin.register(RefetchRequest)
class RefetchRequestAdmin(ReadOnlyAdmin):
    """What the calendar is to be asked again."""

    when_empty = "Nothing waits to be asked again, and nothing was given up."

    list_display = ("object_uri", "reason", "due_at", "attempts", "last_error", "created_at")
    list_filter = ("reason",)
    search_fields = ("object_uri", "subject_uri")
    ordering = ("-id",)


@admin.register(Booking)
class BookingAdmin(MirrorAdmin):
    """The bookings, newest start first."""

    list_display: Any = ("when", "what", "who_hosts", "who_comes", "how")
    list_display_links = ("when", "what")
    list_filter: ClassVar[Any] = (
        WhenFilter,
        StatusFilter,
        NoShowFilter,
        StandingFilter,
        GroupFilter,
        "hosts",
        "event_type",
    )
    search_fields = ("name",)
    search_help_text = "Invitee's name or e-mail, or the event's name"
    ordering = ("-start_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Booking]:
        """Return the bookings with everyone in them."""
        invitees = Prefetch("invitees", Invitee.objects.defer("raw"))
        return super().get_queryset(request).prefetch_related("booking_hosts__host", invitees)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Booking], search_term: str
    ) -> tuple[QuerySet[Booking], bool]:
        """Find by the event's name or an invitee; an e-mail address is found by its beginning."""
        found = queryset
        for word in search_term.split():
            folded = word.casefold()
            people = Q(email_folded__startswith=folded)
            if "@" not in word:
                people |= Q(name__icontains=word)
            invitees = Invitee.objects.filter(people).order_by().values("booking")
            by_name = Q() if "@" in word else Q(name__icontains=word)
            found = found.filter(by_name | Q(pk__in=invitees))
        return found, False

    @display(description="starts", ordering="start_at", header=True)
    def when(self, booking: Booking) -> list[str]:
        """Show the start in UTC, and how far away it is."""
        return [
            f"{booking.start_at:%d %b %Y, %H:%M} UTC",
            f"{booking.start_at:%a}, {relative(booking)}",
        ]

    @display(description="event", ordering="name")
    def what(self, booking: Booking) -> str:
        """Show what was booked."""
        return booking.name or "Booking"

    @display(description="host")
    def who_hosts(self, booking: Booking) -> str:
        """Show the hosts in their order."""
        return named(str(row.host) for row in booking.booking_hosts.all())

    @display(description="invitees", header=True)
    def who_comes(self, booking: Booking) -> list[str]:
        """Show the invitees' names over their e-mail addresses."""
        invitees = booking.invitees.all()
        return [named(map(str, invitees)) or "-", named(i.email for i in invitees)]

    @display(description="status", label=TONES)
    def how(self, booking: Booking) -> tuple[str, str]:
        """Show the booking's status, and whether it is gone or erased."""
        status = status_of(booking)
        mark = next(standing.marks(booking), None)
        return (mark.state, f"{status}, {mark.label}") if mark else (status, status)


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
