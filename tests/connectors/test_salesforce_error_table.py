"""Every error that Salesforce is known to answer a write with: what becomes of the delivery, and what a person is told.

The sandbox answers the Event's write, so that each row goes the whole way: the HTTP answer, its shape, its meaning.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import requests

from integrations.connectors.base import Applied
from integrations.connectors.salesforce.answers import read_reply
from integrations.connectors.salesforce.errors import as_error, read_problem
from integrations.connectors.salesforce.token_errors import as_token_error
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    ReviewError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import make_meeting

EVENT = {"method": "PATCH", "path_contains": "/sobjects/Event/"}
LEAD = {"method": "POST", "path_contains": "/sobjects/Lead"}

#: status, code, what it says, class, and what its hint must name
TABLE = [
    (500, "UNKNOWN_EXCEPTION", "", TemporaryError, "tried again"),
    (503, "SERVER_UNAVAILABLE", "", TemporaryError, "status.salesforce.com"),
    (400, "UNABLE_TO_LOCK_ROW", "", TemporaryError, "saving the same record"),
    (400, "REQUEST_RUNNING_TOO_LONG", "", TemporaryError, "tried again"),
    (400, "QUERY_TIMEOUT", "", TemporaryError, "tried again"),
    (400, "DUPLICATE_VALUE", "duplicates value on record", TemporaryError, "unique field"),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: UNABLE_TO_LOCK_ROW", TemporaryError, "saving the same"),
    (403, "CONCURRENT_REQUESTS_LIMIT_EXCEEDED", "", ThrottledError, "parallelism"),
    (403, "CONCURRENT_PER_ORG_LONG_REQUEST_LIMIT_EXCEEDED", "", ThrottledError, "parallelism"),
    (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.", ThrottledError, "parallelism"),
    (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", ThrottledError, "Company Information"),
    (400, "STORAGE_LIMIT_EXCEEDED", "", ConfigurationError, "Storage Usage"),
    (401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API", ConfigurationError, "api"),
    (403, "API_DISABLED_FOR_ORG", "", ConfigurationError, "API Enabled"),
    (403, "API_CURRENTLY_DISABLED", "", ConfigurationError, "API Enabled"),
    (404, "NOT_FOUND", "", ConfigurationError, "check"),
    (404, "INVALID_TYPE", "", ConfigurationError, "access to the objects"),
    (403, "INSUFFICIENT_ACCESS_OR_READONLY", "", PermanentError, "permission set"),
    (403, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "", PermanentError, "share the record"),
    (403, "TXN_SECURITY_NO_ACCESS", "", PermanentError, "Transaction Security Policies"),
    (400, "REQUIRED_FIELD_MISSING", "", PermanentError, "Field mapping"),
    (400, "INVALID_FIELD", "", PermanentError, "field-level security"),
    (400, "INVALID_FIELD_FOR_INSERT_UPDATE", "", PermanentError, "edit access"),
    (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Ring them first.", PermanentError, "validation rule"),
    (400, "STRING_TOO_LONG", "", PermanentError, "shorten"),
    (400, "INVALID_EMAIL_ADDRESS", "", PermanentError, "right one"),
    (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "", PermanentError, "lead_source"),
    (400, "INVALID_TYPE_ON_FIELD_IN_RECORD", "", PermanentError, "another type"),
    (400, "MALFORMED_ID", "", PermanentError, "report it"),
    (400, "JSON_PARSER_ERROR", "", PermanentError, "report it"),
    (400, "MALFORMED_QUERY", "", PermanentError, "report it"),
    (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: failed", PermanentError, "Apex trigger"),
    (400, "CANNOT_EXECUTE_FLOW_TRIGGER", "", PermanentError, "flow"),
    (400, "ENTITY_IS_LOCKED", "", PermanentError, "approval"),
    (400, "INACTIVE_OWNER_OR_USER", "", PermanentError, "active"),
    (400, "FIELD_FILTER_VALIDATION_EXCEPTION", "", PermanentError, "filter"),
    (400, "DUPLICATES_DETECTED", "", PermanentError, "duplicate rule"),
    (403, "BRAND_NEW_CODE", "", PermanentError, "does not know"),
]  # fmt: skip


@pytest.fixture
def org(to_salesforce):
    return to_salesforce.server.state.salesforce


def refuse(driver, code, *, status=400, message="", match=EVENT, times=0, **more):
    driver.break_request(
        "salesforce_error", match=match, times=times, errorCode=code, status=status,
        message=message or "Because.", **more,
    )  # fmt: skip


@pytest.mark.parametrize(("status", "code", "message", "expected", "hint"), TABLE)
def test_a_refused_write_ends_the_delivery_in_its_class_with_something_to_do(
    to_salesforce, status, code, message, expected, hint
):
    refuse(to_salesforce, code, status=status, message=message)

    with pytest.raises(expected) as caught:
        to_salesforce.deliver()

    assert type(caught.value) is expected
    assert f"Salesforce answered {code}: {message or 'Because.'}" in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.hint.endswith(".")


@pytest.mark.parametrize(
    "code", ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "CANNOT_UPDATE_CONVERTED_LEAD"]
)
def test_a_person_who_is_gone_is_looked_for_once_and_then_it_needs_a_person(
    to_salesforce, org, code
):
    refuse(to_salesforce, code, times=1)
    assert isinstance(to_salesforce.deliver(), Applied)

    refuse(to_salesforce, code)
    with pytest.raises(PermanentError) as caught:
        to_salesforce.deliver(make_meeting(name="Other"), kind="updated", event_id=2)

    assert type(caught.value) is PermanentError
    assert "Restore it" in caught.value.hint


def test_several_duplicates_are_a_review(to_salesforce, org):
    twins = [
        org.create("Contact", {"LastName": "T", "Email": f"{n}@x.example"}, how=Write(via="seed"))
        for n in "ab"
    ]
    found = [{"record": {"Id": one, "attributes": {"type": "Contact"}}} for one in twins]
    refuse(
        to_salesforce, "DUPLICATES_DETECTED", match=LEAD,
        more={"duplicateResult": {"matchResults": [{"matchRecords": found}]}},
    )  # fmt: skip

    with pytest.raises(ReviewError) as caught:
        to_salesforce.deliver()

    assert {row.remote_id for row in caught.value.candidates} == set(twins)
    assert "match review" in caught.value.hint


def test_a_field_that_staff_mapped_and_that_is_gone_is_the_rules_fault(to_salesforce, org):
    to_salesforce.mappings = (
        MappedField(object_type="Lead", field="Title", source="constant", argument="x", write_mode="always"),
    )  # fmt: skip
    to_salesforce.deliver()
    org.change_field("Lead", remove="Title")
    to_salesforce.mappings = (
        MappedField(object_type="Lead", field="Title", source="constant", argument="y", write_mode="always"),
    )  # fmt: skip

    with pytest.raises(RuleError, match="Lead has no field Title") as caught:
        to_salesforce.deliver(event_id=2)

    assert "Field mapping" in caught.value.hint


# --- answers of other shapes, over real HTTP ---

PAGE = b"<html><body>We are down for maintenance.</body></html>"


class _Answer(BaseHTTPRequestHandler):
    given: tuple[int, str, bytes] = (200, "", b"")

    def do_PATCH(self):
        status, kind, body = self.given
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def answered():
    """Return what a connector reads of an answer with this status and body."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    Thread(target=server.serve_forever, daemon=True).start()

    def ask(status, body=b"", kind="application/json"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        _Answer.given = (status, kind, raw)
        address = f"http://127.0.0.1:{server.server_port}/"
        return read_reply(requests.patch(address, timeout=5), write=True)

    yield ask
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "read"),
    [(204, b"", None), (201, {"id": "1"}, {"id": "1"}), (200, b"", None), (200, [], [])],
)
def test_a_success_is_read_with_or_without_a_body(answered, status, body, read):
    assert answered(status, body).require() == read


