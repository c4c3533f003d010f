"""Check a field mapping against what Salesforce says of its fields, before it is saved. Pure."""

from collections.abc import Mapping, Sequence

from integrations.connectors.base import MappingProblem, TargetField
from integrations.connectors.salesforce import coercion, defaults, fields
from integrations.connectors.salesforce.schema import FieldType, Schema
from integrations.connectors.values import SOURCES, Kind, problem
from integrations.models import FieldMapping, MappedField

_ANY = frozenset(Kind)
#: What sort of value each type of field can take; what is not named takes any.
_TAKES: Mapping[str, frozenset[Kind]] = {
    "boolean": frozenset({Kind.TEXT, Kind.BOOLEAN}),
    **dict.fromkeys(("int", "double", "currency", "percent"), frozenset({Kind.TEXT, Kind.NUMBER})),
    **dict.fromkeys(("date", "datetime", "time"), frozenset({Kind.TEXT, Kind.MOMENT})),
    **dict.fromkeys(("email", "phone", "reference", "url"), frozenset({Kind.TEXT})),
}


def problems(
    mappings: Sequence[MappedField], schemas: Mapping[str, Schema], *, reserved: Sequence[str]
) -> list[MappingProblem]:
    """Return why rows cannot be written; `reserved` are fields of Event that are ours alone."""
    found = []
    seen: set[tuple[str, str]] = set()
    for place, row in enumerate(mappings):
        named = (row.object_type, row.field.lower())
        message = _problem(row, schemas.get(row.object_type), reserved=reserved)
        if not message and named in seen:
            message = f"{row.object_type}.{row.field} is filled in another row already."
        seen.add(named)
        if message:
            found.append(MappingProblem(place=place, message=message))
    return found


def targets(schema: Schema, *, reserved: Sequence[str]) -> list[TargetField]:
    """Return the fields of an object that staff may fill, by their labels."""
    own = _names(schema.object_type, reserved)
    ours = {
        *defaults.ALWAYS_KEPT.get(schema.object_type, ()),
        *defaults.LAST_RESORT.get(schema.object_type, ()),
    }
    found = [
        TargetField(
            name=kind.name,
            label=kind.label,
            type=kind.in_words,
            is_required=kind.is_required and kind.type != "boolean" and kind.name not in ours,
        )
        for kind in schema.fields.values()
        if (kind.createable or kind.updateable) and kind.name.lower() not in own
    ]
    return sorted(found, key=lambda item: (item.label.casefold(), item.name))


def _names(object_type: str, reserved: Sequence[str]) -> set[str]:
    return {name.lower() for name in reserved} if object_type == "Event" else set()


def _problem(row: MappedField, schema: Schema | None, *, reserved: Sequence[str]) -> str:
    if schema is None:
        return f"{row.object_type} cannot be mapped."
    if not row.field:
        return "Choose a field."
    if row.field.lower() in _names(row.object_type, reserved):
        return f"{row.object_type}.{row.field} is written by Calsync itself."
    if row.write_mode not in FieldMapping.WriteMode.values:
        return "Choose when it is written."
    return (
        fields.trouble_with(row.field, row.write_mode, schema)
        or problem(row.source, row.argument, more=defaults.SOURCES)
        or _misfit(row, schema.find(row.field))
    )


def _misfit(row: MappedField, kind: FieldType | None) -> str:
    source = SOURCES.get(row.source) or defaults.SOURCES.get(row.source)
    if kind is None or source is None:
        return ""
    if source.kind not in _TAKES.get(kind.type, _ANY):
        return (
            f"{kind.name} ({kind.in_words}) cannot take {source.label!r}, which is {source.kind}."
        )
    if row.source != "constant":
        return ""
    fit = coercion.fit(row.argument, kind)
    return f"{kind.name}: {fit.notes[0].removesuffix('; left as it is.')}" if fit.notes else ""
