"""Calls for single records: describe, query, create, read, update, upsert, delete.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/
"""

import secrets
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from integrations.sandbox.salesforce.call import Call
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.org import Write
from integrations.sandbox.salesforce.schema import Field, ObjectType
from integrations.sandbox.salesforce.soql import Parser
from integrations.sandbox.web import Json, reply

VERSIONS = [(f"{number}.0", f"Release {number}") for number in range(58, 69)]


def versions() -> Response:
    """List the API versions; this needs no token."""
    rows = [
        {"label": label, "url": f"/services/data/v{number}", "version": number}
        for number, label in VERSIONS
    ]
    return reply(rows)


def resources(call: Call) -> Response:
    """List the resources of a version."""
    names = ("sobjects", "query", "composite", "limits")
    return reply({name: f"{call.root}/{name}" for name in names})


def limits(call: Call) -> Response:
    """Return the daily request limit and what is left of it."""
    most = call.org.config.salesforce_daily_limit
    left = max(0, most - call.org.calls)
    return reply({"DailyApiRequests": {"Max": most, "Remaining": left}})


def objects(call: Call) -> Response:
    """List the objects."""
    kinds = call.org.objects.values()
    return reply(
        {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [kind.summary() for kind in kinds]}
    )


def describe(call: Call, name: str) -> Response:
    """Describe an object, or answer 304 if it has not changed since the caller looked."""
    kind, changed = call.org.object(name), call.org.schema_changed_at
    since = parse_date(call.request.headers.get("If-Modified-Since"))
    if since is not None and changed <= since:
        return Response(status=304)
    headers = {"Last-Modified": format_datetime(changed, usegmt=True)}
    return reply(kind.describe(), headers=headers)


def query(call: Call) -> Response:
    """Run a SOQL query."""
    return _run(call, with_deleted=False)


def query_all(call: Call) -> Response:
    """Run a SOQL query that also finds what was deleted or merged away."""
    return _run(call, with_deleted=True)


def _run(call: Call, *, with_deleted: bool) -> Response:
    text = call.request.args.get("q", "")

    def rows(kind: ObjectType) -> list[Json]:
        living = list(call.org.records[kind.name].values())
        return living + (call.org.deleted_of(kind) if with_deleted else [])

    parsed = Parser(
        text, lambda name: call.org.objects.get(name.lower()), rows, now=call.org.clock.now()
    ).parse()
    found = parsed.run(rows(parsed.kind))
    if parsed.fields is None:
        return reply({"totalSize": len(found), "done": True, "records": []})
    locator = f"01g{secrets.token_hex(6)}"
    call.org.cursors[locator] = [call.shown(parsed.kind.name, row, parsed.fields) for row in found]
    return _batch(call, locator, start=0)


def query_more(call: Call, locator: str, start: int) -> Response:
    """Return the next batch of a query."""
    if locator not in call.org.cursors:
        raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _batch(call, locator, start=start)


def _batch(call: Call, locator: str, *, start: int) -> Response:
    rows = call.org.cursors[locator]
    end = start + call.org.config.salesforce_query_page
    answer: Json = {
        "totalSize": len(rows),
        "done": end >= len(rows),
        "records": rows[start:end],
    }
    if answer["done"]:
        del call.org.cursors[locator]
        return reply(answer)
    return reply(answer | {"nextRecordsUrl": f"{call.root}/query/{locator}-{end}"})


def success(key: str, *, created: bool | None = None) -> Json:
    """Return the answer to a write; `created` only for upserts."""
    answer: Json = {"id": key, "success": True, "errors": []}
    return answer if created is None else answer | {"created": created}


def create(call: Call, name: str) -> Response:
    """Create a record."""
    key = call.org.create(name, call.body(), how=call.how("create"))
    location = f"{call.root}/sobjects/{name}/{key}"
    return reply(success(key), status=201, headers={"Location": location})


def read(call: Call, name: str, key: str) -> Response:
    """Return a record by id."""
    record = call.org.get(name, key)
    return reply(call.shown(call.org.object(name).name, record, _fields(call, name)))


def _fields(call: Call, name: str) -> list[str] | None:
    asked = call.request.args.get("fields")
    if asked is None:
        return None
    kind = call.org.object(name)
    found = [(one, kind.find(one.strip())) for one in asked.split(",")]
    for one, item in found:
        if item is None:
            raise SalesforceError("INVALID_FIELD", f"No such column '{one}' on {kind.name}")
    return [item.name for _, item in found if item]


def update(call: Call, name: str, key: str) -> Response:
    """Change a record by id."""
    call.org.update(name, key, call.body(), how=call.how("update"))
    return Response(status=204)


def delete(call: Call, name: str, key: str) -> Response:
    """Delete a record by id."""
    call.org.delete(name, key)
    return Response(status=204)


def external_field(kind: ObjectType, name: str) -> Field:
    """Return a field that may identify records. Raises SalesforceError NOT_FOUND."""
    item = kind.find(name)
    if item is None or not (item.external_id or item.name == "Id"):
        message = f"Provided external ID field does not exist or is not accessible: {name}"
        raise SalesforceError("NOT_FOUND", message)
    return item


def matches(call: Call, name: str, field: str, value: str) -> list[Json]:
    """Return the records with an external id."""
    kind = call.org.object(name)
    return call.org.find(kind, external_field(kind, field), value)


def _several(call: Call, name: str, rows: list[Json]) -> Response:
    return reply([f"{call.root}/sobjects/{name}/{row['Id']}" for row in rows], status=300)


def read_external(call: Call, name: str, field: str, value: str) -> Response:
    """Return a record by external id; 300 if there are several."""
    rows = matches(call, name, field, value)
    if len(rows) > 1:
        return _several(call, name, rows)
    if not rows:
        raise SalesforceError("NOT_FOUND")
    return reply(call.shown(call.org.object(name).name, rows[0], _fields(call, name)))


def delete_external(call: Call, name: str, field: str, value: str) -> Response:
    """Delete a record by external id; 300 if there are several."""
    rows = matches(call, name, field, value)
    if len(rows) > 1:
        return _several(call, name, rows)
    if not rows:
        raise SalesforceError("NOT_FOUND")
    return delete(call, name, rows[0]["Id"])


def upsert(call: Call, name: str, field: str, value: str) -> Response:
    """Create or change the record with an external id; 300 if there are several."""
    body, rows = call.body(), matches(call, name, field, value)
    if field.lower() in {key.lower() for key in body}:
        message = f"The {field} field should not be specified in the sobject data."
        raise SalesforceError("INVALID_FIELD", message, fields=[field])
    if len(rows) > 1:
        return _several(call, name, rows)
    if not rows and call.request.args.get("updateOnly", "").lower() == "true":
        raise SalesforceError("NOT_FOUND")
    key, created = save(call, name, field, value, body, rows=rows, how=call.how("upsert"))
    location = f"{call.root}/sobjects/{name}/{quote(key)}"
    status, headers = (201, {"Location": location}) if created else (200, {})
    return reply(success(key, created=created), status=status, headers=headers)


def save(
    call: Call,
    name: str,
    field: str,
    value: str,
    values: dict[str, Any],
    *,
    rows: list[Json],
    how: Write,
) -> tuple[str, bool]:
    """Update the one record found, or create one; return its id and whether it is new."""
    if rows:
        key = str(rows[0]["Id"])
        call.org.update(name, key, values, how=how)
        return key, False
    kind = call.org.object(name)
    item = external_field(kind, field)
    if item.name == "Id":
        raise SalesforceError("NOT_FOUND")
    return call.org.create(name, {**values, item.name: value}, how=how), True
