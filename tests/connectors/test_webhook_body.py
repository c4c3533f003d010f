"""What a message says, and that its schema says the same."""

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bookings import announce
from bookings.meeting import Person
from bookings.models import BookingEvent
from bookings.snapshots import Answer
from integrations.connectors.webhook.body import MOST_BYTES, write_body
from integrations.connectors.webhook.options import WebhookOptions
from tests.connectors.builders import START, canceled, make_meeting, make_task, moved

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs" / "schemas" / "booking-event.v1.json").read_text()
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CARRIED = [
    kind.value for kind in BookingEvent.Kind if kind != BookingEvent.Kind.ROUTING_FORM_SUBMITTED
]
HAPPENED = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
CHANGES: dict[str, dict[str, Any]] = {
    "booked": {},
    "rescheduled": {"start_at": ["2026-12-01T09:00:00Z", "2026-12-02T09:00:00Z"]},
    "canceled": {"status": ["active", "canceled"]},
    "no_show": {"no_show": [False, True]},
    "no_show_removed": {"no_show": [True, False]},
    "starting": {},
    "ended": {},
    "updated": {
        "join_url": ["", "https://zoom.example/j/123"], "email": ["old@customer.example", "ida@customer.example"],
        "guests": [[], ["gus@customer.example"]], "hosts": [["https://a.example/1"], []],
        "answers": [[], [{"question": "Wish?", "answer": "a pony", "position": 0}]],
        "text_reminder_number": ["", "+4930123456"], "first_name": ["Ada", "Ida"], "last_name": ["", "Invitee"],
        "location_type": ["", "zoom"], "location_text": ["", "Room 5"], "name": ["A", "B"], "timezone": ["UTC", ""],
        "end_at": ["2026-12-01T09:30:00Z", "2026-12-01T10:00:00Z"],
    },
}  # fmt: skip
#: What only a person's record would hold.
CONTACT = (
    "ida@customer.example", "old@customer.example", "gus@customer.example", "Ida", "Invitee", "4930123456", "cancellations",
    "reschedulings", "too ill", "Room 5",
)  # fmt: skip


def full_meeting(**changes):
    more = {
        "guests": ("gus@customer.example",), "first_name": "Ida", "last_name": "Invitee", "location_text": "Room 5",
        "text_reminder_number": "+4930123456", "cancel_url": "https://calendly.example/cancellations/1",
        "reschedule_url": "https://calendly.example/reschedulings/1", "teams": ("Sales",),
        "event_type_uri": "https://api.calendly.com/event_types/T1", "event_type_name": "Demo", "event_type_slug": "demo",
        "answers": (Answer(question="Wish?", answer="a pony"),), "cancel_reason": "too ill", "canceled_by": "Ida Invitee",
        "canceler_type": "invitee", "is_canceled": True, "is_no_show": True,
    }  # fmt: skip
    return moved(make_meeting(**{**more, **changes}), days=1)


def body_of(meeting=None, *, kind="updated", changes=None, **options):
    task = replace(
        make_task(meeting or full_meeting(), action="send_event", kind=kind, changes=changes or CHANGES[kind]),
        occurred_at=HAPPENED,
    )  # fmt: skip
    return write_body(task, options=WebhookOptions(**options), message_id="msg_A-1_1_1")


def read(raw):
    return json.loads(raw)


def objects(value, path=()):
    """Every object of the body that has names of ours, with its place."""
    if isinstance(value, dict):
        yield path
        for name, item in value.items():
            if name not in {"changes", "tracking"}:
                yield from objects(item, (*path, name))
    elif isinstance(value, list) and value:
        yield from objects(value[0], (*path, 0))


def at(value, path):
    for step in path:
        value = value[step]
    return value


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", CARRIED)
@pytest.mark.parametrize("state", [make_meeting, full_meeting, lambda: canceled(make_meeting())])
@pytest.mark.parametrize("options", [{}, {"include_contact": False}, {"include_answers": False}])
def test_every_kinds_message_is_what_the_schema_says(kind, state, options):
    told = read(body_of(state(), kind=kind, **options))

    VALIDATOR.validate(told)
    assert told["type"] == f"booking.{kind}"
    assert told["timestamp"] == told["data"]["event"]["occurred_at"] == "2026-11-20T08:30:00Z"


def test_every_kind_that_rules_carry_has_a_type_in_the_schema():
    assert SCHEMA["properties"]["type"]["enum"] == [f"booking.{kind}" for kind in CARRIED]


