"""Where mapped values come from: every source, and what is said when there is nothing to read."""

from datetime import timedelta

import pytest

from bookings.snapshots import Answer
from integrations.connectors import templating, values
from integrations.connectors.values import SOURCES, Facts, read
from tests.connectors.builders import START, canceled, make_meeting, moved

URL = "http://127.0.0.1:8000/admin/1/"
TRACKING = {
    "utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "autumn", "utm_term": "crm", "utm_content": "top",
    "salesforce_uuid": "00Q5g00000AAAAA",
}  # fmt: skip


def value(name, argument="", **changes):
    return read(
        name, argument, Facts(meeting=make_meeting(**changes), booking_url=URL)
    ).value  # fmt: skip


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [
        ("invitee.name", {}, "Ida Invitee"),
        ("invitee.first_name", {}, "Ida"),
        ("invitee.last_name", {}, "Invitee"),
        ("invitee.first_name", {"invitee_name": "Cher"}, None),
        ("invitee.last_name", {"invitee_name": "Cher"}, "Cher"),
        ("invitee.first_name", {"first_name": "Ada", "last_name": "King"}, "Ada"),
        ("invitee.email", {"email": " ida@x.example "}, "ida@x.example"),
        ("invitee.email", {"email": ""}, None),
        ("invitee.phone", {"text_reminder_number": "+49 1"}, "+49 1"),
        ("invitee.phone", {"answers": (Answer(question="Mobile?", answer="+49\n2"),)}, "+49 2"),
        ("invitee.phone", {}, None),
        ("invitee.company", {}, "Customer Ltd"),
        ("invitee.company", {"answers": ()}, None),
        ("invitee.timezone", {}, "Europe/Berlin"),
        ("utm_source", {"tracking": TRACKING}, "newsletter"),
        ("utm_medium", {"tracking": TRACKING}, "email"),
        ("utm_campaign", {"tracking": TRACKING}, "autumn"),
        ("utm_term", {"tracking": TRACKING}, "crm"),
        ("utm_content", {"tracking": TRACKING}, "top"),
        ("utm_content", {"tracking": {}}, None),
        ("salesforce_uuid", {"tracking": TRACKING}, "00Q5g00000AAAAA"),
        ("event_type.name", {}, "Product demo"),
        ("host.name", {}, "Hannah Host"),
        ("host.email", {}, "hannah@calsync.example"),
        ("host.email", {"hosts": ()}, None),
        ("booking.start_at", {}, START),
        ("booking.end_at", {}, START + timedelta(minutes=30)),
        ("booking.end_at", {"end_at": START - timedelta(days=1)}, START),
        ("booking.duration", {}, 30),
        ("booking.place", {}, "https://zoom.example/j/123"),
        ("booking.place", {"join_url": "", "location_text": "Room 4"}, "Room 4"),
        ("booking.location", {}, ""),
        ("booking.join_url", {"join_url": ""}, ""),
        ("booking.status", {}, "booked"),
        ("booking.status", {"reschedule_count": 2}, "rescheduled"),
        ("booking.status", {"is_no_show": True}, "no-show"),
        ("booking.status", {"is_no_show": True, "is_canceled": True}, "canceled"),
        ("booking.is_canceled", {"is_canceled": True}, True),
        ("booking.is_no_show", {}, False),
        ("booking.cancel_reason", {"cancel_reason": "Ill"}, "Ill"),
        ("booking.canceled_by", {}, ""),
        ("booking.reschedule_count", {"reschedule_count": 2}, 2),
        ("booking.url", {}, URL),
        ("guests", {"guests": ("a@x.example", "b@x.example")}, "a@x.example, b@x.example"),
        ("guests", {}, ""),
    ],
)  # fmt: skip
def test_a_source_reads_the_meeting(name, changes, expected):
    assert value(name, **changes) == expected


def test_every_source_is_tested_above_or_below():
    tested = {case[0] for case in test_a_source_reads_the_meeting.pytestmark[0].args[1]}

    assert SOURCES.keys() - tested == {"answer", "constant", "template"}


ASKED = (
    Answer(question="Job title", answer="Lower"),
    Answer(question="JOB  Title", answer="Exact\n"),
    Answer(question="What is your budget for this?", answer="5000"),
    Answer(question="Anything else?", answer="  "),
)


