"""The org: its records, what was written to them, and the rules it applies."""

import copy
import itertools
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.clock import Clock, micro
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.salesforce import campaigns, checks, duplicates
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.ids import long_id, make_id
from integrations.sandbox.salesforce.objects import standard_objects
from integrations.sandbox.salesforce.schema import Field, ObjectType
from integrations.sandbox.salesforce.tokens import TokenBook
from integrations.sandbox.web import Json

RUNNING_USER = make_id("005", 1)
ASSIGNED_OBJECTS = frozenset({"Lead", "Case"})


@dataclass(frozen=True, kw_only=True)
class Write:
    """Say how a write was asked for. `via` names the call, for the history."""

    via: str = "rest"
    allow_duplicate: bool = False
    auto_assign: bool = True


@dataclass(frozen=True, kw_only=True)
class ValidationRule:
    """Refuse a record of an object whose fields are as `where` says while `requires` is empty."""

    object: str
    requires: str
    message: str
    where: Json

    def refuses(self, kind: ObjectType, record: Json) -> bool:
        """Tell whether the rule refuses this record."""
        found = self.where.items() <= record.items()
        return kind.name == self.object and found and not record.get(self.requires)


class SalesforceOrg:
    """Hold records by object and id. Callers hold the lock."""

    objects: dict[str, ObjectType]
    records: dict[str, dict[str, Json]]
    deleted: dict[str, Json]
    history: list[Json]

    def __init__(self, *, config: SandboxConfig, clock: Clock, faults: FaultBoard) -> None:
        self.config = config
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Bring back the seeds and forget everything else."""
        with self.lock:
            self.objects = standard_objects()
            self.records = {kind.name: {} for kind in self.objects.values()}
            self.deleted, self.history = {}, []
            self.cursors: dict[str, list[Json]] = {}
            self.validation_rules: list[ValidationRule] = []
            self.tokens = TokenBook()
            self.calls = 0
            self.schema_changed_at = self.clock.now().replace(microsecond=0)
            self._numbers: dict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
            self._seed()

    def _seed(self) -> None:
        seed = Write(via="seed")
        people = [("Inga", "Integration"), ("Adam", "Adler"), ("Uma", "Underwood")]
        for first, last in people:
            email = f"{first.lower()}@harbor.example"
            person = {"FirstName": first, "LastName": last, "Email": email, "Username": email}
            self.create("User", person, how=seed)
        company = {"Name": "Harbor Consulting", "OrganizationType": "Enterprise Edition"}
        self.create("Organization", company | {"InstanceName": "EU42"}, how=seed)
        account = self.create("Account", {"Name": "Northwind Traders"}, how=seed)
        contact = {"FirstName": "Nora", "LastName": "North", "Email": "nora@northwind.example"}
        self.create("Contact", contact | {"AccountId": account}, how=seed)
        lead = {"FirstName": "Liam", "LastName": "Lake", "Email": "liam@lakeside.example"}
        self.create("Lead", lead | {"Company": "Lakeside Studio", "LeadSource": "Web"}, how=seed)
        self.create("Campaign", {"Name": "Autumn Webinar", "IsActive": True}, how=seed)

    def object(self, name: str) -> ObjectType:
        """Return an object by name in any case. Raises SalesforceError NOT_FOUND."""
        kind = self.objects.get(name.lower())
        if kind is None:
            raise SalesforceError("NOT_FOUND")
        return kind

    def object_of(self, key: str) -> ObjectType | None:
        """Return the object that an id belongs to, by its prefix."""
        return next((kind for kind in self.objects.values() if kind.prefix == key[:3]), None)

    def get(self, name: str, key: str) -> Json:
        """Return a record. Raises SalesforceError NOT_FOUND or ENTITY_IS_DELETED."""
        kind, key = self.object(name), long_id(key)
        if key in self.deleted:
            raise SalesforceError("ENTITY_IS_DELETED")
        if key not in self.records[kind.name]:
            raise SalesforceError("NOT_FOUND", "Provided external ID field does not exist")
        return self.records[kind.name][key]

    def find(self, kind: ObjectType, item: Field, value: str) -> list[Json]:
        """Return the records whose field equals a value in any case."""
        wanted = value.lower()
        rows = self.records[kind.name].values()
        return [row for row in rows if str(row.get(item.name) or "").lower() == wanted]

    def create(self, name: str, values: Json, *, how: Write) -> str:
        """Store a new record and return its id. Raises SalesforceError."""
        kind = self.object(name)
        cleaned = checks.cleaned(self, kind, values, creating=True)
        self._refuse_repeats(kind, cleaned, own=None)
        if kind.name == "CampaignMember":
            campaigns.check(self, cleaned)
        if how.via not in {"seed", "control"}:
            duplicates.check(self, kind, cleaned, allow=how.allow_duplicate)
        key = make_id(kind.prefix, next(self._numbers[kind.name]))
        now = checks.stamp(self.clock.now())
        record = {item.name: item.default for item in kind.fields.values()}
        record |= {"Id": key, "IsDeleted": False, "CreatedDate": now, "CreatedById": RUNNING_USER}
        if "OwnerId" in record:
            record["OwnerId"] = RUNNING_USER
        if "CaseNumber" in record:
            record["CaseNumber"] = key[7:15]
        self._store(kind, record, cleaned, how=how, action="create")
        if kind.name == "Campaign":
            for status in campaigns.first_statuses(key):
                self.create("CampaignMemberStatus", status, how=Write(via="seed"))
        return key

    def insert_unchecked(self, name: str, values: Json) -> str:
        """Store a record without the rules for duplicates and unique fields."""
        kind = self.object(name)
        held = {item: kind.fields[item] for item in kind.fields if kind.fields[item].unique}
        kept = {name: value for name, value in values.items() if name.lower() in held}
        rest = {name: value for name, value in values.items() if name.lower() not in held}
        key = self.create(kind.name, rest, how=Write(via="control"))
        self.records[kind.name][key] |= {held[name.lower()].name: kept[name] for name in kept}
        return key

    def update(self, name: str, key: str, values: Json, *, how: Write) -> None:
        """Change a record. Raises SalesforceError."""
        kind, record = self.object(name), self.get(name, key)
        if record.get("IsConverted") and how.via != "control":
            message = "cannot reference converted lead"
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", message)
        cleaned = checks.cleaned(self, kind, values, creating=False)
        self._refuse_repeats(kind, cleaned, own=record["Id"])
        if cleaned.keys() & {"StartDateTime", "DurationInMinutes", "ActivityDateTime"}:
            self._shift_event(record, cleaned)
        self._store(kind, dict(record), cleaned, how=how, action="update")

    def _shift_event(self, record: Json, cleaned: Json) -> None:
        """Keep an event's length when only its start is written."""
        if "EndDateTime" not in cleaned:
            cleaned.setdefault("DurationInMinutes", record["DurationInMinutes"])
            cleaned["EndDateTime"] = None
        start = cleaned.get("StartDateTime") or cleaned.get("ActivityDateTime")
        cleaned["StartDateTime"] = start or record["StartDateTime"]

    def _store(
        self, kind: ObjectType, record: Json, values: Json, *, how: Write, action: str
    ) -> None:
        record |= values
        owner = self.config.salesforce_assignment_owner
        if owner and how.auto_assign and kind.name in ASSIGNED_OBJECTS and how.via != "seed":
            record["OwnerId"] = owner
        checks.whole_record(kind, record)
        self._validate(kind, record)
        if kind.name == "CampaignMember":
            campaigns.complete(self, record)
        now = checks.stamp(self.clock.now())
        record |= {"LastModifiedDate": now, "SystemModstamp": now}
        self.records[kind.name][record["Id"]] = record
        self._note(action, kind.name, record["Id"], values, via=how.via)

    def _validate(self, kind: ObjectType, record: Json) -> None:
        for rule in self.validation_rules:
            if rule.refuses(kind, record):
                code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
                raise SalesforceError(code, rule.message, fields=[rule.requires])

    def delete(self, name: str, key: str) -> None:
        """Delete a record. Raises SalesforceError."""
        record = self.get(name, key)
        kind = self.object(name)
        if kind.name == "Event":
            for relation in [*self.records["EventRelation"].values()]:
                if relation["EventId"] == record["Id"]:
                    del self.records["EventRelation"][relation["Id"]]
        del self.records[kind.name][record["Id"]]
        self.deleted[record["Id"]] = record | {"IsDeleted": True}
        self._note("delete", kind.name, record["Id"], {}, via="rest")

    def deleted_of(self, kind: ObjectType) -> list[Json]:
        """Return the object's records that were deleted or merged away."""
        return [row for key, row in self.deleted.items() if key.startswith(kind.prefix)]

    def merge(self, name: str, kept: str, merged: str) -> None:
        """Merge a record into another of its object: it is deleted, and its activities go to the one that is kept."""
        master, gone = self.get(name, kept), self.get(name, merged)
        if master is gone:
            raise SalesforceError("INVALID_FIELD", "a record cannot be merged into itself")
        self.delete(name, gone["Id"])
        self.deleted[gone["Id"]]["MasterRecordId"] = master["Id"]
        self._hand_over(gone["Id"], master["Id"])
        self._note(
            "merge", self.object(name).name, master["Id"], {"merged": gone["Id"]}, via="control"
        )

    def _hand_over(self, old: str, new: str) -> None:
        """Give a person's activities, cases and campaigns to another, as converting and merging do."""
        for name in ("Event", "Task"):
            for record in self.records[name].values():
                if record["WhoId"] == old:
                    record["WhoId"] = new
        for name in ("Case", "CampaignMember"):
            for record in self.records[name].values():
                if old in {record["ContactId"], record.get("LeadId")}:
                    record["ContactId"] = new

    def enable_shared_activities(self) -> None:
        """Let an Event have several people, Leads too: EventRelation gets the fields that tell them apart."""
        people = ("Contact", "Lead", "User")
        self.change_field(
            "EventRelation",
            add=Field(name="RelationId", type="reference", length=18, refers_to=people, required=True, updateable=False),
        )  # fmt: skip
        for name in ("IsInvitee", "IsParent", "IsWhat"):
            self.change_field("EventRelation", add=Field(name=name, type="boolean", default=False))

    def enable_person_accounts(self) -> None:
        """Turn Person Accounts on, which no org can undo: Account and Contact get their fields."""
        fixed: Json = {"createable": False, "updateable": False}
        flag = Field(name="IsPersonAccount", type="boolean", default=False, **fixed)
        for name in ("Account", "Contact"):
            self.change_field(name, add=flag)
        shadow = Field(
            name="PersonContactId", type="reference", length=18, refers_to=("Contact",), **fixed
        )
        self.change_field("Account", add=shadow)

    def add_person_account(self, values: Json) -> Json:
        """Make an account that is a person, and its contact, which is the same record in another shape."""
        how, person = Write(via="control"), dict(values)
        whole = " ".join(filter(None, (person.get("FirstName"), person["LastName"])))
        account = self.create("Account", {"Name": whole}, how=how)
        contact = self.create("Contact", person | {"AccountId": account}, how=how)
        self.records["Account"][account] |= {"IsPersonAccount": True, "PersonContactId": contact}
        self.records["Contact"][contact]["IsPersonAccount"] = True
        return {"account": account, "contact": contact}

    def convert_lead(self, key: str) -> Json:
        """Turn a lead into a contact with an account, which get its activities; return the three ids."""
        lead, how = self.get("Lead", key), Write(via="control")
        account = self.create("Account", {"Name": lead["Company"]}, how=how)
        person = {name: lead[name] for name in ("FirstName", "LastName", "Email", "Phone")}
        contact = self.create("Contact", person | {"AccountId": account}, how=how)
        changes = {
            "IsConverted": True,
            "Status": "Closed - Converted",
            "ConvertedContactId": contact,
            "ConvertedAccountId": account,
            "ConvertedDate": checks.stamp(self.clock.now())[:10],
        }
        lead |= changes
        self._hand_over(lead["Id"], contact)
        self._note("convert", "Lead", lead["Id"], changes, via="control")
        return {"lead": lead["Id"], "contact": contact, "account": account}

    def _note(self, action: str, name: str, key: str, fields: Json, *, via: str) -> None:
        self.history.append(
            {
                "seq": len(self.history) + 1,
                "at": micro(self.clock.now()),
                "action": action,
                "object": name,
                "id": key,
                "fields": dict(fields),
                "via": via,
            }
        )

    def _refuse_repeats(self, kind: ObjectType, values: Json, *, own: str | None) -> None:
        for item in kind.fields.values():
            value = values.get(item.name)
            if not item.unique or value is None:
                continue
            for other in self.find(kind, item, str(value)):
                if other["Id"] != own:
                    message = (
                        f"duplicate value found: {item.name} duplicates value on record"
                        f" with id: {other['Id'][:15]}"
                    )
                    raise SalesforceError("DUPLICATE_VALUE", message)

    def snapshot(self) -> Any:
        """Return what `restore` needs to undo every write after this moment."""
        return copy.deepcopy((self.records, self.deleted)), len(self.history)

    def restore(self, snapshot: Any) -> None:
        """Undo every write since a snapshot."""
        (self.records, self.deleted), noted = snapshot
        del self.history[noted:]

    def change_field(self, name: str, *, add: Field | None = None, remove: str = "") -> None:
        """Add or remove a field, as an administrator would."""
        kind = self.object(name)
        if add is not None:
            kind.add(add)
            for record in self.records[kind.name].values():
                record.setdefault(add.name, add.default)
        gone = kind.fields.pop(remove.lower(), None)
        if gone is not None:
            for record in self.records[kind.name].values():
                record.pop(gone.name, None)
        self.schema_changed_at = self.clock.now().replace(microsecond=0)