@pytest.mark.parametrize(
    ("status", "body", "expected", "words", "hint"),
    [
        (300, ["/services/data/v66.0/sobjects/Event/1"], PermanentError, "HTTP 300", "Keep one"),
        (420, b"", TemporaryError, "HTTP 420", "tried again"),
        (429, b"", ThrottledError, "HTTP 429", "wait"),
        (500, b"", TemporaryError, "HTTP 500", "tried again"),
        (502, PAGE, TemporaryError, "HTTP 502 with a page instead of data", "tried again"),
        (503, PAGE, TemporaryError, "HTTP 503 with a page instead of data", "tried again"),
        (504, b"", TemporaryError, "HTTP 504", "tried again"),
        (200, PAGE, TemporaryError, "HTTP 200 with a page instead of data", "tried again"),
        (403, PAGE, PermanentError, "HTTP 403 with a page instead of data", "exchanges"),
        (404, b"", PermanentError, "HTTP 404", "exchanges"),
        (414, PAGE, PermanentError, "HTTP 414", "report it"),
        (401, PAGE, ConfigurationError, "HTTP 401", "user is active"),
        (400, [], PermanentError, "HTTP 400", "exchanges"),
        (400, [{"errorCode": "STRING_TOO_LONG", "message": "?", "fields": None}], PermanentError, "STRING_TOO_LONG", "shorten"),
        (400, {"message": "x"}, PermanentError, "x", "exchanges"),
    ],
)  # fmt: skip
def test_an_answer_of_any_shape_has_its_class_and_its_words(
    answered, status, body, expected, words, hint
):
    with pytest.raises(expected) as caught:
        answered(status, body).require()

    assert type(caught.value) is expected
    assert words in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("status", [500, 502, 200])
def test_after_a_broken_answer_to_a_write_the_next_try_looks_first(answered, status):
    with pytest.raises(TemporaryError) as caught:
        answered(status, PAGE).require()

    assert caught.value.ambiguous


def test_an_error_inside_a_collection_is_read_by_its_own_name():
    item = [{"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain row", "fields": []}]
    rejected = [{"statusCode": "STRING_TOO_LONG", "message": "too large", "fields": ["Subject"]}]

    locked = as_error(read_problem(status=200, body=item, write=True))
    refused = as_error(read_problem(status=200, body=rejected, write=True))

    assert type(locked) is TemporaryError
    assert not locked.ambiguous
    assert str(refused) == "Salesforce answered STRING_TOO_LONG: too large (fields: Subject)"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, {"error": "invalid_grant", "error_description": "authentication failure"}, ConfigurationError),
        (400, {"error": "unknown_error", "error_description": "retry your request"}, TemporaryError),
        (503, PAGE, TemporaryError),
        (429, b"", ThrottledError),
    ],
)  # fmt: skip
def test_a_refused_log_in_is_an_object(answered, status, body, expected):
    problem = answered(status, body).problem

    error = as_token_error(problem, login="client_credentials")

    assert type(error) is expected
    assert error.hint
    if isinstance(body, dict):
        assert f"{body['error']}: {body['error_description']}" in str(error)
