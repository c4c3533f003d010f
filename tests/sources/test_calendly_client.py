"""The client against answers that Calendly gives, spoken by a server on a loopback port."""

import gc
import json
import threading
import tracemalloc
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
from integrations.sources.calendly.client import (
    CalendlyClient,
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    PlanError,
    RoleError,
    ScopeError,
    UnauthenticatedError,
)
from integrations.sources.calendly.oauth import CalendlyOAuth
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

        do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names that http.server asks for

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
    return CalendlySource().fetch(account(), uri=uri)


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
        "mailto:ann@example.com",
        "",
        "https://api.calendly.com/webhook_subscriptions/W",
        "https://api.calendly.com/scheduled_events/E/cancellation",
        "https://api.calendly.com/scheduled_events/..%2F..%2Fusers",
    ],
)
def test_what_cannot_be_asked_about_is_refused_without_a_call(calendly, uri):
    with pytest.raises(PermanentError, match="nothing that Calendly can be asked about"):
        fetch(uri)

    assert calendly.requests == []


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("https://api.calendly.com/scheduled_events/E/invitees/I", "/scheduled_events/E"),
        ("https://api.calendly.com/users/U", "/users/U"),
        ("https://calendly.com/api/v2/event_types/T/", "/event_types/T"),
        ("https://api.calendly.com/organization_memberships/M", "/organization_memberships/M"),
        ("https://api.calendly.com/groups/G", "/groups/G"),
        ("https://api.calendly.com/group_relationships/R", "/group_relationships/R"),
        ("https://api.calendly.com/routing_forms/F", "/routing_forms/F"),
    ],
)
def test_what_is_gone_is_none_whatever_it_is(calendly, uri, path):
    calendly.say(path, 404, MISSING)

    assert fetch(uri) is None
    assert [request["path"] for request in calendly.requests] == [path]


def test_an_object_without_a_name_is_refused(calendly):
    calendly.say("/users/U", 200, {"resource": {"name": "Ann"}})

    with pytest.raises(PermanentError, match="lacks what names it"):
        fetch("https://api.calendly.com/users/U")


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
        CalendlySource().fetch(lacking, uri=EVENT["uri"])

    assert "again" in caught.value.hint


def denied(message: str) -> dict[str, str]:
    return {"title": "Permission Denied", "message": message}


def invalid(*details: dict[str, str]) -> dict[str, Any]:
    said = {"title": "Invalid Argument", "message": "The supplied parameters are invalid."}
    return {**said, "details": list(details)} if details else said


REFUSALS = [
    (400, invalid({"parameter": "scope", "message": "must be user"}, {"message": "bad"}),
     InvalidArgumentError, r"are invalid \(scope: must be user; bad\)\.$", "Report it"),
    (400, invalid(), InvalidArgumentError, r"parameters are invalid\.$", "Report it"),
    (400, {"title": "Already Invited", "message": "ann@example.com has already been invited"},
     InvalidArgumentError, "Already Invited", "Report it"),
    (400, {"error": "invalid_request", "error_description": "was odd"},
     InvalidArgumentError, "invalid_request. was odd", "Report it"),
    (401, {"title": "Unauthenticated", "message": "The access token is invalid"},
     UnauthenticatedError, "The access token is invalid", "Connect the Calendly account again"),
    (403, document("api-error-403-scope"), ScopeError, "Insufficient scope", "scheduled_events:read"),
    (403, {"title": "Insufficient scope"}, ScopeError, "Insufficient scope", "that Calsync asks for"),
    (403, denied("Please upgrade to a paid Calendly account."), PlanError, "upgrade to a paid", "plan"),
    (403, denied("Please upgrade your Calendly account to Professional"), PlanError, "Professional", "plan"),
    (403, denied("Please upgrade your Calendly account to Enterprise. You do not have permission to "
                 "access this resource."), PlanError, "Enterprise", "plan"),
    (403, denied("Please also specify organization when requesting events for a user within your "
                 "organization."), PermanentError, "specify organization", "Report it"),
    (403, denied("This user is not in your organization"), PermanentError, "not in your", "has left"),
    (403, denied("You are not allowed to view this event"), PermanentError, "to view", "owner or admin"),
    (403, denied("You are not allowed to cancel this event"), PermanentError, "cancel", "owner or admin"),
    (403, denied("You do not have permission to access this resource."), RoleError, "permission", "owner or admin"),
    (403, denied("You do not have permission"), RoleError, "permission", "owner or admin"),
    (403, {}, RoleError, "no reason given", "owner or admin"),
    (404, MISSING, NotFoundError, "could not find", "deleted at Calendly"),
    (404, {**MISSING, "details": [{"parameter": "uuid", "message": "unknown"}]},
     NotFoundError, r"\(uuid: unknown\)", "deleted at Calendly"),
    (409, {"title": "Already Exists", "message": "Hook with this url already exists"},
     ConflictError, "already exists", "delete it first"),
    (418, {}, PermanentError, "418: no reason given", "Report it"),
    (424, {"title": "External Calendar Error", "message": "There is a problem accessing your calendar."},
     PermanentError, "External Calendar Error", "connect their calendar"),
    (408, {"title": "Request Timeout", "message": "x"}, TemporaryError, "Request Timeout", "tried again"),
    (425, {}, TemporaryError, "425", "tried again"),
    (302, {}, PermanentError, "302: no reason given", "Report it"),
    (500, {"title": "Internal Server Error", "message": "x"}, TemporaryError, "500", "tried again"),
    (503, HTML, TemporaryError, "503", "tried again"),
    (502, HTML * 100_000, TemporaryError, "502: no JSON object", "tried again"),
    (200, HTML, TemporaryError, "200", "tried again"),
    (200, b"[]", TemporaryError, "200", "tried again"),
    (200, b"", TemporaryError, "200", "tried again"),
    (403, HTML, TemporaryError, "403", "tried again"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "said", "error", "words", "hint"), REFUSALS)
