"""A connection's field mapping: what holds now, and how staff's own takes the place of the default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from integrations.connectors.base import Connector
from integrations.models import FieldMapping, MappedField


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMapping:
    """Hold what fills the fields of one object over there; by default where staff have mapped nothing."""

    object_type: str
    label: str
    rows: tuple[MappedField, ...]
    is_default: bool


def in_force(connector: Connector) -> list[ObjectMapping]:
    """Return the mapping of each object as it holds now."""
    by_default = connector.default_mappings()
    found = []
    for object_type, label in connector.mapped_objects.items():
        own = of_object(connector.account.mappings, object_type)
        rows = own or of_object(by_default, object_type)
        mapping = ObjectMapping(
            object_type=object_type, label=label, rows=rows, is_default=not own
        )  # fmt: skip
        found.append(mapping)
    return found


def of_object(rows: Sequence[MappedField], object_type: str) -> tuple[MappedField, ...]:
    """Return the rows that fill one object's fields."""
    return tuple(row for row in rows if row.object_type == object_type)


def store(connector: Connector, rows: Mapping[str, Sequence[MappedField]]) -> list[str]:
    """Store checked rows by object and return the objects that changed; what equals the default is not stored.

    A default that is not stored follows when Calsync's own gets better.
    """
    by_default = connector.default_mappings()
    changed = []
    with transaction.atomic():
        for object_type, given in rows.items():
            usual = of_object(by_default, object_type)
            own = () if tuple(given) == usual else tuple(given)
            if own != of_object(connector.account.mappings, object_type):
                _replace(connector.account.connection_id, object_type, own)
                changed.append(object_type)
    return changed


def _replace(connection_id: int, object_type: str, rows: Sequence[MappedField]) -> None:
    FieldMapping.objects.filter(connection_id=connection_id, object_type=object_type).delete()
    FieldMapping.objects.bulk_create(
        FieldMapping(
            connection_id=connection_id, object_type=object_type, field=row.field, source=row.source,
            argument=row.argument, write_mode=row.write_mode, position=position,
        )
        for position, row in enumerate(rows)
    )  # fmt: skip
