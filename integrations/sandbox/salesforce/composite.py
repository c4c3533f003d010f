"""Calls that carry several records: collections and composite.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/
resources_composite_composite.htm and resources_composite_sobjects_collections.htm
"""

import json
import re
from collections.abc import Callable
from typing import Any

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from integrations.sandbox.salesforce import checks
from integrations.sandbox.salesforce.call import Call
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.sobjects import external_field, matches, save, success
from integrations.sandbox.web import Json, reply

MAX_RECORDS = 200
MAX_SUBREQUESTS = 25
#: Of those at most so many may be queries or collections.
MAX_QUERIES = 5
QUERY = re.compile(r"/services/data/v[\d.]+/(query(All)?|composite/sobjects)\b")
REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
SUCCESSFUL = range(200, 300)
Perform = Callable[[Request], Response]


def upsert_all(call: Call, name: str, field: str) -> Response:
    """Upsert up to 200 records of one object by external id."""
    external_field(call.org.object(name), field)
    return _collection(call, lambda record: _upsert(call, name, field, record))


def create_all(call: Call) -> Response:
    """Create up to 200 records."""
    return _collection(call, lambda record: _create(call, record))


def update_all(call: Call) -> Response:
    """Change up to 200 records by their ids."""
    return _collection(call, lambda record: _update(call, record))


def _collection(call: Call, write: Callable[[Json], Json]) -> Response:
    """Write each record for itself; a body that cannot be read as a whole is refused, and nothing is written."""
    body = call.body()
    records = body.get("records")
    if not isinstance(records, list) or not records:
        raise SalesforceError("JSON_PARSER_ERROR", "records is missing")
    if len(records) > MAX_RECORDS:
        message = f"The maximum number of records is {MAX_RECORDS}"
        raise SalesforceError("EXCEEDED_MAX_SIZE_REQUEST", message)
    for record in records:
        _readable(call, record)
    undo = call.org.snapshot() if body.get("allOrNone") else None
    results = [_result(write, record) for record in records]
    if undo is not None and not all(result["success"] for result in results):
        call.org.restore(undo)
        results = [_rolled_back(result) for result in results]
    return reply(results)


def _readable(call: Call, record: Any) -> None:
    kind = call.org.objects.get(_kind(dict(record)).lower())
    if kind is not None:
        checks.readable(call.org, kind, record)


def _result(write: Callable[[Json], Json], record: Any) -> Json:
    try:
        return write(dict(record))
    except SalesforceError as error:
        return {"success": False, "errors": [error.in_collection()]}


def _rolled_back(result: Json) -> Json:
    if not result["success"]:
        return result
    error = SalesforceError(
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using"
        " AllOrNone header",
    )
    return {"success": False, "errors": [error.in_collection()]}


def _kind(record: Json) -> str:
    return str((record.get("attributes") or {}).get("type") or "")


def _upsert(call: Call, name: str, field: str, record: Json) -> Json:
    if _kind(record).lower() != name.lower():
        raise SalesforceError("INVALID_TYPE", f"sObject type '{_kind(record)}' is not {name}.")
    spelled = next((key for key in record if key.lower() == field.lower()), field)
    value = record.pop(spelled, None)
    if not value:
        raise SalesforceError("MISSING_ARGUMENT", f"{field} not specified", fields=[field])
    rows = matches(call, name, field, str(value))
    if len(rows) > 1:
        listed = ", ".join(row["Id"] for row in rows)
        message = f"{field}: more than one record found for external id field: [{listed}]"
        raise SalesforceError("DUPLICATE_EXTERNAL_ID", message)
    how = call.how("collection upsert")
    key, created = save(call, name, field, str(value), record, rows=rows, how=how)
    return success(key, created=created)


def _create(call: Call, record: Json) -> Json:
    return success(call.org.create(_kind(record), record, how=call.how("collection create")))


def _update(call: Call, record: Json) -> Json:
    key = str(record.pop("Id", record.pop("id", "")))
    call.org.update(_kind(record), key, record, how=call.how("collection update"))
    return success(key)


