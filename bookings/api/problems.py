"""How the API says no: RFC 9457 problem details, the same shape for every refusal."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

MEDIA_TYPE = "application/problem+json"
_LOOK = "Some parameters were not understood; `errors` says which, and why."


def refuse(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to an error that a caller can do something about; None for a fault of ours."""
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = problem(response.status_code, response.data, is_about_fields=isinstance(error, ValidationError))  # fmt: skip
    response.content_type = MEDIA_TYPE
    return response


def problem(status: int, data: Any, *, is_about_fields: bool) -> dict[str, Any]:
    """Return a refusal as problem details; `errors` names each parameter that was not understood."""
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }
    if is_about_fields and isinstance(data, Mapping):
        return {**told, "detail": _LOOK, "errors": data}
    return {**told, "detail": str(data["detail"])}
