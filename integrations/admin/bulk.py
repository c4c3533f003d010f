"""Operations on many rows: watching one, stopping it, and going on with it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils import timezone

from bookings.browsing import ReadOnlyAdmin, display
from bookings.discretion import Discretion
from integrations import bulk, tasks
from integrations.admin.choosing import in_words
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.simulation_report import facts, is_simulation, report
from integrations.admin.words import TONES, duration, many
from integrations.models import BulkOperation, Delivery

State = BulkOperation.State


@admin.register(BulkOperation)
class BulkOperationAdmin(OperatedAdmin, ReadOnlyAdmin):
    """Every operation, newest first."""

    operations = (
        Operation(name="stop", label="Stop", icon="stop_circle"),
        Operation(name="resume", label="Go on", icon="play_arrow"),
    )
    when_empty = (
        "What is done to more than a hundred deliveries or webhooks at once is listed here."
    )
    list_display = (
        "label",
        "requested_by",
        "badge",
        "how_far",
        "changed",
        "errors",
        "created",
        "took",
    )
    list_filter = ("state",)
    ordering = ("-id",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let see what goes on who may, and who may start it."""
        return super().has_view_permission(request, obj) or self.has_operate_permission(request)

    def has_operate_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether this person may start, and so stop, this operation; without one, any at all."""
        kinds = [bulk.KINDS[obj.kind]] if obj and obj.kind in bulk.KINDS else bulk.KINDS.values()
        return any(request.user.has_perm(kind.permission) for kind in kinds)

    def get_urls(self) -> list[URLPattern]:
        """Add the address that the page of a running operation refreshes itself from."""
        view = self.admin_site.admin_view(self.progress_view)
        name = "integrations_bulkoperation_progress"
        return [path("<int:operation_id>/progress/", view, name=name), *super().get_urls()]

    @admin.action(description="Stop", permissions=["operate"])
    def stop(self, request: HttpRequest, queryset: QuerySet[BulkOperation]) -> None:
        """End it behind the slice that is being worked on; what was done stays done."""
        now = timezone.now()
        stopped = [row for row in self._permitted(request, queryset) if bulk.request_stop(row, now=now)]  # fmt: skip
        self.log(request, stopped, "Asked to stop.")
        _say(request, stopped, did="It stops within seconds. What was done stays done.", else_="It had ended already.")  # fmt: skip

    @admin.action(description="Go on", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[BulkOperation]) -> None:
        """Go on behind the last row that was looked at."""
        now = timezone.now()
        resumed = [row for row in self._permitted(request, queryset) if bulk.resume(row, now=now)]
        self.log(request, resumed, "Resumed.")
        tasks.nudge_bulk()
        _say(request, resumed, did="It goes on where it had come to.", else_="There is nothing to go on with.")  # fmt: skip

    def offered(self, row: BulkOperation) -> Iterable[Operation]:
        """Offer to stop what goes on, and to go on with what was stopped or failed."""
        stop, resume = self.operations
        if row.is_live:
            return () if row.state == State.STOPPING else (stop,)
        return (resume,) if row.state in {State.STOPPED, State.FAILED} else ()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show how far an operation is, and what it was asked to do."""
        row = self.get_object(request, object_id)
        context = {**_page(row, request=request), **report(row, request)} if row else {}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def progress_view(self, request: HttpRequest, operation_id: int) -> HttpResponse:
        """Return the part of an operation's page that changes while it goes on."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=operation_id).first()
        if row is None:
            raise Http404
        html = render_to_string("admin/integrations/bulkoperation/progress.html", _progress(row, request=request))  # fmt: skip
        return HttpResponse(html, headers={"Cache-Control": "no-store"})

    @display(description="state", ordering="state", label=TONES)
    def badge(self, row: BulkOperation) -> tuple[str, str]:
        """Show the state."""
        return row.state, row.get_state_display()

    @display(description="rows")
    def how_far(self, row: BulkOperation) -> str:
        """Show how many rows were looked at, of how many."""
        return f"{row.done:,} of {row.total:,}{'' if row.is_counted else '+'}"

    @display(description="started (UTC)", ordering="id")
    def created(self, row: BulkOperation) -> str:
        """Show when it was asked for."""
        return f"{row.created_at:%d %b %Y, %H:%M}"

    @display(description="took")
    def took(self, row: BulkOperation) -> str:
        """Show for how long it went on, or has so far."""
        return _took(row)

    def _permitted(
        self, request: HttpRequest, queryset: QuerySet[BulkOperation]
    ) -> list[BulkOperation]:
        rows = list(queryset)
        if not all(self.has_operate_permission(request, row) for row in rows):
            raise PermissionDenied
        return rows


def _page(row: BulkOperation, *, request: HttpRequest) -> dict[str, Any]:
    discretion = Discretion.of(request.user)
    return {
        **_progress(row, request=request), "title": row.label,
        "facts": _facts(row, discretion), "reason": discretion.text(str(row.options.get("reason", ""))),
    }  # fmt: skip


def _facts(row: BulkOperation, discretion: Discretion) -> list[tuple[str, str]]:
    """Return what was chosen, in words; what cannot be read any more says so on the page, too."""
    if is_simulation(row):
        return facts(row)
    kind = bulk.KINDS.get(row.kind)
    chosen: type[bulk.DeliveryChoice] | type[bulk.WebhookChoice]
    chosen = bulk.DeliveryChoice if kind and kind.model is Delivery else bulk.WebhookChoice
    try:
        return list(in_words(bulk.read(chosen, row.choice), discretion=discretion))
    except ValueError as error:
        return [("Filter", str(error))]


def _progress(row: BulkOperation, *, request: HttpRequest) -> dict[str, Any]:
    percent = min(100, 100 * row.done // row.total) if row.is_counted and row.total else None
    if row.state == State.DONE:
        percent = 100
    kind = bulk.KINDS.get(row.kind)
    return {
        "operation": row, "is_live": row.is_live, "percent": percent,
        "spoken_percent": None if percent is None else percent // 10 * 10,
        "what": many(row.total, kind.thing if kind else "row", cap=row.MOST_COUNTED), "took": _took(row),
        "unchanged": max(0, row.done - row.changed - row.errors),
        "error": Discretion.of(request.user).text(row.error), "is_simulation": is_simulation(row),
    }  # fmt: skip


def _took(row: BulkOperation) -> str:
    if row.started_at is None:
        return "-"
    return duration(((row.finished_at or timezone.now()) - row.started_at).total_seconds())


def _say(request: HttpRequest, rows: list[BulkOperation], *, did: str, else_: str) -> None:
    if rows:
        messages.success(request, did)
    else:
        messages.warning(request, else_)
