"""One call of the API: who asks, and for what."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Request

from integrations.sandbox.calendly.errors import ApiError, forbidden, invalid, invalid_all
from integrations.sandbox.calendly.tokens import Token
from integrations.sandbox.calendly.world import CalendlyWorld, tail
from integrations.sandbox.clock import parse_time
from integrations.sandbox.web import Json, read_object


@dataclass(frozen=True)
class Call:
    """Hold what a handler needs to answer."""

    world: CalendlyWorld
    request: Request
    path: str
    token: Token

    @property
    def query(self) -> MultiDict[str, str]:
        """Return the query parameters."""
        return self.request.args

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller may see the whole organization."""
        return self.world.is_admin(self.token.user)

    def body(self) -> Json:
        """Return the JSON object sent. Raises ApiError 400."""
        try:
            return read_object(self.request)
        except ValueError as error:
            raise ApiError(400) from error

    def needed(self, name: str) -> str:
        """Return a query parameter. Raises ApiError 400 when it is missing."""
        value = self.query.get(name)
        if not value:
            raise invalid(name, "is missing")
        return value

    def choice(self, name: str, allowed: tuple[str, ...], *, default: str = "") -> str:
        """Return a query parameter that must be one of a few values."""
        value = self.query.get(name) or default
        if value and value not in allowed:
            raise invalid(name, f"must be one of: {', '.join(allowed)}")
        return value

    def require_organization(self, uri: str, *, admin: bool = True) -> None:
        """Check that an organization is the caller's own. Raises ApiError 400 or 403."""
        if "/organizations/" not in uri:
            raise invalid("organization", "invalid")
        if tail(uri) != tail(self.world.organization["uri"]):
            raise forbidden()
        if admin and not self.is_admin:
            raise forbidden()

    def require_user(self, uri: str) -> str:
        """Return the identifier of a user of the organization. Raises ApiError 400 or 403."""
        if "/users/" not in uri:
            raise invalid("user", "invalid")
        if tail(uri) not in self.world.users:
            raise forbidden("This user is not in your organization")
        return tail(uri)


def instant(parameter: str, value: Any) -> datetime:
    """Parse an ISO 8601 time. Raises ApiError 400 naming the parameter."""
    try:
        return parse_time(str(value))
    except ValueError as error:
        raise invalid(parameter, "is not a valid ISO 8601 time") from error


def require_keys(body: Json, *names: str) -> None:
    """Check that keys are there and not empty. Raises ApiError 400 naming all that are not."""
    missing = [(name, "is missing") for name in names if not body.get(name)]
    if missing:
        raise invalid_all(missing)
