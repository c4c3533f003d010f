"""Create a follow-up task: one for each meeting and rule, which moves with the meeting until somebody touches it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from integrations.connectors.base import Applied, Decision, Record, Send, Skip, Step
from integrations.connectors.salesforce import fields
from integrations.connectors.salesforce.actions import once, picklists, texts
from integrations.connectors.salesforce.actions.base import (
    GONE,
    Action,
    Given,
    Work,
    needing,
    overtaken,
)
from integrations.connectors.salesforce.actions.once import Once
from integrations.connectors.salesforce.client import Reply
from integrations.connectors.salesforce.describing import description
from integrations.options import Options


class TaskOptions(Options):
    """Options of a rule that makes follow-up tasks."""

    subject: texts.Template = Field(
        default="Follow up: {{ event_type.name }} with {{ invitee.name }}",
        description="Template of the subject",
    )
    days: int = Field(default=1, ge=0, le=365, description="Days after the meeting it is due")
    status: str = Field(default="", description="One of Task's statuses; empty for the usual one")
    priority: str = Field(
        default="", description="One of Task's priorities; empty for the usual one"
    )
    moves: bool = Field(
        default=True,
        description="A rescheduled meeting moves it, while it is open and nobody has moved it",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWrite:
    """Hold the task as it is to be; `known` is the one that there is, of which only day and person are changed."""

    once: Once
    due: str
    values: dict[str, Any]
    known: Record | None = None
    changed_hands: bool = False


def plan(given: Given) -> Decision:
    """Return the task to make, or the day to move it to."""
    task, options = given.task, given.options
    due = _due(task.meeting.start_at, zone=given.write.zone, days=options.days)
    known = task.record("Task", given.rule_key)
    if known and not options.moves:
        due = str(known.data.get("due"))
    changed_hands = known is not None and given.changed_hands(known)
    if known and not changed_hands and known.content_hash == fields.content_hash(due):
        return Skip(reason="The follow-up task was made before.")
    reason = overtaken(task)
    if reason:
        return Skip(reason=f"{reason} No follow-up task is made.")
    made = Once(
        object_type="Task",
        key=f"{task.meeting.key}-{given.rule_key}",
        field=given.settings.event_external_id_field,
    )
    subject, notes = texts.subject(task, options.subject)
    text = made.described(description(task.meeting, booking_url=task.booking_url))
    held = {
        "Subject": subject,
        "ActivityDate": due,
        "Description": text,
        "Status": options.status,
        "Priority": options.priority,
    }
    verb = "Move" if known else "Create"
    return Send(
        summary=f"{verb} the task '{subject}', due {due}.",
        payload=TaskWrite(
            once=made,
            due=due,
            values={name: value for name, value in held.items() if value},
            known=known,
            changed_hands=changed_hands,
        ),
        steps=tuple(Step(name="template", detail=note) for note in notes),
    )


def apply(work: Work, wanted: TaskWrite) -> Applied:
    """Make the task, or move it; safe to repeat."""
    return _move(work, wanted, wanted.known) if wanted.known else _make(work, wanted)


def _make(work: Work, wanted: TaskWrite) -> Applied:
    options = work.given.options
    picklists.require(
        work,
        "Task",
        {"status": ("Status", options.status), "priority": ("Priority", options.priority)},
    )

    def send(person: Record | None) -> Reply:
        whose = {"WhoId": person.remote_id} if person else {}
        like = whose or {"Subject": wanted.values["Subject"]}
        return once.make(work, wanted.once, {**wanted.values, **whose}, like=like, assign=False)

    person, reply = work.sync.for_person(send)
    identifier = once.made_id(work, wanted.once, reply)
    work.sync.remember(
        Record(
            object_type="Task",
            key=work.given.rule_key,
            remote_id=identifier,
            url=work.client.link("Task", identifier),
            content_hash=fields.content_hash(wanted.due),
            data={"due": wanted.due, "who": person.remote_id if person else ""},
        )
    )
    whose = {"WhoId": person.remote_id} if person else {}
    work.writer.note(f"Task {identifier}", {**wanted.values, **whose}, {})
    work.writer.steps.append(
        Step(name="task", detail=f"Task {identifier}: due {wanted.due}, of the integration user.")
    )
    return work.applied(f"Task '{wanted.values['Subject']}' is due {wanted.due}.")


def _move(work: Work, wanted: TaskWrite, known: Record) -> Applied:
    """Give a task its day and its person, each where it is as we left it; what somebody did to it since is theirs."""
    path = f"{work.client.data_path}/sobjects/Task/{known.remote_id}"
    reply = work.writer.read(path, ("ActivityDate", "IsClosed", "WhoId"))
    reason = "was deleted" if reply.code in GONE else ""
    held = {} if reason else reply.require()
    reason = "is closed" if held.get("IsClosed") else reason
    change: dict[str, Any] = {}
    if not reason:
        change, left = _difference(held, wanted, known)
        reason = " and ".join(left) if left else "" if change else "is so already"
    if change:
        change = _send(work, path, change)
        work.writer.note(f"Task {known.remote_id}", change, held)
    due = change.get("ActivityDate", known.data.get("due"))
    who = change.get("WhoId") or work.given.who(known)
    work.sync.remember(
        replace(known, content_hash=fields.content_hash(wanted.due), data={"due": due, "who": who})
    )
    if reason:
        work.writer.steps.append(Step(name="task", detail=f"Task {known.remote_id} {reason}."))
    if not change:
        return work.applied(f"Task {known.remote_id} {reason}: left as it is.", changed=False)
    return work.applied(f"Task {known.remote_id} is due {due}.")


def _difference(
    held: Mapping[str, Any], wanted: TaskWrite, known: Record
) -> tuple[dict[str, Any], list[str]]:
    """Return what the task gets, where `WhoId` stands for the person who is found, and what is left as somebody made it."""
    change: dict[str, Any] = {}
    left = []
    if held["ActivityDate"] == known.data.get("due") != wanted.due:
        change["ActivityDate"] = wanted.due
    elif held["ActivityDate"] != wanted.due:
        left.append(f"was moved to {held['ActivityDate']} in Salesforce")
    if wanted.changed_hands and (held["WhoId"] or "") == known.data.get("who", ""):
        change["WhoId"] = None
    return change, left


def _send(work: Work, path: str, change: Mapping[str, Any]) -> dict[str, Any]:
    """Write the change; return what was written."""
    written = dict(change)

    def send(person: Record | None) -> Reply:
        if "WhoId" in change:
            written["WhoId"] = person.remote_id if person else None
        return work.client.send("PATCH", path, json_body=written)

    if "WhoId" in change:
        _, reply = work.sync.for_person(send)
    else:
        reply = send(None)
    with needing("Task"):
        reply.require()
    return written


def _due(moment: datetime, *, zone: str, days: int) -> str:
    """Return the day by the host's calendar; by UTC where the zone is unknown."""
    try:
        local = moment.astimezone(ZoneInfo(zone) if zone else UTC)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        local = moment.astimezone(UTC)
    return (local.date() + timedelta(days=days)).isoformat()


ACTION = Action(label="Create a follow-up task", options=TaskOptions, plan=plan, apply=apply)
