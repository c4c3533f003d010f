"""Ask Salesforce who an invitee may be: every look-up in one call, and a failed one is never "not found"."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.errors import as_error, read_problem
from integrations.connectors.salesforce.findings import Hit
from integrations.connectors.salesforce.identifiers import PREFIXES, object_of
from integrations.connectors.salesforce.mapping import soql_text
from integrations.errors import TemporaryError

#: What tells a record from its likes, and where it has gone.
_FIELDS: Mapping[str, str] = {
    "Contact": "Id, Name, Account.Name, Owner.Name, LastModifiedDate",
    "Lead": "Id, Name, Company, Owner.Name, LastModifiedDate, IsConverted, ConvertedContactId",
    "Account": "Id, Name, Website, Owner.Name, LastModifiedDate",
}
_ENDED = "IsDeleted, MasterRecordId"
#: The most that are shown to choose from.
MOST = 20
_NEWEST = "ORDER BY LastModifiedDate DESC"
#: Queries that one composite call takes.
_QUERIES = 5

#: A query that we may not make, or that names what there is not.
_REFUSED = frozenset({400, 403, 404})

#: How users and Events are asked for; of users, those who are no guests of a portal.
USERS, STAFF = "SELECT Id, Name, Email, IsActive FROM User WHERE", " AND UserType = 'Standard'"
EVENTS = "SELECT Id, OwnerId FROM Event WHERE"

Query = tuple[str, str]  # the resource and the SOQL
Found = Mapping[str, tuple[Hit, ...]]
#: What each object's query answers.
BY_ADDRESS: Mapping[str, str] = {"Contact": "contacts", "Lead": "leads"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """Hold what is looked for.

    `asked` is what `matching.look_ups` names. `key` names the meeting in an external id field; `refused` ids are
    left out. `host` is an address whose users are asked for, `event_id` an Event whose owner is.
    """

    asked: Mapping[str, str]
    key: str = ""
    refused: tuple[str, ...] = ()
    person_accounts: bool = False
    host: str = ""
    event_id: str = ""

    @property
    def ids(self) -> frozenset[str]:
        """Return the records that are asked for by their ids."""
        return frozenset((*self.asked.get("link", "").split(), *self.gone))

    @property
    def gone(self) -> frozenset[str]:
        """Return what was found gone, of which something may have come."""
        return frozenset(self.asked.get("after", "").split())


def look_up(client: SalesforceClient, inquiry: Inquiry) -> Found:
    """Return what was found under each name of `matching.look_ups`, in one call.

    Raises:
        IntegrationError: a look-up failed.
    """
    asked = dict(queries(inquiry))
    rows = _ask_of(client, asked, inquiry) if asked else {}
    by_id = [_hit(row) for kind in PREFIXES.values() for row in rows.get(f"{kind}ById", ())]
    return {
        "link": tuple(hit for hit in by_id if hit.id == inquiry.asked.get("link")),
        "after": tuple(hit for hit in by_id if hit.id in inquiry.gone),
        "external": tuple(
            _hit(row) for kind in BY_ADDRESS for row in rows.get(kind, ()) if _has_key(row, inquiry)
        ),
        "contacts": _by_address(rows.get("Contact", ()), inquiry),
        "leads": _by_address(rows.get("Lead", ()), inquiry),
        "accounts": tuple(_hit(row) for row in rows.get("Account", ())),
        "users": tuple(_user(row) for row in rows.get("User", ())),
        "event": tuple(_event(row) for row in rows.get("Event", ())),
    }


def read(
    client: SalesforceClient, ids: Iterable[str], *, person_accounts: bool = False
) -> tuple[Hit, ...]:
    """Return the records with these ids as they are now, also what ended and where it went; one call.

    Raises:
        IntegrationError: a look-up failed.
    """
    asked = {"after": " ".join(sorted(ids))}
    return look_up(client, Inquiry(asked=asked, person_accounts=person_accounts))["after"]


def _has_key(row: Mapping[str, Any], inquiry: Inquiry) -> bool:
    value = row.get(inquiry.asked.get("external", "")) or ""
    return bool(value) and str(value).casefold() == inquiry.key.casefold()


def _by_address(rows: Iterable[Mapping[str, Any]], inquiry: Inquiry) -> tuple[Hit, ...]:
    """Keep what has the address; what has neither, as we compare it, was found by it, as Salesforce does."""
    email = inquiry.asked.get("contacts", inquiry.asked.get("leads", "")).casefold()
    found = (
        row
        for row in rows
        if str(row.get("Email") or "").casefold() == email or not _has_key(row, inquiry)
    )
    return tuple(_hit(row) for row in found)


def queries(inquiry: Inquiry) -> Iterator[tuple[str, Query]]:
    """Yield one query for each object, one for those of its records that are known by id, and those about the owner."""
    for kind, name in BY_ADDRESS.items():
        where = _where(inquiry, email=inquiry.asked.get(name, ""))
        if where:
            more = "".join(
                f", {field}" for field in ("Email", inquiry.asked.get("external")) if field
            )
            yield kind, ("query", _select(kind, where, inquiry, more=more))
    domain = inquiry.asked.get("accounts")
    if domain:
        like = f"Website LIKE {soql_text(f'%{domain}%')}"
        where = f"{like}{_without(inquiry)}{companies_only(inquiry)}"
        yield "Account", ("query", _select("Account", where, inquiry))
    yield from _by_ids(inquiry)
    yield from _about_owner(inquiry)


def _about_owner(inquiry: Inquiry) -> Iterator[tuple[str, Query]]:
    """Ask for the host's users, none of whom is a guest of a portal, and for the owner of the Event."""
    if inquiry.host:
        where = f"Email = {soql_text(inquiry.host)}{STAFF}"
        yield "User", ("query", f"{USERS} {where} LIMIT {MOST}")
    if inquiry.event_id:
        yield "Event", ("query", f"{EVENTS} Id = {soql_text(inquiry.event_id)}")