@pytest.mark.parametrize(
    "path", list(objects(read(body_of()))), ids=lambda path: ".".join(map(str, path)) or "message"
)
def test_the_schema_refuses_a_name_more_and_a_name_less(path):
    told = read(body_of())
    more = copy.deepcopy(told)
    at(more, path)["surprise"] = 1

    assert not VALIDATOR.is_valid(more)
    for name in at(told, path):
        less = copy.deepcopy(told)
        del at(less, path)[name]
        assert not VALIDATOR.is_valid(less), name


def test_the_schema_knows_every_change_that_an_event_may_tell():
    changes = SCHEMA["$defs"]["event"]["properties"]["changes"]

    assert set(changes["propertyNames"]["enum"]) == announce._REPORTED | {"status", "no_show"}


def test_the_schema_refuses_a_change_of_what_it_does_not_know():
    assert not VALIDATOR.is_valid(read(body_of(changes={"colour": ["red", "blue"]})))


def test_the_meeting_is_told_as_it_stands_now():
    meeting = read(body_of())["data"]["meeting"]

    assert meeting["start_at"] == "2026-12-02T09:00:00Z"
    assert meeting["previous_start_at"] == "2026-12-01T09:00:00Z"
    assert meeting["reschedule_count"] == 1
    assert (meeting["status"], meeting["no_show"]) == ("canceled", True)
    assert meeting["hosts"] == [
        {"name": "Hannah Host", "email": "hannah@calsync.example", "timezone": "UTC"}
    ]
    assert meeting["invitee"]["email"] == "ida@customer.example"
    assert meeting["answers"] == [{"question": "Wish?", "answer": "a pony"}]
    assert meeting["tracking"] == {"utm_source": "newsletter"}
    assert meeting["cancellation"]["reason"] == "too ill"
    assert meeting["location"]["join_url"] == "https://zoom.example/j/123"


def test_what_nobody_told_is_null():
    meeting = read(body_of(make_meeting(join_url="", timezone="", hosts=())))["data"]["meeting"]

    assert meeting["location"] == {"type": "zoom", "text": None, "join_url": None}
    assert meeting["invitee"]["timezone"] is None
    assert meeting["cancellation"] is None
    assert meeting["previous_start_at"] is None


def test_without_contact_nothing_of_the_person_is_sent():
    raw = body_of(include_contact=False, include_answers=False).decode()

    assert [text for text in (*CONTACT, "a pony") if text in raw] == []
    assert read(raw)["data"]["meeting"]["cancellation"]["canceler_type"] == "invitee"
    assert all(text in body_of().decode() for text in (*CONTACT, "a pony"))


def test_without_answers_the_rest_is_sent():
    told = read(body_of(include_answers=False))["data"]

    assert told["meeting"]["answers"] is None
    assert "answers" not in told["event"]["changes"]
    assert told["meeting"]["invitee"]["name"] == "Ida Invitee"


def test_the_same_task_makes_the_same_bytes():
    assert body_of() == body_of()


@pytest.mark.parametrize("letter", ["x", "ü", "😀", "\x00", '"'])
@pytest.mark.parametrize(
    ("answers", "length"), [(1, 60_000), (12, 4_000), (300, 200), (3_000, 8_000)]
)
def test_a_message_that_is_too_long_is_cut_until_it_fits(letter, answers, length):
    given = tuple(Answer(question=letter * 900, answer=letter * length) for _ in range(answers))
    pair = [[], [{"question": item.question, "answer": item.answer} for item in given]]
    meeting = full_meeting(
        answers=given, location_text=letter * 5_000, cancel_reason=letter * 10_000,
        join_url="https://zoom.example/" + "j" * 2_000, guests=("gus@customer.example",) * 50,
        hosts=(Person(name=letter * 300, email="h@x.example", timezone="UTC"),) * 40,
    )  # fmt: skip

    raw = body_of(meeting, changes={"answers": pair, "location_text": ["", letter * 5_000]})

    told = read(raw)
    assert len(raw) <= MOST_BYTES
    VALIDATOR.validate(told)
    assert told["data"]["truncated"] is True
    assert told["data"]["meeting"]["location"]["join_url"] == meeting.join_url
    assert told["data"]["meeting"]["answers"][0]["answer"].endswith(" [cut]")


def test_a_message_of_usual_length_is_whole():
    told = read(body_of(full_meeting(answers=(Answer(question="Wish?", answer="x" * 5_000),))))

    assert told["data"]["truncated"] is False
    assert told["data"]["meeting"]["answers"][0]["answer"] == "x" * 5_000


def test_a_moment_is_told_in_utc():
    assert read(body_of(make_meeting(start_at=START)))["data"]["meeting"]["start_at"].endswith("Z")
