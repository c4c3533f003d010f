"""Where a meeting's one Event is, and how it is told from every other: by an external id, or by a line in its text.

Without an external id an Event is known by its own id; where an answer was lost it is read back before anything is made.
Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from integrations.connectors.base import Record, Task
from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.coercion import cut, utc
from integrations.connectors.salesforce.defaults import LENGTHS
from integrations.connectors.salesforce.errors import PERSON_GONE
from integrations.connectors.salesforce.fields import Change
from integrations.connectors.salesforce.mapping import soql_text

#: How Salesforce says that a record is not there any more.
GONE = frozenset({"NOT_FOUND", "ENTITY_IS_DELETED"})

#: Days within which an Event is looked for whose answer was lost.
_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Say where an Event is written. `mark` is the line that tells it from others; `key` goes into a body by id.

    `path` is where it is, or would be; empty for one that is to be made without an external id.
    """

    collection: str
    path: str = ""
    remote_id: str = ""
    mark: str = ""
    key: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Tell whether the Event is known by its own id."""
        return bool(self.remote_id)

    def send(self, client: SalesforceClient, body: Mapping[str, Any]) -> Reply:
        """Write the Event; an external id that the path names is never repeated in the body.

        Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm
        """
        method = "PATCH" if self.path else "POST"
        return client.send(
            method, self.path or self.collection, json_body={**body, **self.key},
            headers={"Sforce-Auto-Assign": "FALSE"},
        )  # fmt: skip

    def is_gone(self, client: SalesforceClient, reply: Reply) -> bool:
        """Tell whether an answer says that the Event is gone, and not the person whom it names."""
        if not self.is_known or reply.code not in GONE | PERSON_GONE:
            return False
        return client.send("GET", f"{self.path}?fields=Id").code in GONE


def locate(
    client: SalesforceClient, task: Task, *, external_id_field: str, person: Record | None = None
) -> Place:
    """Return where the meeting's Event is; `external_id_field` is empty where there is none.

    Raises:
        IntegrationError: the look-up failed, which is never "not found".
    """
    known = task.record("Event")
    anew = place_of_new(client, task, external_id_field=external_id_field)
    if known and known.data.get("field", external_id_field) == external_id_field != "":
        return anew
    found = known.remote_id if known else ""
    if not known and task.look_first and anew.mark:
        found = _read_back(client, task, mark=anew.mark, person=person)
    if not found:
        return anew
    key = {external_id_field: task.meeting.key} if external_id_field else {}
    return replace(anew, path=f"{anew.collection}/{found}", remote_id=found, key=key)


def place_of_new(client: SalesforceClient, task: Task, *, external_id_field: str) -> Place:
    """Return where an Event is made of which nothing is known."""
    collection = f"{client.data_path}/sobjects/Event"
    if external_id_field:
        key = quote(task.meeting.key, safe="")
        return Place(collection=collection, path=f"{collection}/{external_id_field}/{key}")
    return Place(collection=collection, mark=f"Calsync: {task.meeting.key}")


def marked(change: Change, place: Place) -> Change:
    """Return the change with the line that tells this Event from others, wherever its text is written."""
    if not place.mark:
        return change
    is_new = not place.path
    return replace(
        change,
        fields=_with_mark(change.fields, place.mark, always=is_new),
        kept=_with_mark(change.kept, place.mark, always=False),
    )


def _with_mark(fields: Mapping[str, Any], mark: str, *, always: bool) -> Mapping[str, Any]:
    text = str(fields.get("Description") or "")
    if mark in text.splitlines() or not (always or "Description" in fields):
        return fields
    room = LENGTHS["Description"] - len(mark) - 2
    return {**fields, "Description": f"{cut(text, room)}\n\n{mark}".strip()}


def _read_back(client: SalesforceClient, task: Task, *, mark: str, person: Record | None) -> str:
    """Return the id of the Event that carries the line, among the person's and those of the meeting's times.

    Texts cannot be filtered by Salesforce. Copies in the calendars of invited users carry the line, too.
    """
    tests = [f"StartDateTime = {moment}" for moment in _times(task)]
    tests += [f"WhoId = {soql_text(person.remote_id)}"] if person else []
    soql = (
        f"SELECT Id, Description FROM Event WHERE CreatedDate = LAST_N_DAYS:{_DAYS} AND IsChild = false "  # noqa: S608 - values are quoted
        f"AND ({' OR '.join(tests)}) ORDER BY CreatedDate"
    )
    rows = _rows(client, f"{client.data_path}/query?q={quote(soql, safe='')}")
    found = (row for row in rows if mark in str(row.get("Description") or "").splitlines())
    return next((str(row["Id"]) for row in found), "")


def _times(task: Task) -> list[str]:
    moments = (task.meeting.start_at, task.meeting.previous_start_at)
    return sorted({utc(moment) for moment in moments if moment})


def _rows(client: SalesforceClient, path: str) -> Iterator[Mapping[str, Any]]:
    while path:
        page = client.send("GET", path).require()
        yield from page["records"]
        path = page.get("nextRecordsUrl") or ""
