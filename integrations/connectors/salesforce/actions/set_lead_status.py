"""Move a Lead's status: from where the rule says, and never one that was converted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from integrations.connectors.base import Applied, Decision, Record, Send, Skip, Step
from integrations.connectors.salesforce.actions import picklists
from integrations.connectors.salesforce.actions.base import GONE, Action, Given, Work, overtaken
from integrations.connectors.salesforce.client import NOT_MADE, Reply
from integrations.connectors.salesforce.writing import PersonGoneError
from integrations.options import Options

_CONVERTED = "CANNOT_UPDATE_CONVERTED_LEAD"


class LeadStatusOptions(Options):
    """Options of a rule that moves a Lead's status."""

    status: str = Field(min_length=1, max_length=255, description="The status to move to")
    only_from: list[str] = Field(
        default_factory=list, description="Statuses to move from; an empty list for any"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusMove:
    """Hold where to move, and from where alone."""

    status: str
    only_from: tuple[str, ...]


def plan(given: Given) -> Decision:
    """Return the move; whether it is to be made is only known once Salesforce tells the present status."""
    reason = overtaken(given.task)
    if reason:
        return Skip(reason=f"{reason} The Lead's status is left as it is.")
    options = given.options
    return Send(
        summary=f"Move the Lead's status to {options.status!r}.",
        payload=StatusMove(status=options.status, only_from=tuple(options.only_from)),
    )


def apply(work: Work, wanted: StatusMove) -> Applied:
    """Move the status of the person's Lead; the same again moves nothing."""
    named = {f"only_from.{at}": ("Status", one) for at, one in enumerate(wanted.only_from)}
    picklists.require(work, "Lead", {"status": ("Status", wanted.status), **named})
    person, reply = work.sync.for_person(lambda whose: _read(work, whose), gone=GONE)
    if person is None:
        return _left(work, "The meeting belongs to no Lead.")
    if person.object_type != "Lead":
        return _left(work, f"The invitee is {person.object_type} {person.remote_id}, no Lead or no longer one.")  # fmt: skip
    held = reply.require()
    reason = _reason(wanted, held)
    if reason:
        return _left(work, f"Lead {person.remote_id} {reason}.")
    return _move(work, wanted, person, held)


def _read(work: Work, person: Record | None) -> Reply:
    """Ask how the Lead stands; one that a dry run did not make stands nowhere yet."""
    if person is None or person.object_type != "Lead" or person.remote_id == NOT_MADE:
        return Reply(status=200, body={})
    path = f"{work.client.data_path}/sobjects/Lead/{person.remote_id}"
    return work.writer.read(path, ("Status", "IsConverted"))


def _reason(wanted: StatusMove, held: Mapping[str, Any]) -> str:
    """Return why the Lead is left as it is."""
    if held.get("IsConverted"):
        return "was converted: its status is left alone"
    status = held.get("Status")
    if status == wanted.status:
        return f"has the status {status!r} already"
    if held and wanted.only_from and status not in wanted.only_from:
        return f"has the status {status!r}; the rule moves {picklists.listed(wanted.only_from)} alone"  # fmt: skip
    return ""


def _move(work: Work, wanted: StatusMove, person: Record, held: Mapping[str, Any]) -> Applied:
    client, change = work.client, {"Status": wanted.status}
    path = f"{client.data_path}/sobjects/Lead/{person.remote_id}"
    headers = {"Sforce-Auto-Assign": "FALSE"}
    reply = client.send("PATCH", path, json_body=change, headers=headers)
    if reply.code == _CONVERTED:
        return _left(work, f"Lead {person.remote_id} was converted a moment ago: its status is left alone.")  # fmt: skip
    if reply.code in GONE:
        raise PersonGoneError(
            f"Lead {person.remote_id} was deleted or merged away a moment ago.",
            hint="Nothing to do: the person is looked for again.",
            retry_after=1.0,
        )
    reply.require()
    work.writer.note(f"Lead {person.remote_id}", change, held)
    before = f" from {held['Status']!r}" if held.get("Status") else ""
    done = f"Lead {person.remote_id} was moved{before} to {wanted.status!r}."
    work.writer.steps.append(Step(name="status", detail=done))
    return work.applied(done)


def _left(work: Work, reason: str) -> Applied:
    work.writer.steps.append(Step(name="status", detail=reason))
    return work.applied(reason, changed=False)


ACTION = Action(label="Move the lead's status", options=LeadStatusOptions, plan=plan, apply=apply)
