"""What is written where staff have mapped nothing, and what a new record must not lack, whatever they mapped.

Types and lengths are those of the standard fields, so that nothing has to be asked before they are written.
Sources: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_event.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_lead.htm
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bookings.answers import company
from bookings.meeting import Meeting
from integrations.connectors.salesforce.coercion import cut, one_line, utc
from integrations.connectors.salesforce.describing import description
from integrations.connectors.salesforce.schema import FieldType, Schema, make_schema
from integrations.connectors.values import Facts, Source, split_name
from integrations.models import FieldMapping, MappedField

Mode = FieldMapping.WriteMode

#: The objects whose fields staff may map.
MAPPED_OBJECTS: Mapping[str, str] = {"Lead": "Lead", "Contact": "Contact", "Event": "Event"}

LENGTHS: Mapping[str, int] = {
    "Company": 255,
    "Description": 32_000,
    "Email": 80,
    "FirstName": 40,
    "LastName": 80,
    "LeadSource": 40,
    "Location": 255,
    "Phone": 40,
    "ShowAs": 40,
    "Subject": 255,
}
#: Company is required on a Lead; this is what Salesforce's own web-to-lead writes when nobody said.
NOT_PROVIDED = "[not provided]"

#: Fields of the default mapping that hold beside whatever staff mapped: an Event without its times is none.
ALWAYS_KEPT: Mapping[str, tuple[str, ...]] = {"Event": ("StartDateTime", "EndDateTime")}

#: Fields that a new record gets from `last_resort` where the mapping brings nothing.
LAST_RESORT: Mapping[str, tuple[str, ...]] = {
    "Lead": ("LastName", "Email", "Company"),
    "Contact": ("LastName", "Email"),
    "Event": ("StartDateTime", "EndDateTime"),
}

_TYPES: Mapping[str, str] = {
    "Description": "textarea",
    "Email": "email",
    "EndDateTime": "datetime",
    "Phone": "phone",
    "StartDateTime": "datetime",
}
_PERSON = {
    "FirstName": "invitee.first_name",
    "LastName": "invitee.last_name",
    "Email": "invitee.email",
    "Phone": "invitee.phone",
}
_EVENT = {
    "Subject": "event.subject",
    "StartDateTime": "booking.start_at",
    "EndDateTime": "booking.end_at",
    "Location": "booking.place",
    "Description": "event.description",
}
_SHOW_AS = "{% if booking.is_canceled %}Free{% else %}Busy{% endif %}"


def subject(meeting: Meeting) -> str:
    """Return the Event's subject, which tells how the meeting stands."""
    state = "Canceled: " if meeting.is_canceled else "No-show: " if meeting.is_no_show else ""
    return f"{state}{meeting.name or 'Meeting'} with {meeting.invitee_name or meeting.email or 'unknown'}"


def _description(facts: Facts) -> str:
    return description(facts.meeting, booking_url=facts.booking_url)


#: Values that this connector alone offers.
SOURCES: Mapping[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="event.subject",
            label="Subject, with Canceled: or No-show: in front",
            group="As Calsync writes it",
            read=lambda facts, _: subject(facts.meeting),
        ),
        Source(
            name="event.description",
            label="Description of everything about the meeting",
            group="As Calsync writes it",
            read=lambda facts, _: _description(facts),
        ),
    )
}


def default_rows(*, lead_source: str) -> tuple[MappedField, ...]:
    """Return the mapping that holds for each object of which staff have mapped nothing.

    People are only filled in when they are created: what they hold already is somebody's work.
    """
    return tuple(_rows(lead_source))


def standard_schema(object_type: str) -> Schema:
    """Return the standard fields that the default mapping fills, as every organisation has them."""
    names = {*_EVENT, "ShowAs"} if object_type == "Event" else {*_PERSON, "Company", "LeadSource"}
    kinds = (
        FieldType(name=name, type=_TYPES.get(name, "string"), length=LENGTHS.get(name, 0))
        for name in names
    )
    return make_schema(object_type, *kinds)


def last_resort(object_type: str, meeting: Meeting) -> dict[str, Any]:
    """Return what a new record gets where its mapping brings nothing: what Salesforce, or we, cannot do without."""
    if object_type == "Event":
        ends_at = max(meeting.start_at, meeting.end_at)
        return {"StartDateTime": utc(meeting.start_at), "EndDateTime": utc(ends_at)}
    email = storable_email(meeting)
    _, last = split_name(
        first=meeting.first_name, last=meeting.last_name, full=meeting.invitee_name
    )
    name = one_line(last or email.partition("@")[0]) or NOT_PROVIDED
    held = {"LastName": cut(name, LENGTHS["LastName"]), "Email": email}
    if object_type == "Lead":
        held["Company"] = cut(one_line(company(meeting) or ""), LENGTHS["Company"]) or NOT_PROVIDED
    return held


def storable_email(meeting: Meeting) -> str:
    """Return the invitee's address, or nothing when no field of Salesforce could hold it."""
    email = meeting.email.strip()
    return email if len(email) <= LENGTHS["Email"] else ""


def _rows(lead_source: str) -> Iterator[MappedField]:
    for object_type in ("Lead", "Contact"):
        for name, source in _PERSON.items():
            yield _row(object_type, name, source, mode=Mode.ON_CREATE)
        if object_type == "Lead":
            yield _row(object_type, "Company", "invitee.company", mode=Mode.ON_CREATE)
        if lead_source:
            yield _row(object_type, "LeadSource", "constant", lead_source, mode=Mode.ON_CREATE)
    for name, source in _EVENT.items():
        yield _row("Event", name, source, mode=Mode.ALWAYS)
    yield _row("Event", "ShowAs", "template", _SHOW_AS, mode=Mode.ALWAYS)


def _row(
    object_type: str, name: str, source: str, argument: str = "", *, mode: Mode
) -> MappedField:
    return MappedField(
        object_type=object_type, field=name, source=source, argument=argument, write_mode=mode.value
    )
