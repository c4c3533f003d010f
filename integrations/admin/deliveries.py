"""Deliveries: what was to go out, what came of it, and sending it again."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from bookings.browsing import ReadOnlyAdmin, display
from integrations import outbox, tasks
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.words import TONES, booking_link, short
from integrations.models import Delivery
from integrations.timeline import delivery_entry

State = Delivery.State


@admin.register(Delivery)
class DeliveryAdmin(OperatedAdmin, ReadOnlyAdmin):
    """Every delivery, newest first."""

    operations = (Operation(name="retry", label="Retry", icon="replay"),)
    actions = ("retry",)
    list_display = (
        "created",
        "kind",
        "booking",
        "connection",
        "rule",
        "badge",
        "attempt_count",
        "trouble",
    )
    list_filter = ("state", "failure_class", "connection")
    list_select_related = ("event__booking", "chain", "connection", "rule")
    search_fields = ("=id", "chain__email_folded__startswith", "error")
    ordering = ("-id",)

    @admin.action(description="Retry", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Send failed and skipped deliveries again, and wake their connections."""
        rows = list(queryset)
        chosen = Delivery.objects.filter(pk__in=[row.pk for row in rows])
        count = outbox.retry(chosen, now=timezone.now(), by=request.user.get_username())
        self.log(request, rows, "Retried.")
        for connection_id in {row.connection_id for row in rows}:
            tasks.nudge_connection(connection_id)
        _say(request, count, asked=len(rows))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a delivery with its attempts and what to do about a failure."""
        delivery = self.get_object(request, object_id)
        context = {"entry": delivery_entry(delivery)} if delivery else {}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def offered(self, row: Delivery) -> Iterable[Operation]:
        """Offer a retry where there is something to retry."""
        return self.operations if row.state in {State.FAILED, State.SKIPPED} else ()

    @display(description="created", ordering="id")
    def created(self, delivery: Delivery) -> str:
        """Show when it was planned."""
        return f"{delivery.created_at:%d %b %Y, %H:%M:%S} UTC"

    @display(description="event")
    def kind(self, delivery: Delivery) -> str:
        """Show what happened."""
        return delivery.event.get_kind_display()

    @display(description="booking")
    def booking(self, delivery: Delivery) -> str:
        """Link to the booking's page, where the whole story is."""
        return booking_link(delivery.event.booking, text=str(delivery.chain))

    @display(description="state", ordering="state", label=TONES)
    def badge(self, delivery: Delivery) -> tuple[str, str]:
        """Show the state."""
        return delivery.state, delivery.get_state_display()

    @display(description="result or error")
    def trouble(self, delivery: Delivery) -> str:
        """Show the error with its hint at hand, or what was done."""
        return format_html(
            '<span title="{}">{}</span>', delivery.hint, short(delivery.error or delivery.result)
        )


def _say(request: HttpRequest, count: int, *, asked: int) -> None:
    if count:
        messages.success(
            request,
            f"{count} of {asked} will be sent again now." if asked > 1 else "It is sent again.",
        )
    else:
        messages.warning(
            request, "Nothing to retry: only failed and skipped deliveries can be sent again."
        )
