"""A list's filter by a span of time: a few usual ones, and from and until as somebody enters them (UTC)."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from integrations.admin.choosing import Moment


class SpanFilter(admin.ListFilter):
    """Narrow a list by `column`; in the address stand `<prefix>_from` and `<prefix>_to`, the end not included."""

    template = "admin/integrations/span_filter.html"
    column: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def expected_parameters(self) -> list[str | None]:
        """Return the names that stand in the address."""
        return list(self.names)

    @classmethod
    def ordering(cls, request: HttpRequest, *, usual: tuple[str, ...]) -> tuple[str, ...]:
        """Return the order of a list: by the span's column where there is a span, whose index then finds the rows of it."""
        has_span = any(request.GET.get(f"{cls.prefix}_{end}") for end in ("from", "to"))
        return (f"-{cls.column}", "-id") if has_span else usual

    @property
    def names(self) -> tuple[str, str]:
        """Return the names that stand in the address: of the beginning and of the end."""
        return f"{self.prefix}_from", f"{self.prefix}_to"

    def has_output(self) -> bool:
        """Show it always."""
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the span; what is no moment is said, and finds nothing."""
        start, end = self.names
        try:
            bounds = {f"{self.column}__gte": self._moment(start), f"{self.column}__lt": self._moment(end)}  # fmt: skip
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return queryset.none()
        return queryset.filter(**{name: at for name, at in bounds.items() if at})

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """Yield the usual spans, then what the form needs."""
        names = self.names
        used = {name: self.used_parameters.get(name, "") for name in names}
        for display, span in [("Any time", {}), *self._usual()]:
            given = {name: span.get(name, "") for name in names}
            query = changelist.get_query_string(span, [name for name in names if name not in span])
            yield {"selected": given == used, "query_string": query, "display": display}
        others = changelist.get_filters_params()
        kept = [(name, value) for name, values in others.items() if name not in names for value in values]  # fmt: skip
        yield {"names": names, "used": list(used.items()), "kept": kept, "is_form": True}

    def _usual(self) -> Iterator[tuple[str, dict[str, str]]]:
        start, end = self.names
        today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
        yield "Today", {start: _short(today)}
        yield "Yesterday", {start: _short(today - timedelta(days=1)), end: _short(today)}
        yield "Last 7 days", {start: _short(today - timedelta(days=6))}
        yield "Last 30 days", {start: _short(today - timedelta(days=29))}

    def _moment(self, name: str) -> datetime | None:
        found: datetime | None = Moment().clean(self.used_parameters.get(name, ""))
        return found


def _short(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"