def _where(inquiry: Inquiry, *, email: str) -> str:
    field = inquiry.asked.get("external")
    tests = [f"Email = {soql_text(email)}"] if email else []
    tests += [f"{field} = {soql_text(inquiry.key)}"] if field else []
    return f"({' OR '.join(tests)}){_without(inquiry)}" if tests else ""


def _by_ids(inquiry: Inquiry) -> Iterator[tuple[str, Query]]:
    """Ask for records by id, deleted ones too: a merged record tells which one was kept.

    Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_queryall.htm
    """
    for kind in PREFIXES.values():
        ids = sorted(one for one in inquiry.ids if object_of(one) == kind)
        if ids and (kind != "Account" or inquiry.person_accounts):
            where = f"Id IN ({', '.join(map(soql_text, ids))})"
            selected = _select(kind, where, inquiry, more=ended_fields(kind))
            yield f"{kind}ById", ("queryAll", selected)


def around(kind: str, inquiry: Inquiry, *, more: str = "") -> tuple[str, str]:
    """Return what stands before and behind the conditions of a query for an object, without a bound."""
    shadow = ", IsPersonAccount" if inquiry.person_accounts and kind != "Lead" else ""
    return f"SELECT {_FIELDS[kind]}{shadow}{more} FROM {kind} WHERE", _NEWEST  # noqa: S608 - values are quoted


def ended_fields(kind: str) -> str:
    """Return the columns that tell where a record has gone."""
    return f", {_ENDED}" + (", PersonContactId" if kind == "Account" else "")


def companies_only(inquiry: Inquiry) -> str:
    """Return the condition that leaves out Accounts that are people."""
    return " AND IsPersonAccount = false" if inquiry.person_accounts else ""


def _select(kind: str, where: str, inquiry: Inquiry, *, more: str = "") -> str:
    before, behind = around(kind, inquiry, more=more)
    return f"{before} {where} {behind} LIMIT {MOST}"


