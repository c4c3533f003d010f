"""Calendly's API v2: a token that is renewed, a budget that is shared, and pages.

Nothing is tried again here but a request whose token was refused and could be renewed: retries belong to the rows.

Source: https://developer.calendly.com/api-docs
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import requests
from django.conf import settings
from django.utils import timezone

from integrations import budget
from integrations.budget import Priority
from integrations.errors import PermanentError, TemporaryError
from integrations.grants import Tokens
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sources.calendly.answers import LASTING, read, told
from integrations.sources.calendly.oauth import CalendlyOAuth
from integrations.sources.calendly.payloads.reading import Fields
from integrations.sources.calendly.refusals import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PlanError,
    RoleError,
    ScopeError,
    UnauthenticatedError,
)

__all__ = [
    "AnswerPage",
    "CalendlyClient",
    "ConflictError",
    "InvalidArgumentError",
    "NotFoundError",
    "PlanError",
    "Priority",
    "RoleError",
    "ScopeError",
    "UnauthenticatedError",
]

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPage:
    """Hold one page of a list; `next_token` is empty on the last one."""

    items: tuple[Fields, ...]
    next_token: str


class CalendlyClient:
    """Ask Calendly on behalf of one account."""

    def __init__(
        self, *, tokens: Tokens, connection_id: int, http: HttpClient, priority: Priority
    ) -> None:
        self._tokens = tokens
        self._connection_id = connection_id
        self._http = http
        self._priority = priority
        #: Requests sent so far.
        self.requests = 0

    @classmethod
    def for_account(
        cls, account: Account, *, http: HttpClient, priority: Priority = Priority.LIVE
    ) -> "CalendlyClient":
        """Return a client with the account's token and its share of the request budget.

        Raises:
            ConfigurationError: the account has no token.
        """
        tokens = Tokens(account, renewer=CalendlyOAuth(), clock=timezone.now)
        return cls(tokens=tokens, connection_id=account.connection_id, http=http, priority=priority)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Fields:
        """Return the object that Calendly answers.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
        """
        return self._request("GET", path, params=params)

    def find(self, path: str, params: Mapping[str, str] | None = None) -> Fields | None:
        """Return the object under `resource`, or None when Calendly says that it does not exist."""
        try:
            return self.get(path, params).child("resource")
        except NotFoundError:
            return None

    def page(
        self, path: str, params: Mapping[str, str] | None = None, *, token: str = ""
    ) -> AnswerPage:
        """Return one page of a list, a hundred objects; the host in `next_page` is never followed."""
        query = {**(params or {}), "count": str(PAGE_SIZE)}
        answer = self.get(path, {**query, "page_token": token} if token else query)
        if not isinstance(answer.get("collection"), list):
            raise TemporaryError(f"Calendly's answer to {path} is no list.", hint=LASTING)
        return AnswerPage(
            items=tuple(answer.children("collection")),
            next_token=_next_token(answer.child("pagination")),
        )

    def collect(self, path: str, params: Mapping[str, str] | None = None) -> list[Fields]:
        """Return every object of a list."""
        found: list[Fields] = []
        seen, token = {""}, ""
        while True:
            page = self.page(path, params, token=token)
            found += page.items
            token = page.next_token
            if not token:
                return found
            if token in seen:
                raise PermanentError(f"Calendly's pages of {path} do not end.")
            seen.add(token)

    def post(self, path: str, body: Mapping[str, object]) -> Fields:
        """Make an object and return it, as it stands under `resource`.

        Raises:
            ConflictError: there is one already.
            TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
        """
        return self._request("POST", path, json_body=body).child("resource")

    def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is no error."""
        with contextlib.suppress(NotFoundError):
            self._request("DELETE", path)

    def token(self) -> str:
        """Return the access token that is sent now."""
        return self._tokens.current()

    def me(self) -> Fields:
        """Return the user whom the token belongs to."""
        return self.get("/users/me").child("resource")

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json_body: object = None,
    ) -> Fields:
        token = self._tokens.current()
        response = self._send(method, path, token=token, params=params, json_body=json_body)
        if response.status_code == 401 and (other := self._tokens.instead_of(token)):
            response = self._send(method, path, token=other, params=params, json_body=json_body)
        return read(response, what=f"{method} {path}")

    def _send(
        self,
        method: str,
        path: str,
        *,
        token: str,
        params: Mapping[str, str] | None,
        json_body: object,
    ) -> requests.Response:
        """Send one request within the budget, and note what its answer tells of it."""
        ticket = budget.spend(self._connection_id, priority=self._priority)
        self.requests += 1
        said: budget.Told | None = None
        try:
            response = self._http.request(
                method,
                f"{settings.CALENDLY_API_URL.rstrip('/')}{path}",
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                params=params,
                json_body=json_body,
            )
            said = told(response)
        finally:
            budget.settle(self._connection_id, ticket, told=said)
        return response


def _next_token(pagination: Fields) -> str:
    """Return the next page's token; answers before 2023 have it in `next_page` alone."""
    token = pagination.text("next_page_token")
    in_link = parse_qs(urlsplit(pagination.text("next_page")).query).get("page_token", [""])
    return token or in_link[0]
