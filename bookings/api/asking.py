"""What every list of the API can be asked: fixed filters, and a sentence for whatever is not one of them."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings.api.paging import PARAMETERS
from bookings.discretion import PERMISSION
from bookings.given import is_askable

_LARGEST_ID = 2**63 - 1
_NO_TIME = "Write a time in ISO 8601, such as 2026-11-20T09:00:00Z; a + is written as %%2B."
_NO_PERSON = "You may not see personal data, so that you cannot search by an e-mail address."


class KnownFilters(filters.DjangoFilterBackend):
    """Filter a list, and refuse a parameter that it does not have: a misspelled one would return everything."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: APIView
    ) -> QuerySet[Any]:
        """Return the rows that were asked for."""
        known = {*view.filterset_class.base_filters, *PARAMETERS}  # type: ignore[attr-defined]
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            offered = f"There is no such parameter. There are: {', '.join(sorted(known))}."
            raise ValidationError({name: [offered] for name in unknown})
        found: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return found


class IdFilter(filters.NumberFilter):
    """Take an id."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, help_text: str, **options: Any) -> None:
        super().__init__(*args, min_value=1, max_value=_LARGEST_ID, **options)
        told = {"type": "integer", "format": "int64", "minimum": 1, "description": help_text}
        extend_schema_field(told)(self)


class AskableTime(IsoDateTimeField):
    """Refuse a time at either end of the calendar, which no database is asked for."""

    def clean(self, value: Any) -> Any:
        """Return the time. Raises ValidationError."""
        found = super().clean(value)
        if found and not is_askable(found):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return found


class TimeFilter(filters.IsoDateTimeFilter):
    """Take a time; one without an offset is UTC."""

    field_class = AskableTime

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, error_messages={"invalid": _NO_TIME}, **options)


class YesNoFilter(filters.TypedChoiceFilter):
    """Take true or false, and nothing that is neither."""

    def __init__(self, *args: Any, help_text: str, **options: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        wrong = {"invalid_choice": "Choose true or false."}
        super().__init__(*args, choices=choices, coerce=_is_true, error_messages=wrong, **options)
        extend_schema_field({"type": "boolean", "description": help_text})(self)


class OneOf(filters.ChoiceFilter):
    """Take one of a few words."""

    def __init__(self, *args: Any, words: Iterable[str], **options: Any) -> None:
        words = list(words)
        wrong = {"invalid_choice": f"Choose one of: {', '.join(words)}."}
        choices = [(word, word) for word in words]
        super().__init__(*args, choices=choices, error_messages=wrong, **options)


def _is_true(word: str) -> bool:
    return word == "true"


def require_clear(request: Any) -> None:
    """Refuse a search by address to who may not see addresses: the answer would tell whether it is known.

    Raises:
        PermissionDenied: they may not.
    """
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied(_NO_PERSON)
