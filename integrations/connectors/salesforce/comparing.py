"""Read back what was written, many records a call, and say what is not as we wrote it.

Sources: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_queryall.htm (deleted and
archived records too: an Event is archived a year after it ended, and `query` no longer shows it)
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_lead.htm
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.connectors.base import Difference, Record
from integrations.connectors.salesforce import coercion, defaults, looking, schema
from integrations.connectors.salesforce.client import SalesforceClient
from integrations.connectors.salesforce.fields import Fields, no_such_field
from integrations.connectors.salesforce.identifiers import object_of
from integrations.connectors.salesforce.looking import Query
from integrations.connectors.salesforce.mapping import soql_text
from integrations.connectors.salesforce.schema import Schema
from integrations.errors import PermanentError, RuleError
from integrations.models import MappedField

#: How many records are read at once. A page of a query's answer holds at least as many, however wide they are.
AT_ONCE = 200
#: How many queries one composite call takes.
_QUERIES = 5

#: Where a record went that was merged or converted, by object.
_WENT_TO: Mapping[str, tuple[str, ...]] = {
    "Contact": ("MasterRecordId",),
    "Lead": ("MasterRecordId", "ConvertedContactId"),
}
#: Is shown masked to who may not see it, so that nothing can be said of it.
_UNREADABLE = frozenset({"encryptedstring"})
_MEND = (
    "Open 'Field mapping' on the connection's page and choose another field or delete the row; or let the "
    "integration user see the field again. Then compare anew."
)

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Compare records of one connection; `scope` names the organisation, `mappings` are those of staff."""

    client: SalesforceClient
    scope: str
    mappings: Sequence[MappedField]

    def differences(self, records: Sequence[Record]) -> list[Difference]:
        """Return which of up to `AT_ONCE` records are not as we wrote them.

        A person that was merged or converted is nobody's change: the next write follows them. So is an Event that
        Salesforce gave to whom its person became.

        Raises:
            RuleError: a field that is still mapped is gone or hidden.
            IntegrationError: Salesforce cannot be asked.
        """
        groups = _by_type(records)
        schemas, rows = self._read(groups)
        found = [
            difference
            for kind, held in groups.items()
            for record in held
            if (difference := _difference(record, rows.get(record.remote_id), schemas[kind]))
        ]
        return self._without_followers(found)

    def _read(
        self, groups: Mapping[str, Sequence[Record]]
    ) -> tuple[dict[str, Schema], dict[str, Any]]:
        """Return the objects' fields, and the records by id; what a field's loss spoils is read once more."""
        schemas = {kind: self._schema(kind, held) for kind, held in groups.items()}
        try:
            return schemas, self._ask(groups, schemas)
        except PermanentError as error:
            if "INVALID_FIELD" not in str(error):
                raise
        schemas = {
            kind: schema.load(self.client, kind, scope=self.scope, at_once=True) for kind in groups
        }
        self._require_mapped(groups, schemas)
        return schemas, self._ask(groups, schemas)

    def _ask(
        self, groups: Mapping[str, Sequence[Record]], schemas: Mapping[str, Schema]
    ) -> dict[str, Any]:
        return self._rows(
            (kind, _select(kind, _known(_kept_names(held), schemas[kind]), _ids(held)))
            for kind, held in groups.items()
        )

    def _rows(self, queries: Iterable[tuple[str, Query]]) -> dict[str, Any]:
        """Return the records that are there by id; five queries are one call."""
        left = list(queries)
        calls = (dict(left[at : at + _QUERIES]) for at in range(0, len(left), _QUERIES))
        answers = [looking.ask(self.client, call) for call in calls]
        return {
            str(row["Id"]): row for answer in answers for rows in answer.values() for row in rows
        }

    def _schema(self, kind: str, records: Sequence[Record]) -> Schema:
        """Return what is known of the fields; Salesforce is asked, once an hour, only where staff chose some."""
        standard = defaults.standard_schema(kind)
        names = _kept_names(records) - {"WhoId"}
        if kind in defaults.MAPPED_OBJECTS and all(standard.find(name) for name in names):
            return standard
        return schema.load(self.client, kind, scope=self.scope)

    def _require_mapped(
        self, groups: Mapping[str, Sequence[Record]], schemas: Mapping[str, Schema]
    ) -> None:
        """See that what is missing is mapped no more; then it is what was kept before the mapping changed."""
        for kind, held in groups.items():
            chosen = {row.field.lower() for row in self.mappings if row.object_type == kind}
            missing = [name for name in sorted(_kept_names(held)) if not schemas[kind].find(name)]
            lost = [name for name in missing if not chosen or name.lower() in chosen]
            if lost:
                told = " ".join(no_such_field(name, schemas[kind]) for name in lost)
                raise RuleError(f"What is mapped can no longer be compared. {told}", hint=_MEND)

    def _without_followers(self, found: Sequence[Difference]) -> list[Difference]:
        """Leave out whom Salesforce itself gave an Event to: the person that its own was merged or converted into."""
        ours = {str(item.fields["WhoId"][0]) for item in found if _is_moved(item)}
        queries = ((kind, _select(kind, (), sorted(ids))) for kind, ids in _people(ours).items())
        rows = self._rows(queries) if ours else {}
        return [left for item in found if (left := _unless_followed(item, rows))]


