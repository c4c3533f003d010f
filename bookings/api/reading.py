"""What every list of the API is made of: rows to read, for who may see their model, page by page."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.cache import patch_cache_control
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from bookings.api.asking import KnownFilters
from bookings.api.paging import CursorPages
from bookings.api.problems import refuse
from bookings.discretion import Discretion


class MayView(BasePermission):
    """Let in who may view the rows in the admin."""

    message = "You may not see these rows. Ask an administrator for the permission to view them."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Tell whether the user, or the user of the token, may see this list."""
        options = view.queryset.model._meta  # type: ignore[attr-defined]  # noqa: SLF001  # Django's documented name
        name = f"{options.app_label}.{{}}_{options.model_name}"
        return any(request.user.has_perm(name.format(verb)) for verb in ("view", "change"))


class ReadOnlyView(ReadOnlyModelViewSet[Any]):
    """List rows and show one; `orderings` names the orders of the list and their columns, the usual one first."""

    permission_classes = (MayView,)
    pagination_class = CursorPages
    filter_backends = (KnownFilters,)
    http_method_names = ["get", "head", "options"]
    lookup_value_regex = r"\d{1,18}"
    orderings: Mapping[str, str] = {"id": "pk"}

    def get_serializer_context(self) -> dict[str, Any]:
        """Tell the serializers what this user may see of people."""
        return {**super().get_serializer_context(), "discretion": Discretion.of(self.request.user)}

    def get_serializer(self, *args: Any, **options: Any) -> Any:
        """Return the serializer of a row or of a page."""
        if args:
            rows = args[0] if options.get("many") else [args[0]]
            options["context"] = {**self.get_serializer_context(), **self.read_beside(rows)}
        return super().get_serializer(*args, **options)

    def read_beside(self, rows: list[Any]) -> dict[str, Any]:
        """Return what the serializers need beside the rows, read for all of them at once."""
        return {}

    def finalize_response(self, request: Request, response: Any, *args: Any, **options: Any) -> Any:  # fmt: skip
        """Return the answer, which no cache between here and there may keep."""
        patch_cache_control(response, private=True, no_store=True)
        return super().finalize_response(request, response, *args, **options)

    def get_exception_handler(self) -> Callable[..., Any]:
        """Return how refusals are told."""
        return refuse
