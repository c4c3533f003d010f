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

#: The person that was remembered can no longer be pointed at: deleted, merged, or a lead that was converted.
PERSON_GONE = frozenset(
    {"CANNOT_UPDATE_CONVERTED_LEAD", "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"}
)


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
    "The organisation's API requests of the last 24 hours are used up. Look in Setup > Company Information who uses them.",
    DAILY_LIMIT_PAUSE,
)
_MEND_RECORD = Verdict(
    PermanentError,
    "Salesforce refuses these values. Look at the named fields and at the organisation's validation rules, "
    "required fields and picklists, then retry the delivery.",
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
    "The person in Salesforce is deleted, merged or converted. Restore or correct the record, then retry.",
)
_NO_API = Verdict(
    ConfigurationError,
    "Enable the API for the organisation's edition and 'API Enabled' for the integration user.",
)
_LOG_IN = Verdict(
    ConfigurationError,
    "Salesforce does not accept the log-in. Check the client id, the client secret, and that the External "
    "Client App's Run As user is active.",
)

VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ("UNKNOWN_EXCEPTION", "SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT"),
        _WAIT,
    ),
    "UNABLE_TO_LOCK_ROW": _LOCKED,
    "DUPLICATE_VALUE": Verdict(
        TemporaryError, "Two writers made the same record; the next try updates it.", 1.0
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
        "A duplicate rule blocks the new lead and several records match. Merge them in Salesforce, then retry.",
    ),
    "INVALID_FIELD": Verdict(
        PermanentError,
        "A field does not exist or is hidden from the integration user. Check field-level security of the named "
        "fields.",
    ),
    **dict.fromkeys(
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "FIELD_CUSTOM_VALIDATION_EXCEPTION",
            "FIELD_INTEGRITY_EXCEPTION",
            "INVALID_EMAIL_ADDRESS",
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "INVALID_TYPE_ON_FIELD_IN_RECORD",
            "REQUIRED_FIELD_MISSING",
            "STRING_TOO_LONG",
        ),
        _MEND_RECORD,
    ),
    **dict.fromkeys(("JSON_PARSER_ERROR", "MALFORMED_ID", "MALFORMED_QUERY"), _OURS),
}  # fmt: skip

#: Token errors that pass by themselves; every other refusal of a log-in needs a person.
_PASSING_TOKEN_ERRORS = frozenset({"server_error", "temporarily_unavailable", "unknown_error"})
TOKEN_HINTS: Mapping[str, str] = {
    "invalid_client": "The client secret is wrong or was rotated: copy it again from the External Client App.",
    "invalid_client_id": "The client id is not known at this address: copy it again from the External Client App.",
    "invalid_grant": "Enable the client credentials flow with an active Run As user, and use the My Domain "
    "address (https://<name>.my.salesforce.com) as login URL, not login.salesforce.com.",
    "inactive_user": "The Run As user is inactive: activate it or choose another.",
    "inactive_org": "The organisation is inactive.",
    "unauthorized_client": "The External Client App does not allow the client credentials flow: enable it.",
    "unsupported_grant_type": "The External Client App does not allow the client credentials flow: enable it.",
}


def read_problem(
    *, status: int, body: object, retry_after: float | None = None, write: bool = False
) -> Problem:
    """Return an error answer in one shape, whatever its body: a list, an object, HTML or nothing."""
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, Mapping):
        return Problem(status=status, retry_after=retry_after, write=write)
    return Problem(
        status=status,
        code=str(first.get("errorCode") or first.get("error") or ""),
        message=str(first.get("message") or first.get("error_description") or ""),
        fields=tuple(map(str, first.get("fields") or ())),
        detail=first,
        retry_after=retry_after,
        write=write,
    )


def as_error(problem: Problem) -> IntegrationError:
    """Return the error that says what happens next."""
    verdict = _verdict(problem)
    wait = problem.retry_after if problem.retry_after is not None else verdict.retry_after
    if issubclass(verdict.error, TemporaryError):
        ambiguous = problem.write and problem.status >= 500
        return verdict.error(
            _sentence(problem), hint=verdict.hint, retry_after=wait, ambiguous=ambiguous
        )
    return verdict.error(_sentence(problem), hint=verdict.hint)


def as_token_error(problem: Problem) -> IntegrationError:
    """Return the error that a refused log-in is.

    Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
    """
    if problem.status == 429 or "rate exceeded" in problem.message:
        return ThrottledError(
            _sentence(problem), hint=_WAIT.hint, retry_after=problem.retry_after or 60.0
        )
    if problem.status >= 500 or problem.code in _PASSING_TOKEN_ERRORS:
        return TemporaryError(_sentence(problem), hint=_WAIT.hint, retry_after=problem.retry_after)
    return ConfigurationError(_sentence(problem), hint=TOKEN_HINTS.get(problem.code, _LOG_IN.hint))


def _verdict(problem: Problem) -> Verdict:
    if "UNABLE_TO_LOCK_ROW" in problem.message:  # an Apex trigger reports it under its own code
        return _LOCKED
    if problem.status == 429:
        return _SLOW_DOWN
    if problem.code == "REQUEST_LIMIT_EXCEEDED" and "oncurrent" in problem.message:
        return _CONCURRENT
    return VERDICTS.get(problem.code) or _verdict_of_status(problem.status)


def _verdict_of_status(status: int) -> Verdict:
    if status == 401:
        return _LOG_IN
    if status == 300:
        return Verdict(
            PermanentError,
            "Several Events carry the same external id. Keep one, and mark the field as unique in Setup.",
        )
    # 420 comes from Salesforce's edge network and passes.
    return _WAIT if status >= 500 or status in {408, 420} else _MEND_RECORD


def _sentence(problem: Problem) -> str:
    what = f"{problem.code}: {problem.message}" if problem.code else f"HTTP {problem.status}"
    named = f" (fields: {', '.join(problem.fields)})" if problem.fields else ""
    return f"Salesforce answered {what}{named}"