def _by_type(records: Iterable[Record]) -> dict[str, list[Record]]:
    groups = defaultdict(list)
    for record in records:
        groups[record.object_type].append(record)
    return dict(groups)


def _kept_names(records: Iterable[Record]) -> set[str]:
    return {name for record in records for name in record.data["kept"]}


def _known(names: Iterable[str], schema: Schema) -> list[str]:
    """Return the fields to ask for; to whom an Event belongs is always there."""
    return sorted(name for name in names if name == "WhoId" or schema.find(name))


def _ids(records: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(record.remote_id for record in records))


def _select(kind: str, names: Iterable[str], ids: Iterable[str]) -> Query:
    columns = ", ".join(dict.fromkeys(("Id", "IsDeleted", *_WENT_TO.get(kind, ()), *names)))
    listed = ", ".join(map(soql_text, ids))
    return ("queryAll", f"SELECT {columns} FROM {kind} WHERE Id IN ({listed})")  # noqa: S608 - ids are quoted


def _difference(record: Record, row: Mapping[str, Any] | None, schema: Schema) -> Difference | None:
    if row is not None and _target(row):
        return None
    if row is None or row["IsDeleted"]:
        return Difference(record=record, gone=True)
    fields = dict(_differing(record.data["kept"], row, schema))
    return Difference(record=record, fields=fields) if fields else None


def _differing(
    kept: Fields, row: Mapping[str, Any], schema: Schema
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for name, ours in kept.items():
        kind = schema.find(name)
        if name not in row or (kind is not None and kind.type in _UNREADABLE):
            continue
        theirs = row[name]
        if name == "WhoId":
            is_same = str(ours or "")[:15] == str(theirs or "")[:15]
        else:
            is_same = coercion.same(ours, theirs, kind)
        if not is_same:
            yield name, (ours, theirs)


def _target(row: Mapping[str, Any]) -> str:
    """Return what a record became, if it was merged or converted."""
    return next(
        (str(row[name]) for names in _WENT_TO.values() for name in names if row.get(name)), ""
    )


def _is_moved(difference: Difference) -> bool:
    ours, theirs = difference.fields.get("WhoId", (None, None))
    return bool(ours and theirs)


def _people(ids: Iterable[str]) -> dict[str, list[str]]:
    groups = defaultdict(list)
    for one in ids:
        kind = object_of(one)
        if kind in _WENT_TO:
            groups[kind].append(one)
    return dict(groups)


def _unless_followed(difference: Difference, rows: Rows) -> Difference | None:
    ours, theirs = difference.fields.get("WhoId", (None, None))
    if not _is_moved(difference) or _target(rows.get(str(ours), {})) != theirs:
        return difference
    fields = {name: pair for name, pair in difference.fields.items() if name != "WhoId"}
    return Difference(record=difference.record, fields=fields) if fields else None
