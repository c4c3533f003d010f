"""Fixtures of Calendly's bodies, and what the tests of the parser say of every result."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bookings.snapshots import MeetingSnapshot, Snapshot
from integrations.sources.base import NotUnderstood, Parsed, Understood
from integrations.sources.calendly.payloads import parse_webhook

FOLDER = Path(__file__).parent.parent / "fixtures" / "calendly"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
NOW = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


def body(name: str) -> bytes:
    return (FOLDER / f"{name}.json").read_bytes()


def document(name: str) -> Any:
    return json.loads(body(name))


def parse(value: Any) -> Parsed:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return parse_webhook(raw, received_at=NOW)


def understood(value: Any) -> Understood:
    parsed = parse(body(value) if isinstance(value, str) else value)
    assert isinstance(parsed, Understood), parsed
    return parsed


def not_understood(value: Any) -> NotUnderstood:
    parsed = parse(body(value) if isinstance(value, str) else value)
    assert isinstance(parsed, NotUnderstood), parsed
    return parsed


def only(value: Any) -> Any:
    (snapshot,) = understood(value).snapshots
    return snapshot


def meeting(value: Any) -> Any:
    snapshot = only(value)
    assert isinstance(snapshot, MeetingSnapshot)
    return snapshot


def assert_storable(parsed: Parsed) -> None:
    """Fail when PostgreSQL would refuse a snapshot: in a column, or as jsonb."""
    if isinstance(parsed, NotUnderstood):
        assert parsed.reason
        assert len(parsed.kind) <= 64
        return
    assert len(parsed.delivery_key) <= 64
    for snapshot in parsed.snapshots:
        assert_snapshot_storable(snapshot)


def assert_snapshot_storable(snapshot: Snapshot) -> None:
    items: list[Any] = [snapshot]
    if isinstance(snapshot, MeetingSnapshot):
        items = [*snapshot.invitees, *([snapshot.booking] if snapshot.booking else [])]
        items += snapshot.booking.hosts if snapshot.booking else ()
    for item in items:
        raw = getattr(item, "raw", {})
        kept = json.dumps(raw, allow_nan=False, ensure_ascii=False)
        kept.encode()
        assert "\x00" not in kept.replace("\\u0000", "\x00")
        for name in ("uri", "booking_uri", "invitee_uri", "event_type_uri", "old_invitee_uri"):
            assert len(getattr(item, name, "")) <= 512
        for name in ("name", "first_name", "last_name", "slug"):
            assert len(getattr(item, name, "")) <= 255
        assert len(getattr(item, "email", "")) <= 320
        for name in ("updated_at", "start_at", "end_at", "created_at"):
            moment = getattr(item, name, None)
            assert moment is None or (moment.tzinfo is UTC and 1970 <= moment.year < 3000)
        assert getattr(item, "status", "active") in {"active", "canceled"}
