"""The org's duplicate rule: people with the same e-mail address.

`salesforce_duplicate_rule` is "off", "alert" (a header may allow the save) or "block".
Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/
headers_duplicaterules.htm
"""

from typing import TYPE_CHECKING

from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.schema import ObjectType
from integrations.sandbox.web import Json

if TYPE_CHECKING:
    from integrations.sandbox.salesforce.org import SalesforceOrg

PEOPLE = ("Lead", "Contact")
RULE = "Same_Email"
# Salesforce spells it so in its answers; some API versions are said to spell it in full.
RESULT_KEY = "duplicateResut"
QUESTION = "Use one of these records?"


def check(org: "SalesforceOrg", kind: ObjectType, values: Json, *, allow: bool) -> None:
    """Refuse a person who is already there. Raises SalesforceError DUPLICATES_DETECTED."""
    mode = org.config.salesforce_duplicate_rule
    if mode == "off" or kind.name not in PEOPLE or (mode == "alert" and allow):
        return
    email = str(values.get("Email") or "").lower()
    found = {name: _matches(org, name, email) for name in PEOPLE} if email else {}
    if any(found.values()):
        raise SalesforceError(
            "DUPLICATES_DETECTED",
            QUESTION,
            more={RESULT_KEY: _result(kind, found, allow_save=mode == "alert")},
        )


def _matches(org: "SalesforceOrg", name: str, email: str) -> list[str]:
    rows = org.records[name].values()
    return [row["Id"] for row in rows if (row["Email"] or "").lower() == email]


def _result(kind: ObjectType, found: dict[str, list[str]], *, allow_save: bool) -> Json:
    return {
        "allowSave": allow_save,
        "duplicateRule": RULE,
        "duplicateRuleEntityType": kind.name,
        "errorMessage": QUESTION,
        "matchResults": [_match(name, keys) for name, keys in found.items() if keys],
    }


def _match(name: str, keys: list[str]) -> Json:
    return {
        "entityType": name,
        "errors": [],
        "matchEngine": "ExactMatchEngine",
        "matchRecords": [_record(name, key) for key in keys],
        "rule": RULE,
        "size": len(keys),
        "success": True,
    }


def _record(name: str, key: str) -> Json:
    return {
        "additionalInformation": [],
        "fieldDiffs": [],
        "matchConfidence": 100.0,
        "record": {"attributes": {"type": name}, "Id": key},
    }
