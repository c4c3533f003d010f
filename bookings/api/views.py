"""The lists of the mirror, each with its rows' own addresses."""

from typing import Any

from django.db.models import Prefetch, QuerySet

from bookings.api import filters, serializers
from bookings.api.reading import ReadOnlyView
from bookings.models import Booking, BookingEvent, BookingHost, EventType, Host, Invitee

_MEMBERS = Invitee.objects.only("id", "uri", "chain_id", "booking_id", "created_at")


def _with_chains(invitees: QuerySet[Invitee]) -> QuerySet[Invitee]:
    """Have the invitees know the places of their chains, for a whole page at once."""
    chains = Prefetch("chain", Invitee.objects.only("id"))
    return invitees.defer("raw").prefetch_related(chains, Prefetch("chain__chain_members", _MEMBERS))  # fmt: skip


def _bookings() -> QuerySet[Booking]:
    hosts = BookingHost.objects.select_related("host").defer("host__raw")
    bookings = Booking.objects.select_related("event_type").defer("raw", "event_type__raw")
    invitees = _with_chains(Invitee.objects.all())
    return bookings.prefetch_related(Prefetch("booking_hosts", hosts), Prefetch("invitees", invitees))  # fmt: skip


class BookingView(ReadOnlyView):
    """Bookings with everyone in them; `integrations.api` serves them with their destinations."""

    queryset: QuerySet[Any] = _bookings()
    serializer_class: type[serializers.Row] = serializers.BookingSerializer
    filterset_class: type[filters.BookingFilters] = filters.BookingFilters
    orderings = {"start_time": "start_at", "created_at": "created_at", "id": "pk"}


class InviteeView(ReadOnlyView):
    """The people who booked: one row for each place in a booking."""

    queryset = _with_chains(Invitee.objects.all())
    serializer_class = serializers.InviteeSerializer
    filterset_class = filters.InviteeFilters
    orderings = {"created_at": "created_at", "updated_at": "mirrored_at", "id": "pk"}


class BookingEventView(ReadOnlyView):
    """What happened to the meetings, in the order in which Calsync noted it."""

    queryset = BookingEvent.objects.select_related("booking", "invitee").only(
        *(field.attname for field in BookingEvent._meta.concrete_fields),  # noqa: SLF001  # Django's documented name
        "booking__uri",
        "invitee__uri",
    )
    serializer_class = serializers.BookingEventSerializer
    filterset_class = filters.BookingEventFilters


class HostView(ReadOnlyView):
    """The people who take meetings."""

    queryset = Host.objects.defer("raw")
    serializer_class = serializers.HostSerializer
    filterset_class = filters.HostFilters


class EventTypeView(ReadOnlyView):
    """The templates that bookings are made from; a retired one is kept."""

    queryset = EventType.objects.defer("raw")
    serializer_class = serializers.EventTypeSerializer
    filterset_class = filters.EventTypeFilters
