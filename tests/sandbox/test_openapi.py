"""The sandbox answers as Calendly's OpenAPI document says, where the two overlap."""

import copy
import os
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest

from integrations.sandbox import SandboxServer
from tests.sandbox.openapi_differences import KNOWN
from tests.sandbox.openapi_document import Amendment, Document, read
from tests.sandbox.openapi_walk import Walk
from tests.sandbox.validate_openapi import validate

HOST = {
    "type": "object",
    "required": ["name", "left_at"],
    "properties": {
        "name": {"type": "string"},
        "left_at": {"type": "string", "format": "date-time", "nullable": True},
    },
}
ERROR = {"content": {"application/json": {"schema": {"required": ["title"]}}}}
SMALL = {
    "components": {"schemas": {"Host": HOST}, "responses": {"NOT_FOUND": ERROR}},
    "paths": {
        "/hosts/{uuid}": {
            "get": {
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Host"}}
                        }
                    },
                    "204": {"description": "nothing"},
                    "404": {"$ref": "#/components/responses/NOT_FOUND"},
                }
            }
        }
    },
}
OPERATION = "GET /hosts/{uuid}"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"name": "Ada", "left_at": None}, None),
        (200, {"name": "Ada", "left_at": "2026-01-05T10:00:00.123456Z", "more": 1}, None),
        (200, {"name": None, "left_at": None}, "name: None is not of type 'string'"),
        (200, {"name": "Ada", "left_at": "Monday"}, "left_at: 'Monday' is not"),
        (200, {"name": "Ada"}, "the body: 'left_at' is a required property"),
        (204, None, None),
        (200, None, "a body too many or too few"),
        (404, {"message": "gone"}, "'title' is a required property"),
        (418, {}, "418"),
    ],
)
def test_a_document_tells_how_an_answer_differs(status, body, said):
    assert Document(SMALL).operations() == [OPERATION]

    found = Document(SMALL).differences(OPERATION, status, body)

    assert len(found) == (said is not None)
    assert (said or "") in "".join(found)


def test_an_amended_document_takes_what_is_newer():
    at = ("components", "schemas", "Host", "required")
    newer = Amendment(at=at, change=lambda old: ["name"], why="left_at may be absent")

    assert Document(SMALL, [newer]).differences(OPERATION, 200, {"name": "Ada"}) == []
    assert Document(SMALL).differences(OPERATION, 200, {"name": "Ada"})


@pytest.fixture(scope="module")
def calendlys():
    """Calendly's own document."""
    path = os.environ.get("CALSYNC_OPENAPI")
    if not path:
        pytest.skip("CALSYNC_OPENAPI names no OpenAPI document of Calendly's")
    return read(Path(path))


def test_the_sandbox_answers_as_the_document_of_calendly_says(calendlys):
    lines, is_true = validate(calendlys)

    assert is_true, "\n".join(line for line in lines if line.startswith(("differs", "stale")))


def test_nothing_that_the_document_knows_can_be_answered_otherwise(calendlys):
    """Spoil each value of each answer, one at a time: only what is newer than the document may pass."""
    document, passed = Document(calendlys, KNOWN), set()
    with SandboxServer() as server:
        answers = {(a.operation, a.status): a for a in Walk(server).everything() if a.body}

    for answer in answers.values():
        for place in places(answer.body):
            spoiled = copy.deepcopy(answer.body)
            reduce(getitem, place[:-1], spoiled)[place[-1]] = {"wrong": [["value"]]}
            if not document.differences(answer.operation, answer.status, spoiled):
                passed.add(name_of(answer.operation, place))

    assert len(answers) > 60
    assert passed - NEWER_KEYS == set()


def places(value, at=()):
    """Yield the way to every value in JSON; of a list, to those in its first item."""
    inside = list(value.items()) if isinstance(value, dict) else []
    inside += enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in inside:
        if isinstance(key, str):
            yield (*at, key)
        yield from places(item, (*at, key))


def name_of(operation, place):
    """Return the keys that lead to a place within an object: `location/type`."""
    keys = [key for key in place if isinstance(key, str)]
    keys = ["cancellation", *keys] if operation.endswith("/cancellation") else keys
    return "/".join(key for key in keys if key not in {"resource", "collection"})


#: What live answers, or the document of 2026, have beyond that of 2024.
NEWER_KEYS = {
    "cancellation/created_at", "duration_options", "group", "invitee_scheduled_by",
    "is_paid", "locale", "location/additional_info", "locations", "locations/kind", "locations/location",
    "meeting_notes_html", "meeting_notes_plain", "position", "scheduling_method", "user/locale",
    "user/resource_type", "user/time_notation", "time_notation", "resource_type",
    "event_memberships/user_email", "event_memberships/user_name", "event_memberships/buffered_start_time",
    "event_memberships/buffered_end_time",
}  # fmt: skip
