"""What a rule or connection may say: each mistake is refused when it is saved, with its place."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from integrations.connectors.rest.options import RestOptions
from integrations.connectors.rest.settings import RestSettings

CREATE = {"method": "POST", "path": "/things"}


def said(model, values):
    with pytest.raises(ValidationError) as caught:
        model(**values)
    first = caught.value.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"]


@pytest.mark.parametrize(
    ("create", "told"),
    [
        ({"body": {"person": {"name": "{{ invitee.nmae }}"}}}, "create.body.person.name: The template names 'invitee.nmae', which there is not"),
        ({"body": {"a": [{"b": "{{ x"}, "{{ nobody }}"]}}, "create.body.a.1: The template names 'nobody'"),
        ({"body": {"a": "{% for x in guests %}"}}, "create.body.a: The template cannot be read"),
        ({"body": {"a": "{% load static %}"}}, "create.body.a: The template cannot be read"),
        ({"body": {"a": "{% include 'x' %}"}}, "create.body.a: The template cannot be read"),
        ({"body": {"{{ invitee.name }}": 1}}, "create.body.{{ invitee.name }}: A name cannot be a template"),
        ({"body": {"a": {"$value": "booking.nothing"}}}, "create.body.a: There is no value called 'booking.nothing'"),
        ({"body": {"a": {"$value": "record.id"}}}, "create.body.a: There is no value called 'record.id' here"),
        ({"body": {"a": {"$value": "found.id"}}}, "create.body.a: There is no value called 'found.id' here"),
        ({"body": {"a": {"$value": "response"}}}, "create.body.a: There is no value called 'response' here"),
        ({"body": {"a": {"$value": "booking.start_at", "as": "soon"}}}, "create.body.a.as: Choose one of iso, date, unix, unix_ms, text"),
        ({"body": {"a": {"$value": "booking.start_at", "of": 1}}}, "create.body.a: Beside $value there may be argument and as, not of"),
        ({"body": {"a": "{{ record.id }}"}}, "create.body.a: The template names 'record.id'"),
        ({"body": {"a": "{{ found.id }}"}}, "create.body.a: The template names 'found.id'"),
        ({"body": {"a": "CHANGE-ME: yours"}}, "create.body.a: Put your own value in place of CHANGE-ME"),
        ({"path": "/things?x=1"}, "create.path: Write what follows the ? into query"),
        ({"path": "/../admin"}, "create.path: Write it without blanks, dots"),
        ({"path": "/a//b"}, "create.path: Write it without blanks, dots"),
        ({"path": "/{{ facts.meeting.key }}"}, "create.path: The template names 'facts.meeting.key'"),
        ({"query": {"api_key": "abc"}}, "create.query.api_key: A secret in an address is seen by others"),
        ({"query": {"access_token": "abc"}}, "create.query.access_token: A secret in an address"),
        ({"headers": {"Authorization": "Bearer abc"}}, "create.headers.Authorization: This header is not a rule's to set"),
        ({"headers": {"X-Api-Key": "abc"}}, "create.headers.X-Api-Key: This header is not a rule's to set"),
        ({"headers": {"Host": "elsewhere"}}, "create.headers.Host: This header is not a rule's to set"),
        ({"headers": {"X Y": "abc"}}, "create.headers.X Y: This is no name of a header"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_request_is_told_with_its_place(create, told):
    place, message = said(RestOptions, {"create": {**CREATE, **create}})

    assert place == ""
    assert message.startswith(told)


@pytest.mark.parametrize(
    ("options", "place", "told"),
    [
        ({}, "create", "Field required"),
        ({"create": {**CREATE, "verb": "x"}}, "create.verb", "Extra inputs are not permitted"),
        ({"create": {**CREATE, "method": "BREW"}}, "create.method", "Input should be"),
        ({"create": {**CREATE, "path": "things"}}, "create.path", "String should match"),
        ({"create": CREATE, "success": {"statuses": [500]}}, "success.statuses", "Value error, name statuses"),
        ({"create": CREATE, "find": {"path": "/x", "where": {}}}, "find.where", "Value error, say what it contains"),
        ({"create": CREATE, "find": {"path": "/x", "method": "DELETE"}}, "find.method", "Input should be"),
        ({"create": CREATE, "link": "{{ nobody }}"}, "", "link: The template names 'nobody'"),
        ({"create": CREATE, "keep": {"a": "{{ nobody }}"}}, "", "keep.a: The template names 'nobody'"),
        ({"create": CREATE, "update": {"method": "PUT", "path": "/{{ record.other }}"}}, "", "update.path: The template names 'record.other'"),
        ({"create": CREATE, "lookup": {"path": "/x", "query": {"q": "{{ found.id }}"}}}, "", "lookup.query.q: The template names 'found.id'"),
        ({"create": CREATE, "each": "event", "update": {"method": "PUT", "path": "/x"}}, "", "each: With an object for each event"),
        ({"create": {**CREATE, "body": {"a": {"b": 1}}}, "encoding": "form"}, "", "create.body: A form holds names with texts"),
        ({"create": CREATE, "idempotency_header": "Host"}, "", "idempotency_header: This header means something else"),
        ({"create": CREATE, "idempotency_header": "a b"}, "idempotency_header", "String should match"),
    ],
)  # fmt: skip
def test_a_mistake_anywhere_else_is_told_with_its_place(options, place, told):
    found, message = said(RestOptions, options)

    assert (found, message[: len(told)]) == (place, told)


def test_several_mistakes_are_told_together():
    _, message = said(RestOptions, {"create": {**CREATE, "body": {"a": "{{ x }}", "b": "{{ y }}"}}})

    assert "create.body.a: " in message
    assert "create.body.b: " in message


def test_what_is_right_is_taken():
    options = RestOptions.model_validate({
        "create": {**CREATE, "query": {"key": "{{ meeting.key }}"}, "body": {"a": {"$value": "answer", "argument": "Size"}}},
        "update": {"method": "PUT", "path": "/things/{{ record.id }}/{{ record.place }}/{{ found.a.0.b }}"},
        "lookup": {"path": "/people", "query": {"q": "{{ invitee.email }}"}},
        "keep": {"place": "{{ response.place }}"},
        "link": "https://x.example/{{ record.id }}",
    })  # fmt: skip

    assert options.needs_id
    assert not options.create.may_repeat
    assert options.update
    assert options.update.may_repeat


def test_the_example_in_the_manual_can_be_saved():
    manual = Path(__file__).parents[2] / "docs" / "connectors" / "rest.md"
    example = manual.read_text().partition("```json")[2].partition("```")[0]

    assert RestOptions.model_validate_json(example).lookup


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, "base_url"),
        ({"base_url": "ftp://x.example"}, "base_url"),
        ({"base_url": "https://user:secret@x.example"}, "base_url"),
        ({"base_url": "https://x.example/v1?token=abc"}, "base_url"),
        ({"base_url": "https://x.example/v1/../v2"}, "base_url"),
        ({"base_url": "https://CHANGE-ME.x.example"}, "base_url"),
        ({"base_url": "https://x.example", "auth": "header"}, "header_name"),
        ({"base_url": "https://x.example", "auth": "header", "header_name": "a\r\nb"}, "header_name"),
        ({"base_url": "https://x.example", "auth": "oauth2_client_credentials"}, "token_url"),
        ({"base_url": "https://x.example", "auth": "oauth2_client_credentials", "token_url": "x"}, "token_url"),
        ({"base_url": "https://x.example", "check_path": "/me?token=1"}, "check_path"),
        ({"base_url": "https://x.example", "password": "abc"}, "password"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(given, place):
    found, _ = said(RestSettings, given)

    assert found == place
