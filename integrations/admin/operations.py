"""Operations that staff start with a button or on many rows: permitted, protected against forgery, and logged.

An operation is a method `(request, queryset)`. It is offered as a list action and, on a row's page, as a button
that POSTs. Unfold's own page actions are links, and a link must not change anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from bookings.browsing import ModelAdmin


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Name a method of the admin, its words for people, and its icon.

    `costs` says what is lost by one that cannot be taken back with another button: it is asked for twice.
    """

    name: str
    label: str
    icon: str
    costs: str = ""


class OperatedAdmin(ModelAdmin):
    """Give an admin its `operations`, for those who may change the model."""

    operations: tuple[Operation, ...] = ()
    change_form_outer_before_template: str | None = "admin/calsync/operations.html"

    def has_operate_permission(self, request: HttpRequest, _obj: object = None) -> bool:
        """Tell whether this person may start operations here."""
        codename = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def get_urls(self) -> list[URLPattern]:
        """Add the address that a row's buttons POST to."""
        view = self.admin_site.admin_view(require_POST(self.operate))
        route = path("<path:object_id>/operate/<slug:name>/", view, name=self._route)
        return [route, *super().get_urls()]

    def operate(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Run one operation on one row and go back to where the button was."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        operation = next((item for item in self.operations if item.name == name), None)
        row = self.get_object(request, object_id) if operation else None
        if operation is None or row is None:
            raise Http404
        if operation.costs and "confirmed" not in request.POST:
            return self._ask(request, operation, row)
        getattr(self, name)(request, self.model.objects.filter(pk=row.pk))
        return HttpResponseRedirect(self._next(request, row))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Refuse an action on many rows to who may not start it, rather than ignore it."""
        action = request.POST.get("action")
        if action and action not in self.get_actions(request):
            raise PermissionDenied
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a row with the buttons of its operations."""
        row = self.get_object(request, object_id)
        offered = self.offered(row) if row and self.has_operate_permission(request) else ()
        buttons = [(item, self.operation_url(object_id, item.name)) for item in offered]
        context = {"operations": buttons, **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def offered(self, row: Any) -> Iterable[Operation]:
        """Return the operations that make sense for this row as it is."""
        return self.operations

    def operation_url(self, object_id: object, name: str) -> str:
        """Return the address that starts an operation on a row."""
        return reverse(f"admin:{self._route}", args=[object_id, name])

    def log(self, request: HttpRequest, rows: list[Any], message: str) -> None:
        """Note in Django's admin log who did this to which rows."""
        note(request, rows, message)

    def _ask(self, request: HttpRequest, operation: Operation, row: Model) -> HttpResponse:
        """Say what an operation costs before it is done."""
        context = {
            **self.admin_site.each_context(request), "title": operation.label, "opts": self.opts,
            "operation": operation, "row": row, "back_url": self._next(request, row),
        }  # fmt: skip
        return TemplateResponse(request, "admin/calsync/confirm.html", context)

    @property
    def _route(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_operate"

    def _next(self, request: HttpRequest, row: Model) -> str:
        wanted = request.POST.get("next", "")
        if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}):
            return wanted
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(page, args=[row.pk])


def note(request: HttpRequest, rows: list[Any], message: str) -> None:
    """Note in Django's admin log who did this to which rows."""
    LogEntry.objects.log_actions(
        user_id=request.user.pk or 0, queryset=rows, action_flag=CHANGE, change_message=message
    )