def composite(call: Call, perform: Perform) -> Response:
    """Run up to 25 calls in order; later ones may use answers of earlier ones."""
    body = call.body()
    parts = body.get("compositeRequest") or []
    if not isinstance(parts, list) or len(parts) > MAX_SUBREQUESTS:
        message = f"The limit of {MAX_SUBREQUESTS} subrequests is exceeded"
        raise SalesforceError("LIMIT_EXCEEDED", message)
    if sum(bool(QUERY.match(str(part.get("url")))) for part in parts) > MAX_QUERIES:
        message = f"The limit of {MAX_QUERIES} query and collection subrequests is exceeded"
        raise SalesforceError("LIMIT_EXCEEDED", message)
    undo = call.org.snapshot() if body.get("allOrNone") else None
    answers: dict[str, Json] = {}
    for part in parts:
        stopped = undo is not None and not _fine(answers)
        reference = str(part.get("referenceId"))
        answers[reference] = _halted(reference) if stopped else _run(part, answers, perform)
    if undo is not None and not _fine(answers):
        call.org.restore(undo)
        answers = {
            name: _halted(name) if answer["httpStatusCode"] in SUCCESSFUL else answer
            for name, answer in answers.items()
        }
    return reply({"compositeResponse": list(answers.values())})


def _fine(answers: dict[str, Json]) -> bool:
    return all(answer["httpStatusCode"] in SUCCESSFUL for answer in answers.values())


def _halted(reference: str) -> Json:
    error = SalesforceError(
        "PROCESSING_HALTED", "The transaction was rolled back since another operation failed."
    )
    return _answer(reference, 400, error.body())


def _answer(reference: str, status: int, body: Any, headers: Json | None = None) -> Json:
    return {
        "body": body,
        "httpHeaders": headers or {},
        "httpStatusCode": status,
        "referenceId": reference,
    }


def _run(part: Json, answers: dict[str, Json], perform: Perform) -> Json:
    reference = str(part.get("referenceId"))
    try:
        url = str(_filled(part.get("url", ""), answers))
        content = _filled(part.get("body"), answers)
    except LookupError:
        message = "Invalid reference specified. No value for it in an earlier answer."
        error = SalesforceError("PROCESSING_HALTED", message)
        return _answer(reference, 400, error.body())
    response = perform(_request(part, url=url, content=content))
    text = response.get_data(as_text=True)
    headers = {"Location": response.headers["Location"]} if "Location" in response.headers else {}
    return _answer(reference, response.status_code, json.loads(text) if text else None, headers)


def _request(part: Json, *, url: str, content: Any) -> Request:
    path, _, query = url.partition("?")
    builder = EnvironBuilder(
        path=path,
        query_string=query,
        method=str(part.get("method", "GET")).upper(),
        headers=part.get("httpHeaders") or {},
        data=json.dumps(content) if content is not None else None,
        content_type="application/json",
    )
    try:
        return builder.get_request()
    finally:
        builder.close()


def _filled(value: Any, answers: dict[str, Json]) -> Any:
    """Put earlier answers in place of `@{reference.path}`. Raises LookupError."""
    if isinstance(value, dict):
        return {name: _filled(item, answers) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, answers) for item in value]
    if not isinstance(value, str):
        return value
    whole = REFERENCE.fullmatch(value)
    if whole:
        return _referred(whole, answers)
    return REFERENCE.sub(lambda match: str(_referred(match, answers)), value)


def _referred(match: re.Match[str], answers: dict[str, Json]) -> Any:
    answer = answers[match[1]]
    if answer["httpStatusCode"] not in SUCCESSFUL:
        raise LookupError(match[0])
    found = answer["body"]
    for name, number in STEP.findall(match[2]):
        if not isinstance(found, dict | list):
            raise LookupError(match[0])
        found = found[int(number)] if number and isinstance(found, list) else found[name]
    return found
