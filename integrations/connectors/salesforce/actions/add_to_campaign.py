"""Add the person to a campaign, with a status that follows how the meeting stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from bookings.meeting import Meeting
from integrations.connectors.base import Applied, Decision, Record, Send, Skip, Step
from integrations.connectors.salesforce import fields, looking
from integrations.connectors.salesforce.actions import picklists
from integrations.connectors.salesforce.actions.base import GONE, Action, Given, Work, needing
from integrations.connectors.salesforce.client import Reply
from integrations.connectors.salesforce.identifiers import record_id
from integrations.connectors.salesforce.mapping import soql_text
from integrations.errors import PermanentError
from integrations.options import Options

_PREFIX = "701"
_NOTHING = Reply(status=200, body=None)


class CampaignOptions(Options):
    """Options of a rule that adds people to a campaign."""

    campaign: str = Field(
        min_length=1, max_length=255, description="The campaign's id, page address or exact name"
    )
    status_booked: str = Field(
        default="", description="Status of who has a meeting; empty for the campaign's usual one"
    )
    status_canceled: str = Field(
        default="", description="Status once the meeting is canceled; empty leaves it as it is"
    )
    status_no_show: str = Field(
        default="", description="Status of who did not come; empty leaves it as it is"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Hold what is wanted: the campaign as the rule names it, and the status with the option that names it."""

    campaign: str
    option: str
    status: str
    known: Record | None = None
    changed_hands: bool = False

    @property
    def content_hash(self) -> str:
        """Return what tells whether it is so already."""
        return fields.content_hash([self.campaign, self.status])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Campaign:
    """Name the campaign that the rule means."""

    id: str
    name: str


def plan(given: Given) -> Decision:
    """Return the membership as it should be."""
    meeting, options = given.task.meeting, given.options
    option = _option(meeting)
    known = given.task.record("CampaignMember", given.rule_key)
    wanted = Membership(
        campaign=options.campaign.strip(),
        option=option,
        status=getattr(options, option),
        known=known,
        changed_hands=known is not None and given.changed_hands(known),
    )
    if known and not wanted.changed_hands and known.content_hash == wanted.content_hash:
        return Skip(reason="already equal")
    if not wanted.status and option != "status_booked":
        what = "left as it is" if known else "not added"
        return Skip(reason=f"The rule has no {option}: the person is {what}.")
    status = f" as {wanted.status!r}" if wanted.status else ""
    return Send(summary=f"Add the person to {wanted.campaign!r}{status}.", payload=wanted)


def apply(work: Work, wanted: Membership) -> Applied:
    """Add the person, or change their status; safe to repeat, for nobody is a member twice.

    Where the invitee is somebody else by now, these are added; whom it was before stays a member.
    """
    campaign, known = _campaign(work, wanted), wanted.known
    if known is None or wanted.changed_hands or known.data.get("campaign") != campaign.id:
        return _add(work, wanted, campaign)
    if not wanted.status:
        _keep(work, wanted, campaign, known.remote_id, who=known.data["who"])
        return _end(work, f"The status in '{campaign.name}' is left as it is.", changed=False)
    return _change(work, wanted, campaign, known.remote_id, before={}, who=known.data["who"])


def _option(meeting: Meeting) -> str:
    if meeting.is_canceled:
        return "status_canceled"
    return "status_no_show" if meeting.is_no_show else "status_booked"


def _campaign(work: Work, wanted: Membership) -> _Campaign:
    """Ask for the campaign and its statuses in one call, before anybody is made."""
    identifier = _campaign_id(wanted.campaign)
    which = (
        f"Id = {soql_text(identifier)}" if identifier else f"Name = {soql_text(wanted.campaign)}"
    )
    of_it = f"CampaignId IN (SELECT Id FROM Campaign WHERE {which})"  # noqa: S608 - values are quoted
    queries = {
        "campaign": f"SELECT Id, Name FROM Campaign WHERE {which} LIMIT 3",  # noqa: S608 - as above
        "statuses": f"SELECT Label FROM CampaignMemberStatus WHERE {of_it} ORDER BY SortOrder",  # noqa: S608 - as above
    }
    asked = {name: ("query", soql) for name, soql in queries.items()}
    with needing("Campaign"):
        rows = looking.ask(work.client, asked, optional={"statuses"})
    campaign = _the_one(rows["campaign"], wanted)
    _check_status(work, wanted, rows.get("statuses"))
    return _Campaign(id=str(campaign["Id"]), name=str(campaign["Name"]))


def _the_one(rows: list[Any], wanted: Membership) -> Any:
    if len(rows) == 1:
        return rows[0]
    several = f"several campaigns are called {wanted.campaign!r}; use the id."
    none = f"there is no campaign {wanted.campaign!r}, or it is hidden from the integration user."
    raise picklists.wrong("campaign", several if rows else none)


