"""What the org refuses to store: unknown fields, wrong types, long texts, broken links.

Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from integrations.sandbox.clock import parse_time
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.ids import long_id, looks_like_id
from integrations.sandbox.salesforce.schema import Field, ObjectType
from integrations.sandbox.web import Json

if TYPE_CHECKING:
    from integrations.sandbox.salesforce.org import SalesforceOrg

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
LONGEST_EVENT = timedelta(days=14)


def cleaned(org: "SalesforceOrg", kind: ObjectType, values: Json, *, creating: bool) -> Json:
    """Return the values as they will be stored. Raises SalesforceError."""
    checked: Json = {}
    for name, value in values.items():
        if name == "attributes":
            continue
        item = _field(kind, name)
        if not (item.createable if creating else item.updateable):
            raise SalesforceError(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {item.name}. Please check the security settings"
                " of this field and verify that it is read/write for your profile or permission"
                " set.",
                fields=[item.name],
            )
        checked[item.name] = _converted(org, item, value)
    _require(kind, checked, creating=creating)
    return checked


def readable(org: "SalesforceOrg", kind: ObjectType, values: Json) -> None:
    """Refuse what cannot even be read: a field that is not there, a value of another type. Raises SalesforceError."""
    for name, value in values.items():
        if name != "attributes":
            item = _field(kind, name)
            try:
                _converted(org, item, value)
            except SalesforceError as error:
                if error.code == "JSON_PARSER_ERROR":
                    raise


def _field(kind: ObjectType, name: str) -> Field:
    item = kind.find(name)
    if item is None:
        message = f"No such column '{name}' on sobject of type {kind.name}"
        raise SalesforceError("INVALID_FIELD", message)
    return item


def _require(kind: ObjectType, values: Json, *, creating: bool) -> None:
    missing = [
        item.name
        for item in kind.fields.values()
        if item.required and values.get(item.name) is None and (creating or item.name in values)
    ]
    if missing:
        listed = ", ".join(missing)
        raise SalesforceError(
            "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{listed}]", fields=missing
        )


def _converted(org: "SalesforceOrg", item: Field, value: Any) -> Any:
    if value is None or value == "":
        return False if item.type == "boolean" else None
    match item.type:
        case "boolean":
            return _typed(item, value, bool)
        case "int":
            return _typed(item, value, int)
        case "currency" | "double" | "percent":
            return _number(item, float(_typed(item, value, int, float)))
        case "datetime":
            return _datetime(item, value)
        case "date":
            return _date(item, value)
        case "reference":
            return _reference(org, item, _typed(item, value, str))
        case _:
            return _text(item, value)


def _number(item: Field, value: float) -> float:
    if item.precision and abs(value) >= 10 ** (item.precision - item.scale):
        message = f"{item.name}: value outside of valid range on numeric field: {value}"
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", message, fields=[item.name])
    return round(value, item.scale) if item.precision else value


def _typed(item: Field, value: Any, *types: type) -> Any:
    if type(value) not in types:
        raise _unreadable(item, value)
    return value


def _unreadable(item: Field, value: Any) -> SalesforceError:
    what = "VALUE_STRING" if isinstance(value, str) else "VALUE"
    message = f"Cannot deserialize instance of {item.type} from {what} value {value}"
    return SalesforceError("JSON_PARSER_ERROR", message)


def _datetime(item: Field, value: Any) -> str:
    try:
        return stamp(parse_time(_typed(item, value, str)))
    except ValueError as error:
        raise _unreadable(item, value) from error


def _date(item: Field, value: Any) -> str:
    try:
        return date.fromisoformat(_typed(item, value, str)[:10]).isoformat()
    except ValueError as error:
        raise _unreadable(item, value) from error


def stamp(instant: datetime) -> str:
    """Write an instant the way Salesforce does."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _text(item: Field, value: Any) -> str:
    content = str(value) if isinstance(value, int | float) else _typed(item, value, str)
    if item.length and len(content) > item.length:
        message = f"{item.name}: data value too large: {content[:80]} (max length={item.length})"
        raise SalesforceError("STRING_TOO_LONG", message, fields=[item.name])
    if item.type == "email" and not EMAIL.fullmatch(content):
        message = f"{item.name}: invalid email address: {content}"
        raise SalesforceError("INVALID_EMAIL_ADDRESS", message, fields=[item.name])
    chosen = content.split(";") if item.type == "multipicklist" else [content]
    if item.restricted and not set(chosen) <= set(item.choices):
        message = f"{item.name}: bad value for restricted picklist field: {content}"
        raise SalesforceError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=[item.name]
        )
    return str(content).strip()  # Salesforce keeps no blanks around a text


