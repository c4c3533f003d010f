"""Write mapped fields: ask what kind they are where staff chose them, read what is there, send what changes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.connectors.base import Record, Step
from integrations.connectors.salesforce import coercion, defaults, fields, schema
from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.errors import PERSON_GONE
from integrations.connectors.salesforce.fields import Change, WantedRecord
from integrations.connectors.salesforce.schema import Schema
from integrations.errors import IntegrationError, PermanentError, TemporaryError

#: How Salesforce says that a field is not there, or not for us.
_FIELD_TROUBLE = ("INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE")

#: The fields of one record before and after.
Written = dict[str, dict[str, tuple[Any, Any]]]


@dataclass(slots=True)
class Writer:
    """Write one delivery's records; `scope` names the organisation, `zone` is where dates are read.

    `known` are the descriptions that were read already, for those who write many.
    """

    client: SalesforceClient
    scope: str
    zone: str = ""
    written: Written = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    known: dict[str, Schema] = field(default_factory=dict)

    def new_record(
        self, record: WantedRecord, last_resort: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return what a new record is created with, and what is to be told if it is.

        Raises:
            RuleError: a mapped field is gone.
        """
        fitted = fields.fitted(record, self._schema(record), zone=self.zone)
        return fields.new_record(fitted, last_resort=last_resort), fitted.notes

    def fit(self, record: WantedRecord) -> WantedRecord:
        """Return the record's values as its fields take them; what had to be left out becomes a step.

        Raises:
            RuleError: a mapped field is gone.
        """
        fitted = fields.fitted(record, self._schema(record), zone=self.zone)
        self.tell(fitted.notes)
        return fitted

    def read(self, path: str, names: Iterable[str]) -> Reply:
        """Return what fields of a record hold now."""
        return self.client.send("GET", f"{path}?fields={','.join(names)}")

    def change_person(self, person: Record, record: WantedRecord) -> Mapping[str, Any]:
        """Change an existing person by the mapped fields' modes; return what is kept true of them from then on.

        Raises:
            PersonGoneError: the person is deleted, merged away or converted.
            IntegrationError: Salesforce refuses, or does not answer.
        """
        wanted = self.fit(record)
        if not wanted.changing:
            return {}
        path = f"{self.client.data_path}/sobjects/{person.object_type}/{person.remote_id}"
        reply = self.read(path, fields.names_to_read([wanted]))
        change = fields.change(wanted, _require_person(reply))
        self.tell(change.notes)
        if not change.fields:
            self.steps.append(
                Step(name="person", detail="Holds already what is mapped, or must not be changed.")
            )
            return change.kept
        reply = self.client.send(
            "PATCH", path, json_body=dict(change.fields), headers={"Sforce-Auto-Assign": "FALSE"}
        )
        _require_person(reply)
        self.note(f"{person.object_type} {person.remote_id}", change.fields, change.before)
        named = ", ".join(change.fields)
        self.steps.append(Step(name="person", detail=f"Changed by the field mapping: {named}."))
        return change.kept

    def event_body(
        self, path: str, record: WantedRecord, *, known: Record | None, is_there: bool = False
    ) -> Change:
        """Return what to write of an Event; it is looked at first only where a mode asks for it.

        `path` is empty for one that is new for certain; `is_there` says that it was found without being `known`. What
        it held before is otherwise what we wrote, or what a comparison found there since.
        """
        wanted = self.fit(record)
        if not path:
            return _new(wanted)
        is_plain = all(item.mode == fields.Mode.ALWAYS for item in wanted.fields)
        if is_plain or ((known is not None or is_there) and not wanted.looks):
            return replace(fields.change(wanted, None), before=believed(known))
        reply = self.read(path, [item.field for item in wanted.fields])
        if reply.code in {"NOT_FOUND", "ENTITY_IS_DELETED"}:
            return _new(wanted)
        change = fields.change(wanted, reply.require())
        self.tell(change.notes)
        return replace(change, before={**believed(known), **change.before})

    def note(self, title: str, after: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Keep what a record got that it did not hold before, for who reads the delivery later."""
        pairs = {name: (before.get(name), value) for name, value in after.items()}
        self.written[title] = {
            name: pair for name, pair in pairs.items() if not coercion.same(*pair, None)
        }

    def blame_mapping(self, error: PermanentError, records: Iterable[WantedRecord]) -> None:
        """Say which mapping is to be mended when Salesforce refused a field that staff chose.

        Raises:
            RuleError: a mapped field is gone, or can no longer be written.
        """
        if not any(code in str(error) for code in _FIELD_TROUBLE):
            return
        for record in records:
            if record.by_staff:
                fields.fitted(record, self._schema(record, at_once=True))

    def explain(self, error: IntegrationError) -> None:
        """Let an error say how far it came."""
        error.steps = (*rows(self.steps), *error.steps)
        error.changes = {
            title: {name: list(pair) for name, pair in pairs.items()}
            for title, pairs in self.written.items()
        }

    def tell(self, notes: Iterable[str]) -> None:
        """Make steps of what was found out about fields, each once."""
        told = {step.detail for step in self.steps}
        self.steps += [Step(name="field", detail=note) for note in notes if note not in told]

    def _schema(self, record: WantedRecord, *, at_once: bool = False) -> Schema:
        if not record.by_staff:
            return defaults.standard_schema(record.object_type)
        if at_once or record.object_type not in self.known:
            self.known[record.object_type] = schema.load(
                self.client, record.object_type, scope=self.scope, at_once=at_once
            )
        return self.known[record.object_type]


def _new(wanted: WantedRecord) -> Change:
    return Change(fields=fields.new_record(wanted, last_resort={}), kept=fields.kept(wanted))


def rows(steps: Iterable[Step]) -> tuple[dict[str, str], ...]:
    """Return steps as an error, and then an attempt, keeps them."""
    return tuple({"name": step.name, "detail": step.detail} for step in steps)


def believed(record: Record | None) -> dict[str, Any]:
    """Return what a record holds as far as we know without asking."""
    data = record.data if record else {}
    return {**data.get("kept", {}), **data.get("found", {})}


class PersonGoneError(TemporaryError):
    """The person that was just pointed at is gone; the next try looks for them again."""


def _require_person(reply: Reply) -> Any:
    if reply.code in PERSON_GONE or reply.code == "NOT_FOUND":
        raise PersonGoneError(
            "The person was deleted, merged away or converted meanwhile.",
            hint="Nothing to do: the person is looked for again.",
            retry_after=1.0,
        )
    return reply.require()