def _without(inquiry: Inquiry) -> str:
    refused = ", ".join(map(soql_text, inquiry.refused))
    return f" AND Id NOT IN ({refused})" if refused else ""


def ask(
    client: SalesforceClient, asked: Mapping[str, Query], *, optional: Collection[str] = ()
) -> dict[str, list[Any]]:
    """Return the rows of each query: five a call, which is all that it takes; its 200 wraps the failures.

    `optional` ones that Salesforce refuses are left out.

    Raises:
        IntegrationError: one of the others failed.

    Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
    """
    path = f"{client.data_path}/composite"
    found: dict[str, list[Any]] = {}
    for part in _calls(asked):
        body = composite(client.data_path, part)
        reply = client.send("POST", path, json_body=body, reads=True)
        found |= _by_reference(reply, part, optional=optional)
    return found


def _ask_of(
    client: SalesforceClient, asked: Mapping[str, Query], inquiry: Inquiry
) -> dict[str, list[Any]]:
    """Ask what an inquiry needs, which may travel with those of others."""
    found: dict[str, list[Any]] = {}
    for part in _calls(asked):
        reply = client.look_up(composite(client.data_path, part), inquiry=inquiry)
        found |= _by_reference(reply, part)
    return found


def _calls(asked: Mapping[str, Query]) -> Iterator[dict[str, Query]]:
    names = list(asked)
    for at in range(0, len(names), _QUERIES):
        yield {name: asked[name] for name in names[at : at + _QUERIES]}


def composite(data_path: str, asked: Mapping[str, Query]) -> dict[str, Any]:
    """Return the body of a call that asks all queries."""
    parts = [
        {
            "method": "GET",
            "url": f"{data_path}/{resource}?q={quote(soql, safe='')}",
            "referenceId": reference,
        }
        for reference, (resource, soql) in asked.items()
    ]
    return {"allOrNone": False, "compositeRequest": parts}


def _by_reference(
    reply: Reply, wanted: Iterable[str], *, optional: Collection[str] = ()
) -> dict[str, list[Any]]:
    try:
        found = {answer["referenceId"]: answer for answer in reply.require()["compositeResponse"]}
        return {
            reference: _records(found[reference])
            for reference in wanted
            if reference not in optional or found[reference]["httpStatusCode"] not in _REFUSED
        }
    except (KeyError, TypeError, ValueError) as error:
        raise TemporaryError("Salesforce answered a look-up in an unknown shape.") from error


def _records(answer: Mapping[str, Any]) -> list[Any]:
    status, body = int(answer["httpStatusCode"]), answer["body"]
    if status != 200:
        raise as_error(read_problem(status=status, body=body))
    return list(body["records"])


def _user(row: Mapping[str, Any]) -> Hit:
    name, ended = str(row.get("Name") or ""), not row.get("IsActive")
    return Hit(object_type="User", id=str(row["Id"]), name=name, ended=ended)


def _event(row: Mapping[str, Any]) -> Hit:
    return Hit(object_type="Event", id=str(row["Id"]), owner=str(row.get("OwnerId") or ""))


def _hit(row: Mapping[str, Any]) -> Hit:
    identifier = str(row["Id"])
    person = None if row.get("IsDeleted") else row.get("PersonContactId")
    became = row.get("MasterRecordId") or row.get("ConvertedContactId") or person
    return Hit(
        object_type=object_of(identifier),
        id=identifier,
        name=str(row.get("Name") or ""),
        company=str(row.get("Company") or (row.get("Account") or {}).get("Name") or ""),
        owner=str((row.get("Owner") or {}).get("Name") or ""),
        changed=str(row.get("LastModifiedDate") or ""),
        website=str(row.get("Website") or ""),
        leads_to=str(became or ""),
        ended=bool(row.get("IsDeleted") or row.get("IsConverted")),
        is_person_account=bool(row.get("IsPersonAccount")),
    )
