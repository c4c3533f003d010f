"""Turn a meeting into Salesforce's fields. Pure: values in, values out.

Lengths are those of the standard fields.
Sources: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_event.htm
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_lead.htm
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bookings.meeting import Meeting
from integrations.connectors.base import Record, Task
from integrations.connectors.salesforce.describing import description, storable

LENGTHS: Mapping[str, int] = {
    "Company": 255,
    "Description": 32_000,
    "Email": 80,
    "FirstName": 40,
    "LastName": 80,
    "LeadSource": 40,
    "Location": 255,
    "Phone": 40,
    "Subject": 255,
}
#: Company is required on a Lead; this is what Salesforce's own web-to-lead writes when nobody said.
NO_COMPANY = "[not provided]"
NO_NAME = "[unknown]"

_COMPANY = re.compile(
    r"\b(compan(y|ies)|organi[sz]ation|employer|firm(a|en\w*)|soci[ée]t[ée]|unternehmen\w*)\b",
    re.IGNORECASE,
)
_ABOUT_COMPANY = re.compile(r"\b(size|website|url|many|revenue|industry)\b", re.IGNORECASE)
_PHONE = re.compile(r"\b(phone|mobile|telefon\w*|t[ée]l[ée]phone|handy\w*)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingWrite:
    """Hold what is to be written: the Event's fields, and who it belongs to.

    `person` is what we remember of an earlier write. `lead` is what a new Lead would hold, or empty when
    the invitee gave no address that Salesforce could store.
    """

    external_id: str
    event: Mapping[str, str]
    person: Record | None
    lead: Mapping[str, str]


def meeting_write(task: Task, *, lead_source: str) -> MeetingWrite:
    """Return what this meeting should be in Salesforce."""
    return MeetingWrite(
        external_id=task.meeting.key,
        event=event_fields(task.meeting, booking_url=task.booking_url),
        person=task.record("Contact") or task.record("Lead"),
        lead=lead_fields(task.meeting, lead_source=lead_source),
    )


def event_fields(meeting: Meeting, *, booking_url: str) -> dict[str, str]:
    """Return the Event's fields but for whom it belongs to; a canceled meeting stays, as free time."""
    return _cut(
        {
            "Subject": one_line(_subject(meeting)),
            "StartDateTime": utc(meeting.start_at),
            "EndDateTime": utc(max(meeting.start_at, meeting.end_at)),
            "Location": one_line(meeting.join_url or meeting.location_text),
            "ShowAs": "Free" if meeting.is_canceled else "Busy",
            "Description": description(meeting, booking_url=booking_url),
        }
    )


def lead_fields(meeting: Meeting, *, lead_source: str) -> dict[str, str]:
    """Return a new Lead's fields, or nothing when there is no address to find it by again."""
    email = meeting.email.strip()
    if not email or len(email) > LENGTHS["Email"]:
        return {}
    first, last = split_name(
        first=meeting.first_name, last=meeting.last_name, full=meeting.invitee_name
    )
    phone = meeting.text_reminder_number or _answer_about(meeting, _PHONE)
    fields = {
        "FirstName": first,
        "LastName": last or email.partition("@")[0] or NO_NAME,
        "Company": company(meeting),
        "Email": email,
        "Phone": one_line(phone),
        "LeadSource": lead_source,
    }
    return _cut({name: value for name, value in fields.items() if value})


def split_name(*, first: str, last: str, full: str) -> tuple[str, str]:
    """Return first and last name: as given, else the last word is the last name.

    A name of one word is a last name, which Salesforce requires.
    """
    first, last, full = one_line(first), one_line(last), one_line(full)
    if last:
        return first, last
    before, _, final = (full or first).rpartition(" ")
    return before, final


def company(meeting: Meeting) -> str:
    """Return the answer to the question for a company, or Salesforce's way to say that there is none."""
    return one_line(_answer_about(meeting, _COMPANY, unless=_ABOUT_COMPANY)) or NO_COMPANY


def content_hash(fields: Mapping[str, str]) -> str:
    """Return what tells two contents apart."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def with_person(event: Mapping[str, str], person: Record | None) -> dict[str, str]:
    """Return the Event's fields with the person it belongs to, if there is one."""
    return {**event, "WhoId": person.remote_id} if person else dict(event)


def soql_text(value: str) -> str:
    """Return the value as a quoted SOQL string.

    Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{storable(escaped)}'"


def utc(moment: datetime) -> str:
    """Return a moment as Salesforce reads it: UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def one_line(text: str) -> str:
    """Return the text with every run of white space as one blank and without control characters."""
    return storable(" ".join(text.split()))


def cut(text: str, limit: int) -> str:
    """Return at most `limit` UTF-16 units of the text, which is how Salesforce counts; never half a character."""
    encoded = text.encode("utf-16-le", "ignore")
    return encoded[: limit * 2].decode("utf-16-le", "ignore")


def _cut(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: cut(value, LENGTHS.get(name, 255)) for name, value in fields.items()}


def _subject(meeting: Meeting) -> str:
    state = "Canceled: " if meeting.is_canceled else "No-show: " if meeting.is_no_show else ""
    return f"{state}{meeting.name or 'Meeting'} with {meeting.invitee_name or meeting.email or 'unknown'}"


def _answer_about(
    meeting: Meeting, question: re.Pattern[str], *, unless: re.Pattern[str] | None = None
) -> str:
    found = (
        item.answer
        for item in meeting.answers
        if question.search(item.question) and not (unless and unless.search(item.question))
    )
    return next(found, "")
