"""Pages by cursor: nothing is counted, and rows that are added meanwhile move none of the others.

A page goes on after the last row of the one before, by that row's value and id: an index finds the place at once, however far
it is.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, Q
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from bookings.given import is_askable, row_id

DEFAULT_SIZE = 50
LARGEST_SIZE = 200
#: What a page is asked for with, beside the filters of its list.
PARAMETERS = ("cursor", "page_size", "ordering")
_LARGEST_ID = 2**63 - 1
_EXAMPLE = "https://calsync.example.com/api/v1/bookings?cursor=WyItc3RhcnRfdGltZSJd"
_NO_CURSOR = "This cursor was not made here. Take it from `next` as it is, or leave it out to begin at the first page."


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Say after which row a page begins: its id, and its value where the list is in the order of a time."""

    ordering: str
    pk: int
    value: datetime | None = None

    def as_cursor(self) -> str:
        """Return it as it travels in `next`."""
        told = [self.ordering, self.pk, self.value.isoformat() if self.value else None]
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, cursor: str) -> "Place":
        """Return the place that a cursor names.

        Raises:
            ValueError: it names none.
        """
        padded = cursor + "=" * (-len(cursor) % 4)
        ordering, pk, value = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        at = parse_datetime(value) if value else None
        if not isinstance(pk, int) or not 0 <= pk <= _LARGEST_ID:
            raise ValueError(cursor)
        if at and (at.tzinfo is None or not is_askable(at)):
            raise ValueError(cursor)
        return cls(ordering=ordering, pk=pk, value=at)


class CursorPages(BasePagination):
    """Page through a list in one of the orders that its view offers: `orderings`, name -> column."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the page that is asked for."""
        ordering = _ordering(request, view.orderings)
        column, minus = view.orderings[ordering.lstrip("-")], ordering[: ordering.startswith("-")]
        size, place = _size(request), _place(request, ordering, has_value=column != "pk")
        rows = queryset.order_by(*dict.fromkeys((f"{minus}{column}", f"{minus}pk")))
        if place:
            rows = rows.filter(_after(place, column, is_falling=bool(minus)))
        page = list(rows[: size + 1])
        self._next = _next_url(request, page[size - 1], ordering, column) if page[size:] else None
        return page[:size]

    def get_paginated_response(self, data: Any) -> Response:
        """Return a page, and where the next one is."""
        return Response({"next": self._next, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        following = "Address of the next page; null on the last one."
        return {
            "type": "object",
            "required": ["next", "results"],
            "properties": {
                "next": {"type": ["string", "null"], "format": "uri", "description": following, "example": _EXAMPLE},
                "results": schema,
            },
        }  # fmt: skip

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe what a page is asked for with."""
        offered = [f"{minus}{name}" for name in view.orderings for minus in ("", "-")]
        return [
            _parameter("cursor", {"type": "string"}, "Where the page begins, from `next` of the page before."),
            _parameter(
                "page_size", {"type": "integer", "minimum": 1, "maximum": LARGEST_SIZE, "default": DEFAULT_SIZE},
                "Rows on a page.",
            ),
            _parameter(
                "ordering", {"type": "string", "enum": offered, "default": _default(view.orderings)},
                "The order of the list; with a minus the last comes first. Rows of equal value are in the order of their ids.",
            ),
        ]  # fmt: skip


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}  # fmt: skip


def _default(orderings: Mapping[str, str]) -> str:
    return f"-{next(iter(orderings))}"


def _ordering(request: Request, orderings: Mapping[str, str]) -> str:
    wanted = request.query_params.get("ordering") or _default(orderings)
    if wanted.removeprefix("-") not in orderings:
        offered = ", ".join(f"{name}, -{name}" for name in orderings)
        raise ValidationError({"ordering": [f"Choose one of: {offered}."]})
    return wanted


def _size(request: Request) -> int:
    wanted = request.query_params.get("page_size") or str(DEFAULT_SIZE)
    size = row_id(wanted)
    if size is None or not 1 <= size <= LARGEST_SIZE:
        raise ValidationError({"page_size": [f"Choose a number from 1 to {LARGEST_SIZE}."]})
    return size


def _place(request: Request, ordering: str, *, has_value: bool) -> Place | None:
    cursor = request.query_params.get("cursor")
    if not cursor:
        return None
    try:
        place = Place.read(cursor)
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise ValidationError({"cursor": [_NO_CURSOR]}) from error
    if place.ordering != ordering:
        raise ValidationError({"cursor": ["It belongs to a list in another order. Begin at the first page."]})  # fmt: skip
    if (place.value is not None) is not has_value:
        raise ValidationError({"cursor": [_NO_CURSOR]})
    return place


def _after(place: Place, column: str, *, is_falling: bool) -> Q:
    """Return what comes after the place; the first condition alone is what an index answers."""
    beyond = "lt" if is_falling else "gt"
    if place.value is None:
        return Q(**{f"pk__{beyond}": place.pk})
    further = Q(**{f"{column}__{beyond}": place.value}) | Q(**{f"pk__{beyond}": place.pk})
    return Q(**{f"{column}__{beyond}e": place.value}) & further


def _next_url(request: Request, last: Model, ordering: str, column: str) -> str:
    value = None if column == "pk" else getattr(last, column)
    cursor = Place(ordering=ordering, pk=last.pk, value=value).as_cursor()
    return replace_query_param(request.build_absolute_uri(), "cursor", cursor)
