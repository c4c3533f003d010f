"""The client against answers that Calendly gives, spoken by a server on a loopback port."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sources.calendly.client import CalendlyClient, NotFoundError
from integrations.sources.calendly.source import CalendlySource
from tests.sources.loading import document

pytestmark = pytest.mark.db_independent

EVENT = document("api-scheduled_events")["collection"][0]
INVITEE = document("api-invitees-under-resource")["resource"][0]
HTML = b"<html><body>Bad gateway</body></html>"
MISSING = {
    "title": "Resource Not Found",
    "message": "The server could not find the requested resource.",
}


@dataclass
class Calendly:
    """Answers by path, in turn; the last one again and again. None drops the connection."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any, dict[str, str]] | None]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)

    def say(self, path: str, status: int, answer: Any, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.setdefault(path, []).append((status, answer, named))

    def drop(self, path: str) -> None:
        self.answers.setdefault(path, []).append(None)


@pytest.fixture
def calendly(settings) -> Iterator[Calendly]:
    script = Calendly()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            size = int(self.headers.get("Content-Length") or 0)
            script.requests.append(
                {
                    "path": parts.path,
                    "query": {key: value[0] for key, value in parse_qs(parts.query).items()},
                    "authorization": self.headers["Authorization"],
                    "body": self.rfile.read(size),
                }
            )
            turns = script.answers[parts.path]
            turn = turns.pop(0) if len(turns) > 1 else turns[0]
            if turn is None:
                return
            status, said, headers = turn
            raw = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    settings.CALENDLY_API_URL = script.url + "/"
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(calendly) -> Iterator[CalendlyClient]:
    with closing(HttpClient()) as http:
        yield CalendlyClient.for_account(account(), http=http)


def account(**secrets: str) -> Account:
    secrets = secrets or {"access_token": "tok-1"}
    return Account(connection_id=7, name="Northwind", settings={}, secrets=secrets)


def fetch(uri: str = "https://api.calendly.com/scheduled_events/E"):
    return CalendlySource().fetch_booking(account(), booking_uri=uri)


def test_a_booking_is_fetched_with_all_its_invitees(calendly):
    calendly.say("/scheduled_events/E", 200, {"resource": EVENT})
    pages = {"next_page": "https://evil.example/x?page_token=tok", "next_page_token": "tok"}
    calendly.say(
        "/scheduled_events/E/invitees", 200, {"collection": [INVITEE], "pagination": pages}
    )
    second = {**INVITEE, "uri": INVITEE["uri"] + "2"}
    calendly.say("/scheduled_events/E/invitees", 200, {"collection": [second], "pagination": {}})
    before = datetime.now(UTC)

    found = fetch()

    assert found.booking.name == "Product demo"
    assert [person.uri for person in found.invitees] == [INVITEE["uri"], second["uri"]]
    assert {person.booking_uri for person in found.invitees} == {found.booking.uri}
    assert timedelta(0) <= found.observed_at - before < timedelta(seconds=5)
    assert [request["query"] for request in calendly.requests] == [
        {},
        {"count": "100"},
        {"count": "100", "page_token": "tok"},
    ]
    assert {request["authorization"] for request in calendly.requests} == {"Bearer tok-1"}


def test_a_personal_access_token_does_too(calendly):
    calendly.say("/users/me", 200, document("api-users-me"))

    with closing(HttpClient()) as http:
        me = CalendlyClient.for_account(account(personal_access_token="pat"), http=http).me()

    assert me.text("name") == "Maria Lindqvist"
    assert calendly.requests[0]["authorization"] == "Bearer pat"


def test_a_booking_that_is_gone_is_none(calendly):
    calendly.say("/scheduled_events/E", 404, MISSING)

    assert fetch() is None


@pytest.mark.parametrize(
    "uri",
    [
        "urn:calsync:booking:0123",
        "",
        "https://api.calendly.com/users/U",
        "https://api.calendly.com/scheduled_events/E/invitees/I",
        "https://api.calendly.com/scheduled_events/..%2F..%2Fusers",
    ],
)
def test_what_is_no_booking_of_calendlys_is_not_asked_for(calendly, uri):
    assert fetch(uri) is None
    assert calendly.requests == []


def test_the_bookings_host_is_never_called(calendly):
    calendly.say("/scheduled_events/E", 404, MISSING)

    fetch("https://evil.example/scheduled_events/E")

    assert [request["path"] for request in calendly.requests] == ["/scheduled_events/E"]


def test_a_page_that_is_not_json_is_not_taken_for_gone(calendly):
    calendly.say("/scheduled_events/E", 404, HTML)

    with pytest.raises(TemporaryError):
        fetch()


def test_a_booking_without_times_is_refused(calendly):
    calendly.say("/scheduled_events/E", 200, {"resource": {"uri": EVENT["uri"]}})
    calendly.say("/scheduled_events/E/invitees", 200, {"collection": []})

    with pytest.raises(PermanentError, match="lacks a start"):
        fetch()


def test_no_token_is_a_configuration_error_that_names_the_connection():
    lacking = Account(connection_id=7, name="Northwind", settings={}, secrets={})

    with pytest.raises(ConfigurationError, match="Northwind") as caught:
        CalendlySource().fetch_booking(lacking, booking_uri=EVENT["uri"])

    assert "again" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "said", "error", "words", "hint"),
    [
        (401, {"title": "Unauthenticated", "message": "The access token is invalid"},
         ConfigurationError, "The access token is invalid", "Connect the Calendly account again"),
        (403, {"title": "Permission Denied", "message": "Please upgrade to a paid Calendly account."},
         ConfigurationError, "upgrade to a paid", "owner or admin"),
        (403, document("api-error-403-scope"),
         ConfigurationError, "Insufficient scope", "scheduled_events:read"),
        (404, MISSING, NotFoundError, "could not find", ""),
        (400, {"title": "Invalid Argument", "message": "The supplied parameters are invalid.",
               "details": [{"parameter": "scope", "message": "must be user"}, {"message": "bad"}]},
         PermanentError, r"parameters are invalid \(scope: must be user; bad\)", ""),
        (400, {"error": "invalid_grant", "error_description": "was revoked"},
         PermanentError, "invalid_grant. was revoked", ""),
        (409, {"title": "Already Exists", "message": "Hook with this url already exists"},
         PermanentError, "already exists", ""),
        (424, {"title": "External Calendar Error", "message": "There is a problem"},
         PermanentError, "External Calendar Error", ""),
        (302, {}, PermanentError, "302: no reason given", ""),
        (500, {"title": "Internal Server Error", "message": "x"}, TemporaryError, "500", "tried again"),
        (503, HTML, TemporaryError, "503", "tried again"),
        (200, HTML, TemporaryError, "200", "tried again"),
        (200, b"[]", TemporaryError, "200", "tried again"),
        (200, b"", TemporaryError, "200", "tried again"),
        (403, HTML, TemporaryError, "403", "tried again"),
    ],
)  # fmt: skip
def test_errors_are_named_by_what_happens_next(calendly, client, status, said, error, words, hint):
    calendly.say("/users/me", status, said, Location="https://evil.example/")

    with pytest.raises(error, match=words) as caught:
        client.me()

    assert type(caught.value) is error
    assert hint in caught.value.hint
    assert "tok-1" not in str(caught.value)
    assert len(calendly.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X_RateLimit_Reset": "17"}, 17),
        ({"X_RateLimit_Reset": "0"}, 0),
        ({"X_RateLimit_Reset": "9", "Retry_After": "99"}, 9),
        ({"Retry_After": "30"}, 30),
        ({"X_RateLimit_Reset": "soon", "Retry_After": "later"}, 60),
        ({"X_RateLimit_Reset": "999999999"}, 3600),
        ({}, 60),
    ],
)
def test_a_throttled_request_waits_as_long_as_calendly_says(calendly, client, headers, seconds):
    calendly.say("/users/me", 429, HTML, **headers)

    with pytest.raises(ThrottledError) as caught:
        client.me()

    assert caught.value.retry_after == seconds