def test_errors_are_named_by_what_happens_next(calendly, client, status, said, error, words, hint):
    calendly.say("/users/me", status, said, Location="https://evil.example/")

    with pytest.raises(error, match=words) as caught:
        client.me()

    assert type(caught.value) is error
    assert hint in caught.value.hint
    assert "tok-1" not in str(caught.value)
    assert len(calendly.requests) == 1


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (InvalidArgumentError, PermanentError),
        (NotFoundError, PermanentError),
        (ConflictError, PermanentError),
        (UnauthenticatedError, ConfigurationError),
        (ScopeError, ConfigurationError),
        (PlanError, ConfigurationError),
        (RoleError, ConfigurationError),
    ],
)
def test_each_refusal_belongs_to_what_happens_next(error, family):
    assert issubclass(error, family)


def test_a_refused_scope_and_a_refused_parameter_name_what_is_meant(calendly, client):
    calendly.say("/routing_forms", 403, document("api-error-403-scope"))
    calendly.say("/users", 400, invalid({"parameter": "page_token", "message": "expired"}))

    with pytest.raises(ScopeError) as scope:
        client.page("/routing_forms")
    with pytest.raises(InvalidArgumentError) as argument:
        client.page("/users")

    assert scope.value.required == ("scheduled_events:read",)
    assert argument.value.parameters == ("page_token",)


def test_a_refused_subscription_without_details_hints_at_a_missing_scope(calendly, client):
    path = "/webhook_subscriptions"
    calendly.say(path, 400, invalid())
    calendly.say(path, 400, invalid({"parameter": "url", "message": "invalid"}))

    hints = []
    for _ in range(2):
        with pytest.raises(InvalidArgumentError) as caught:
            client.post(path, {"url": "https://x.example/hook"})
        hints.append(caught.value.hint)

    assert "scheduled_events:read" in hints[0]
    assert "scheduled_events:read" not in hints[1]


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


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"X_RateLimit_Reset": "41"}, 41), ({"Retry_After": "9"}, 9), ({}, 60)],
)
def test_too_many_tokens_in_a_minute_wait_as_long_as_the_answer_says(
    calendly, settings, headers, seconds
):
    settings.CALENDLY_AUTH_URL = calendly.url
    settings.CALENDLY_CLIENT_ID = settings.CALENDLY_CLIENT_SECRET = "app"
    calendly.say("/oauth/token", 429, {"error": "rate_limited"}, **headers)

    with pytest.raises(ThrottledError) as caught:
        CalendlyOAuth().refresh(refresh_token="any", now=datetime.now(UTC))

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_a_token_endpoint_that_cannot_just_now_ends_no_grant(calendly, settings, error):
    settings.CALENDLY_AUTH_URL = calendly.url
    settings.CALENDLY_CLIENT_ID = settings.CALENDLY_CLIENT_SECRET = "app"
    calendly.say("/oauth/token", 400, {"error": error, "error_description": "Later."})

    with pytest.raises(TemporaryError) as caught:
        CalendlyOAuth().refresh(refresh_token="any", now=datetime.now(UTC))

    assert caught.value.ambiguous


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry_After": "30"}, 30), ({}, None)])
def test_an_outage_that_says_how_long_is_waited_out(calendly, client, headers, seconds):
    calendly.say("/users/me", 503, HTML, **headers)

    with pytest.raises(TemporaryError) as caught:
        client.me()

    assert caught.value.retry_after == seconds


def test_a_refusal_of_any_length_is_told_in_a_few_words(calendly, client):
    calendly.say("/users/me", 400, {"title": "Odd", "message": "x" * 1_000_000})

    with pytest.raises(InvalidArgumentError, match=r"Odd\. x+\.\.\.$") as caught:
        client.me()

    assert len(str(caught.value)) < 1_100


def test_a_netrc_of_the_machine_does_not_replace_the_token(calendly, client, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ann password hush")
    monkeypatch.setenv("NETRC", str(netrc))
    calendly.say("/users/me", 200, document("api-users-me"))

    client.me()

    assert calendly.requests[0]["authorization"] == "Bearer tok-1"


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


def test_reading_page_after_page_keeps_none_of_them(calendly, client):
    """A slice of a backfill reads hundreds through one client."""
    page = {"collection": [{"text": "x" * 1_000, "number": number} for number in range(500)]}
    calendly.say("/event_types", 200, page)
    client.page("/event_types")
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()

    for _ in range(10):
        client.page("/event_types")

    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 1_000_000


def test_an_object_is_made_of_what_is_posted(calendly, client):
    calendly.say("/webhook_subscriptions", 201, {"resource": {"uri": "W", "state": "active"}})

    made = client.post("/webhook_subscriptions", {"url": "https://x.example/hook"})

    assert made.text("uri") == "W"
    assert json.loads(calendly.requests[0]["body"]) == {"url": "https://x.example/hook"}


def test_what_may_have_been_made_is_ambiguous(calendly, client):
    calendly.say("/webhook_subscriptions", 503, HTML)

    with pytest.raises(TemporaryError) as caught:
        client.post("/webhook_subscriptions", {})

    assert caught.value.ambiguous


def test_what_is_deleted_already_is_no_error(calendly, client):
    calendly.say("/webhook_subscriptions/W", 404, MISSING)

    client.delete("/webhook_subscriptions/W")

    assert client.requests == 1
