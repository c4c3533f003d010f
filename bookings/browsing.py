"""What every admin page here is made of: Unfold's classes with types, read-only rows, lists that do not count.

Unfold publishes no types, so that the type checker sees Django's classes, which Unfold's extend.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest
from django.utils.functional import cached_property

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

__all__ = ["CappedPaginator", "ModelAdmin", "ReadOnlyAdmin", "TabularInline", "display"]


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Count no further than a list is ever paged: counting millions of rows costs more than showing fifty."""

    cap = 5_000

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, or the cap."""
        rows: Any = self.object_list
        return int(rows.order_by()[: self.cap].count())


class ReadOnlyAdmin(ModelAdmin):
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
