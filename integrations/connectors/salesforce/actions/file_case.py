"""Open a case file: one Case for each meeting, which may follow what becomes of the meeting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from integrations.connectors.base import Applied, Decision, Record, Send, Skip, Step
from integrations.connectors.salesforce import fields
from integrations.connectors.salesforce.actions import once, picklists, texts
from integrations.connectors.salesforce.actions.base import GONE, Action, Given, Work
from integrations.connectors.salesforce.actions.once import Once
from integrations.connectors.salesforce.client import Reply
from integrations.connectors.salesforce.coercion import cut, one_line
from integrations.connectors.salesforce.describing import description
from integrations.connectors.salesforce.errors import PERSON_GONE
from integrations.options import Options

#: Of SuppliedName.
_NAME_LENGTH = 80


class CaseOptions(Options):
    """Options of a rule that opens case files."""

    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "when_changed": {"update": "Brings it up to date", "leave": "Leaves it as it is"},
        "when_canceled": {
            "close": "Closes it", "update": "Brings it up to date", "leave": "Leaves it as it is",
        },
    }  # fmt: skip

    subject: texts.Template = Field(
        default="{{ event_type.name }} with {{ invitee.name }}",
        description="Template of the subject",
    )
    origin: str = Field(default="", description="One of Case's origins; empty for none")
    status: str = Field(
        default="", description="One of Case's statuses, to open it with; empty for the usual one"
    )
    when_changed: Literal["update", "leave"] = Field(
        default="update",
        description="What a reschedule or another change does to the case's subject and description",
    )
    when_canceled: Literal["close", "update", "leave"] = Field(
        default="close", description="What a cancellation does to the case"
    )
    closed_status: str = Field(
        default="Closed", min_length=1, description="The status that closes a case"
    )
    open_for_canceled: bool = Field(
        default=False, description="Open a case for a meeting that is canceled, too"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseWrite:
    """Hold what the case is to be; `known` is the one that there is, which gets no new person, origin or status."""

    once: Once
    subject: str
    described: Mapping[str, Any]
    opening: Mapping[str, Any]
    closing: Mapping[str, Any]
    known: Record | None = None
    changed_hands: bool = False

    @property
    def changing(self) -> dict[str, Any]:
        """Return what the case gets that there is already."""
        return {**self.described, **self.closing}

    @property
    def content_hash(self) -> str:
        """Return what tells whether the case holds it already."""
        return fields.content_hash(self.changing)


def plan(given: Given) -> Decision:
    """Return the case to open, or what becomes of the one that there is."""
    task, options, meeting = given.task, given.options, given.task.meeting
    known = task.record("Case")
    if known is None and meeting.is_canceled and not options.open_for_canceled:
        return Skip(reason="The meeting is canceled and has no case: none is opened.")
    what = options.when_canceled if meeting.is_canceled else options.when_changed
    if known and known.data.get("canceled"):  # it was opened because the meeting is canceled
        what = options.when_changed
    if known and what == "leave":
        return Skip(reason="The case was opened before, and is left as it is.")
    made = Once(object_type="Case", key=meeting.key, field=given.settings.case_external_id_field)
    subject, notes = texts.subject(task, options.subject)
    text = made.described(description(meeting, booking_url=task.booking_url))
    opening = {"Origin": options.origin, "Status": options.status}
    wanted = CaseWrite(
        once=made,
        subject=subject,
        described={"Subject": subject, "Description": text},
        opening={name: value for name, value in opening.items() if value},
        closing={"Status": options.closed_status} if known and what == "close" else {},
        known=known,
        changed_hands=known is not None and given.changed_hands(known),
    )
    if known and not wanted.changed_hands and known.content_hash == wanted.content_hash:
        return Skip(reason="already equal")
    verb = "Open" if known is None else "Close" if wanted.closing else "Update"
    steps = tuple(Step(name="template", detail=note) for note in notes)
    return Send(summary=f"{verb} the case '{subject}'.", payload=wanted, steps=steps)


def apply(work: Work, wanted: CaseWrite) -> Applied:
    """Open the case, or change it; safe to repeat."""
    return _change(work, wanted, wanted.known) if wanted.known else _open(work, wanted)


def _open(work: Work, wanted: CaseWrite) -> Applied:
    options = work.given.options
    named = {"origin": ("Origin", options.origin), "status": ("Status", options.status)}
    if "closed_status" in options.model_fields_set:  # left alone, it is looked at when it is needed
        named["closed_status"] = ("Status", options.closed_status)
    picklists.require(work, "Case", named)
    written: dict[str, Any] = {}

    def send(person: Record | None) -> Reply:
        whose = _whose(work.given, person)
        like = dict(list(whose.items())[-1:]) or {"Subject": wanted.subject}
        written.clear()
        written.update({**wanted.described, **wanted.opening, **whose})
        reply = once.make(work, wanted.once, written, like=like, assign=True)
        if "ContactId" not in whose and reply.code in PERSON_GONE:
            reply.require()  # the case names no record of theirs: it is about something else, an assignment rule, say
        return reply

    person, reply = work.sync.for_person(send)
    identifier = once.made_id(work, wanted.once, reply)
    data: dict[str, Any] = {"who": person.remote_id if person else ""}
    if work.given.task.meeting.is_canceled:
        data["canceled"] = True
    _remember(work, wanted, identifier, data=data)
    work.writer.note(f"Case {identifier}", written, {})
    work.writer.steps.append(Step(name="case", detail=f"Case {identifier} opened."))
    return work.applied(f"Case '{wanted.subject}' is open.")


def _whose(given: Given, person: Record | None) -> dict[str, str]:
    """Return how a case names its person: a Contact, or what a Lead or a stranger said of themselves.

    Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_case.htm
    """
    if person and person.object_type == "Contact":
        return {"ContactId": person.remote_id}
    name = cut(one_line(given.task.meeting.invitee_name), _NAME_LENGTH)
    supplied = {"SuppliedName": name, "SuppliedEmail": given.write.email}
    return {field: value for field, value in supplied.items() if value}


def _change(work: Work, wanted: CaseWrite, known: Record) -> Applied:
    """Write what the meeting became; a case that somebody deleted stays deleted."""
    if wanted.closing:
        closing = {"closed_status": ("Status", work.given.options.closed_status)}
        picklists.require(work, "Case", closing)
    path = f"{work.client.data_path}/sobjects/Case/{known.remote_id}"
    written = dict(wanted.changing)

    def send(person: Record | None = None) -> Reply:
        if person:
            written.update(_handed_over(work.given, person))
        headers = {"Sforce-Auto-Assign": "FALSE"}
        return work.client.send("PATCH", path, json_body=written, headers=headers)

    reply = work.sync.for_person(send)[1] if _is_ours(work, wanted, known, path) else send()
    if reply.code not in GONE:
        reply.require()
    _remember(work, wanted, known.remote_id, data={**known.data, "who": work.given.who(known)})
    if reply.code in GONE:
        return work.applied(
            f"Case {known.remote_id} was deleted in Salesforce: left so.", changed=False
        )
    work.writer.note(f"Case {known.remote_id}", written, {})
    done = "closed" if wanted.closing else "up to date"
    work.writer.steps.append(Step(name="case", detail=f"Case {known.remote_id} is {done}."))
    return work.applied(f"Case '{wanted.subject}' is {done}.")


def _is_ours(work: Work, wanted: CaseWrite, known: Record, path: str) -> bool:
    """Tell whether the case is to be given to another person, and nobody gave it to anybody else."""
    if not wanted.changed_hands:
        return False
    reply = work.writer.read(path, ("ContactId",))
    if reply.code in GONE:
        return False
    held = reply.require()["ContactId"]
    if held in {None, known.data.get("who")}:
        return True
    detail = f"Case {known.remote_id} was given to {held} in Salesforce: left so."
    work.writer.steps.append(Step(name="case", detail=detail))
    return False


def _handed_over(given: Given, person: Record) -> dict[str, str | None]:
    """Return the fields that give a case to another person."""
    whose = _whose(given, person)
    return {"ContactId": None, **whose}


def _remember(work: Work, wanted: CaseWrite, identifier: str, *, data: Mapping[str, Any]) -> None:
    work.sync.remember(
        Record(
            object_type="Case",
            remote_id=identifier,
            url=work.client.link("Case", identifier),
            content_hash=wanted.content_hash,
            data=data,
        )
    )


ACTION = Action(label="Open a case file", options=CaseOptions, plan=plan, apply=apply)
