"""Deliveries: what was to go out, what came of it, and sending it again."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from bookings.browsing import ReadOnlyAdmin, display
from bookings.covering import cover
from bookings.discretion import Discretion
from bookings.given import row_id
from bookings.models import Invitee
from integrations import deliver, holds, outbox, tasks
from integrations.admin.bulk_confirm import WholeFilterAdmin, confirm_url
from integrations.admin.delivery_filters import EventKindFilter, FailureFilter, PlannedFilter
from integrations.admin.error_inbox import BULK, ErrorInboxAdmin
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.sight import sight
from integrations.admin.words import TONES, booking_link, short
from integrations.models import Delivery
from integrations.timeline import MOST, delivery_entry, operator_entries

State = Delivery.State
#: How a dry run says that sending would end.
_ENDINGS = {
    State.DELIVERED: "would be delivered",
    State.SKIPPED: "nothing would be done",
    State.WAITING: "would have to wait",
    State.FAILED: "would fail",
}


@admin.register(Delivery)
class DeliveryAdmin(WholeFilterAdmin, ErrorInboxAdmin, OperatedAdmin, ReadOnlyAdmin):
    """Every delivery, newest first."""

    operations = (
        Operation(name="retry", label="Retry", icon="replay"),
        Operation(name="acknowledge", label="Acknowledge", icon="visibility"),
        Operation(name="dry_run", label="Dry run", icon="science"),
    )
    actions = ("retry", "acknowledge", "ignore")
    bulk_route = BULK
    bulk_kinds = (("retry", "replay"), ("ignore", "visibility_off"))
    bulk_names = {
        "state__exact": "state", "failed": "seen", "failure_class__exact": "failure_class",
        "connection__id__exact": "connection", "rule__id__exact": "rule", "kind": "kind",
        "created_from": "created_from", "created_to": "created_to",
    }  # fmt: skip
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
    list_filter = (
        "state", FailureFilter, "failure_class", "connection", "rule", EventKindFilter, PlannedFilter,
    )  # fmt: skip
    search_fields = ("id",)
    search_help_text = "The number of a delivery, or how the invitee’s e-mail address begins."
    ordering = ("-id",)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the newest first."""
        return PlannedFilter.ordering(request, usual=self.ordering)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Return the deliveries with what their lines and pages name."""
        rows: QuerySet[Delivery] = super().get_queryset(request)
        return rows.select_related(
            "event__booking__event_type", "event__invitee", "chain", "connection", "rule", "waits_for"
        ).defer("event__booking__raw", "event__booking__event_type__raw", "event__invitee__raw", "chain__raw")  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Find by number, or by the invitee's address for who may see it: both by an index."""
        term = search_term.strip().removeprefix("#").casefold()
        if not term:
            return queryset, False
        if term.isdecimal():
            return queryset.filter(pk=row_id(term) or 0), False
        if not Discretion.of(request.user).is_clear:
            return queryset.none(), False
        people = Invitee.objects.filter(email_folded__startswith=term).order_by()
        return queryset.filter(chain__in=people.values("chain")), False

    @admin.action(description="Retry", permissions=["operate"])
    def retry(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> HttpResponseRedirect | None:
        """Send failed and skipped deliveries again, and wake their connections; all of a list is asked for first."""
        if whole := self.whole_list(request, "retry"):
            return whole
        rows = list(queryset)
        chosen = Delivery.objects.filter(pk__in=[row.pk for row in rows])
        count = outbox.retry(chosen, now=timezone.now(), by=request.user.get_username())
        self.log(request, rows, "Retried.")
        for connection_id in set(chosen.values_list("connection_id", flat=True)):
            tasks.nudge_connection(connection_id)
        _say(request, count, asked=len(rows))
        return None

    @admin.action(description="Ignore, with a reason", permissions=["operate"])
    def ignore(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> HttpResponseRedirect:
        """Ask why nothing is done about these failures."""
        if whole := self.whole_list(request, "ignore"):
            return whole
        query = urlencode(
            {"pk": list(queryset.values_list("pk", flat=True)), "chosen": 1}, doseq=True
        )
        return HttpResponseRedirect(
            confirm_url(BULK, "ignore", query, back=request.get_full_path())
        )

    @admin.action(description="Acknowledge", permissions=["operate"])
    def acknowledge(
        self, request: HttpRequest, queryset: QuerySet[Delivery]
    ) -> HttpResponseRedirect | None:
        """Note that these failures were seen: they count no more among what needs a person."""
        if whole := self.whole_list(request, "ignore"):
            return whole
        rows = list(queryset)
        chosen = Delivery.objects.filter(pk__in=[row.pk for row in rows])
        by = request.user.get_username()
        count = outbox.acknowledge(chosen, by=by, now=timezone.now())
        if not count:
            messages.warning(request, "Nothing to acknowledge: only failed deliveries can be.")
            return None
        self.log(request, rows, "Acknowledged.")
        messages.success(request, f"{count} acknowledged; a retry brings them back.")
        return None

    def get_urls(self) -> list[URLPattern]:
        """Add the page of a dry run, which the button POSTs to: it asks the provider."""
        view = self.admin_site.admin_view(require_POST(self.dry_run_view))
        route = path(
            "<int:delivery_id>/operate/dry_run/", view, name="integrations_delivery_dry_run"
        )
        return [route, *super().get_urls()]

    def dry_run_view(self, request: HttpRequest, delivery_id: int) -> HttpResponse:
        """Show what sending a delivery now would do."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        delivery = self.get_object(request, str(delivery_id))
        if delivery is None:
            raise Http404
        preview = deliver.preview(delivery, clock=timezone.now)
        cover(delivery, Discretion.of(request.user))
        context = {
            **self.admin_site.each_context(request), "title": f"Dry run of {delivery}",
            "delivery": delivery, "preview": preview, "ending": _ENDINGS[preview.settlement.state],
            **sight(request.user),
        }  # fmt: skip
        return TemplateResponse(request, "admin/integrations/delivery/preview.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a delivery with its attempts and what to do about a failure."""
        delivery = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if delivery is not None:
            may_ignore = self.has_operate_permission(request) and _is_open(delivery)
            context = {
                **_page(delivery, request),
                "ignore_url": confirm_url(BULK, "ignore", f"pk={delivery.pk}", back=request.path)
                if may_ignore
                else "",
            }
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def offered(self, row: Delivery) -> Iterable[Operation]:
        """Offer a retry where there is something to retry, and to look before; to ignore it the page asks for a reason."""
        retry, _, dry_run = self.operations
        return (retry, dry_run) if row.state in {State.FAILED, State.SKIPPED} else (dry_run,)

    @display(description="created", ordering="id")
    def created(self, delivery: Delivery) -> str:
        """Show when it was planned."""
        return f"{delivery.created_at:%d %b %Y, %H:%M:%S} UTC"

    @display(description="event")
    def kind(self, delivery: Delivery) -> str:
        """Show what happened."""
        return delivery.event.get_kind_display()

    @display(description="booking")
    def booking(self, delivery: Any) -> str:
        """Link to the booking's page, where the whole story is."""
        return booking_link(delivery.event.booking, text=str(delivery.chain))

    @display(description="state", ordering="state", label=TONES)
    def badge(self, delivery: Delivery) -> tuple[str, str]:
        """Show the state."""
        return delivery.state, delivery.get_state_display()

    @display(description="result or error")
    def trouble(self, delivery: Delivery) -> str:
        """Show why it waits on purpose, the error with its hint at hand, or what was done."""
        told = holds.explain(delivery, now=timezone.now()) or delivery.error or delivery.result
        return format_html('<span title="{}">{}</span>', delivery.hint, short(told))


def _is_open(delivery: Delivery) -> bool:
    return delivery.state == State.FAILED and delivery.acknowledged_at is None


def _page(delivery: Delivery, request: HttpRequest) -> dict[str, Any]:
    operators = operator_entries(bookings=(), deliveries=[delivery.pk], webhooks=(), most=MOST)
    return {
        **sight(request.user),
        "entry": delivery_entry(delivery),
        "operators": sorted(operators, key=lambda entry: entry.at),
    }


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
