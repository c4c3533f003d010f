"""Turn a meeting into what Salesforce should hold of it. Pure: values in, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.connectors.base import Record, Task
from integrations.connectors.salesforce import defaults, fields
from integrations.connectors.salesforce.describing import storable
from integrations.connectors.salesforce.fields import WantedRecord
from integrations.connectors.values import Facts
from integrations.models import MappedField


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingWrite:
    """Hold what is to be written: the Event, and what the person it belongs to should hold.

    `email` is what a person is found by, empty when the
    invitee gave no address that Salesforce could store. `people` are the values for each kind of person;
    `last_resort` is what new records must not lack. `zone` is where dates are read: the host's. `watched` is what else
    makes the Event be written again when it changes. `removes` says that there shall be no Event.
    `link_opportunity` says which open Opportunity the Event is related to.
    """

    external_id: str
    event: WantedRecord
    email: str
    people: Mapping[str, WantedRecord]
    last_resort: Mapping[str, Mapping[str, Any]]
    subject: str
    zone: str = ""
    link_opportunity: str = "off"
    watched: tuple[str, ...] = ()
    removes: bool = False

    def event_hash(self, person: Record | None, *, nobody: bool = False) -> str:
        """Return what tells whether the Event, as it belongs to this person, is written already."""
        whose = person.remote_id if person else "nobody" if nobody else ""
        links = [self.link_opportunity] if self.link_opportunity != "off" else []
        return fields.content_hash([self.event.content_hash, whose, *links, *self.watched])

    def is_settled(self, person: Record | None) -> bool:
        """Tell whether everything that this person should get was looked after already."""
        wanted = self.people.get(person.object_type) if person else None
        if person is None or wanted is None:
            return True
        return wanted.content_hash in {"", person.content_hash}


def meeting_write(
    task: Task,
    *,
    lead_source: str,
    mappings: Sequence[MappedField] = (),
    link_opportunity: str = "off",
    watched: tuple[str, ...] = (),
    removes: bool = False,
) -> MeetingWrite:
    """Return what this meeting should be in Salesforce."""
    facts = Facts(meeting=task.meeting, booking_url=task.booking_url)
    by_default = defaults.default_rows(lead_source=lead_source)
    wanted = {
        name: wanted_record(name, facts, mappings=mappings, by_default=by_default)
        for name in defaults.MAPPED_OBJECTS
    }
    hosts = task.meeting.hosts
    return MeetingWrite(
        external_id=task.meeting.key,
        event=wanted["Event"],
        email=defaults.storable_email(task.meeting),
        people={name: wanted[name] for name in ("Contact", "Lead")},
        last_resort={name: defaults.last_resort(name, task.meeting) for name in wanted},
        subject=defaults.subject(task.meeting),
        zone=hosts[0].timezone if hosts else "",
        link_opportunity=link_opportunity,
        watched=watched,
        removes=removes,
    )


def wanted_record(
    object_type: str,
    facts: Facts,
    *,
    mappings: Sequence[MappedField],
    by_default: Sequence[MappedField],
) -> WantedRecord:
    """Return what a record of this type should hold: as staff mapped it, or by default where they did not."""
    chosen = [row for row in mappings if row.object_type == object_type]
    filled = {row.field.lower() for row in chosen}
    held = [row for row in by_default if row.object_type == object_type]
    kept = [
        row
        for row in held
        if not chosen
        or (
            row.field in defaults.ALWAYS_KEPT.get(object_type, ())
            and row.field.lower() not in filled
        )
    ]
    return fields.wanted(
        object_type, [*chosen, *kept], facts, more=defaults.SOURCES, by_staff=bool(chosen)
    )


def with_person(
    event: Mapping[str, Any], person: Record | None, *, nobody: bool = False
) -> dict[str, Any]:
    """Return the Event's fields with the person it belongs to, if there is one.

    Without one, whom staff have put there by hand stays, unless it shall be `nobody`.
    """
    if person:
        return {**event, "WhoId": person.remote_id}
    return {**event, "WhoId": None} if nobody else dict(event)


def soql_text(value: str) -> str:
    """Return the value as a quoted SOQL string.

    Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{storable(escaped)}'"
