"""Whatever comes, the parser answers, and PostgreSQL takes what it answered."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.sources.base import Understood
from integrations.sources.calendly.explain import describe, read_any
from integrations.sources.calendly.payloads import parse_api, parse_webhook
from tests.sources.loading import NAMES, NOW, assert_storable, body, document

pytestmark = pytest.mark.db_independent

KINDS = [
    "invitee.created", "invitee.canceled", "invitee.rescheduled", "invitee_no_show.created",
    "invitee_no_show.deleted", "event_type.updated", "event_type.deleted",
    "routing_form_submission.created", "contact.created", "x",
]  # fmt: skip
KEYS = [
    "uri", "event", "payload", "email", "name", "status", "scheduled_event", "invitee", "no_show", "start_time",
    "end_time", "location", "type", "event_memberships", "user", "cancellation", "canceled", "tracking",
    "questions_and_answers", "answer", "result", "value", "resource", "collection", "created_at", "updated_at",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(st.characters(), max_size=12),
    st.sampled_from(
        ["https://api.calendly.com/scheduled_events/E/invitees/I", "2026-01-01T00:00:00Z", "canceled",
         "0001-01-01T00:00:00Z", "\x00", "\ud800", "x" * 3000]
    ),
)  # fmt: skip
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), TEXTS), inner, max_size=5),
    ),
    max_leaves=25,
)


def check(raw: bytes) -> None:
    for parsed in (
        parse_webhook(raw, received_at=NOW),
        parse_api(raw, observed_at=NOW),
        read_any(raw, now=NOW),
    ):
        assert_storable(parsed)
        assert describe(parsed)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [found for key, item in items for found in ((*path, key), *places(item, (*path, key)))]


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(raw):
    check(raw)


@given(VALUES)
def test_any_json_is_answered(value):
    check(json.dumps(value).encode())


@given(st.sampled_from(KINDS), VALUES)
def test_any_payload_is_answered(kind, payload):
    check(json.dumps({"event": kind, "payload": payload}).encode())


@given(st.data(), st.sampled_from(NAMES), VALUES, st.booleans())
def test_a_body_with_one_thing_changed_is_answered(data, name, replacement, drop):
    value = document(name)
    *path, last = data.draw(st.sampled_from(places(value)))
    parent = value
    for key in path:
        parent = parent[key]
    if drop:
        del parent[last]
    else:
        parent[last] = replacement

    check(json.dumps(value).encode())


@given(st.sampled_from(NAMES), st.integers(0, 4000), st.binary(max_size=3))
def test_a_body_with_bytes_changed_is_answered(name, position, piece):
    raw = body(name)

    check(raw[:position] + piece + raw[position + 1 :])


@pytest.mark.parametrize("name", NAMES)
def test_reading_twice_gives_the_same(name):
    first, second = (parse_webhook(body(name), received_at=NOW) for _ in range(2))

    assert first == second
    if isinstance(first, Understood):
        assert first.snapshots
