"""The page on which staff say what fills the fields over there: checked before it is saved, nothing typed is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings.discretion import Discretion
from bookings.meeting import load_meeting
from bookings.models import Invitee
from integrations import accounts, mappings
from integrations.admin.mapping_form import (
    Mode,
    RowForm,
    RowFormSet,
    initial,
    posted,
    source_choices,
)
from integrations.admin.operations import OperatedAdmin
from integrations.connectors.base import Connector, TargetField, connector_class
from integrations.connectors.values import Facts, Reading, as_text
from integrations.errors import IntegrationError
from integrations.mappings import ObjectMapping
from integrations.models import Connection, MappedField

_TEMPLATE = "admin/integrations/connection/mappings.html"
#: Meetings that a preview can be made with.
_RECENT = 12


@dataclass(slots=True, kw_only=True)
class Table:
    """Hold the rows of one object as the page shows them."""

    object_type: str
    label: str
    is_default: bool
    formset: Any
    lacking: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[tuple[RowForm, MappedField]]:
        """Return the rows that were entered and not ticked away."""
        return [
            (form, form.row(self.object_type))
            for form in self.formset.forms
            if not (form.is_blank or form.is_deleted)
        ]


class MappingsAdmin(OperatedAdmin):
    """Offer the field mapping of connections that have fields to map."""

    def get_urls(self) -> list[URLPattern]:
        """Add the page's address."""
        view = self.admin_site.admin_view(self.map_fields)
        route = path("<path:object_id>/mapping/", view, name="integrations_connection_mapping")
        return [route, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Lead from the connection's page to its field mapping."""
        connection = self.get_object(request, object_id)
        offered = bool(
            connection and can_map(connection) and self.has_operate_permission(request)
        )  # fmt: skip
        url = _page(object_id) if offered else ""
        context = {"mappings_url": url, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def map_fields(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the mapping, change the rows on the page, or check and save them."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        connection = self.get_object(request, object_id)
        if connection is None or not can_map(connection):
            raise Http404
        try:
            editor = Editor(request, connection)
        except IntegrationError as error:
            messages.error(request, f"{error} {error.hint}")
            page = reverse("admin:integrations_connection_change", args=[connection.pk])
            return HttpResponseRedirect(page)
        changed = editor.save() if request.POST.get("act") == "save" else None
        if changed is not None:
            self._tell(request, connection, changed)
            return HttpResponseRedirect(f"{_page(connection.pk)}?preview={editor.chosen}")
        context = {
            **self.admin_site.each_context(request), **editor.context(), "opts": self.opts, "original": connection,
            "title": f"Field mapping of {connection}",
        }  # fmt: skip
        return TemplateResponse(request, _TEMPLATE, context)

    def _tell(self, request: HttpRequest, connection: Connection, changed: Sequence[str]) -> None:
        if not changed:
            messages.info(request, "Nothing was changed.")
            return
        named = ", ".join(changed)
        self.log(request, [connection], f"Changed the field mapping of {named}.")
        told = f"The field mapping of {named} is saved. It holds from the next delivery on."
        messages.success(request, told)


def can_map(connection: Connection) -> bool:
    """Tell whether there are fields at a connection that staff may map."""
    known = connection.provider in settings.CONNECTORS
    return known and bool(connector_class(connection.provider).mapped_objects)


class Editor:
    """Hold one request to the page: the rows as they were typed, and what the provider says of its fields."""

    def __init__(self, request: HttpRequest, connection: Connection) -> None:
        self._request = request
        self._connector: Connector = accounts.connector(connection)
        self._in_force = mappings.in_force(self._connector)
        self.trouble = ""
        self._offered = self._describe()
        self._data = self._posted()
        self.tables = [self._table(item) for item in self._in_force]
        self._recent = recent_meetings() if may_see_people(request) else []
        asked = request.POST.get("preview", request.GET.get("preview"))
        newest = str(self._recent[0].chain_id) if self._recent else ""
        known = {"", *(str(invitee.chain_id) for invitee in self._recent)}
        self.chosen = asked if asked in known else newest

    def save(self) -> list[str] | None:
        """Check every row and store them all; return the objects that changed, or None and the reason at the row."""
        if not all(table.formset.is_valid() for table in self.tables):
            self._refuse(sum(map(_mark_malformed, self.tables)))
            return None
        rows = [pair for table in self.tables for pair in table.rows]
        try:
            problems = self._connector.check_mappings([row for _, row in rows])
        except IntegrationError as error:
            self.trouble = f"{error} {error.hint} Nothing was saved; what you typed is kept below."
            return None
        for found in problems:
            rows[found.place][0].problem = found.message
        if problems:
            self._refuse(len(problems))
            return None
        given = {table.object_type: [row for _, row in table.rows] for table in self.tables}
        return mappings.store(self._connector, given)

    def context(self) -> dict[str, Any]:
        """Return what the page shows."""
        self._preview()
        for table in self.tables:
            _mark_vanished(table, self._offered.get(table.object_type))
        return {
            "tables": self.tables,
            "trouble": self.trouble,
            "recent": self._recent,
            "chosen": self.chosen,
            "provider": self._connector.label,
        }

    def _refuse(self, count: int) -> None:
        which = "One row cannot" if count == 1 else f"{count} rows cannot"
        messages.error(self._request, f"{which} be written. Nothing was saved; see below.")

    def _describe(self) -> Mapping[str, Sequence[TargetField]]:
        """Return each object's fields; none of them where the provider does not answer now."""
        found = {}
        try:
            for object_type in self._connector.mapped_objects:
                found[object_type] = self._connector.describe_fields(object_type)
        except IntegrationError as error:
            self.trouble = (
                f"{error} {error.hint} Until it answers, fields are typed by name and cannot be checked, so "
                "nothing can be saved."
            )
            return {}
        return found

    def _posted(self) -> QueryDict | None:
        """Return what was typed, with a row added or the default put in where that was asked for."""
        if self._request.method != "POST":
            return None
        data = self._request.POST.copy()
        act, _, object_type = data.get("act", "").partition(":")
        if object_type in self._connector.mapped_objects:
            if act == "add":
                _add_row(data, object_type)
            elif act == "reset":
                _put_rows(data, object_type, self._connector.default_mappings())
        return data

    def _table(self, mapping: ObjectMapping) -> Table:
        offered = self._offered.get(mapping.object_type)
        formset = RowFormSet(
            self._data,
            prefix=mapping.object_type,
            initial=None if self._data is not None else initial(mapping.rows),
            form_kwargs={
                "offered": offered,
                "sources": source_choices(self._connector.own_sources),
            },
        )
        return Table(
            object_type=mapping.object_type,
            label=mapping.label,
            is_default=mapping.is_default,
            formset=formset,
        )

    def _preview(self) -> None:
        if not self.chosen:
            return
        meeting = load_meeting(int(self.chosen))
        page = reverse("admin:bookings_booking_change", args=[meeting.booking_id])
        facts = Facts(
            meeting=meeting, booking_url=settings.CALSYNC_PUBLIC_URL.rstrip("/") + page
        )  # fmt: skip
        rows = [pair for table in self.tables for pair in table.rows]
        readings = self._connector.preview([row for _, row in rows], facts)
        for (form, _), reading in zip(rows, readings, strict=True):
            form.preview = _shown(reading)


def _add_row(data: QueryDict, prefix: str) -> None:
    count = _count(data, prefix)
    data[f"{prefix}-TOTAL_FORMS"] = str(count + 1)
    data[f"{prefix}-{count}-write_mode"] = Mode.IF_EMPTY.value


def _put_rows(data: QueryDict, prefix: str, rows: Sequence[MappedField]) -> None:
    for name in [name for name in data if name.startswith(f"{prefix}-")]:
        del data[name]
    for name, value in posted(prefix, mappings.of_object(rows, prefix)).items():
        data[name] = value


def _count(data: QueryDict, prefix: str) -> int:
    given = data.get(f"{prefix}-TOTAL_FORMS", "")
    return int(given) if given.isdigit() else 0


def _mark_malformed(table: Table) -> int:
    """Say at each row what is wrong with it as it was typed; return how many there are."""
    marked = 0
    for form in table.formset.forms:
        words = [str(error) for errors in form.errors.values() for error in errors]
        form.problem = " ".join(words)
        marked += bool(words)
    return marked


def _mark_vanished(table: Table, offered: Sequence[TargetField] | None) -> None:
    """Mark rows whose field is gone meanwhile, and name the fields that a new record cannot be without."""
    if offered is None:
        return
    known = {item.name.lower() for item in offered}
    filled = {row.field.lower() for _, row in table.rows}
    for form, row in table.rows:
        if row.field and row.field.lower() not in known and not form.problem:
            form.problem = f"{table.object_type} has no field {row.field} that can be written. Choose another, or delete the row."  # fmt: skip
    table.lacking = [
        f"{item.label} ({item.name})"
        for item in offered
        if item.is_required and item.name.lower() not in filled
    ]


def _shown(reading: Reading) -> dict[str, Any]:
    return {"text": as_text(reading.value), "notes": reading.notes}


def may_see_people(request: HttpRequest) -> bool:
    """Tell whether this person may see whom meetings are with."""
    is_clear = Discretion.of(request.user).is_clear
    return is_clear and request.user.has_perm("bookings.view_invitee")


def recent_meetings() -> list[Invitee]:
    """Return the newest invitee of each of the last meetings."""
    rows = Invitee.objects.filter(erased_at=None, chain__isnull=False).select_related("booking")
    found: dict[int | None, Invitee] = {}
    for invitee in rows.order_by("-id")[: 3 * _RECENT]:
        found.setdefault(invitee.chain_id, invitee)
    return list(found.values())[:_RECENT]


def _page(connection_id: object) -> str:
    return reverse("admin:integrations_connection_mapping", args=[connection_id])
