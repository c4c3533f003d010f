"""What went out or is to go: deliveries, each with its end, its error and hint, and what exists over there."""

from collections import defaultdict
from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bookings.api.asking import IdFilter, OneOf, TimeFilter
from bookings.api.fields import AdminUrlField, DiscreetField
from bookings.api.reading import ReadOnlyView
from bookings.api.serializers import Row
from integrations.api.sync import NamedConnectionSerializer, RemoteRecordSerializer
from integrations.models import Delivery, RemoteRecord


class NamedRuleSerializer(Row):
    """A rule, as a delivery names it."""

    id = serializers.IntegerField(help_text="Id in Calsync.")
    name = serializers.CharField(help_text="What staff call it.")


class DeliverySerializer(Row):
    """One event carried out at one connection for one rule."""

    id = serializers.IntegerField(help_text="Id in Calsync; later deliveries have greater ones.")
    state = serializers.ChoiceField(Delivery.State.choices, help_text="How far it is. skipped: there was nothing to do.")  # fmt: skip
    failure_class = serializers.ChoiceField(
        [("", ""), *Delivery.FailureClass.choices], help_text="What a failed one needs; else empty."
    )
    event_id = serializers.IntegerField(help_text="Id of the event.")
    event_kind = serializers.CharField(source="event.kind", help_text="What happened.")
    booking_id = serializers.IntegerField(source="event.booking_id", allow_null=True, help_text="Id of the booking.")  # fmt: skip
    chain = serializers.IntegerField(source="chain_id", help_text="Id of the meeting.")
    connection = NamedConnectionSerializer(help_text="Where it goes.")
    rule = NamedRuleSerializer(allow_null=True, help_text="The rule that planned it; null once that is deleted.")  # fmt: skip
    action = serializers.CharField(help_text="What is to be done there.")
    attempt_count = serializers.IntegerField(help_text="How often it was tried.")
    not_before = serializers.DateTimeField(help_text="When a waiting one is tried at the earliest.")
    result = DiscreetField(help_text="What was done, or why nothing was.")
    error = DiscreetField(help_text="What went wrong the last time, or empty.")
    hint = DiscreetField(help_text="What a person can do about it, or empty.")
    records = serializers.SerializerMethodField(help_text="What of the meeting exists at the connection now.")  # fmt: skip
    created_at = serializers.DateTimeField(help_text="When it was planned.")
    settled_at = serializers.DateTimeField(allow_null=True, help_text="When it ended; null until then.")  # fmt: skip
    acknowledged_at = serializers.DateTimeField(allow_null=True, help_text="When a person said that they have seen the failure; else null.")  # fmt: skip
    admin_url = AdminUrlField()

    @extend_schema_field(RemoteRecordSerializer(many=True))
    def get_records(self, delivery: Delivery) -> Any:
        """Return the records, which the view has read for the whole page."""
        found = self.context["records"].get((delivery.chain_id, delivery.connection_id), [])
        return RemoteRecordSerializer(found, many=True, context=self.context).data


class DeliveryFilters(filters.FilterSet):
    """Narrow the deliveries."""

    after = IdFilter(field_name="pk", lookup_expr="gt", help_text="Planned later than the delivery with this id.")  # fmt: skip
    state = OneOf(words=Delivery.State.values, help_text="How far it is.")
    failure_class = OneOf(
        words=Delivery.FailureClass.values, method="failed_as", help_text="What a failed one needs."
    )
    connection = IdFilter(field_name="connection_id", help_text="Id of the connection.")
    rule = IdFilter(field_name="rule_id", help_text="Id of the rule.")
    event = IdFilter(field_name="event_id", help_text="Id of the event.")
    booking = IdFilter(field_name="event__booking_id", help_text="Id of the booking.")
    chain = IdFilter(field_name="chain_id", help_text="Id of the meeting, through all its reschedules.")  # fmt: skip
    min_settled_at = TimeFilter(field_name="settled_at", lookup_expr="gte", help_text="Ended at or after this time.")  # fmt: skip
    max_settled_at = TimeFilter(field_name="settled_at", lookup_expr="lt", help_text="Ended before this time.")  # fmt: skip

    def failed_as(self, rows: QuerySet[Delivery], name: str, kind: str) -> QuerySet[Delivery]:
        """Keep what failed so; the state is what an index knows."""
        return rows.filter(state=Delivery.State.FAILED, failure_class=kind)


class DeliveryView(ReadOnlyView):
    """Deliveries: what went out, waits, or failed."""

    queryset = Delivery.objects.select_related("event", "connection", "rule").only(
        *(field.attname for field in Delivery._meta.concrete_fields if field.name != "options"),  # noqa: SLF001  # Django's documented name
        "event__kind", "event__booking_id", "connection__name", "connection__provider", "rule__name",
    )  # fmt: skip
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilters

    def read_beside(self, rows: list[Any]) -> dict[str, Any]:
        """Return what exists of the deliveries' meetings."""
        return {"records": _records(rows)}


def _records(deliveries: list[Delivery]) -> dict[tuple[int, int], list[RemoteRecord]]:
    """Return what exists, by chain and connection."""
    found: dict[tuple[int, int], list[RemoteRecord]] = defaultdict(list)
    rows = RemoteRecord.objects.filter(chain__in={d.chain_id for d in deliveries}).defer("data")
    for record in rows.order_by("-updated_at", "-id"):
        found[record.chain_id, record.connection_id].append(record)
    return found
