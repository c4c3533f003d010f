"""The questions by which staff narrow the list of deliveries."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from bookings.filters import ChoiceFilter
from bookings.models import BookingEvent
from integrations.admin.span import SpanFilter
from integrations.models import Delivery


class FailureFilter(ChoiceFilter):
    """Which failures still need a person; the lists' numbers lead here."""

    title = "failure"
    parameter_name = "failed"
    choices_offered = [("unseen", "failed, not acknowledged"), ("seen", "acknowledged")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the failures that were not acknowledged, or those that were."""
        if self.value() not in {"unseen", "seen"}:
            return queryset
        return queryset.filter(
            state=Delivery.State.FAILED, acknowledged_at__isnull=self.value() == "unseen"
        )


class EventKindFilter(ChoiceFilter):
    """What happened."""

    title = "event"
    parameter_name = "kind"
    choices_offered = [(kind.value, kind.label.capitalize()) for kind in BookingEvent.Kind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the deliveries of the chosen kind of event."""
        return queryset.filter(event__kind=self.value()) if self.value() else queryset


class PlannedFilter(SpanFilter):
    """When it was planned."""

    title = "time planned"
    column, prefix = "created_at", "created"
