"""Find the invitee in Salesforce, or create a Lead: never a third record for one address."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from integrations.connectors.base import Record, Step
from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.errors import as_error, read_problem
from integrations.connectors.salesforce.mapping import soql_text
from integrations.errors import TemporaryError

#: Record ids begin with their object's prefix. Source: https://help.salesforce.com/s/articleView?id=000385203
_PREFIXES: Mapping[str, str] = {"003": "Contact", "00Q": "Lead"}
_NEWEST_TWO = "ORDER BY LastModifiedDate DESC LIMIT 2"

Found = tuple[Record, Step]


def find_or_create(
    client: SalesforceClient, lead: Mapping[str, str]
) -> tuple[Record, tuple[Step, ...]]:
    """Return the person with this e-mail address, and what was decided on the way.

    Raises:
        IntegrationError: a look-up failed (which is never "not found"), or the Lead is refused.
    """
    contacts, leads = _look_up(client, lead["Email"])
    ambiguity = tuple(_ambiguity(contacts, leads))
    found = _choose(client, contacts, leads) or _create(client, lead)
    return found[0], (*ambiguity, found[1])


def _look_up(client: SalesforceClient, email: str) -> tuple[list[Any], list[Any]]:
    """Ask for contacts and leads in one call.

    Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
    """
    where = f"WHERE Email = {soql_text(email)} {_NEWEST_TWO}"
    queries = {
        "contacts": f"SELECT Id FROM Contact {where}",  # noqa: S608 - the value is quoted
        "leads": f"SELECT Id, IsConverted, ConvertedContactId FROM Lead {where}",  # noqa: S608 - likewise
    }
    body = {
        "allOrNone": False,
        "compositeRequest": [
            {
                "method": "GET",
                "url": f"{client.data_path}/query?q={quote(soql, safe='')}",
                "referenceId": name,
            }
            for name, soql in queries.items()
        ],
    }
    reply = client.send("POST", f"{client.data_path}/composite", json_body=body)
    answers = _by_reference(reply)
    return answers["contacts"], answers["leads"]


def _by_reference(reply: Reply) -> dict[str, list[Any]]:
    found = {}
    try:
        for answer in reply.require()["compositeResponse"]:
            status, body = int(answer["httpStatusCode"]), answer["body"]
            if status != 200:
                raise as_error(read_problem(status=status, body=body))
            found[answer["referenceId"]] = list(body["records"])
        return {name: found[name] for name in ("contacts", "leads")}
    except (KeyError, TypeError, ValueError) as error:
        raise TemporaryError("Salesforce answered a look-up in an unknown shape.") from error


def _choose(client: SalesforceClient, contacts: list[Any], leads: list[Any]) -> Found | None:
    if contacts:
        return _found(client, contacts[0]["Id"], "a contact has this e-mail address")
    converted = [lead for lead in leads if lead.get("ConvertedContactId")]
    if converted:
        contact = converted[0]["ConvertedContactId"]
        return _found(client, contact, "the lead with this address was converted to it")
    open_leads = [lead for lead in leads if not lead.get("IsConverted")]
    if open_leads:
        return _found(client, open_leads[0]["Id"], "a lead has this e-mail address")
    return None


def _create(client: SalesforceClient, lead: Mapping[str, str]) -> Found:
    """Create a Lead; the organisation's assignment rules choose its owner.

    Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_autoassign.htm
    """
    reply = client.send(
        "POST",
        f"{client.data_path}/sobjects/Lead",
        json_body=dict(lead),
        headers={"Sforce-Auto-Assign": "TRUE"},
    )
    if reply.code == "DUPLICATES_DETECTED":
        matches = sorted(_duplicates(reply))
        if len(matches) == 1 and matches[0][:3] in _PREFIXES:
            return _found(client, matches[0], "a duplicate rule names this record")
    return _found(client, str(reply.require()["id"]), "nobody had this e-mail address: created")


def _duplicates(reply: Reply) -> set[str]:
    """Return the ids that a duplicate rule matched; Salesforce spells the key `duplicateResut`."""
    detail: Mapping[str, Any] = (reply.problem and reply.problem.detail) or {}
    result = detail.get("duplicateResut") or detail.get("duplicateResult") or {}
    return {
        str(match["record"]["Id"])
        for results in result.get("matchResults") or ()
        for match in results.get("matchRecords") or ()
    }


def _found(client: SalesforceClient, record_id: str, reason: str) -> Found:
    object_type = _PREFIXES.get(record_id[:3], "Lead")
    record = Record(
        object_type=object_type, remote_id=record_id, url=client.link(object_type, record_id)
    )
    return record, Step(name="person", detail=f"{object_type} {record_id}: {reason}.")


def _ambiguity(contacts: list[Any], leads: list[Any]) -> Iterator[Step]:
    for name, records in (("contacts", contacts), ("leads", leads)):
        if len(records) > 1:
            yield Step(
                name="ambiguous",
                detail=f"Two or more {name} have this address; the one changed last is used. Merge them.",
            )
