"""The version guard: an older snapshot never overwrites a newer one, an equal one writes nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Model

from bookings.models import MirrorRow, Status

#: Field name -> [before, after], as JSON holds it.
Changes = dict[str, list[Any]]
Row = TypeVar("Row", bound=MirrorRow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Hold what a snapshot would write into a row.

    `digest` is the content's hash; equal means nothing to write. `beside` is written with the version even then,
    `initial` to a new row only. `erased_at` is set where it tells of an erased person, without what was theirs.
    """

    uri: str
    values: Mapping[str, Any]
    updated_at: datetime | None
    observed_at: datetime
    digest: str
    raw: Mapping[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    erased_at: datetime | None = None

    @property
    def version(self) -> dict[str, Any]:
        """Return the columns that say how new it is."""
        return {
            "source_updated_at": self.updated_at,
            "observed_at": self.observed_at,
            **self.beside,
        }

    @property
    def content(self) -> dict[str, Any]:
        """Return the columns that say what it is."""
        return {**self.values, "content_hash": self.digest, "raw": dict(self.raw)}


def write(
    model: type[Row],
    uri: str,
    values: Mapping[str, Any],
    *,
    updated_at: datetime | None,
    observed_at: datetime,
    digest: str,
    raw: Mapping[str, Any],
    erased_at: datetime | None = None,
) -> tuple[Row, Changes]:
    """Write the values if they are newer; return the locked row and what changed (`uri` too when it is new)."""
    draft = Draft(
        uri=uri, values=values, updated_at=updated_at, observed_at=observed_at, digest=digest, raw=raw,
        erased_at=erased_at,
    )  # fmt: skip
    return write_many(model, [draft])[0]


def write_many(model: type[Row], drafts: Sequence[Draft]) -> list[tuple[Row, Changes]]:
    """Write each draft that is newer than its row; return the locked rows and what changed, in the drafts' order.

    Rows are locked by URI in one order. New ones cost one statement together, changed ones one each, equal ones
    none.
    """
    rows, new = _lock_or_create(model, drafts)
    written = []
    for draft in drafts:
        row = rows[draft.uri]
        created = new.pop(draft.uri, None) is draft
        written.append((row, {"uri": [None, row.uri]} if created else _write(row, draft)))
    return written


def _lock_or_create(
    model: type[Row], drafts: Sequence[Draft]
) -> tuple[dict[str, Row], dict[str, Draft]]:
    """Return the locked rows by URI, and the drafts whose rows were made here."""
    first = {draft.uri: draft for draft in reversed(drafts)}
    before: dict[str, Draft] = {}
    while True:
        rows = locked(model, first)
        missing = {uri: first[uri] for uri in sorted(first) if uri not in rows}
        if not missing:
            return rows, missing
        try:
            with transaction.atomic():
                made = model._default_manager.bulk_create(  # noqa: SLF001  # Django's documented name
                    [_new(model, draft) for draft in missing.values()]
                )
        except IntegrityError:
            if missing.keys() == before.keys():
                raise
            before = missing  # another process made one of them meanwhile
            continue
        return rows | {row.uri: row for row in made}, missing


def locked(model: type[Row], uris: Iterable[str]) -> dict[str, Row]:
    """Return the rows with these URIs, locked in one order so that two writers cannot deadlock.

    Keys never change: rows that only refer to these may be made meanwhile.
    """
    rows = model._default_manager.select_for_update(no_key=True)  # noqa: SLF001  # Django's documented name
    return {row.uri: row for row in rows.filter(uri__in=set(uris)).order_by("uri")}


def _new(model: type[Row], draft: Draft) -> Row:
    return model(
        uri=draft.uri, erased_at=draft.erased_at, **draft.content, **draft.version, **draft.initial
    )


def _write(row: MirrorRow, draft: Draft) -> Changes:
    values = {**draft.content, **draft.version}
    if not supersedes(
        row,
        updated_at=draft.updated_at,
        observed_at=draft.observed_at,
        status=draft.values.get("status"),
    ):
        return {}
    if row.erased_at is not None or (draft.erased_at and _is_still_to_be_erased(row)):
        values = {**values, "raw": {}, **{name: getattr(row, name) for name in row.PERSONAL}}
    elif draft.erased_at:
        values["erased_at"] = draft.erased_at
    if row.content_hash == draft.digest:
        _save(row, {**draft.version, **_back_again(row)})
        return {}
    changes = _differences(row, {name: values[name] for name in (*draft.values, "content_hash")})
    _save(row, {**values, **_back_again(row)})
    return changes


def _is_still_to_be_erased(row: MirrorRow) -> bool:
    """Tell whether a row of an erased person still holds the address, by which the erasure has yet to find the rest."""
    return bool(getattr(row, "email", ""))


def _back_again(row: MirrorRow) -> dict[str, Any]:
    """Return what an object that had vanished loses by being told of again."""
    return {"vanished_at": None} if getattr(row, "vanished_at", None) else {}


def supersedes(
    row: MirrorRow, *, updated_at: datetime | None, observed_at: datetime, status: str | None = None
) -> bool:
    """Tell whether a snapshot of this version may replace the row.

    The source's `updated_at` decides. Where it is equal, a cancel is final (Calendly never takes one back), then
    the later observation wins. A row that was a mere mention gives way to any full snapshot.
    """
    if row.source_updated_at is None:
        return True
    if updated_at is None:
        return False
    if updated_at != row.source_updated_at:
        return updated_at > row.source_updated_at
    if status and status != getattr(row, "status", status):
        return status == Status.CANCELED
    return row.observed_at is None or observed_at >= row.observed_at


def _save(row: MirrorRow, values: Mapping[str, Any]) -> None:
    stale = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not stale:
        return
    for name, value in stale.items():
        setattr(row, name, value)
    row.save(update_fields=[*stale, "mirrored_at"])


def _differences(row: MirrorRow, values: Mapping[str, Any]) -> Changes:
    pairs = {name: (getattr(row, name), value) for name, value in values.items()}
    return {name: [plain(old), plain(new)] for name, (old, new) in pairs.items() if old != new}


def plain(value: Any) -> Any:
    """Return the value as JSON holds it: times in ISO 8601, rows by their name."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Model):
        return str(value)
    return value
