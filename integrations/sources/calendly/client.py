"""Calendly's API v2: a token, pages, and errors named by what happens next.

Source: https://developer.calendly.com/api-docs
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

import requests
from django.conf import settings
from django.utils import timezone

from bookings.snapshots import MeetingSnapshot
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import HttpClient, retry_after_seconds
from integrations.models import Account
from integrations.sources.calendly.payloads.answers import meeting_of_answers
from integrations.sources.calendly.payloads.reading import Fields, UnreadableError, as_text, load

PAGE_SIZE = 100
#: Seconds to wait when a 429 does not say; budgets are counted by the minute.
DEFAULT_WAIT = 60.0
_LONGEST_WAIT = 3600.0
_BOOKING_PATH = re.compile(r"/scheduled_events/([A-Za-z0-9_-]+)/?$")
_RECONNECT = "Connect the Calendly account again: its token is missing, expired or was revoked."

_LASTING = "Nothing to do: it is tried again. If it lasts, see https://www.calendlystatus.com."


class NotFoundError(PermanentError):
    """Calendly knows no such object, or does not show it to this account."""


class CalendlyClient:
    """Ask Calendly on behalf of one account."""

    def __init__(self, *, token: str, http: HttpClient, base_url: str = "") -> None:
        self._http = http
        self._base_url = (base_url or settings.CALENDLY_API_URL).rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    @classmethod
    def for_account(cls, account: Account, *, http: HttpClient) -> "CalendlyClient":
        """Return a client with the account's token.

        Raises:
            ConfigurationError: the account has none.
        """
        secrets = account.secrets
        token = secrets.get("access_token") or secrets.get("personal_access_token")
        if not token:
            raise ConfigurationError(
                f"The connection “{account.name}” has no access token.", hint=_RECONNECT
            )
        return cls(token=token, http=http)

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

    def collect(self, path: str, params: Mapping[str, str] | None = None) -> list[Fields]:
        """Return every object of a list, a hundred a page; the host in `next_page` is never followed."""
        found: list[Fields] = []
        seen: set[str] = set()
        query = {**(params or {}), "count": str(PAGE_SIZE)}
        while True:
            page = self.get(path, query)
            if not isinstance(page.get("collection"), list):
                raise TemporaryError(f"Calendly's answer to {path} is no list.", hint=_LASTING)
            found += page.children("collection")
            token = _next_token(page.child("pagination"))
            if not token:
                return found
            if token in seen:
                raise PermanentError(f"Calendly's pages of {path} do not end.")
            seen.add(token)
            query["page_token"] = token

    def me(self) -> Fields:
        """Return the user whom the token belongs to."""
        return self.get("/users/me").child("resource")

    def create_webhook_subscription(
        self,
        *,
        url: str,
        events: list[str],
        organization: str,
        scope: str,
        signing_key: str,
        user: str = "",
    ) -> Fields:
        """Subscribe a URL; `scope` is organization or user, the latter with the user's URI.

        Source: https://developer.calendly.com/api-docs (POST /webhook_subscriptions)
        """
        wanted = {"url": url, "events": events, "organization": organization, "scope": scope, "signing_key": signing_key}  # fmt: skip
        if user:
            wanted["user"] = user
        return self._request("POST", "/webhook_subscriptions", json_body=wanted).child("resource")

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json_body: object = None,
    ) -> Fields:
        response = self._http.request(
            method,
            f"{self._base_url}{path}",
            headers=self._headers,
            params=params,
            json_body=json_body,
        )
        return _read(response, is_write=method != "GET")


def fetch_meeting(
    client: CalendlyClient, *, booking_uri: str, observed_at: datetime
) -> MeetingSnapshot | None:
    """Return a booking with all its invitees; None when it is gone or its URI is none of Calendly's.

    `observed_at` is the moment before the first call: what is true later must win.
    """
    found = _BOOKING_PATH.search(urlsplit(booking_uri).path)
    if found is None:
        return None
    path = f"/scheduled_events/{found[1]}"
    event = client.find(path)
    if event is None:
        return None
    invitees = [item.raw for item in client.collect(f"{path}/invitees")]
    meeting = meeting_of_answers(
        event.raw, invitees, booking_uri=booking_uri, observed_at=observed_at
    )
    if meeting is None:
        raise PermanentError(f"Calendly's answer about {booking_uri} lacks a start or an end.")
    return meeting


def _next_token(pagination: Fields) -> str:
    """Return the next page's token; answers before 2023 have it in `next_page` alone."""
    token = pagination.text("next_page_token")
    in_link = parse_qs(urlsplit(pagination.text("next_page")).query).get("page_token", [""])
    return token or in_link[0]


def _read(response: requests.Response, *, is_write: bool) -> Fields:
    """Return the answer's object, or raise what its status means."""
    status = response.status_code
    if status == 429:
        raise ThrottledError(
            "Calendly asks to slow down.",
            hint="Nothing to do: it goes on when the request budget is refilled.",
            retry_after=_wait(response),
        )
    body = _json(response)
    if body is None or status >= 500:
        said = _said(body) if body else "no JSON object."
        raise TemporaryError(
            f"Calendly answered {status}: {said}", hint=_LASTING, ambiguous=is_write
        )
    if status >= 300:
        _refuse(status, body)
    return body


def _json(response: requests.Response) -> Fields | None:
    try:
        value = load(response.content)
    except UnreadableError:
        return None
    return Fields(value) if isinstance(value, dict) else None


def _wait(response: requests.Response) -> float:
    """Return the seconds to wait: `X-RateLimit-Reset` counts seconds from now.

    Source: https://developer.calendly.com/api-docs/overview/rate-limits
    """
    reset = response.headers.get("X-RateLimit-Reset", "").strip()
    if reset.isascii() and reset.isdigit() and len(reset) <= 9:
        return min(float(reset), _LONGEST_WAIT)
    asked = retry_after_seconds(response.headers, now=timezone.now())
    return min(asked, _LONGEST_WAIT) if asked is not None else DEFAULT_WAIT


def _refuse(status: int, body: Fields) -> NoReturn:
    message = f"Calendly answered {status}: {_said(body)}"
    if status == 401:
        raise ConfigurationError(message, hint=_RECONNECT)
    if status == 403:
        raise ConfigurationError(message, hint=_right_needed(body))
    if status == 404:
        raise NotFoundError(message)
    raise PermanentError(message)


def _said(body: Fields) -> str:
    details = "; ".join(
        ": ".join(filter(None, (detail.text("parameter"), detail.text("message"))))
        for detail in body.children("details")
    )
    said = ". ".join(filter(None, (body.text("title"), body.text("message").rstrip("."))))
    said = said or ". ".join(filter(None, (body.text("error"), body.text("error_description"))))
    return f"{said or 'no reason given'}{f' ({details})' if details else ''}."


def _right_needed(body: Fields) -> str:
    scopes = body.get("required_scopes")
    if isinstance(scopes, list) and scopes:
        names = ", ".join(map(as_text, scopes))
        return f"Connect the Calendly account again and grant the scopes: {names}."
    return "Use the token of an owner or admin of the organization, on a plan that allows this."