def _check_status(work: Work, wanted: Membership, rows: list[Any] | None) -> None:
    """See that the campaign has the status, where Salesforce tells."""
    if rows is None:
        detail = "The campaign's statuses are hidden from the integration user: not checked."
        work.writer.steps.append(Step(name="campaign", detail=detail))
        return
    labels = [str(row["Label"]) for row in rows]
    if wanted.status and wanted.status not in labels:
        listed = picklists.listed(labels)
        trouble = f"the campaign has no status {wanted.status!r}, but {listed}."
        raise picklists.wrong(wanted.option, trouble)


def _add(work: Work, wanted: Membership, campaign: _Campaign) -> Applied:
    client = work.client
    body: dict[str, str] = {}

    def send(person: Record | None) -> Reply:
        if person is None:
            return _NOTHING
        body.clear()
        body.update({"CampaignId": campaign.id, f"{person.object_type}Id": person.remote_id})
        more = {"Status": wanted.status} if wanted.status else {}
        path = f"{client.data_path}/sobjects/CampaignMember"
        return client.send("POST", path, json_body={**body, **more})

    person, reply = work.sync.for_person(send)
    if person is None:
        return work.applied("The meeting belongs to no Lead or Contact: nobody is added.", changed=False)  # fmt: skip
    if reply.code == "DUPLICATE_VALUE":
        return _found_there(work, wanted, campaign, person)
    with needing("CampaignMember"):
        identifier = str(reply.require()["id"])
    _keep(work, wanted, campaign, identifier, who=person.remote_id)
    more = {"Status": wanted.status} if wanted.status else {}
    work.writer.note(f"CampaignMember {identifier}", {**body, **more}, {})
    return _end(work, f"The person is a member of '{campaign.name}'.")


def _found_there(work: Work, wanted: Membership, campaign: _Campaign, person: Record) -> Applied:
    """Change the status of a person who is a member already: by hand, or by an attempt whose answer was lost."""
    whose = f"{person.object_type}Id = {soql_text(person.remote_id)}"
    soql = f"SELECT Id, Status FROM CampaignMember WHERE CampaignId = {soql_text(campaign.id)} AND {whose}"  # noqa: S608 - values are quoted
    with needing("CampaignMember"):
        rows = looking.ask(work.client, {"member": ("query", soql)})["member"]
    if not rows:
        raise PermanentError(
            f"The person is a member of '{campaign.name}' already, which is hidden from the integration user.",
            hint="Share the campaign's members with the integration user, then retry the delivery.",
        )
    member = rows[0]
    if wanted.status in {"", member["Status"]}:
        _keep(work, wanted, campaign, str(member["Id"]), who=person.remote_id)
        held = f"The person is a member of '{campaign.name}' already, as '{member['Status']}'."
        return _end(work, held, changed=False)
    return _change(work, wanted, campaign, str(member["Id"]), before=member, who=person.remote_id)


def _change(
    work: Work,
    wanted: Membership,
    campaign: _Campaign,
    identifier: str,
    *,
    before: Mapping[str, Any],
    who: str,
) -> Applied:
    """Change a member's status; whom somebody took out of the campaign is not put back."""
    client, change = work.client, {"Status": wanted.status}
    path = f"{client.data_path}/sobjects/CampaignMember/{identifier}"
    reply = client.send("PATCH", path, json_body=change)
    if reply.code not in GONE:
        reply.require()
    _keep(work, wanted, campaign, identifier, who=who)
    if reply.code in GONE:
        return _end(work, f"Somebody took the person out of '{campaign.name}': left so.", changed=False)  # fmt: skip
    work.writer.note(f"CampaignMember {identifier}", change, before)
    return _end(work, f"The person is now '{wanted.status}' in '{campaign.name}'.")


def _keep(
    work: Work, wanted: Membership, campaign: _Campaign, identifier: str, *, who: str
) -> None:
    work.sync.remember(
        Record(
            object_type="CampaignMember",
            key=work.given.rule_key,
            remote_id=identifier,
            url=work.client.link("CampaignMember", identifier),
            content_hash=wanted.content_hash,
            data={"campaign": campaign.id, "who": who},
        )
    )


def _end(work: Work, summary: str, *, changed: bool = True) -> Applied:
    work.writer.steps.append(Step(name="campaign", detail=summary))
    return work.applied(summary, changed=changed)


def _campaign_id(text: str) -> str:
    found = record_id(text)
    return found if found.startswith(_PREFIX) else ""


ACTION = Action(label="Add to a campaign", options=CampaignOptions, plan=plan, apply=apply)
