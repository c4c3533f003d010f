"""Meetings of people whom Salesforce knows in every way there is, written singly and at once."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bookings.snapshots import Answer
from integrations.connectors.base import Applied, Choice, Job, Record, Send, Skip, Task
from integrations.errors import IntegrationError, ReviewError
from integrations.http import Recorder
from integrations.models import MappedField
from integrations.sandbox import SandboxServer
from integrations.sandbox.salesforce.org import SalesforceOrg, Write
from integrations.sandbox.salesforce.schema import Field
from tests.connectors.builders import Memory, make_meeting, make_task
from tests.connectors.harness import Driver

SEED = Write(via="seed")
EXTERNAL = "Calendly_Invitee_UUID__c"
Outcome = Applied | Exception | Skip


@dataclass
class Person:
    """An invitee: what the meeting says, and what Calsync knows of it from before."""

    place: int
    meeting: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    recorder: Recorder = field(default_factory=Recorder)

    @property
    def email(self) -> str:
        return f"person{self.place}@company{self.place}.example"

    def make_task(self) -> Task:
        given = {
            "key": f"KEY-{self.place}",
            "chain_id": self.place,
            "email": self.email,
            "invitee_name": f"Given{self.place} Family{self.place}",
            "answers": (Answer(question="Company", answer=f"Company {self.place}"),),
        }
        meeting = make_meeting(**{**given, **self.meeting})
        return make_task(
            meeting, action="sync_meeting", event_id=self.place, records=self.memory.records, **self.task
        )  # fmt: skip


def person_in(org: SalesforceOrg, kind: str, person: Person, **values: Any) -> str:
    company = {"Company": "Known Ltd"} if kind == "Lead" else {}
    given = {"LastName": f"Known{person.place}", "Email": person.email, **company}
    return org.create(kind, {**given, **values}, how=SEED)


def _stranger(org: SalesforceOrg, person: Person) -> None:
    """Nobody knows them."""


def _contact(org: SalesforceOrg, person: Person) -> None:
    person_in(org, "Contact", person, Email=person.email.upper())


def _lead(org: SalesforceOrg, person: Person) -> None:
    person_in(org, "Lead", person)


def _converted(org: SalesforceOrg, person: Person) -> None:
    org.convert_lead(person_in(org, "Lead", person))


def _several(org: SalesforceOrg, person: Person) -> None:
    person_in(org, "Contact", person)
    person_in(org, "Contact", person)


def _linked(org: SalesforceOrg, person: Person) -> None:
    identifier = person_in(org, "Lead", person, Email=f"other{person.place}@else.example")
    person.meeting["tracking"] = {"salesforce_uuid": identifier[:15]}


def _linked_to_nobody(org: SalesforceOrg, person: Person) -> None:
    identifier = person_in(org, "Lead", person, Email=f"other{person.place}@else.example")
    org.delete("Lead", identifier)
    person.meeting["tracking"] = {"salesforce_uuid": identifier}


def _no_address(org: SalesforceOrg, person: Person) -> None:
    person.meeting["email"] = ""


def _odd_address(org: SalesforceOrg, person: Person) -> None:
    person.meeting["email"] = f"o'{person.place}\\n@x%_{person.place}.example"


def _refused_address(org: SalesforceOrg, person: Person) -> None:
    person.meeting["email"] = f"no address {person.place}"


def _stored(org: SalesforceOrg, person: Person) -> None:
    identifier = person_in(org, "Contact", person)
    person.memory.remember(Record(object_type="Contact", remote_id=identifier))


def _merged_away(org: SalesforceOrg, person: Person) -> None:
    kept, gone = (person_in(org, "Contact", person) for _ in range(2))
    org.merge("Contact", kept, gone)
    person.memory.remember(Record(object_type="Contact", remote_id=gone, data={"by": "contact"}))


def _chosen(org: SalesforceOrg, person: Person) -> None:
    _several(org, person)
    identifier = person_in(org, "Contact", person)
    record = Record(object_type="Contact", remote_id=identifier)
    person.task["choice"] = Choice(verdict="use", record=record, review_id=1)


def _asked_for_new(org: SalesforceOrg, person: Person) -> None:
    refused = (person_in(org, "Contact", person), person_in(org, "Lead", person))
    person.task["choice"] = Choice(verdict="create", refused=refused, review_id=1)


def _nobody(org: SalesforceOrg, person: Person) -> None:
    person.task["choice"] = Choice(verdict="nobody", review_id=1)


def _written_before(org: SalesforceOrg, person: Person) -> None:
    identifier = person_in(org, "Contact", person, **{EXTERNAL: f"KEY-{person.place}"})
    values = {
        "Subject": "Old", "StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z",
        "WhoId": identifier, EXTERNAL: f"KEY-{person.place}",
    }  # fmt: skip
    event = org.create("Event", values, how=SEED)
    person.memory.remember(Record(object_type="Contact", remote_id=identifier))
    person.memory.remember(Record(object_type="Event", remote_id=event, content_hash="old"))


def _two_events(org: SalesforceOrg, person: Person) -> None:
    values = {
        "Subject": "Old", "StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z",
        EXTERNAL: f"KEY-{person.place}",
    }  # fmt: skip
    for _ in range(2):
        org.insert_unchecked("Event", values)


def _account(org: SalesforceOrg, person: Person) -> None:
    website = f"https://www.company{person.place}.example/en"
    org.create("Account", {"Name": f"Company {person.place}", "Website": website}, how=SEED)


def _lost_answer(org: SalesforceOrg, person: Person) -> None:
    person_in(org, "Lead", person)
    person.task["look_first"] = True


def _deleted_by_hand(org: SalesforceOrg, person: Person) -> None:
    _written_before(org, person)
    known = next(one for one in person.memory.records if one.object_type == "Event")
    org.delete("Event", known.remote_id)


def _canceled(org: SalesforceOrg, person: Person) -> None:
    _written_before(org, person)
    person.meeting["is_canceled"] = True


def _with_guests(org: SalesforceOrg, person: Person) -> None:
    guest = f"guest{person.place}@else.example"
    person_in(org, "Contact", person, Email=guest)
    person.meeting["guests"] = (guest, f"nobody{person.place}@else.example")


SITUATIONS: Sequence[Callable[[SalesforceOrg, Person], None]] = (
    _stranger, _contact, _lead, _converted, _several, _linked, _linked_to_nobody, _no_address, _odd_address,
    _refused_address, _stored, _merged_away, _chosen, _asked_for_new, _nobody, _written_before, _two_events, _account,
    _lost_answer, _deleted_by_hand, _canceled, _with_guests,
)  # fmt: skip


def row(object_type: str, name: str, source: str, argument: str = "", *, mode: str) -> MappedField:
    return MappedField(
        object_type=object_type, field=name, source=source, argument=argument, write_mode=mode
    )


MAPPINGS = (
    row("Contact", "Title", "event_type.name", mode="always"),
    row("Contact", "LastName", "invitee.last_name", mode="on_create"),
    row("Lead", "Title", "event_type.name", mode="if_empty"),
    row("Lead", "Company", "invitee.company", mode="if_empty"),
    row("Event", "Subject", "event.subject", mode="always"),
    row("Event", "Notes__c", "invitee.name", mode="append"),
)
#: Settings of the connection, of the sandbox, and the mapping.
VARIANTS: Sequence[tuple[dict[str, Any], dict[str, Any], tuple[MappedField, ...]]] = (
    ({}, {}, ()),
    ({}, {"salesforce_query_page": 3}, ()),
    ({"create": "contact", "match_accounts": True}, {}, ()),
    ({"person_external_id_field": EXTERNAL, "when_ambiguous": "newest"}, {}, ()),
    ({"match_contacts": False, "match_leads": False}, {"salesforce_duplicate_rule": "block"}, ()),
    ({"match_contacts": False, "match_leads": False}, {"salesforce_duplicate_rule": "alert"}, ()),
    ({"create": "nothing", "match_leads": False}, {}, ()),
    ({"when_canceled": "delete", "guests": "relate"}, {}, ()),
    ({"event_external_id_field": ""}, {}, ()),
    ({}, {}, MAPPINGS),
)


@dataclass(kw_only=True)
class World:
    """A sandbox as new with the people of one example in it, and a driver to it."""

    server: SandboxServer
    driver: Driver
    people: list[Person]

    @classmethod
    def of(cls, server: SandboxServer, situations: Iterable[int], variant: int) -> "World":
        server.reset()
        driver = Driver("salesforce", server)
        own, changes, driver.mappings = VARIANTS[variant]
        # One by one the host's user is asked for once an hour, at once for all: told in other words.
        driver.settings = {"event_owner": "integration_user", **own}
        org = server.state.salesforce
        for kind in ("Lead", "Contact"):
            field = Field(name=EXTERNAL, length=255, external_id=True, unique=True)
            org.change_field(kind, add=field)
        org.change_field("Event", add=Field(name="Notes__c", type="textarea", length=1000))
        people = []
        # Who is created by another call than the others comes last, so that ids are given in one order.
        ordered = sorted(situations, key=lambda which: SITUATIONS[which] is _asked_for_new)
        for place, situation in enumerate(ordered, start=1):
            people.append(Person(place=place))
            SITUATIONS[situation](org, people[-1])
        for name, value in changes.items():
            setattr(server.state.config, name, value)
        return cls(server=server, driver=driver, people=people)

    @property
    def org(self) -> SalesforceOrg:
        return self.server.state.salesforce

    def write_singly(self) -> list[Outcome]:
        return [self._write_one(person) for person in self.people]

    def _write_one(self, person: Person) -> Outcome:
        self.driver.recorder = person.recorder
        task, connector = person.make_task(), self.driver.connector()
        decision = connector.plan(task)
        if isinstance(decision, Skip):
            return decision
        try:
            return connector.apply(
                task, decision, remember=person.memory.remember, forget=person.memory.forget
            )
        except IntegrationError as error:
            return error

    def write_at_once(self) -> list[Outcome]:
        connector = self.driver.connector()
        outcomes: dict[int, Outcome] = {}
        jobs = []
        for person in self.people:
            task = person.make_task()
            decision = connector.plan(task)
            if isinstance(decision, Send):
                jobs.append(self._job(person, task, decision))
            else:
                outcomes[person.place] = decision
        done = connector.apply_many(jobs)
        outcomes |= {job.task.delivery_id: end for job, end in zip(jobs, done, strict=True)}
        return [outcomes[person.place] for person in self.people]

    @staticmethod
    def _job(person: Person, task: Task, decision: Send) -> Job:
        return Job(
            task=task, decision=decision, recorder=person.recorder,
            remember=person.memory.remember, forget=person.memory.forget,
        )  # fmt: skip

    def calls(self) -> list[str]:
        """The requests so far, but for logging in and descriptions."""
        paths = (path.partition("/services/data/v66.0")[2] for path in self.driver.requests())
        return [path for path in paths if path and not path.endswith("/describe")]

    def ids(self) -> dict[str, str]:
        """What each Event is, whatever its id: those are given in the order of writing."""
        events = self.org.records["Event"].values()
        return {row["Id"]: f"the Event of {_key(row)}" for row in events}

    def seen(self, outcomes: Sequence[Outcome]) -> Any:
        """All that came of it: outcomes, records that are remembered, and what the organisation holds."""
        times = {"CreatedDate", "LastModifiedDate", "SystemModstamp"}
        held = {
            kind: sorted(
                ({name: row[name] for name in row.keys() - times} for row in rows.values()),
                key=_key,
            )
            for kind, rows in self.org.records.items()
        }
        kept = [[_plain(record) for record in _in_order(one.memory.records)] for one in self.people]
        told = [_outcome(outcome) for outcome in outcomes]
        text = json.dumps({"held": held, "kept": kept, "told": told}, sort_keys=True, default=str)
        for identifier, name in self.ids().items():
            text = text.replace(identifier, name)
        return json.loads(re.sub(r"http://127.0.0.1:\d+", "", text))


def _key(row: Mapping[str, Any]) -> str:
    """Return what tells a record from others whatever its id: its key, or the line that stands for it."""
    lines = str(row.get("Description") or "").splitlines()
    return str(
        row.get(EXTERNAL) or next((one for one in lines if one.startswith("Calsync: ")), row["Id"])
    )


def _in_order(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.object_type)


def _plain(record: Record) -> Mapping[str, Any]:
    return {name: getattr(record, name) for name in ("object_type", "remote_id", "key", "url", "content_hash", "data")}  # fmt: skip


def _outcome(outcome: Outcome) -> Any:
    match outcome:
        case Applied():
            steps = [[step.name, step.detail] for step in outcome.steps]
            told = [step for step in steps if step[0] != "API requests"]
            return ["applied", outcome.summary, outcome.changed, told, outcome.fields]
        case Skip():
            return ["skip", outcome.reason]
        case ReviewError():
            candidates = [one.remote_id for one in outcome.candidates]
            return ["review", str(outcome), candidates, list(outcome.steps)]
    error = {**vars(outcome), "message": str(outcome)}
    if "external id" in error["hint"]:  # a single upsert answers 300, one of many names its error
        del error["message"]
    return [type(outcome).__name__, error]


def differences(left: Any, right: Any, path: str = "") -> list[str]:
    """Where two results differ, so that a failure is read at a glance."""
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted(left.keys() | right.keys())
        return [
            found
            for name in names
            for found in differences(left.get(name), right.get(name), f"{path}.{name}")
        ]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = enumerate(zip(left, right, strict=True))
        return [found for at, pair in pairs for found in differences(*pair, f"{path}[{at}]")]
    return [] if left == right else [f"{path}: {left!r} is not {right!r}"]
