"""Backfills: starting one, watching it, stopping and resuming it, and what it found."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminErrorList, AdminForm
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from bookings.browsing import ReadOnlyAdmin, display
from bookings.discretion import Discretion
from integrations import backfill, tasks
from integrations.admin.backfill_form import StartForm, source_connections, usual_days
from integrations.admin.backfill_page import page, progress, took
from integrations.admin.operations import OperatedAdmin, Operation
from integrations.admin.words import TONES
from integrations.models import BackfillRun

State = BackfillRun.State


@admin.register(BackfillRun)
class BackfillRunAdmin(OperatedAdmin, ReadOnlyAdmin):
    """Every backfill, newest first."""

    operations = (
        Operation(name="stop", label="Stop", icon="stop_circle"),
        Operation(name="resume", label="Resume", icon="play_arrow"),
    )
    actions = ("stop", "resume")
    when_empty = "A backfill reads what was booked before, and what webhooks failed to tell. One runs every night."
    add_form_template = "admin/integrations/backfillrun/start.html"
    autocomplete_fields = ("host", "event_type")
    asked = (
        (None, {"fields": ("connection", "first_day", "last_day")}),
        ("Only some of them", {"fields": ("host", "event_type")}),
        ("How closely", {"fields": ("invitees",)}),
        ("Try it first", {"fields": ("dry_run",)}),
    )
    list_display = (
        "run", "connection", "asked_by", "window", "badge", "bookings", "changed", "missed", "errors", "started",
        "took",
    )  # fmt: skip
    list_filter = ("state", "trigger", "dry_run", "connection")
    list_select_related = ("connection",)
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Tell whether this person may start a backfill."""
        return bool(request.user.has_perm("integrations.add_backfillrun"))

    def get_urls(self) -> list[URLPattern]:
        """Add the address that a running backfill's page refreshes itself from."""
        view = self.admin_site.admin_view(self.progress_view)
        name = "integrations_backfillrun_progress"
        return [path("<int:run_id>/progress/", view, name=name), *super().get_urls()]

    @admin.action(description="Stop", permissions=["operate"])
    def stop(self, request: HttpRequest, queryset: QuerySet[BackfillRun]) -> None:
        """End runs within seconds; what was read is kept."""
        now = timezone.now()
        stopped = [run for run in queryset if backfill.request_stop(run, now=now)]
        self.log(request, stopped, "Asked to stop.")
        _say(request, stopped, did="It stops within seconds, and keeps what it has read.", else_="It had ended already.")  # fmt: skip

    @admin.action(description="Resume", permissions=["operate"])
    def resume(self, request: HttpRequest, queryset: QuerySet[BackfillRun]) -> None:
        """Go on where runs had come to."""
        now = timezone.now()
        resumed = [run for run in queryset if backfill.resume(run, now=now)]
        self.log(request, resumed, "Resumed.")
        for run in resumed:
            tasks.nudge_backfill(run.connection_id)
        _say(request, resumed, did="It goes on where it had come to.", else_="There is nothing to go on with.")  # fmt: skip

    def offered(self, row: BackfillRun) -> Iterable[Operation]:
        """Offer to stop what runs, and to resume what stopped or failed."""
        stop, resume = self.operations
        if row.state in BackfillRun.UNFINISHED:
            return () if row.stop_requested_at else (stop,)
        return (resume,) if row.state in {State.STOPPED, State.FAILED} else ()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Start a backfill, or say in the form why it cannot be started."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form_class = self.get_form(request, form=StartForm)
        if request.method != "POST":
            return self._show(
                request, form_class(initial=self.get_changeform_initial_data(request))
            )
        form = form_class(request.POST)
        run = self._start(request, form) if form.is_valid() else None
        if run is None:
            return self._show(request, form)
        messages.success(request, "The backfill was started.")
        return HttpResponseRedirect(reverse("admin:integrations_backfillrun_change", args=[run.pk]))

    def get_fieldsets(self, request: HttpRequest, obj: BackfillRun | None = None) -> Any:
        """Return what is asked for to start a run; a run's own page has no form."""
        return self.asked if obj is None else [(None, {"fields": ()})]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in the connection that was asked for, or the first, and its usual window."""
        asked = request.GET.get("connection", "")
        known = source_connections()
        connection = known.filter(pk=asked).first() if asked.isdigit() else known.first()
        usual = usual_days(connection, now=timezone.now())
        initial = {"connection": connection and connection.pk, **usual}
        return {**initial, **super().get_changeform_initial_data(request)}

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show how far a run came and what it found."""
        run = self.get_object(request, object_id)
        context = page(run, request=request) if run else {}
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def progress_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Return the part of a run's page that changes while it runs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = self.get_queryset(request).filter(pk=run_id).first()
        if run is None:
            raise Http404
        context = progress(run, discretion=Discretion.of(request.user))
        html = render_to_string("admin/integrations/backfillrun/progress.html", context)
        return HttpResponse(html, headers={"Cache-Control": "no-store"})

    @display(description="run", ordering="id")
    def run(self, run: BackfillRun) -> str:
        """Name the run."""
        return f"#{run.pk}, dry run" if run.dry_run else f"#{run.pk}"

    @display(description="by", ordering="trigger")
    def asked_by(self, run: BackfillRun) -> str:
        """Show who asked for it."""
        return run.requested_by or run.trigger

    @display(description="window", ordering="window_from")
    def window(self, run: BackfillRun) -> str:
        """Show the window."""
        return _on_one_line(f"{run.window_from:%d %b %y} – {run.window_to:%d %b %y}")

    @display(description="state", ordering="state", label=TONES)
    def badge(self, run: BackfillRun) -> tuple[str, str]:
        """Show the state."""
        words = State(run.state).name.lower()
        if run.state == State.RUNNING:
            fraction = backfill.progress(run, now=timezone.now()).fraction or 0
            words = f"{words}, {int(fraction * 100)} %"
        return run.state, words

    @display(description="started (UTC)", ordering="started_at")
    def started(self, run: BackfillRun) -> str:
        """Show when it began."""
        return _on_one_line(f"{run.started_at:%d %b, %H:%M}") if run.started_at else "not yet"

    @display(description="took")
    def took(self, run: BackfillRun) -> str:
        """Show for how long it ran, or has run so far."""
        return _on_one_line(took(run, now=timezone.now()))

    def _start(self, request: HttpRequest, form: Any) -> BackfillRun | None:
        window_from, window_to = form.window()
        given = {name: form.cleaned_data[name] for name in ("connection", "host", "event_type", "invitees", "dry_run")}  # fmt: skip
        connection = given.pop("connection")
        try:
            run = backfill.start(
                connection, window_from=window_from, window_to=window_to, trigger=BackfillRun.Trigger.OPERATOR,
                now=timezone.now(), requested_by=request.user.get_username(), **given,
            )  # fmt: skip
        except ValueError as error:
            form.add_error(None, str(error))
            return None
        self.log_addition(request, run, "Started.")
        tasks.nudge_backfill(connection.pk)
        return run

    def _show(self, request: HttpRequest, form: Any) -> HttpResponse:
        shown = AdminForm(form, list(self.get_fieldsets(request)), {}, (), model_admin=self)
        context = {
            **self.admin_site.each_context(request),
            "title": "Start a backfill",
            "adminform": shown,
            "errors": AdminErrorList(form, []),
            "media": self.media + shown.media,
            "inline_admin_formsets": [],
            "object_id": None, "original": None, "is_popup": False, "to_field": None,
            "show_save_and_continue": False, "show_save_and_add_another": False,
        }  # fmt: skip
        return self.render_change_form(request, context, add=True)


def _on_one_line(text: str) -> str:
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def _say(request: HttpRequest, runs: list[BackfillRun], *, did: str, else_: str) -> None:
    if runs:
        messages.success(request, did)
    else:
        messages.warning(request, else_)
