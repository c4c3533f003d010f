"""Link a meeting's Event to the open Opportunity of its Contact's Account: once, and never over what somebody chose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.connectors.base import Record
from integrations.connectors.salesforce import looking
from integrations.connectors.salesforce.client import NOT_MADE, SalesforceClient
from integrations.connectors.salesforce.fields import WantedRecord
from integrations.connectors.salesforce.mapping import soql_text

#: So many open ones are looked at.
_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Hold what the Event gets, what is remembered of it, and why, in words for staff."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """Hold which Opportunity we linked the Event to, and for which Contact; empty where none."""

    opportunity: str = ""
    contact: str = ""

    @property
    def data(self) -> dict[str, str]:
        """Return what is remembered of it."""
        return {"opportunity": self.opportunity, "contact": self.contact}


def linked(known: Record | None) -> Linked:
    """Return what is remembered of an Event."""
    data = known.data if known else {}
    return Linked(
        opportunity=str(data.get("opportunity") or ""), contact=str(data.get("contact") or "")
    )


def link(
    client: SalesforceClient,
    policy: str,
    *,
    event: WantedRecord,
    known: Record | None,
    person: Record | None,
    is_nobody: bool = False,
) -> Link:
    """Return what the Event is to be linked to; Salesforce is asked once, and only while nothing is linked.

    A Lead's Event cannot be related to anything, so that what we linked before is taken out again. So it is where a
    person says that the invitee `is_nobody`.

    Raises:
        IntegrationError: the look-up failed, which is never "there is none".
    """
    before = linked(known)
    if person and person.object_type == "Lead":
        told = "The invitee is a Lead, which has no Opportunity." if policy != "off" else ""
        return Link(fields={"WhatId": None} if before.opportunity else {}, told=told)
    is_mapped = any(item.field.lower() == "whatid" for item in event.fields)
    if is_nobody and known and before.opportunity and not is_mapped:
        return _taken_out(client, known)
    if policy == "off" or person is None or person.remote_id == before.contact:
        return Link(data=before.data if before.opportunity else {})
    if is_mapped:
        return Link(told="The field mapping fills WhatId: no Opportunity is looked for.")
    if person.remote_id == NOT_MADE:
        return Link(told="The Contact is not made yet: no Opportunity is looked for.")
    return _looked_up(client, policy, known=known, person=person)


def choose(policy: str, rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Return the id of the Opportunity to link, or nothing, and why; the rows are the open ones, the newest first."""
    if not rows:
        return "", "The Contact's Account has no open Opportunity."
    first = rows[0]
    named = f"Opportunity {first['Id']} '{first['Name']}'"
    if len(rows) == 1:
        return str(first["Id"]), f"{named} is the Account's only open one."
    several = f"{len(rows)}{' or more' if len(rows) >= _MOST else ''} Opportunities of the Contact's Account are open"
    if policy == "newest_open":
        return str(first["Id"]), f"{several}: {named} is the newest."
    names = ", ".join(f"'{row['Name']}'" for row in rows[:5])
    return "", f"{several} ({names}{', ...' if len(rows) > 5 else ''}): none is linked."


def _taken_out(client: SalesforceClient, known: Record) -> Link:
    """Take out what we linked, unless somebody related the Event to something else since."""
    held = looking.ask(client, {"event": _related(known)})["event"]
    if any(row["WhatId"] == linked(known).opportunity for row in held):
        return Link(
            fields={"WhatId": None}, told="The meeting is nobody's: no Opportunity is linked."
        )
    return Link(told="What we linked is not there any more: left so.")


def _related(known: Record) -> looking.Query:
    return "query", f"SELECT WhatId FROM Event WHERE Id = {soql_text(known.remote_id)}"  # noqa: S608 - as above


def _looked_up(
    client: SalesforceClient, policy: str, *, known: Record | None, person: Record
) -> Link:
    """Ask for the open Opportunities, and what the Event is related to by now, in one call."""
    before = linked(known)
    account = f"SELECT AccountId FROM Contact WHERE Id = {soql_text(person.remote_id)}"  # noqa: S608 - values are quoted
    newest = (
        f"SELECT Id, Name FROM Opportunity WHERE IsClosed = false AND AccountId IN ({account}) "  # noqa: S608 - as above
        f"ORDER BY CreatedDate DESC, Id DESC LIMIT {_MOST}"
    )
    asked: dict[str, looking.Query] = {"open": ("query", newest)}
    if known:
        asked["event"] = _related(known)
    rows = looking.ask(client, asked, optional={"open"})
    held = next((str(row["WhatId"]) for row in rows.get("event", ()) if row["WhatId"]), "")
    if held not in {"", before.opportunity}:
        return Link(told=f"The Event is related to {held} by somebody: left so.")
    if "open" not in rows:
        return Link(told="Opportunities are hidden from the integration user: none is linked.")
    if held and held in {str(row["Id"]) for row in rows["open"]}:
        same = Linked(opportunity=held, contact=person.remote_id)
        return Link(data=same.data, told=f"Opportunity {held} is this Contact's too: left so.")
    chosen, told = choose(policy, rows["open"])
    if not chosen:
        return Link(fields={"WhatId": None} if held else {}, told=told)
    now = Linked(opportunity=chosen, contact=person.remote_id)
    return Link(fields={"WhatId": chosen}, data=now.data, told=told)
