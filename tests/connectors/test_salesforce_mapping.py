from datetime import UTC, datetime

import pytest

from bookings.snapshots import Answer
from integrations.connectors.base import Record, Send, Skip
from integrations.connectors.salesforce import defaults, fields, mapping
from integrations.connectors.salesforce.coercion import cut
from integrations.connectors.salesforce.describing import description, local_time
from integrations.connectors.values import Facts, split_name
from tests.connectors.builders import canceled, make_meeting, make_task, moved

URL = "http://127.0.0.1:8000/admin/1/"


def by_default(object_type, meeting):
    """What a new record gets where staff have mapped nothing."""
    record = mapping.wanted_record(
        object_type,
        Facts(meeting=meeting, booking_url=URL),
        mappings=(),
        by_default=defaults.default_rows(lead_source="Calendly"),
    )
    fitted = fields.fitted(record, defaults.standard_schema(object_type))
    return fields.new_record(fitted, last_resort=defaults.last_resort(object_type, meeting))


@pytest.mark.parametrize(
    ("first", "last", "full", "expected"),
    [
        ("Ida", "Invitee", "Ida Invitee", ("Ida", "Invitee")),
        ("", "", "Ida Invitee", ("Ida", "Invitee")),
        ("", "", "Ida Maria van der Berg", ("Ida Maria van der", "Berg")),
        ("", "", "Cher", ("", "Cher")),
        ("Cher", "", "", ("", "Cher")),
        ("", "", "  Ida \n Invitee  ", ("Ida", "Invitee")),
        ("", "", "", ("", "")),
        ("", "山田", "", ("", "山田")),
    ],
)
def test_a_name_is_split_as_salesforce_needs_it(first, last, full, expected):
    assert split_name(first=first, last=last, full=full) == expected


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("ida@customer.example", "'ida@customer.example'"),
        ("o'hara@x.example", r"'o\'hara@x.example'"),
        ("a\\b@x.example", r"'a\\b@x.example'"),
        ("\\' OR Email != '", r"'\\\' OR Email != \''"),
        ("zoë@例え.example", "'zoë@例え.example'"),
        ("line\rbreak\x00@x.example", "'linebreak@x.example'"),
    ],
)
def test_a_soql_string_cannot_be_left(value, quoted):
    assert mapping.soql_text(value) == quoted


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Company", "Customer Ltd"),
        ("Which organisation are you with?", "Customer Ltd"),
        ("Your organization?", "Customer Ltd"),
        ("Ihre Firma", "Customer Ltd"),
        ("Firmenname", "Customer Ltd"),
        ("Société", "Customer Ltd"),
        ("Company size", "[not provided]"),
        ("Please confirmation", "[not provided]"),
    ],
)
def test_the_company_is_the_answer_to_the_question_for_it(question, expected):
    meeting = make_meeting(answers=(Answer(question=question, answer="Customer Ltd"),))

    assert by_default("Lead", meeting)["Company"] == expected


@pytest.mark.parametrize(
    ("changes", "subject", "show_as"),
    [
        ({}, "Product demo with Ida Invitee", "Busy"),
        ({"is_canceled": True}, "Canceled: Product demo with Ida Invitee", "Free"),
        ({"is_no_show": True}, "No-show: Product demo with Ida Invitee", "Busy"),
        ({"invitee_name": ""}, "Product demo with ida@customer.example", "Busy"),
    ],
)
def test_the_subject_tells_how_the_meeting_stands(changes, subject, show_as):
    event = by_default("Event", make_meeting(**changes))

    assert (event["Subject"], event["ShowAs"]) == (subject, show_as)