@pytest.mark.parametrize(
    ("question", "expected", "note"),
    [
        ("JOB  Title", "Exact", ""),
        ("job title", "Lower", ""),
        (" Job\tTITLE ", "Lower", ""),
        ("Anything else?", None, ""),
        ("What is your budget?", None, "but 'What is your budget for this?' was"),
        ("Shoe size", None, "'Shoe size' was not asked."),
    ],
)
def test_an_answer_is_found_by_its_question_or_it_is_said(question, expected, note):
    reading = read("answer", question, Facts(meeting=make_meeting(answers=ASKED)))

    assert reading.value == expected
    assert bool(reading.notes) is bool(note)
    assert note in "".join(reading.notes)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ invitee.first_name }} & {{ host.name|upper }}", "Ida & HANNAH HOST"),
        ("{{ booking.start_at|date:'j M Y H:i' }}", "1 Dec 2026 09:00"),
        ("{{ booking.start_at|local:invitee.timezone|date:'H:i' }}", "10:00"),
        ("{{ booking.start_at|local:'No/Where'|time:'H:i' }}", "09:00"),
        ("{% answer 'COMPANY' %}", "Customer Ltd"),
        ("{% for a in answers %}{{ a.question }}={{ a.answer }}{% endfor %}", "Company=Customer Ltd"),
        ("{{ utm.source|default:'none' }}, {{ utm.term|default:'none' }}", "newsletter, none"),
        ("{% if booking.is_canceled %}a{% elif booking.duration > 15 %}b{% endif %}", "b"),
        ("  {{ utm.term }} ", None),
        ("<b>{{ event_type.name }}</b>", "<b>Product demo</b>"),
    ],
)  # fmt: skip
def test_a_template_is_filled_in(template, expected):
    assert value("template", template) == expected
    assert values.problem("template", template) == ""


def test_what_people_typed_is_never_a_template():
    assert value("template", "{{ invitee.name }}", invitee_name="{{ 1|x }}<i>") == "{{ 1|x }}<i>"


def test_an_unknown_name_gives_nothing_and_is_said():
    reading = read("template", "Dear {{ invitee.nmae }}!", Facts(meeting=make_meeting()))

    assert reading.value == "Dear !"
    assert "'invitee.nmae'" in reading.notes[0]


def test_a_template_that_no_meeting_fits_writes_nothing_and_says_so():
    text = "{% for a in booking.duration %}x{% endfor %}"

    reading = read("template", text, Facts(meeting=make_meeting()))

    assert reading.value is None
    assert "could not be filled in" in reading.notes[0]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{% if invitee.name %}x", "in line 1"),
        ("line\n{{ invitee.name|nothing }}", "in line 2"),
        ("{{ invitee.nmae }}", "'invitee.nmae'"),
        ("{% for a in booking.duration %}x{% endfor %}", "does not fit"),
        ("{% for a in guests %}{% for b in guests %}x{% endfor %}{% endfor %}", "loop inside a loop"),
        ("{% for a in guests %}{% if a %}{% for b in guests %}x{% endfor %}{% endif %}{% endfor %}", "loop inside"),
        ("x" * (templating.MOST_TEMPLATE + 1), "longer than"),
        # None of these may be in reach.
        ("{% load static %}", "'load'"),
        ("{% include 'admin/index.html' %}", "'include'"),
        ("{% extends 'admin/index.html' %}", "'extends'"),
        ("{% debug %}", "'debug'"),
        ("{% now 'Y' %}", "'now'"),
        ("{% lorem 999999999 %}", "'lorem'"),
        ("{% csrf_token %}", "'csrf_token'"),
        ("{{ invitee.name|ljust:999999999 }}", "'ljust'"),
        ("{{ invitee.name|stringformat:'999999999d' }}", "'stringformat'"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_be_used_is_refused_with_the_place(template, words):
    assert words in values.problem("template", template)


@pytest.mark.parametrize(
    ("name", "argument", "words"),
    [
        ("", "", "Choose a value"),
        ("invitee.shoe", "", "no value called"),
        ("answer", " ", "needs the question"),
        ("constant", "", "needs the text"),
        ("template", "", "needs the template"),
        ("invitee.name", "x", "leave it empty"),
        ("invitee.name", "", ""),
        ("answer", "Job title", ""),
    ],
)
def test_a_source_that_lacks_something_is_refused(name, argument, words):
    found = values.problem(name, argument)

    assert bool(found) is bool(words)
    assert words in found


def test_an_unknown_source_reads_nothing_and_says_so():
    reading = read("gone.source", "", Facts(meeting=make_meeting()))

    assert reading.value is None
    assert "gone.source" in reading.notes[0]


def test_a_connector_may_offer_values_of_its_own():
    own = values.Source(name="own.word", label="Word", group="Own", read=lambda facts, _: "word")

    assert read("own.word", "", Facts(meeting=make_meeting()), more={"own.word": own}).value == "word"  # fmt: skip
    assert values.problem("own.word", "", more={"own.word": own}) == ""


def test_reading_twice_is_the_same_whatever_the_meeting_has_become():
    meeting = canceled(moved(make_meeting(answers=ASKED), days=1))
    arguments = {"answer": "Job title", "constant": "x", "template": "{{ booking.status }}"}

    for name in SOURCES:
        facts = Facts(meeting=meeting, booking_url=URL)
        assert read(name, arguments.get(name, ""), facts) == read(name, arguments.get(name, ""), facts)  # fmt: skip
