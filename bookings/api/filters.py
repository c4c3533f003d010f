"""The questions that the lists of the mirror answer."""

from typing import Any

from django.db.models import F, QuerySet
from django_filters import rest_framework as filters

from bookings.api.asking import IdFilter, OneOf, TimeFilter, YesNoFilter, require_clear
from bookings.models import Booking, BookingEvent, BookingHost, Host, Invitee, Status
from bookings.personal import folded

_SINCE = "Changed at or after this time, by `updated_at`: for pulling what is new."


class ChangedFilters(filters.FilterSet):
    """Find by URI, and what changed since."""

    uri = filters.CharFilter(help_text="Its URI at Calendly.")
    updated_since = TimeFilter(field_name="mirrored_at", lookup_expr="gte", help_text=_SINCE)


class BookingFilters(ChangedFilters):
    """Narrow the bookings."""

    min_start_time = TimeFilter(field_name="start_at", lookup_expr="gte", help_text="Begins at or after this time.")  # fmt: skip
    max_start_time = TimeFilter(field_name="start_at", lookup_expr="lt", help_text="Begins before this time.")  # fmt: skip
    min_created_at = TimeFilter(field_name="created_at", lookup_expr="gte", help_text="Was booked at or after this time.")  # fmt: skip
    max_created_at = TimeFilter(field_name="created_at", lookup_expr="lt", help_text="Was booked before this time.")  # fmt: skip
    updated_since = TimeFilter(method="changed", help_text=_SINCE)
    status = OneOf(words=Status.values, help_text="Whether it stands.")
    event_type = IdFilter(field_name="event_type_id", help_text="Id of the event type.")
    host = IdFilter(method="hosted_by", help_text="Id of one of its hosts.")
    host_email = filters.CharFilter(
        method="hosted_by_address",
        help_text="E-mail address of one of its hosts, whole; capitals do not matter.",
    )
    invitee_email = filters.CharFilter(
        method="booked_by", help_text="E-mail address of one of its invitees, whole; capitals do not matter."
    )  # fmt: skip
    no_show = YesNoFilter(method="missed", help_text="Whether an invitee is marked as a no-show.")
    chain = IdFilter(method="of_chain", help_text="Id of the meeting, through all its reschedules.")

    def changed(self, rows: QuerySet[Booking], name: str, since: Any) -> QuerySet[Booking]:
        """Keep the bookings that changed, or whose invitees did: two indexes, and no row beside."""
        own = Booking.objects.filter(mirrored_at__gte=since).order_by().values("pk")
        theirs = Invitee.objects.filter(mirrored_at__gte=since).order_by()
        return rows.filter(pk__in=own.union(theirs.values(pk=F("booking"))))

    def hosted_by(self, rows: QuerySet[Booking], name: str, host: Any) -> QuerySet[Booking]:
        """Keep the bookings of a host."""
        return rows.filter(
            pk__in=BookingHost.objects.filter(host=host).order_by().values("booking")
        )

    def hosted_by_address(
        self, rows: QuerySet[Booking], name: str, email: str
    ) -> QuerySet[Booking]:
        """Keep the bookings of the hosts with an address."""
        require_clear(self.request)
        hosts = Host.objects.filter(email__iexact=email.strip())
        places = BookingHost.objects.filter(host__in=hosts).order_by()
        return rows.filter(pk__in=places.values("booking"))

    def booked_by(self, rows: QuerySet[Booking], name: str, email: str) -> QuerySet[Booking]:
        """Keep the bookings of a person."""
        require_clear(self.request)
        places = Invitee.objects.filter(email_folded=folded(email)).order_by()
        return rows.filter(pk__in=places.values("booking"))

    def missed(self, rows: QuerySet[Booking], name: str, yes: Any) -> QuerySet[Booking]:
        """Keep the bookings that somebody did not come to, or the others."""
        places = Invitee.objects.filter(no_show_uri__gt="").order_by().values("booking")
        return rows.filter(pk__in=places) if yes else rows.exclude(pk__in=places)

    def of_chain(self, rows: QuerySet[Booking], name: str, chain: Any) -> QuerySet[Booking]:
        """Keep the bookings of a chain."""
        return rows.filter(pk__in=Invitee.objects.filter(chain=chain).order_by().values("booking"))


class InviteeFilters(ChangedFilters):
    """Narrow the invitees."""

    min_created_at = TimeFilter(field_name="created_at", lookup_expr="gte", help_text="Booked at or after this time.")  # fmt: skip
    max_created_at = TimeFilter(field_name="created_at", lookup_expr="lt", help_text="Booked before this time.")  # fmt: skip
    status = OneOf(words=Status.values, help_text="Whether the place stands.")
    booking = IdFilter(field_name="booking_id", help_text="Id of the booking.")
    chain = IdFilter(field_name="chain_id", help_text="Id of the meeting, through all its reschedules.")  # fmt: skip
    email = filters.CharFilter(method="of_person", help_text="E-mail address, whole; capitals do not matter.")  # fmt: skip
    no_show = YesNoFilter(method="missed", help_text="Whether they are marked as a no-show.")

    def of_person(self, rows: QuerySet[Invitee], name: str, email: str) -> QuerySet[Invitee]:
        """Keep the places of a person."""
        require_clear(self.request)
        return rows.filter(email_folded=folded(email))

    def missed(self, rows: QuerySet[Invitee], name: str, yes: Any) -> QuerySet[Invitee]:
        """Keep those who did not come, or the others."""
        return rows.filter(no_show_uri__gt="") if yes else rows.filter(no_show_uri="")


class BookingEventFilters(filters.FilterSet):
    """Narrow the events."""

    after = IdFilter(field_name="pk", lookup_expr="gt", help_text="Later than the event with this id: for pulling what is new.")  # fmt: skip
    kind = OneOf(words=BookingEvent.Kind.values, help_text="What happened.")
    booking = IdFilter(field_name="booking_id", help_text="Id of the booking.")
    invitee = IdFilter(field_name="invitee_id", help_text="Id of the invitee.")
    chain = IdFilter(field_name="chain_id", help_text="Id of the meeting, through all its reschedules.")  # fmt: skip


class HostFilters(ChangedFilters):
    """Narrow the hosts."""

    email = filters.CharFilter(method="of_person", help_text="E-mail address, whole; capitals do not matter.")  # fmt: skip

    def of_person(self, rows: QuerySet[Host], name: str, email: str) -> QuerySet[Host]:
        """Keep the hosts with an address."""
        require_clear(self.request)
        return rows.filter(email__iexact=email.strip())


class EventTypeFilters(ChangedFilters):
    """Narrow the event types."""

    active = YesNoFilter(help_text="Whether it can be booked.")
