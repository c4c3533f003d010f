"""Make a record once: by an external id where its object has one, else by a mark that is looked for again.

A mark is only looked for where an earlier attempt may have written without an answer: each look costs a request.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from integrations.connectors.salesforce import looking
from integrations.connectors.salesforce.actions.base import Work, needing
from integrations.connectors.salesforce.client import NOT_MADE, Reply
from integrations.connectors.salesforce.mapping import soql_text

_NEWEST = "ORDER BY CreatedDate DESC LIMIT 200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """Name a record that there is to be one of. `field` holds the key, where the object has an external id."""

    object_type: str
    key: str
    field: str = ""

    @property
    def mark(self) -> str:
        """Return the line of the description by which it is found without an external id."""
        return f"Calsync reference: {self.key}"

    def described(self, text: str) -> str:
        """Return a description with the mark, where one is needed."""
        return text if self.field else f"{text}\n{self.mark}"


def make(
    work: Work, once: Once, fields: Mapping[str, Any], *, like: Mapping[str, str], assign: bool
) -> Reply:
    """Make the record, or write to the one that an attempt without an answer made.

    `like` are fields of it that can be filtered by. `assign` lets the organisation's assignment rules run.
    """
    client, headers = work.client, {"Sforce-Auto-Assign": "TRUE" if assign else "FALSE"}
    path = f"{client.data_path}/sobjects/{once.object_type}"
    if once.field:
        path = f"{path}/{once.field}/{quote(once.key, safe='')}"
        return client.send("PATCH", path, json_body=dict(fields), headers=headers)
    with needing(once.object_type):
        found = _find(work, once, like) if work.given.task.look_first else ""
    if found:
        reply = client.send("PATCH", f"{path}/{found}", json_body=dict(fields), headers=headers)
        return reply if reply.problem else Reply(status=reply.status, body={"id": found})
    return client.send("POST", path, json_body=dict(fields), headers=headers)


def made_id(work: Work, once: Once, reply: Reply) -> str:
    """Return the id of what was made.

    Raises:
        IntegrationError: Salesforce refused, or does not answer.
    """
    with needing(
        f"{once.object_type} with the field {once.field}" if once.field else once.object_type
    ):
        body = reply.require()
    if body:
        return str(body["id"])
    key = quote(once.key, safe="")
    path = f"{work.client.data_path}/sobjects/{once.object_type}/{once.field}/{key}?fields=Id"
    return str(work.client.send("GET", path).require()["Id"])


def _find(work: Work, once: Once, like: Mapping[str, str]) -> str:
    known = {name: value for name, value in like.items() if value and value != NOT_MADE}
    tests = " AND ".join(f"{name} = {soql_text(value)}" for name, value in known.items())
    soql = f"SELECT Id, Description FROM {once.object_type} WHERE {tests} {_NEWEST}"  # noqa: S608 - values are quoted
    rows = looking.ask(work.client, {"made": ("query", soql)})["made"] if tests else []
    lines = ((str(row["Id"]), str(row.get("Description") or "").splitlines()) for row in rows)
    return next((identifier for identifier, held in lines if once.mark in held), "")
