"""The version guard: an older snapshot never overwrites a newer one, an equal one writes nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Model

from bookings.models import MirrorRow, Status

#: Field name -> [before, after], as JSON holds it.
Changes = dict[str, list[Any]]
Row = TypeVar("Row", bound=MirrorRow)


def write(
    model: type[Row],
    uri: str,
    values: Mapping[str, Any],
    *,
    updated_at: datetime | None,
    observed_at: datetime,
    digest: str,
    raw: Mapping[str, Any],
) -> tuple[Row, Changes]:
    """Write the values if they are newer; return the locked row and what changed (`uri` too when it is new)."""
    version = {"source_updated_at": updated_at, "observed_at": observed_at}
    content = {"content_hash": digest, "raw": dict(raw)}
    rows = model._default_manager.select_for_update()  # noqa: SLF001  # Django's documented name
    row, created = rows.get_or_create(uri=uri, defaults={**values, **version, **content})
    if created:
        return row, {"uri": [None, uri]}
    if not supersedes(
        row, updated_at=updated_at, observed_at=observed_at, status=values.get("status")
    ):
        return row, {}
    if row.content_hash == digest:
        _save(row, version)
        return row, {}
    changes = _differences(row, {**values, "content_hash": digest})
    _save(row, {**values, **version, **content})
    return row, changes


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
