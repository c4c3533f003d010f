"""Inbound webhooks: what came in, byte for byte, what it became, and processing it again."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from bookings.browsing import ReadOnlyAdmin, display
from bookings.discretion import Discretion
from bookings.filters import ChoiceFilter
from bookings.given import row_id
from integrations import bulk, inbox, tasks
from integrations.admin.bulk_confirm import WholeFilterAdmin, confirm
from integrations.admin.choosing import WebhookForm
from integrations.admin.inbound_page import page
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.span import SpanFilter
from integrations.admin.words import TONES, booking_link, short
from integrations.bulk.choosing import subscriptions_of
from integrations.models import Connection, InboundWebhook

KINDS = (
    "invitee.created",
    "invitee.canceled",
    "invitee_no_show.created",
    "invitee_no_show.deleted",
    "routing_form_submission.created",
)

_BULK = "integrations_inboundwebhook_bulk"


class KindFilter(ChoiceFilter):
    """What the webhook told; the kinds are fixed, because finding them in the rows would read every row."""

    title = "kind"
    parameter_name = "kind"
    choices_offered = [(kind, kind) for kind in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the webhooks of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


class CameFromFilter(admin.SimpleListFilter):
    """Whose subscription it came through."""

    title = "connection"
    parameter_name = "connection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the connections that have subscriptions."""
        rows = Connection.objects.filter(subscriptions__isnull=False).distinct()
        return [(str(row.pk), str(row)) for row in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what came through the connection's subscriptions."""
        chosen = row_id(self.value() or "")
        return queryset if chosen is None else queryset.filter(subscription__in=subscriptions_of(chosen))  # fmt: skip


class ReceivedFilter(SpanFilter):
    """When it came."""

    title = "time it came"
    column = prefix = "received_at"


@admin.register(InboundWebhook)
class InboundWebhookAdmin(WholeFilterAdmin, OperatedAdmin, ReadOnlyAdmin):
    """Every verified webhook, newest first."""

    operations = (Operation(name="process_again", label="Process again", icon="replay"),)
    actions = ("process_again",)
    bulk_route = _BULK
    bulk_kinds = (("replay", "replay"),)
    bulk_names = {
        "state__exact": "state", "kind": "kind", "connection": "connection",
        "received_at_from": "received_from", "received_at_to": "received_to",
    }  # fmt: skip
    list_display = ("received", "kind", "badge", "what_became", "about", "times_seen", "came_from")
    list_filter = ("state", KindFilter, CameFromFilter, ReceivedFilter)
    search_fields = ("id",)
    search_help_text = "The number of a webhook."
    ordering = ("-id",)

    @admin.action(description="Process again", permissions=["operate"])
    def process_again(
        self, request: HttpRequest, queryset: QuerySet[InboundWebhook]
    ) -> HttpResponseRedirect | None:
        """Make webhooks received again, as if they had just come; all of a list is asked for first."""
        if whole := self.whole_list(request, "replay"):
            return whole
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
            messages.info(request, "Nothing to do: it waits to be processed anyway, or its body was erased.")  # fmt: skip
        return None

    def get_urls(self) -> list[URLPattern]:
        """Add the page that asks before many are processed again, and a body's download."""
        wrap = self.admin_site.admin_view
        return [
            path("bulk/<slug:kind>/", wrap(self.bulk_view), name=_BULK),
            path("<int:webhook_id>/body/", wrap(self.body_view), name="integrations_inboundwebhook_body"),
            *super().get_urls(),
        ]  # fmt: skip

    def bulk_view(self, request: HttpRequest, kind: str) -> HttpResponse:
        """Ask before many webhooks are processed again, or do it."""
        known = bulk.KINDS.get(kind)
        if known is None or known.model is not InboundWebhook:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        fallback = reverse("admin:integrations_inboundwebhook_changelist")
        return confirm(request, known, form=WebhookForm(request.GET), site=self.admin_site, fallback=fallback)  # fmt: skip

    def body_view(self, request: HttpRequest, webhook_id: int) -> HttpResponse:
        """Return a body's bytes as they came, as a file that no browser shows as a page."""
        if not (self.has_view_permission(request) and Discretion.of(request.user).is_clear):
            raise PermissionDenied
        body = InboundWebhook.objects.filter(pk=webhook_id).values_list("body", flat=True).first()
        if not body:
            raise Http404
        name = f'attachment; filename="webhook-{webhook_id}.txt"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}  # fmt: skip
        return HttpResponse(bytes(body), content_type="text/plain; charset=utf-8", headers=headers)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest first."""
        return ReceivedFilter.ordering(request, usual=self.ordering)

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundWebhook]:
        """Return the webhooks without their bodies, which only their own page shows."""
        rows: QuerySet[InboundWebhook] = super().get_queryset(request)
        named = rows.select_related("booking__event_type", "subscription__connection")
        return named.defer("body", "booking__raw", "booking__event_type__raw")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[InboundWebhook], search_term: str
    ) -> tuple[QuerySet[InboundWebhook], bool]:
        """Find by number; the filters find the rest by their indexes."""
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        return queryset.filter(pk=row_id(term) or 0), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a webhook with its body and what it became."""
        row = self.get_object(request, object_id)
        context = page(row, discretion=Discretion.of(request.user)) if row else {}
        costs = bulk.KINDS["replay"].costs
        return super().change_view(
            request, object_id, form_url, {**context, "costs": costs, **(extra_context or {})}
        )

    @display(description="received", ordering="id")
    def received(self, webhook: InboundWebhook) -> str:
        """Show when it came."""
        return f"{webhook.received_at:%d %b %Y, %H:%M:%S} UTC"

    @display(description="state", ordering="state", label=TONES)
    def badge(self, webhook: InboundWebhook) -> tuple[str, str]:
        """Show the state."""
        return webhook.state, webhook.get_state_display()

    @display(description="what it became")
    def what_became(self, webhook: Any) -> str:
        """Show what it became, or why it became nothing."""
        return short(webhook.outcome)

    @display(description="booking")
    def about(self, webhook: Any) -> str:
        """Link to the booking it is about."""
        return booking_link(webhook.booking)

    @display(description="from")
    def came_from(self, webhook: InboundWebhook) -> str:
        """Show whose subscription it came through."""
        return str(webhook.subscription.connection)
