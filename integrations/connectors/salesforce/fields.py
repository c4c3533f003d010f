"""Turn mapped values into what a record's fields take, and choose which of them are written. Pure.

Source: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/field_types.htm
"""

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from integrations.connectors.salesforce import coercion
from integrations.connectors.salesforce.defaults import NOT_PROVIDED
from integrations.connectors.salesforce.schema import FieldType, Schema
from integrations.connectors.values import Facts, Source, Value, read
from integrations.errors import RuleError
from integrations.models import FieldMapping, MappedField

Mode = FieldMapping.WriteMode
Fields = Mapping[str, Any]

#: Modes that ask what the record holds.
_LOOKING = frozenset({Mode.IF_EMPTY, Mode.APPEND})
_MEND = (
    "Open 'Field mapping' on the connection's page, choose another field or delete the row, then retry the "
    "delivery."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Hold the value that one field should get; `kind` is known once it was fitted to the field."""

    field: str
    value: Any
    mode: str
    source: str = ""
    kind: FieldType | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRecord:
    """Hold what a record should be. `by_staff` says that the fields were chosen by people, not by us."""

    object_type: str
    fields: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()
    by_staff: bool = False

    @property
    def looks(self) -> bool:
        """Tell whether an existing record has to be read before it is changed."""
        return any(item.mode in _LOOKING for item in self.fields)

    @property
    def changing(self) -> tuple[Wanted, ...]:
        """Return the fields that an existing record may get."""
        return tuple(item for item in self.fields if item.mode != Mode.ON_CREATE)

    @property
    def content_hash(self) -> str:
        """Return what tells whether an existing record is to be looked at again; empty when it never is."""
        content = [[item.field, item.mode, _plain(item.value)] for item in self.changing]
        return content_hash(content) if content else ""


def content_hash(content: object) -> str:
    """Return what tells two contents apart."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def wanted(
    object_type: str,
    rows: Sequence[MappedField],
    facts: Facts,
    *,
    more: Mapping[str, Source] | None = None,
    by_staff: bool = False,
) -> WantedRecord:
    """Return the values of an object's mapped fields; `more` are the connector's own sources."""
    fields, notes = [], []
    for row in rows:
        if row.object_type == object_type:
            reading = read(row.source, row.argument, facts, more=more)
            fields.append(
                Wanted(field=row.field, value=reading.value, mode=row.write_mode, source=row.source)
            )
            notes += [f"{object_type}.{row.field}: {note}" for note in reading.notes]
    return WantedRecord(
        object_type=object_type, fields=tuple(fields), notes=tuple(notes), by_staff=by_staff
    )


def fitted(record: WantedRecord, schema: Schema, *, zone: str = "") -> WantedRecord:
    """Return the record with every value as its field takes it; what does not fit is left out, and said.

    `zone` is where a moment's date is read.

    Raises:
        RuleError: a field is gone or can no longer be written, which a person has to mend.
    """
    fields, notes = [], list(record.notes)
    for item in record.fields:
        kind = schema.find(item.field)
        if trouble := trouble_with(item.field, item.mode, schema):
            raise RuleError(f"The field mapping cannot be followed. {trouble}", hint=_MEND)
        if kind is None or item.value is None:
            continue
        fit = coercion.fit(item.value, kind, zone=zone)
        notes += [f"{record.object_type}.{kind.name}: {note}" for note in fit.notes]
        if fit.value is not None or item.value == "":
            fields.append(replace(item, field=kind.name, value=fit.value, kind=kind))
    return replace(record, fields=tuple(fields), notes=tuple(notes))


def trouble_with(name: str, mode: str, schema: Schema) -> str:
    """Return why a field cannot be written in this mode, in words for staff, or nothing."""
    kind = schema.find(name)
    if kind is None:
        return no_such_field(name, schema)
    title = f"{schema.object_type}.{kind.name}"
    if not (kind.createable or kind.updateable):
        return f"{title} cannot be written by the integration user: a formula, a system field, or hidden from it."
    if mode == Mode.ON_CREATE and not kind.createable:
        return f"{title} cannot be set when a record is created; choose another mode."
    if mode != Mode.ON_CREATE and not kind.updateable:
        return f"{title} cannot be changed later; choose 'on create'."
    if mode == Mode.APPEND and kind.type not in coercion.APPENDABLE:
        return f"{title} is no text ({kind.in_words}), so nothing can be appended to it; choose another mode."
    return ""


def no_such_field(name: str, schema: Schema) -> str:
    """Return that a field is not there, and which one may be meant."""
    known = {item.name.lower(): item.name for item in schema.fields.values()}
    close = difflib.get_close_matches(name.lower(), list(known), n=1)
    perhaps = f" Perhaps {known[close[0]]}?" if close else ""
    return f"{schema.object_type} has no field {name}, or it is hidden from the integration user.{perhaps}"


def new_record(record: WantedRecord, *, last_resort: Fields) -> dict[str, Any]:
    """Return what a new record holds; `last_resort` is what it must not lack."""
    given = {
        item.field: item.value
        for item in record.fields
        if item.value not in (None, "") and (item.kind is None or item.kind.createable)
    }
    return {**{name: value for name, value in last_resort.items() if value}, **given}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Hold what an existing record gets, what its fields held before, and what there is to tell.

    `kept` are the values that are written always: what the record should hold from then on.
    """

    fields: Fields = field(default_factory=dict)
    before: Fields = field(default_factory=dict)
    kept: Fields = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def kept(record: WantedRecord) -> dict[str, Any]:
    """Return the values that are written always."""
    return {item.field: item.value for item in record.changing if item.mode == Mode.ALWAYS}


def change(record: WantedRecord, current: Fields | None) -> Change:
    """Return what to write to an existing record by each field's mode; the same again changes nothing.

    `current` is what it holds, or None when nobody had to look: then what is always written is.
    """
    fields: dict[str, Any] = {}
    notes = []
    for item in record.changing:
        value, note = _to_write(item, None if current is None else current.get(item.field))
        if note:
            notes.append(f"{record.object_type}.{item.field}: {note}")
        elif current is None or not _equal(item, current.get(item.field), value):
            fields[item.field] = value
    before = {name: (current or {}).get(name) for name in fields}
    return Change(fields=fields, before=before, kept=kept(record), notes=tuple(notes))


def names_to_read(records: Iterable[WantedRecord]) -> tuple[str, ...]:
    """Return the fields to ask for before these are changed."""
    return tuple(dict.fromkeys(item.field for record in records for item in record.changing))


def _to_write(item: Wanted, held: Any) -> tuple[Any, str]:
    """Return the value to write, or why nothing is."""
    if item.mode == Mode.ALWAYS:
        return item.value, ""
    if item.mode == Mode.IF_EMPTY:
        return (item.value, "") if _is_empty(held) and not _is_empty(item.value) else (held, "")
    return coercion.appended(held, item.value, item.kind)


def _is_empty(value: Any) -> bool:
    """Tell whether a field holds nothing: no box that is not ticked, nor that nobody told the company; 0 is something."""
    return value is None or value is False or value in {"", NOT_PROVIDED}


def _equal(item: Wanted, held: Any, value: Any) -> bool:
    return coercion.same(held, value, item.kind)


def _plain(value: Value) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
