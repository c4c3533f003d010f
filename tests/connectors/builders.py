"""Meetings, tasks and stored records as plain values, with sane defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bookings.meeting import Meeting, Person
from bookings.snapshots import Answer
from integrations.connectors.base import Choice, Link, Record, Task

START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def make_meeting(**changes: Any) -> Meeting:
    meeting = Meeting(
        key="AAAA1111-BBBB-2222",
        chain_id=1,
        booking_id=1,
        booking_uri="https://api.calendly.com/scheduled_events/EEEE",
        invitee_uri="https://api.calendly.com/scheduled_events/EEEE/invitees/AAAA1111-BBBB-2222",
        is_canceled=False,
        is_no_show=False,
        name="Product demo",
        start_at=START,
        end_at=START + timedelta(minutes=30),
        previous_start_at=None,
        reschedule_count=0,
        location_type="zoom",
        location_status="pushed",
        location_text="",
        join_url="https://zoom.example/j/123",
        hosts=(Person(name="Hannah Host", email="hannah@calsync.example", timezone="UTC"),),
        guests=(),
        invitee_name="Ida Invitee",
        first_name="",
        last_name="",
        email="ida@customer.example",
        timezone="Europe/Berlin",
        text_reminder_number="",
        answers=(Answer(question="Company", answer="Customer Ltd"),),
        tracking={"utm_source": "newsletter"},
        canceled_by="",
        cancel_reason="",
        canceler_type="",
        cancel_url="",
        reschedule_url="",
    )
    return replace(meeting, **changes)


def moved(meeting: Meeting, **delta: int) -> Meeting:
    return replace(
        meeting,
        start_at=meeting.start_at + timedelta(**delta),
        end_at=meeting.end_at + timedelta(**delta),
        previous_start_at=meeting.start_at,
        reschedule_count=meeting.reschedule_count + 1,
    )


def canceled(meeting: Meeting) -> Meeting:
    return replace(meeting, is_canceled=True, canceled_by="Ida Invitee", cancel_reason="Ill")


def make_task(
    meeting: Meeting | None = None,
    *,
    action: str,
    kind: str = "booked",
    event_id: int = 1,
    changes: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    records: tuple[Record, ...] = (),
    look_first: bool = False,
    choice: Choice | None = None,
    rule_id: int = 1,
    links: tuple[Link, ...] = (),
) -> Task:
    return Task(
        delivery_id=event_id,
        event_id=event_id,
        kind=kind,
        changes=changes or {},
        meeting=meeting or make_meeting(),
        action=action,
        options=options or {},
        records=records,
        look_first=look_first,
        choice=choice,
        rule_id=rule_id,
        links=links,
        booking_url="http://127.0.0.1:8000/admin/bookings/booking/1/change/",
    )


@dataclass
class Memory:
    """Keep records the way the core does: one of each type and key."""

    kept: dict[tuple[str, str], Record] = field(default_factory=dict)

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(self.kept.values())

    def remember(self, record: Record) -> None:
        self.kept[record.object_type, record.key] = record

    def forget(self, object_type: str, key: str) -> None:
        self.kept.pop((object_type, key), None)
