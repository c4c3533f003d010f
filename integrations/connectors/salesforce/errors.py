"""What Salesforce's error codes mean for us, as data, and the one function that reads them.

Sources: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from integrations.errors import (
    ConfigurationError,
    IntegrationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)

#: Seconds until a used-up daily allowance is tried again: it is a rolling 24 hours, so some comes back at any time.
DAILY_LIMIT_PAUSE = 900.0

#: What the message says of a session that no new log-in mends.
NEVER_HEALS = "not valid for use with the REST API"

#: The person that was remembered can no longer be pointed at: deleted, merged, or a lead that was converted.
PERSON_GONE = frozenset(
    {"CANNOT_UPDATE_CONVERTED_LEAD", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"}
)

#: Salesforce does not take the user as owner: inactive meanwhile, or without the right to read the record.
OWNER_REFUSED = frozenset({"INACTIVE_OWNER_OR_USER", "TRANSFER_REQUIRES_READ"})


class Verdict(NamedTuple):
    """Say what happens next for one error code."""

    error: type[IntegrationError]
    hint: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Hold an answer that is not a success, in one shape. `write` says whether it answered a write."""

    status: int
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    detail: Mapping[str, Any] | None = None
    retry_after: float | None = None
    write: bool = False


_WAIT = Verdict(
    TemporaryError,
    "Nothing to do: it is tried again. If it lasts, see https://status.salesforce.com.",
)
_SLOW_DOWN = Verdict(ThrottledError, "Nothing to do: Salesforce asked us to wait.")
_LOCKED = Verdict(
    TemporaryError, "Someone else is saving the same record; it is tried again.", 10.0
)
_CONCURRENT = Verdict(
    ThrottledError, "Too many requests at once; lower the connection's parallelism.", 10.0
)
_DAILY = Verdict(
    ThrottledError,
    "It goes on by itself when there are more: the organisation's API requests of the last 24 hours are used up. Look in "
    "Setup > Company Information who uses them.",
    DAILY_LIMIT_PAUSE,
)
_UNKNOWN = Verdict(
    PermanentError,
    "Calsync does not know this answer. Look at the delivery's exchanges and at what Salesforce writes about the code; "
    "where its values are the cause, mend them or the field mapping, then retry the delivery.",
)
_REFUSED = Verdict(
    PermanentError,
    "Salesforce refuses these values. Look at the named fields and at the organisation's rules, then retry the delivery.",
)
_AUTOMATION = Verdict(
    PermanentError,
    "An Apex trigger or a flow of the organisation failed at this record; its own words stand above. Have it mended, or "
    "made to leave out the integration user, then retry the delivery.",
)
_POLICY = Verdict(
    PermanentError,
    "A transaction security policy of the organisation stops the integration user. Exempt it (Setup > Transaction "
    "Security Policies), then retry the delivery.",
)
_NO_RIGHT = Verdict(
    PermanentError,
    "The integration user may not change this record. Give its permission set edit access to Lead, Contact "
    "and Event, and share the record with it.",
)
_OURS = Verdict(
    PermanentError,
    "Salesforce did not understand the request. Please report it with this delivery's exchanges.",
)
_GONE = Verdict(
    PermanentError,
    "A record that is pointed at, usually the person, is deleted, merged, converted or hidden from the integration user. "
    "Restore it, or correct the id that a field mapping brings, then retry the delivery.",
)
_NO_API = Verdict(
    ConfigurationError,
    "Enable the API for the organisation's edition and 'API Enabled' for the integration user.",
)
_LOG_IN = Verdict(
    ConfigurationError,
    "Salesforce does not accept the session of a new log-in. Check that the user is active and API Enabled, and that "
    "no session or IP policy of the organization shuts it out; then resume the connection.",
)
_NO_REST = Verdict(
    ConfigurationError,
    "The log-in gives no session for the API. Add the scope 'Manage user data via APIs (api)' to the External Client "
    "App, log in anew, then resume the connection.",
)

_TWO_EVENTS = Verdict(
    PermanentError,
    "Several Events carry the same external id. Keep one, and mark the field as unique in Setup.",
)

VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ("UNKNOWN_EXCEPTION", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT"),
        _WAIT,
    ),
    "UNABLE_TO_LOCK_ROW": _LOCKED,
    "DUPLICATE_VALUE": Verdict(
        TemporaryError,
        "Two writers made the same record, and the next try updates it. If it lasts, another record holds what a unique field "
        "shall get: the message names it.",
        1.0,
    ),
    "REQUEST_LIMIT_EXCEEDED": _DAILY,
    "CONCURRENT_REQUESTS_LIMIT_EXCEEDED": _CONCURRENT,
    "STORAGE_LIMIT_EXCEEDED": Verdict(
        ConfigurationError,
        "The organisation's data storage is full. Free some (Setup > Storage Usage), then resume the connection.",
    ),
    **dict.fromkeys(("API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"), _NO_API),
    "INVALID_SESSION_ID": _LOG_IN,
    "NOT_FOUND": Verdict(
        ConfigurationError,
        "Run the connection's check: the external id field on Event is missing or hidden from the integration "
        "user, or the API version is not offered.",
    ),
    "INVALID_TYPE": Verdict(
        ConfigurationError, "Give the integration user access to the objects Lead, Contact and Event."
    ),
    **dict.fromkeys(
        ("INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"),
        _NO_RIGHT,
    ),
    **dict.fromkeys(PERSON_GONE, _GONE),
    "DUPLICATES_DETECTED": Verdict(
        PermanentError,
        "A duplicate rule blocks it: another record is like this one. Merge the two in Salesforce, or let the rule leave out "
        "the integration user, then retry the delivery.",
    ),
    "DUPLICATE_EXTERNAL_ID": _TWO_EVENTS,  # what a call for many says where a single one answers 300
    "INVALID_FIELD": Verdict(
        PermanentError,
        "A field does not exist or is hidden from the integration user. Check field-level security of the named "
        "fields.",
    ),
    **dict.fromkeys(
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"), _AUTOMATION
    ),
    "ENTITY_IS_LOCKED": Verdict(
        PermanentError,
        "The record is locked by an approval process. Unlock or approve it in Salesforce, then retry the delivery.",
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": Verdict(
        PermanentError,
        "A validation rule of the organisation refuses the record; its own words stand above. Fill what it asks for by the "
        "field mapping, or let the rule leave out the integration user, then retry the delivery.",
    ),
    "FIELD_FILTER_VALIDATION_EXCEPTION": Verdict(
        PermanentError,
        "A look-up filter does not allow the record that a field points at. Mend the filter or the field mapping, then retry "
        "the delivery.",
    ),
    "FIELD_INTEGRITY_EXCEPTION": Verdict(
        PermanentError,
        "The values contradict each other or the record they point at, as the message says. Mend the field mapping, then "
        "retry the delivery.",
    ),
    "INACTIVE_OWNER_OR_USER": Verdict(
        PermanentError,
        "The owner is an inactive user. Give the record, or the assignment rule, an active one, then retry the delivery.",
    ),
    "INVALID_EMAIL_ADDRESS": Verdict(
        PermanentError,
        "Salesforce does not take the e-mail address as it was typed. Have the invitee book with a right one; where another "
        "answer is mapped to the field, map the invitee's address and retry the delivery.",
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": Verdict(
        PermanentError,
        "The named fields cannot be written here: read-only, or not for the integration user. Give it edit access, or take "
        "them out of the field mapping, then retry the delivery.",
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": Verdict(
        PermanentError,
        "The value is not on the field's list, or not for this record type. Add it to the list, or choose another in the field "
        "mapping (Lead Source: the setting lead_source), then retry the delivery.",
    ),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": Verdict(
        PermanentError,
        "A field is of another type than its value. Open 'Field mapping' on the connection's page, which checks each row anew, "
        "mend it, then retry the delivery.",
    ),
    "REQUIRED_FIELD_MISSING": Verdict(
        PermanentError,
        "The organisation asks for fields that nothing fills. Fill the named fields by 'Field mapping' on the connection's "
        "page, or make them optional for the integration user, then retry the delivery.",
    ),
    "STRING_TOO_LONG": Verdict(
        PermanentError,
        "A text is longer than its field. Lengthen the named field, or shorten what the field mapping brings, then retry the "
        "delivery.",
    ),
    **dict.fromkeys(("JSON_PARSER_ERROR", "MALFORMED_ID", "MALFORMED_QUERY"), _OURS),
}  # fmt: skip


def read_problem(
    *, status: int, body: object, retry_after: float | None = None, write: bool = False
) -> Problem:
    """Return an error answer in one shape, whatever its body: a list, an object, HTML or nothing."""
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, Mapping):
        page = (
            f"HTTP {status} with a page instead of data" if isinstance(body, str) and body else ""
        )
        return Problem(status=status, message=page, retry_after=retry_after, write=write)
    return Problem(
        status=status,
        code=_code(first),
        message=str(first.get("message") or first.get("error_description") or ""),
        fields=tuple(map(str, first.get("fields") or ())),
        detail=first,
        retry_after=retry_after,
        write=write,
    )


def _code(error: Mapping[str, Any]) -> str:
    """Return the error code, which each kind of answer calls by another name: single, collection, log-in."""
    named = (error.get(name) for name in ("errorCode", "statusCode", "error"))
    return next((name for name in named if name and isinstance(name, str)), "")


def as_error(problem: Problem) -> IntegrationError:
    """Return the error that says what happens next."""
    verdict = _verdict(problem)
    wait = problem.retry_after if problem.retry_after is not None else verdict.retry_after
    if issubclass(verdict.error, TemporaryError):
        ambiguous = problem.write and problem.status >= 500
        return verdict.error(
            sentence(problem), hint=verdict.hint, retry_after=wait, ambiguous=ambiguous
        )
    return verdict.error(sentence(problem), hint=verdict.hint)


def _verdict(problem: Problem) -> Verdict:
    if "UNABLE_TO_LOCK_ROW" in problem.message:  # an Apex trigger reports it under its own code
        return _LOCKED
    if problem.status == 429:
        return _SLOW_DOWN
    if NEVER_HEALS in problem.message:
        return _NO_REST
    if problem.code == "REQUEST_LIMIT_EXCEEDED" and "oncurrent" in problem.message:
        return _CONCURRENT
    if problem.code.startswith("CONCURRENT_"):
        return _CONCURRENT
    if problem.code.startswith("TXN_SECURITY_"):
        return _POLICY
    return VERDICTS.get(problem.code) or _verdict_of_status(problem)


def _verdict_of_status(problem: Problem) -> Verdict:
    match problem.status:
        case 401:
            return _LOG_IN
        case 300:
            return _TWO_EVENTS
        case 408 | 420:  # 420 comes from Salesforce's edge network and passes
            return _WAIT
        case 405 | 411 | 413 | 414 | 415 | 431:
            return _OURS
    if problem.status >= 500:
        return _WAIT
    return _REFUSED if problem.fields else _UNKNOWN


def sentence(problem: Problem) -> str:
    """Return what Salesforce answered, for people."""
    said = problem.message or f"HTTP {problem.status}"
    what = f"{problem.code}: {said}" if problem.code else said
    named = f" (fields: {', '.join(problem.fields)})" if problem.fields else ""
    return f"Salesforce answered {what}{named}"
