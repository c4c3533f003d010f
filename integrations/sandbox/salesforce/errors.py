"""Salesforce's error answers: a list of objects.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from collections.abc import Iterable

from integrations.sandbox.web import Json

MESSAGES = {
    "INVALID_SESSION_ID": "Session expired or invalid",
    "NOT_FOUND": "The requested resource does not exist",
    "REQUEST_LIMIT_EXCEEDED": "TotalRequests Limit exceeded.",
    "SERVER_UNAVAILABLE": "The server is temporarily unavailable.",
    "UNKNOWN_EXCEPTION": "An unexpected error occurred.",
    "ENTITY_IS_DELETED": "entity is deleted",
    "JSON_PARSER_ERROR": "The request body cannot be read.",
}
STATUSES = {
    "INVALID_SESSION_ID": 401,
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "REQUEST_LIMIT_EXCEEDED": 403,
}


class SalesforceError(Exception):
    """One error of an answer; `more` holds keys that only some codes have."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        fields: Iterable[str] = (),
        status: int | None = None,
        more: Json | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or MESSAGES.get(code, code)
        self.fields = list(fields)
        self.status = status or STATUSES.get(code, 400)
        self.more = more or {}

    def body(self) -> list[Json]:
        """Return the answer of a call for a single record."""
        row: Json = {"message": self.message, "errorCode": self.code, **self.more}
        return [row | ({"fields": self.fields} if self.fields else {})]

    def in_collection(self) -> Json:
        """Return the error as the collections calls write it."""
        return {
            "statusCode": self.code,
            "message": self.message,
            "fields": self.fields,
            **self.more,
        }