def test_no_field_is_longer_than_salesforce_allows():
    meeting = make_meeting(
        name="N" * 500,
        invitee_name="🙂" * 300,
        first_name="F" * 300,
        last_name="L" * 300,
        location_text="W" * 2_000,
        join_url="",
        answers=tuple(
            Answer(question=f"Company {number}", answer="a" * 5_000) for number in range(100)
        ),
        text_reminder_number="1" * 100,
    )

    event, lead = by_default("Event", meeting), by_default("Lead", meeting)

    for name, value in {**event, **lead}.items():
        assert len(value.encode("utf-16-le")) // 2 <= defaults.LENGTHS.get(name, 255), name
    assert event["Description"].endswith(f"Booking: {URL}")


def test_a_cut_never_leaves_half_a_character():
    assert cut("ab🙂", 3) == "ab"
    assert cut("ab🙂", 4) == "ab🙂"


@pytest.mark.parametrize("email", ["", "  ", "x" * 75 + "@x.example"])
def test_without_an_address_that_fits_nobody_is_looked_for(email):
    task = make_task(make_meeting(email=email), action="sync_meeting")

    assert mapping.meeting_write(task, lead_source="Calendly").email == ""


def test_a_lead_without_any_name_is_called_by_its_address():
    assert by_default("Lead", make_meeting(invitee_name=""))["LastName"] == "ida"


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "Europe/Berlin", "01:59 (Europe/Berlin, UTC+01:00)"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "Europe/Berlin", "03:00 (Europe/Berlin, UTC+02:00)"),
        (datetime(2026, 10, 25, 1, 0, tzinfo=UTC), "Europe/Berlin", "02:00 (Europe/Berlin, UTC+01:00)"),
        (datetime(2026, 12, 1, 9, 0, tzinfo=UTC), "Asia/Kolkata", "14:30 (Asia/Kolkata, UTC+05:30)"),
        (datetime(2026, 12, 1, 9, 0, tzinfo=UTC), "Not/AZone", "09:00 (UTC, UTC+00:00)"),
        (datetime(2026, 12, 1, 9, 0, tzinfo=UTC), "../../etc/passwd", "09:00 (UTC, UTC+00:00)"),
        (datetime(2026, 12, 1, 9, 0, tzinfo=UTC), "", "09:00 (UTC, UTC+00:00)"),
    ],
)  # fmt: skip
def test_the_time_reads_as_on_the_invitees_clock(moment, zone, expected):
    assert local_time(moment, zone).endswith(expected)


def test_the_description_tells_what_a_salesperson_asks():
    meeting = canceled(moved(make_meeting(guests=("guest@customer.example",)), days=1))

    text = description(meeting, booking_url=URL)

    assert "Canceled by Ida Invitee: Ill" in text
    assert "Rescheduled 1 time\n" in text
    assert "Who: Ida Invitee <ida@customer.example>" in text
    assert "When: Wednesday, 02 December 2026, 10:00 (Europe/Berlin, UTC+01:00)" in text
    assert "Before: Tuesday, 01 December 2026, 10:00" in text
    assert "Host: Hannah Host <hannah@calsync.example>" in text
    assert "Guests: guest@customer.example" in text
    assert "Join: https://zoom.example/j/123" in text
    assert "Company: Customer Ltd" in text
    assert "utm_source: newsletter" in text
    assert text.endswith(f"Booking: {URL}")


def test_an_event_never_ends_before_it_starts():
    event = by_default("Event", make_meeting(end_at=datetime(2020, 1, 1, tzinfo=UTC)))

    assert event["EndDateTime"] == event["StartDateTime"] == "2026-12-01T09:00:00Z"


def test_an_equal_event_is_skipped_and_a_changed_one_is_not(salesforce):
    person = Record(object_type="Lead", remote_id="00Q1")
    task = make_task(action="sync_meeting", records=(person,))
    decision = salesforce.plan(task)
    assert isinstance(decision, Send)
    event = Record(
        object_type="Event", remote_id="00U1", content_hash=decision.payload.event_hash(person)
    )

    again = make_task(action="sync_meeting", records=(person, event))
    other = make_task(make_meeting(name="Other"), action="sync_meeting", records=(person, event))

    assert salesforce.plan(again) == Skip(reason="already equal")
    assert isinstance(salesforce.plan(other), Send)
