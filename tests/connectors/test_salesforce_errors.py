import pytest

from integrations.connectors.salesforce.errors import (
    VERDICTS,
    as_error,
    read_problem,
)
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)

EXPECTED = {
    TemporaryError: """UNKNOWN_EXCEPTION SERVER_UNAVAILABLE UNABLE_TO_LOCK_ROW REQUEST_RUNNING_TOO_LONG
        QUERY_TIMEOUT DUPLICATE_VALUE""",
    ThrottledError: "REQUEST_LIMIT_EXCEEDED CONCURRENT_REQUESTS_LIMIT_EXCEEDED",
    ConfigurationError: """INVALID_SESSION_ID API_DISABLED_FOR_ORG API_CURRENTLY_DISABLED STORAGE_LIMIT_EXCEEDED
        NOT_FOUND INVALID_TYPE""",
    PermanentError: """INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY
        REQUIRED_FIELD_MISSING INVALID_FIELD INVALID_FIELD_FOR_INSERT_UPDATE FIELD_CUSTOM_VALIDATION_EXCEPTION
        FIELD_INTEGRITY_EXCEPTION STRING_TOO_LONG INVALID_EMAIL_ADDRESS INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST
        INVALID_CROSS_REFERENCE_KEY MALFORMED_ID INVALID_TYPE_ON_FIELD_IN_RECORD JSON_PARSER_ERROR MALFORMED_QUERY
        CANNOT_EXECUTE_FLOW_TRIGGER ENTITY_IS_LOCKED FIELD_FILTER_VALIDATION_EXCEPTION INACTIVE_OWNER_OR_USER
        CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY ENTITY_IS_DELETED DUPLICATES_DETECTED DUPLICATE_EXTERNAL_ID CANNOT_UPDATE_CONVERTED_LEAD""",
}
CODES = [(code, error) for error, codes in EXPECTED.items() for code in codes.split()]


def error_for(code, message="", *, status=400, **more):
    body = [{"errorCode": code, "message": message, "fields": []}]
    return as_error(read_problem(status=status, body=body, **more))


def test_the_table_holds_exactly_the_codes_that_are_tested():
    assert {code for code, _ in CODES} == set(VERDICTS)


@pytest.mark.parametrize(("code", "expected"), CODES)
def test_a_code_says_what_happens_next_and_what_to_do(code, expected):
    error = error_for(code, "Because.")

    assert type(error) is expected
    assert error.hint
    assert str(error) == f"Salesforce answered {code}: Because."


def test_the_daily_limit_waits_long_and_the_concurrent_one_does_not():
    daily = error_for("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403)
    concurrent = error_for(
        "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.", status=403
    )

    assert isinstance(daily, ThrottledError)
    assert daily.retry_after == 900
    assert isinstance(concurrent, ThrottledError)
    assert concurrent.retry_after == 10


def test_a_lock_inside_a_trigger_is_temporary():
    error = error_for(
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "X: System.DmlException: UNABLE_TO_LOCK_ROW"
    )

    assert type(error) is TemporaryError


def test_the_fields_are_named():
    body = [
        {"errorCode": "STRING_TOO_LONG", "message": "too large", "fields": ["LastName", "Company"]}
    ]

    error = as_error(read_problem(status=400, body=body))

    assert "(fields: LastName, Company)" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (503, "<html>Maintenance</html>", TemporaryError),
        (500, None, TemporaryError),
        (502, [], TemporaryError),
        (504, {"unexpected": 1}, TemporaryError),
        (420, "", TemporaryError),
        (429, None, ThrottledError),
        (401, "<html>", ConfigurationError),
        (300, ["/services/data/v66.0/sobjects/Event/1", "/services/2"], PermanentError),
        (400, [{"errorCode": "BRAND_NEW_CODE", "message": "?"}], PermanentError),
        (418, None, PermanentError),
        (500, [{"errorCode": "BRAND_NEW_CODE"}], TemporaryError),
    ],
)
def test_any_shape_of_body_is_read(status, body, expected):
    assert type(as_error(read_problem(status=status, body=body))) is expected


def test_a_failed_write_of_the_server_is_ambiguous_and_a_refused_one_is_not():
    failed = error_for("UNKNOWN_EXCEPTION", status=500, write=True)
    refused = error_for("UNABLE_TO_LOCK_ROW", status=400, write=True)

    assert isinstance(failed, TemporaryError)
    assert failed.ambiguous
    assert isinstance(refused, TemporaryError)
    assert not refused.ambiguous
