"""What a stranger writes stays where the rule puts it: in one segment, one header, one text of a body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.snapshots import Answer
from integrations.connectors.rest import rendering
from integrations.connectors.rest.options import Request, RestOptions
from integrations.errors import PermanentError, RuleError
from tests.connectors.builders import make_meeting, make_task

NAME = "{{ invitee.name }}"
NASTY = [
    "../../admin", "a?admin=1", "a#b", "a/b", "%2e%2e", "..%2f", "a b", "é", "a&b=c", "a;b", "\\..\\x", "a\r\nX-Evil: 1",
    '"}, "admin": true, {"', "{{ invitee.email }}", "{% include 'x' %}", "\x00", "</script>",
]  # fmt: skip


def options(**more):
    return RestOptions.model_validate({"create": {"method": "POST", "path": "/x"}, **more})


def render(request, name="Ida", *, more=None, **changes):
    task = make_task(make_meeting(invitee_name=name, **changes), action="call")
    names = rendering.names_of(task)
    return rendering.render(
        Request(**{"method": "POST", "path": "/x", **request}), options(**(more or {})), names=names
    )


@pytest.mark.parametrize("name", NASTY)
def test_a_value_stays_in_its_segment_of_the_path(name):
    made = render({"path": f"/people/{NAME}/notes"}, name)

    start, value, end = made.path.split("/")[1:]
    assert (start, end) == ("people", "notes")
    assert not set(value) & set('?#/\\ \r\n&;"{}<>')


@pytest.mark.parametrize("name", ["", " ", ".", "..", " .. ", "x" * 3_000])
def test_a_value_that_would_lead_elsewhere_is_not_sent(name):
    with pytest.raises(PermanentError) as caught:
        render({"path": f"/people/{NAME}"}, name)

    assert "Nothing was sent" in caught.value.hint


def test_an_empty_value_in_the_middle_is_not_sent_either():
    with pytest.raises(PermanentError):
        render({"path": f"/people/{NAME}/notes"}, "")


def test_what_a_tag_makes_in_a_path_is_encoded_too():
    made = render({"path": "/x{% if invitee.name %}/{{ invitee.name }}{% endif %}"}, "a/b")

    assert made.path == "/x%2Fa%2Fb"


@pytest.mark.parametrize("name", NASTY)
def test_a_header_is_one_line_of_printable_characters(name):
    made = render({"headers": {"X-Who": NAME}}, name)

    assert list(made.headers) == ["X-Who"]
    assert made.headers["X-Who"].isascii()
    assert all(character.isprintable() for character in made.headers["X-Who"])


def test_a_header_is_cut():
    assert len(render({"headers": {"X-Who": NAME}}, "x" * 9_000).headers["X-Who"]) == 1_000


@pytest.mark.parametrize("name", NASTY)
def test_a_text_in_a_body_is_that_text_and_no_structure(name):
    made = render({"body": {"who": NAME, "admin": False}}, name)

    assert json.loads(json.dumps(made.body)) == {"who": name, "admin": False}


@given(st.text())
def test_no_answer_is_ever_a_template(text):
    meeting = {"answers": (Answer(question="Company", answer=text),)}

    made = render(
        {"body": {"a": '{% answer "Company" %}', "b": "{{ answers.0.answer }}"}}, **meeting
    )

    told = text.replace("\ufdd0", "").replace("\ufdd1", "") if "\ufdd0" in text else text
    assert made.body == {"a": told, "b": told}


def test_values_keep_their_types():
    body = {
        "minutes": {"$value": "booking.duration"},
        "canceled": {"$value": "booking.is_canceled"},
        "start": {"$value": "booking.start_at"},
        "day": {"$value": "booking.start_at", "as": "date"},
        "unix": {"$value": "booking.start_at", "as": "unix"},
        "ms": {"$value": "booking.start_at", "as": "unix_ms"},
        "words": {"$value": "booking.start_at", "as": "text"},
        "company": {"$value": "answer", "argument": "company"},
        "phone": {"$value": "invitee.phone"},
        "event": {"$value": "event.id"},
        "fixed": [1, 2.5, True, None, "x"],
    }

    assert render({"body": body}).body == {
        "minutes": 30,
        "canceled": False,
        "start": "2026-12-01T09:00:00Z",
        "day": "2026-12-01",
        "unix": 1796115600,
        "ms": 1796115600000,
        "words": "2026-12-01 09:00 UTC",
        "company": "Customer Ltd",
        "phone": None,
        "event": 1,
        "fixed": [1, 2.5, True, None, "x"],
    }


def test_what_is_empty_is_left_out_where_the_rule_says_so():
    body = {"a": "", "b": {"c": {"$value": "invitee.phone"}}, "d": ["", 1], "e": 0, "f": False}

    made = render({"body": body, "query": {"q": "", "r": NAME}}, more={"drop_empty": True})

    assert made.body == {"d": [1], "e": 0, "f": False}
    assert made.query == {"r": "Ida"}


def test_a_form_holds_texts():
    body = {"who": NAME, "minutes": {"$value": "booking.duration"}, "ok": True, "none": None}

    made = render({"body": body}, more={"encoding": "form"})

    assert made.is_form
    assert made.body == {"who": "Ida", "minutes": "30", "ok": "true"}


def test_a_body_that_is_too_large_is_not_sent():
    answers = tuple(Answer(question=f"Q{n}", answer="x" * 60_000) for n in range(3))
    body = {f"k{n}": "{% for item in answers %}{{ item.answer }}{% endfor %}" for n in range(5)}

    with pytest.raises(PermanentError, match="larger"):
        render({"body": body}, answers=answers)


def test_a_filter_that_does_not_fit_a_value_is_the_rules_fault():
    with pytest.raises(RuleError) as caught:
        render({"body": "{{ booking.start_at|cut:booking.duration }}"})

    assert "Open the rule" in caught.value.hint


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("https://x.example/{{ invitee.name }}", "https://x.example/a%2Fb"),
        ("{{ response.url }}", "https://there.example/1?a=b"),
        ("{{ response.evil }}", ""),
        ("{{ response.missing }}", ""),
    ],
)
def test_a_link_is_a_web_address_or_nothing(template, made):
    response = {"url": "https://there.example/1?a=b", "evil": "javascript:alert(1)"}
    task = make_task(make_meeting(invitee_name="a/b"), action="call")
    names = rendering.names_of(task, response=response)

    assert rendering.address_of(template, names=names) == made


@pytest.mark.parametrize(
    ("path", "there"),
    [("", {"a": [{"b": 1}]}), ("a.0.b", 1), ("a.1.b", None), ("a.b", None), ("x", None), ("a.0.b.c", None)],
)  # fmt: skip
def test_a_dotted_path_leads_into_an_answer(path, there):
    assert rendering.at_path({"a": [{"b": 1}]}, path) == there
