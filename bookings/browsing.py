"""What every admin page here is made of: Unfold's classes with types, read-only rows, lists that do not count.

Unfold publishes no types, so that the type checker sees Django's classes, which Unfold's extend.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join

from bookings import standing
from bookings.covering import cover, cover_all, names_people
from bookings.discretion import Discretion
from bookings.filters import StandingFilter
from bookings.models import MirrorRow

if TYPE_CHECKING:
    Shown = TypeVar("Shown", bound=Callable[..., Any])

    class ModelAdmin(admin.ModelAdmin[Any]):
        """Stand for `unfold.admin.ModelAdmin`."""

    class TabularInline(admin.TabularInline[Any, Any]):
        """Stand for `unfold.admin.TabularInline`."""

    def display(**options: Any) -> Callable[[Shown], Shown]:
        """Stand for `unfold.decorators.display`."""

else:
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.decorators import display

__all__ = [
    "CappedPaginator",
    "DiscreetAdmin",
    "MirrorAdmin",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "TabularInline",
    "WalkingPaginator",
    "display",
    "links",
    "list_link",
]


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Count no further than a list is ever paged: counting millions of rows costs more than showing fifty."""

    cap = 5_000
    template_name = "admin/calsync/pagination.html"

    @property
    def is_capped(self) -> bool:
        """Tell whether there may be more rows than are paged."""
        return self.count >= self.cap

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, or the cap."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.cap].count())


class DiscreetChangeList(ChangeList):
    """Sort by no column that may not be sorted by: Django only hides the link."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what a column is sorted by; None where it may not be."""
        may = field_name in (self.sortable_by or ())
        return super().get_ordering_field(field_name) if may else None


class DiscreetAdmin(ModelAdmin):
    """Cover what names people on its pages, and refuse to search for it, for who may not see it."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list with its rows covered."""
        return _covered(request, super().changelist_view(request, extra_context))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:  # fmt: skip
        """Show a row's page with the row covered."""
        return _covered(
            request, super().changeform_view(request, object_id, form_url, extra_context)
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Show a row's history with its name covered."""
        return _covered(request, super().history_view(request, object_id, extra_context))

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list; refuse a number in its address that no column of SQLite holds."""
        try:
            return super().get_changelist_instance(request)
        except OverflowError as error:
            raise IncorrectLookupParameters from error

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that keeps to `get_sortable_by`."""
        return DiscreetChangeList

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return the columns to sort by, without those whose order would tell what is covered."""
        columns = super().get_sortable_by(request)
        if Discretion.of(request.user).is_clear:
            return columns
        return [name for name in columns if not names_people(self.model, self._order_of(name))]

    def _order_of(self, column: Any) -> str:
        """Return the lookup that a column of the list is sorted by."""
        told = getattr(getattr(self, str(column), None), "admin_order_field", None)
        return str(told or column).lstrip("-")

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Return the columns to search, without those that would tell whether a guess is right."""
        fields = super().get_search_fields(request)
        if Discretion.of(request.user).is_clear or not fields:
            return fields
        return [name for name in fields if not names_people(self.model, name)] or ["=id"]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Refuse to narrow a list by what may not be seen."""
        is_clear = Discretion.of(request.user).is_clear
        refused = not is_clear and names_people(self.model, lookup)
        return not refused and super().lookup_allowed(lookup, value, request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the field with its choices covered."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.label_from_instance = lambda row: label(row, request)
        return field


def label(row: Model, request: HttpRequest) -> str:
    """Return what a row is called for this person."""
    cover(row, Discretion.of(request.user))
    return str(row)


def _covered(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Cover the rows that a page is about to show; it is drawn after this."""
    discretion = Discretion.of(request.user)
    if discretion.is_clear or not isinstance(response, TemplateResponse):
        return response
    context = response.context_data or {}
    row = context.get("original") or context.get("object")
    if row is not None:
        cover(row, discretion, follow=True)
        context["subtitle"] = str(row)
    if "object" in context:
        context["title"] = f"Change history: {row}"
    if listed := context.get("cl"):
        listed.result_list = cover_all(listed.result_list, discretion)
    return response


class WalkingPaginator(CappedPaginator):
    """Count along the list's own order: PostgreSQL then stops at the cap, where it would merge whole tables otherwise."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, or the cap."""
        rows: Any = self.object_list
        return int(rows[: self.cap].count())


class ReadOnlyAdmin(DiscreetAdmin):
    """List and show rows that only stations write."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # counting behind each filter reads whole tables
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: stations make these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: stations change these rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse: they are the record of what happened."""
        return False


#: Columns of every mirrored row that staff seldom need, in the order of a row's page.
_BOOKKEEPING = (
    "uri", "account", "source_updated_at", "observed_at", "vanished_at", "erased_at", "content_hash", "raw",
)  # fmt: skip


class MirrorAdmin(ReadOnlyAdmin):
    """Show mirrored rows, with a badge on those that the source no longer knows or that were erased."""

    change_form_outer_before_template: str | None = "admin/bookings/mirror.html"
    when_empty = "It is filled by webhooks and by backfills: connect a Calendly account, subscribe, then backfill."
    list_filter: ClassVar[Any] = (StandingFilter,)
    ordering: ClassVar[Any] = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without the source's JSON, which only a row's own page shows."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer("raw")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Return the fields, what every mirrored row has after what tells this kind."""
        fields = list(super().get_fields(request, obj))
        own = [name for name in fields if name not in _BOOKKEEPING]
        return own + [name for name in _BOOKKEEPING if name in fields]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show a row with what staff should know of it."""
        row = self.get_object(request, object_id)
        context = {"marks": list(standing.marks(row)) if row else [], **(extra_context or {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    @display(description="at Calendly", label=standing.TONES)
    def at_calendly(self, row: MirrorRow) -> tuple[str, str] | None:
        """Show the gravest mark."""
        return next(((mark.state, mark.label) for mark in standing.marks(row)), None)


def links(rows: Iterable[tuple[Model, object]]) -> str:
    """Link to the pages of rows, each by its text; a dash where there are none."""
    targets = [(_page(row), text) for row, text in rows]
    if not targets:
        return "-"
    return format_html_join(", ", '<a class="text-primary-600 hover:underline" href="{}">{}</a>', targets)  # fmt: skip


def list_link(model: type[Model], text: str, **query: object) -> str:
    """Link to a model's list, narrowed by the query."""
    options = model._meta  # noqa: SLF001  # Django's documented name
    url = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    return format_html(
        '<a class="text-primary-600 hover:underline" href="{}?{}">{}</a>',
        url,
        urlencode(query),
        text,
    )


def _page(row: Model) -> str:
    options = row._meta  # noqa: SLF001  # Django's documented name
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])