def test_a_dropped_connection_is_temporary(calendly, client):
    calendly.drop("/users/me")

    with pytest.raises(TemporaryError):
        client.me()


def test_pages_of_old_answers_are_found_by_their_link(calendly, client):
    link = "https://api.calendly.com/event_types?count=1&page_token=two"
    calendly.say("/event_types", 200, {"collection": [{"a": 1}], "pagination": {"next_page": link}})
    calendly.say("/event_types", 200, {"collection": [{"a": 2}], "pagination": {"next_page": None}})

    found = client.collect("/event_types", {"user": "U"})

    assert [item.get("a") for item in found] == [1, 2]
    assert calendly.requests[1]["query"] == {"user": "U", "count": "100", "page_token": "two"}


def test_a_list_that_is_none_is_not_taken_for_empty(calendly, client):
    calendly.say("/event_types", 200, {"pagination": {}})

    with pytest.raises(TemporaryError, match="no list"):
        client.collect("/event_types")


def test_pages_that_go_round_in_circles_end(calendly, client):
    page = {"collection": [], "pagination": {"next_page_token": "same"}}
    calendly.say("/event_types", 200, page)

    with pytest.raises(PermanentError, match="do not end"):
        client.collect("/event_types")


def test_a_subscription_is_made_with_a_key_of_our_own(calendly, client):
    calendly.say("/webhook_subscriptions", 201, {"resource": {"uri": "W", "state": "active"}})

    made = client.create_webhook_subscription(
        url="https://x.example/hook", events=["invitee.created"], organization="O", scope="user",
        user="U", signing_key="key",
    )  # fmt: skip

    assert made.text("uri") == "W"
    assert json.loads(calendly.requests[0]["body"]) == {
        "url": "https://x.example/hook", "events": ["invitee.created"], "organization": "O",
        "scope": "user", "user": "U", "signing_key": "key",
    }  # fmt: skip


def test_a_subscription_that_may_have_been_made_is_ambiguous(calendly, client):
    calendly.say("/webhook_subscriptions", 503, HTML)

    with pytest.raises(TemporaryError) as caught:
        client.create_webhook_subscription(
            url="https://x.example", events=[], organization="O", scope="organization",
            signing_key="key",
        )  # fmt: skip

    assert caught.value.ambiguous
