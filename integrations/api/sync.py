"""Bookings with how they stand at each destination: one entry a connection, read for a whole page at once."""

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from bookings.api.asking import IdFilter, OneOf
from bookings.api.fields import DiscreetField, PrivateLinkField
from bookings.api.filters import BookingFilters
from bookings.api.serializers import BookingSerializer, Row
from bookings.api.views import BookingView
from bookings.models import Booking, Invitee
from integrations.api.examples import BOOKING
from integrations.destinations import Destination, Standing, destinations
from integrations.models import Delivery, RemoteRecord
from integrations.outbox import latest_deliveries

_STATES = [standing.name.lower() for standing in Standing]
_PERMISSION = "integrations.view_delivery"
_NOT_ALLOWED = "You may not see deliveries, so that you cannot search by how they ended."


class NamedConnectionSerializer(Row):
    """A connection, as others name it."""

    id = serializers.IntegerField(help_text="Id in Calsync; it never changes.")
    name = serializers.CharField(help_text="What staff call it.")
    provider = serializers.CharField(help_text="salesforce, slack, email, webhook, rest, ...")


class RemoteRecordSerializer(Row):
    """Something that Calsync wrote and keeps true over there."""

    object_type = serializers.CharField(help_text="Event, Lead, Contact, message, ...")
    remote_id = serializers.SerializerMethodField(help_text="Its id over there.")
    url = PrivateLinkField(help_text="Where a person can open it; null where that is nowhere.")
    updated_at = serializers.DateTimeField(help_text="When Calsync last wrote it.")

    def get_remote_id(self, record: RemoteRecord) -> str:
        """Return the id; one that is an address is hidden like any other."""
        discretion = self.context["discretion"]
        shown: str = (
            discretion.text(record.remote_id) if "@" in record.remote_id else record.remote_id
        )
        return shown


class SyncSerializer(Row):
    """How a booking stands at one connection: the most pressing of its invitees and rules there."""

    connection = NamedConnectionSerializer(help_text="Where.")
    state = serializers.SerializerMethodField(help_text="How it stands: the most pressing first. skipped: there was nothing to do.")  # fmt: skip
    records = RemoteRecordSerializer(source="linked_records", many=True, help_text="What exists over there; of what cannot be opened, the newest few.")  # fmt: skip
    error = DiscreetField(help_text="What went wrong, or empty.")
    hint = DiscreetField(help_text="What a person can do about it, or empty.")
    delivery_id = serializers.IntegerField(source="delivery.pk", help_text="Id of the delivery that decides.")  # fmt: skip
    updated_at = serializers.SerializerMethodField(help_text="Since when it stands so.")

    @extend_schema_field(serializers.ChoiceField(_STATES))
    def get_state(self, destination: Destination) -> str:
        """Return the standing's name."""
        return destination.standing.name.lower()

    @extend_schema_field(serializers.DateTimeField())
    def get_updated_at(self, destination: Destination) -> Any:
        """Return when the delivery ended, or was planned."""
        delivery = destination.delivery
        at = delivery.settled_at or delivery.created_at
        return serializers.DateTimeField().to_representation(at)


@extend_schema_serializer(component_name="Booking", examples=[BOOKING])
class SyncedBookingSerializer(BookingSerializer):
    """A Calendly scheduled event with everyone in it, and how it stands at each destination.

    `chain`, `previous` and `next` are its invitee's; null where several come, each with a chain of their own.
    """

    sync = serializers.SerializerMethodField(help_text="How it stands, one entry a connection; null to who may not see deliveries.")  # fmt: skip

    @extend_schema_field(SyncSerializer(many=True, allow_null=True))
    def get_sync(self, booking: Booking) -> Any:
        """Return the destinations, which the view has read for the whole page."""
        found = self.context["destinations"]
        if found is None:
            return None
        return SyncSerializer(found[booking.pk], many=True, context=self.context).data


class SyncedBookingFilters(BookingFilters):
    """Narrow the bookings, by their destinations too."""

    sync = OneOf(
        words=["failed", "pending", "synced"], method="standing",
        help_text="failed: somewhere, and not repaired since. pending: something waits or is tried again. synced: neither, and something was sent. "
        "With `connection`, of that one alone.",
    )  # fmt: skip
    connection = IdFilter(method="sent_to", help_text="Id of a connection that it was sent to, or waits for.")  # fmt: skip

    def standing(self, rows: QuerySet[Booking], name: str, state: str) -> QuerySet[Booking]:
        """Keep the bookings that stand so."""
        latest = self._narrowed(latest_deliveries())
        failed = _bookings_of(latest.filter(state=Delivery.State.FAILED))
        pending = _bookings_of(
            self._narrowed(Delivery.objects.filter(state__in=Delivery.UNSETTLED))
        )
        match state:
            case "failed":
                return rows.filter(pk__in=failed)
            case "pending":
                return rows.filter(pk__in=pending)
        return self._sent(rows).exclude(Q(pk__in=failed) | Q(pk__in=pending))

    def sent_to(self, rows: QuerySet[Booking], name: str, _: Any) -> QuerySet[Booking]:
        """Keep the bookings with a delivery to the connection."""
        return self._sent(rows)

    def _sent(self, rows: QuerySet[Booking]) -> QuerySet[Booking]:
        deliveries = self._narrowed(Delivery.objects.filter(chain=OuterRef("chain")))
        return rows.filter(Exists(Invitee.objects.filter(Exists(deliveries), booking=OuterRef("pk"))))  # fmt: skip

    def _narrowed(self, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if not self.request.user.has_perm(_PERMISSION):
            raise PermissionDenied(_NOT_ALLOWED)
        connection = self.form.cleaned_data["connection"]
        return deliveries.filter(connection=connection) if connection else deliveries


class SyncedBookingView(BookingView):
    """Bookings with everyone in them, and how they stand at each destination."""

    serializer_class = SyncedBookingSerializer
    filterset_class = SyncedBookingFilters

    def read_beside(self, rows: list[Any]) -> dict[str, Any]:
        """Return the destinations of the bookings, to who may see them."""
        may = self.request.user.has_perm(_PERMISSION)
        return {"destinations": destinations(rows) if may else None}


def _bookings_of(deliveries: QuerySet[Delivery]) -> QuerySet[Any, Any]:
    chains = deliveries.order_by().values("chain_id")
    return Invitee.objects.filter(chain__in=chains).order_by().values("booking")
