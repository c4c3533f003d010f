"""Relate the guests of a meeting to its Event: known people by their addresses, and by choice new ones.

Sources: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_eventrelation.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections_create.htm
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bookings.meeting import Meeting
from integrations.connectors.base import Record, Step, Task
from integrations.connectors.salesforce import looking, schema
from integrations.connectors.salesforce.client import SalesforceClient
from integrations.connectors.salesforce.defaults import LENGTHS, NOT_PROVIDED
from integrations.connectors.salesforce.errors import as_error, read_problem
from integrations.connectors.salesforce.events import GONE
from integrations.connectors.salesforce.fields import content_hash
from integrations.connectors.salesforce.identifiers import object_of, record_id
from integrations.connectors.salesforce.mapping import soql_text
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.errors import TemporaryError

#: Parts that one composite call takes.
_PARTS = 25
_NO_LEADS = (
    "Salesforce takes Leads as guests with Shared Activities alone: Setup > Activity Settings > Allow Users to Relate "
    "Multiple Contacts to Tasks and Events."
)

Rows = Sequence[Mapping[str, Any]]


def addresses(settings: SalesforceSettings, meeting: Meeting) -> tuple[str, ...]:
    """Return whom to relate, by address: no host, who is a colleague, nor the invitee."""
    if settings.guests == "ignore":
        return ()
    others = {meeting.email, *(host.email for host in meeting.hosts)}
    known = {other.strip().casefold() for other in others}
    found = {guest.strip().casefold() for guest in meeting.guests} - known
    return tuple(sorted(one for one in found if one and len(one) <= LENGTHS["Email"]))


def watched(settings: SalesforceSettings, meeting: Meeting) -> tuple[str, ...]:
    """Return what makes an Event be written again when its fields stay the same: other guests."""
    found = addresses(settings, meeting)
    return ("guests", settings.guests, *found) if found else ()


def shared(settings: SalesforceSettings, meetings: Sequence[Meeting]) -> frozenset[str]:
    """Return the guests who are to be created, perhaps, and whom another of the meetings has, too."""
    if settings.guests != "create":
        return frozenset()
    guests = Counter(email for meeting in meetings for email in addresses(settings, meeting))
    invitees = {meeting.email.strip().casefold() for meeting in meetings}
    return frozenset(email for email, count in guests.items() if count > 1 or email in invitees)


@dataclass(slots=True, kw_only=True)
class Guests:
    """Keep the guests of one delivery's Event true to the meeting; `scope` names the organisation."""

    client: SalesforceClient
    task: Task
    settings: SalesforceSettings
    scope: str
    steps: list[Step]

    def remembered(self, event: Record) -> Mapping[str, Any]:
        """Return what is known of the guests of this Event."""
        known = self.task.record("Event")
        if known is None or known.remote_id != event.remote_id or "guests" not in known.data:
            return {}
        return {"guests": known.data["guests"]}

    def are_pending(self, event: Record) -> bool:
        """Tell whether there is anything to ask or to write."""
        known = self.remembered(event).get("guests") or {}
        return bool(known.get("of", "") != self._digest)

    def follow(self, event: Record, person: Record | None) -> Mapping[str, Any]:
        """Relate who is missing, take away who is a guest no more, and return what is to be remembered.

        Raises:
            TemporaryError: it is to be tried again; safe to repeat, for what is there is read first.
            IntegrationError: a look-up failed.
        """
        ours = set((self.remembered(event).get("guests") or {}).get("related", ()))
        rows = looking.ask(self.client, dict(self._queries(event)))
        there = {str(row["RelationId"]): str(row["Id"]) for row in rows.get("relations", ())}
        invitee = {person.remote_id if person else ""}
        wanted = set(self._people(rows)) - invitee
        if not self._takes_leads(wanted):
            leads = {one for one in wanted if object_of(one) == "Lead"}
            wanted -= leads
            self._tell(f"Not related: {_listed(leads)}. {_NO_LEADS}" if leads else "")
        gone = {there[one] for one in ours - wanted - invitee if one in there}
        added = self._write(event, add=wanted - there.keys(), remove=gone)
        return {"guests": {"of": self._digest, "related": sorted((wanted & there.keys()) | added)}}

    @property
    def _addresses(self) -> tuple[str, ...]:
        return addresses(self.settings, self.task.meeting)

    @property
    def _digest(self) -> str:
        return content_hash(watched(self.settings, self.task.meeting)) if self._addresses else ""

    def _tell(self, detail: str) -> None:
        if detail:
            self.steps.append(Step(name="guests", detail=detail))

    def _queries(self, event: Record) -> Iterator[tuple[str, looking.Query]]:
        listed = ", ".join(map(soql_text, self._addresses))
        for kind, more in (("Contact", ""), ("Lead", " AND IsConverted = false")):
            if listed:
                where = f"Email IN ({listed}){more} ORDER BY LastModifiedDate DESC"
                yield kind, ("query", f"SELECT Id, Email FROM {kind} WHERE {where}")  # noqa: S608 - values are quoted
        if record_id(event.remote_id):
            where = f"EventId = {soql_text(event.remote_id)}"
            yield "relations", ("query", f"SELECT Id, RelationId FROM EventRelation WHERE {where}")  # noqa: S608 - values are quoted

    def _people(self, rows: Mapping[str, Rows]) -> Iterator[str]:
        """Yield the record of each guest who is known, and of those who are created."""
        unknown = []
        for email in self._addresses:
            hits = _with_address(rows.get("Contact", ()), email) or _with_address(
                rows.get("Lead", ()), email
            )
            if not hits:
                unknown.append(email)
            elif len(hits) == 1 or self.settings.when_ambiguous == "newest":
                yield hits[0]
            else:
                self._tell(f"A guest is not related: {_listed(hits)} have the same address.")
        yield from self._created(unknown)

    def _created(self, emails: Sequence[str]) -> Iterator[str]:
        kind = {"lead": "Lead", "contact": "Contact", "nothing": ""}[self.settings.create]
        if not emails:
            return
        if self.settings.guests != "create" or not kind:
            self._tell(f"{len(emails)} guests are not known in Salesforce, and are not related.")
            return
        records = [self._new_record(kind, email) for email in emails]
        reply = self.client.send(
            "POST", f"{self.client.data_path}/composite/sobjects",
            json_body={"allOrNone": False, "records": records},
            headers={"Sforce-Auto-Assign": "TRUE" if kind == "Lead" else "FALSE"},
        )  # fmt: skip
        results = reply.require()
        for result in results if isinstance(results, list) else ():
            if result.get("success"):
                self._tell(f"{kind} {result['id']}: created for a guest.")
                yield str(result["id"])
            else:
                self._refused(f"A guest was not created as {kind}", result.get("errors"))

    def _new_record(self, kind: str, email: str) -> Mapping[str, Any]:
        held = {"LastName": email.partition("@")[0][: LENGTHS["LastName"]], "Email": email}
        if self.settings.lead_source:
            held["LeadSource"] = self.settings.lead_source
        company = {"Company": NOT_PROVIDED} if kind == "Lead" else {}
        return {"attributes": {"type": kind}, **held, **company}

    def _takes_leads(self, wanted: Iterable[str]) -> bool:
        return self._is_shared() if any(object_of(one) == "Lead" for one in wanted) else True

    def _is_shared(self) -> bool:
        """Tell whether the organisation has Shared Activities, which tell invitees from what an Event is about."""
        found = schema.load(self.client, "EventRelation", scope=self.scope)
        return found.find("IsInvitee") is not None

    def _write(self, event: Record, *, add: Iterable[str], remove: Iterable[str]) -> set[str]:
        """Write all relations, and return whom was added."""
        base = f"{self.client.data_path}/sobjects/EventRelation"
        added = sorted(add)
        invited = {"IsInvitee": True} if added and self._is_shared() else {}
        parts = [
            {
                "method": "POST", "url": base, "referenceId": f"add{one}",
                "body": {"EventId": event.remote_id, "RelationId": one, **invited},
            }
            for one in added
        ]  # fmt: skip
        parts += [
            {"method": "DELETE", "url": f"{base}/{quote(one)}", "referenceId": f"remove{one}"}
            for one in sorted(remove)
        ]
        failed: set[str] = set()
        for start in range(0, len(parts), _PARTS):
            failed |= self._send(parts[start : start + _PARTS])
        done = {one for one in added if f"add{one}" not in failed}
        self._tell(f"Related to the Event: {_listed(done)}." if done else "")
        return done

    def _send(self, parts: Sequence[Mapping[str, Any]]) -> set[str]:
        body = {"allOrNone": False, "compositeRequest": list(parts)}
        path = f"{self.client.data_path}/composite"
        answer = self.client.send("POST", path, json_body=body).require()
        failed = set()
        for part in answer.get("compositeResponse", ()):
            problem = read_problem(
                status=int(part["httpStatusCode"]), body=part.get("body"), write=True
            )
            is_done = problem.status < 300 or problem.code in {*GONE, "DUPLICATE_VALUE"}
            if not is_done:
                failed.add(str(part["referenceId"]))
                self._refused("A guest is not as the meeting has it", part.get("body"))
        return failed

    def _refused(self, what: str, errors: Any) -> None:
        """Tell of a guest who was refused; what passes is tried again.

        Raises:
            TemporaryError: it passes.
        """
        first = errors[0] if isinstance(errors, list) and errors else {}
        code = first.get("errorCode") or first.get("statusCode") or ""
        error = as_error(read_problem(status=400, body={**first, "errorCode": code}))
        if isinstance(error, TemporaryError):
            raise error
        self._tell(f"{what}. {error}")


def _with_address(rows: Rows, email: str) -> list[str]:
    found = (row for row in rows if str(row.get("Email") or "").casefold() == email)
    return [str(row["Id"]) for row in found]


def _listed(identifiers: Iterable[str]) -> str:
    return ", ".join(f"{object_of(one)} {one}" for one in sorted(identifiers))
