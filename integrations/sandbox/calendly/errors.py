"""Calendly's error answers.

Source: https://developer.calendly.com/api-docs (error schemas of the OpenAPI document).
"""

from collections.abc import Iterable

from integrations.sandbox.web import Json

TITLES = {
    400: ("Invalid Argument", "The supplied parameters are invalid."),
    401: ("Unauthenticated", "The access token is invalid"),
    403: ("Permission Denied", "You do not have permission to access this resource."),
    404: ("Resource Not Found", "The server could not find the requested resource."),
    409: ("Already Exists", "The resource already exists"),
    424: ("External Calendar Error", "There is a problem accessing your calendar."),
    429: ("Too Many Requests", "Rate limit exceeded"),
    500: (
        "Internal Server Error",
        "The server encountered an unexpected condition that prevented it from fulfilling the request.",
    ),
}


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        *,
        title: str | None = None,
        message: str | None = None,
        extra: Json | None = None,
    ) -> None:
        super().__init__(status, message)
        usual_title, usual_message = TITLES.get(status, TITLES[500])
        self.status = status
        self.body: Json = {
            "title": title or usual_title,
            "message": message or usual_message,
            **(extra or {}),
        }


def invalid(parameter: str, message: str) -> ApiError:
    """Return a 400 that names one parameter."""
    return invalid_all([(parameter, message)])


def invalid_all(problems: Iterable[tuple[str, str]]) -> ApiError:
    """Return a 400 with one detail for each problem."""
    details = [{"parameter": name, "message": message} for name, message in problems]
    return ApiError(400, extra={"details": details})


def forbidden(message: str | None = None) -> ApiError:
    """Return a 403."""
    return ApiError(403, message=message)


def insufficient_scope(scopes: Iterable[str]) -> ApiError:
    """Return the 403 for a token that lacks a scope.

    Source: https://developer.calendly.com/scopes
    """
    return ApiError(
        403,
        title="Insufficient scope",
        message="This operation requires the scopes listed in the 'required_scopes' array.",
        extra={"required_scopes": list(scopes)},
    )


def not_found() -> ApiError:
    """Return a 404."""
    return ApiError(404)
