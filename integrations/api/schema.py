"""The OpenAPI document, its page, and what both say beside the lists themselves."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.utils.decorators import method_decorator
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings.api.problems import MEDIA_TYPE, refuse
from integrations.api.authentication import TokenAuthentication

#: Model -> list: who may see none of them has no use for the API.
SERVED = (
    "bookings.booking", "bookings.invitee", "bookings.bookingevent", "bookings.host", "bookings.eventtype",
    "integrations.delivery",
)  # fmt: skip
_REFUSALS = {
    "400": "A parameter was not understood; `errors` says which, and why.",
    "401": "No token was sent, or one that lets nobody in.",
    "403": "The user may not see this.",
    "404": "There is no such row.",
    "429": "Too many requests; `Retry-After` says in how many seconds the next may come.",
}
_PROBLEM = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Always about:blank: the status says it all."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What to do, in a sentence."},
        "errors": {
            "type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}},
            "description": "Parameter -> what is wrong with it.",
        },
    },
}  # fmt: skip


class SchemaView(SpectacularAPIView):
    """Serve the OpenAPI document, as YAML or JSON."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **options: Any) -> Response:
        """Return the document; `?format=json` or `?format=yaml` chooses."""
        response: Response = super().get(request, *args, **options)  # type: ignore[no-untyped-call]
        return response


@method_decorator(login_required(login_url="admin:login"), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """Show the document as a page to try requests on; its scripts come from here."""

    permission_classes = (AllowAny,)
    url_name = "api_schema"


class NothingView(APIView):
    """Say in the API's own way that an address leads nowhere."""

    schema = None

    def get(self, request: Request, rest: str) -> Response:
        """Refuse."""
        raise NotFound("There is nothing at this address. /api/v1/docs shows what there is.")

    def get_exception_handler(self) -> Any:
        """Return how refusals are told."""
        return refuse


def only_served(endpoints: list[Any]) -> list[Any]:
    """Leave out the doors of providers and of probes; a hook of drf-spectacular's."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add to each operation its heading and how it refuses; a hook of drf-spectacular's."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    body = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for address, operations in result["paths"].items():
        is_one = address.endswith("}")
        for operation in operations.values():
            operation["summary"] = "One row, by its id." if is_one else operation["description"]
            for status, told in _REFUSALS.items():
                if status != ("400" if is_one else "404"):
                    operation["responses"][status] = {"description": told, "content": body}
    return result


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the token in the schema."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return how it is sent."""
        told = "A token that an administrator made under API tokens."
        return {"type": "http", "scheme": "bearer", "description": told}
