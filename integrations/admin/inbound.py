"""Inbound webhooks: what came in, byte for byte, and processing it again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from bookings.browsing import ReadOnlyAdmin, display
from bookings.covering import cover_all
from bookings.discretion import Discretion
from bookings.filters import ChoiceFilter
from bookings.models import BookingEvent
from integrations import inbox, tasks
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.words import TONES, booking_link, short
from integrations.models import InboundWebhook

KINDS = (
    "invitee.created",
    "invitee.canceled",
    "invitee_no_show.created",
    "invitee_no_show.deleted",
    "routing_form_submission.created",
)


class KindFilter(ChoiceFilter):
    """What the webhook told; the kinds are fixed, because finding them in the rows would read every row."""

    title = "kind"
    parameter_name = "kind"
    choices_offered = [(kind, kind) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the webhooks of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(InboundWebhook)
class InboundWebhookAdmin(OperatedAdmin, ReadOnlyAdmin):
    """Every verified webhook, newest first."""

    operations = (Operation(name="process_again", label="Process again", icon="replay"),)
    actions = ("process_again",)
    list_display = ("received", "kind", "badge", "what_became", "about", "times_seen", "came_from")
    list_filter = ("state", KindFilter, "subscription__connection")
    search_fields = ("=id", "kind", "outcome")
    ordering = ("-id",)

    @admin.action(description="Process again", permissions=["operate"])
    def process_again(self, request: HttpRequest, queryset: QuerySet[InboundWebhook]) -> None:
        """Make webhooks received again, as if they had just come, and wake the inbox."""
        rows = list(queryset.defer("body"))
        count = inbox.replay(
            InboundWebhook.objects.filter(pk__in=[row.pk for row in rows]), now=timezone.now()
        )
        self.log(request, rows, "Processed again.")
        tasks.nudge_inbox()
        if count:
            messages.success(
                request, f"{count} webhook{'s' * (count > 1)} will be processed again now."
            )
        else:
            messages.info(request, "Nothing to do: it is about to be processed anyway.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundWebhook]:
        """Return the webhooks without their bodies, which only their own page shows."""
        rows: QuerySet[InboundWebhook] = super().get_queryset(request)
        named = rows.select_related("booking__event_type", "subscription__connection")
        return named.defer("body", "booking__raw", "booking__event_type__raw")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a webhook with its body and the events it caused."""
        events = BookingEvent.objects.filter(
            cause=BookingEvent.Cause.WEBHOOK,
            cause_id=int(object_id) if object_id.isdigit() else None,
        )
        named = events.select_related("booking__event_type", "invitee")
        shown = cover_all(named, Discretion.of(request.user))
        context = {"events": shown, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @display(description="received", ordering="id")
    def received(self, webhook: InboundWebhook) -> str:
        """Show when it came."""
        return f"{webhook.received_at:%d %b %Y, %H:%M:%S} UTC"

    @display(description="state", ordering="state", label=TONES)
    def badge(self, webhook: InboundWebhook) -> tuple[str, str]:
        """Show the state."""
        return webhook.state, webhook.get_state_display()

    @display(description="what it became")
    def what_became(self, webhook: InboundWebhook) -> str:
        """Show what it became, or why it became nothing."""
        return short(webhook.outcome)

    @display(description="booking")
    def about(self, webhook: InboundWebhook) -> str:
        """Link to the booking it is about."""
        return booking_link(webhook.booking)

    @display(description="from")
    def came_from(self, webhook: InboundWebhook) -> str:
        """Show whose subscription it came through."""
        return str(webhook.subscription.connection)