def _reference(org: "SalesforceOrg", item: Field, value: str) -> str:
    if not looks_like_id(value):
        message = f"{item.name}: id value of incorrect type: {value}"
        raise SalesforceError("MALFORMED_ID", message, fields=[item.name])
    key = long_id(value)
    owner = org.object_of(key)
    if owner is None or owner.name not in item.refers_to:
        message = f"{item.name}: id value of incorrect type: {value}"
        raise SalesforceError("FIELD_INTEGRITY_EXCEPTION", message, fields=[item.name])
    if key not in org.records[owner.name]:
        raise SalesforceError(
            "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[item.name]
        )
    if item.name == "OwnerId" and not org.records[owner.name][key].get("IsActive", True):
        message = f"operation performed with inactive user [{key}] as owner"
        raise SalesforceError("INACTIVE_OWNER_OR_USER", message, fields=[item.name])
    if item.name == "AccountId" and org.records[owner.name][key].get("IsPersonAccount"):
        message = "Account ID: a person account cannot have contacts"
        raise SalesforceError("FIELD_INTEGRITY_EXCEPTION", message, fields=[item.name])
    if item.name in {"WhoId", "LeadId"} and org.records[owner.name][key].get("IsConverted"):
        raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    return key


def whole_record(kind: ObjectType, record: Json) -> None:
    """Check and complete what depends on several fields. Raises SalesforceError."""
    if "LastName" in record:
        names = [record.get("FirstName"), record.get("LastName")]
        record["Name"] = " ".join(name for name in names if name)
    if kind.name in {"Event", "Task"}:
        _check_relations(record)
    if kind.name == "Event":
        _complete_event(record)
    if kind.name == "Task":
        record["IsClosed"] = record["Status"] == "Completed"
    if kind.name == "Case":
        record["IsClosed"] = record["Status"] == "Closed"
    if kind.name == "Opportunity":
        record["IsClosed"] = record["StageName"] in {"Closed Won", "Closed Lost"}
        record["IsWon"] = record["StageName"] == "Closed Won"


def _check_relations(record: Json) -> None:
    if str(record.get("WhoId") or "").startswith("00Q") and record.get("WhatId"):
        message = "Related To: cannot be set when the Name is a Lead"
        raise SalesforceError("FIELD_INTEGRITY_EXCEPTION", message, fields=["WhatId"])


def _complete_event(record: Json) -> None:
    start = record["StartDateTime"] or record["ActivityDateTime"]
    if start is None:
        raise SalesforceError(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [ActivityDateTime]",
            fields=["ActivityDateTime"],
        )
    begins = parse_time(start)
    if record["EndDateTime"] is None and record["DurationInMinutes"] is not None:
        record["EndDateTime"] = stamp(begins + timedelta(minutes=record["DurationInMinutes"]))
    if record["EndDateTime"] is None:
        raise SalesforceError(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [DurationInMinutes]",
            fields=["DurationInMinutes"],
        )
    length = parse_time(record["EndDateTime"]) - begins
    if not timedelta(0) <= length <= LONGEST_EVENT:
        message = "Event duration must be between 0 minutes and 14 days"
        raise SalesforceError("FIELD_INTEGRITY_EXCEPTION", message, fields=["EndDateTime"])
    record |= {
        "StartDateTime": start,
        "ActivityDateTime": start,
        "ActivityDate": start[:10],
        "DurationInMinutes": int(length.total_seconds() // 60),
    }
