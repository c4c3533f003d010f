"""Where a card goes, and what staff are told about it."""

from typing import Any

import pytest
from django.forms import ValidationError

from bookings.meeting import Person
from bookings.snapshots import Answer
from integrations.admin.providers import check_options, describe
from integrations.connectors.base import Record
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.routing import former, route
from tests.connectors.builders import make_meeting

MEETING = make_meeting(
    name="Demo with Ida",
    event_type_name="Product  demo",
    event_type_slug="sales-demo",
    event_type_uri="https://api.calendly.com/event_types/ETAA",
    teams=("Field Sales", "Consulting"),
    hosts=(
        Person(name="Hannah Host", email="Hannah@calsync.example", timezone="UTC"),
        Person(name="Adam Adler", email="adam@harbor.example", timezone="UTC"),
    ),
    answers=(
        Answer(question="Company size", answer="More than 100"),
        Answer(question="Topics", answer="Pricing\nSecurity review"),
    ),
)


def options(*whens: Any, channel: str = "#rest") -> SlackOptions:
    routes = [{"when": when, "channel": f"#r{number}"} for number, when in enumerate(whens)]
    return SlackOptions.model_validate({"channel": channel, "routes": routes})


def keys(found: Any) -> list[str]:
    return [place.key for place in found.places]


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ({"event_type": "product demo"}, True),
        ({"event_type": " SALES-DEMO "}, True),
        ({"event_type": "https://api.calendly.com/event_types/ETAA/"}, True),
        ({"event_type": "Product"}, False),
        ({"host": "hannah@CALSYNC.example"}, True),
        ({"host": "adam@harbor.example"}, True),
        ({"host": "Adam Adler"}, False),
        ({"team": "field  sales"}, True),
        ({"team": "Field"}, False),
        ({"question": "company SIZE", "answer": "more than 100"}, True),
        ({"question": "Company size", "answer": "100"}, False),
        ({"question": "Company size", "contains": "than 100"}, True),
        ({"question": "Topics", "answer": "security review"}, True),
        ({"question": "Topics", "answer": "Pricing Security review"}, True),
        ({"question": "Topics", "contains": "SECURITY"}, True),
        ({"question": "Budget", "contains": "a"}, False),
    ],
)
def test_a_route_is_for_meetings_that_are_as_it_says(when, fits):
    found = route(MEETING, options=options(when))

    assert keys(found) == (["#r0"] if fits else ["#rest"])


def test_every_fitting_route_gets_a_card_and_each_place_one():
    given = SlackOptions.model_validate(
        {
            "channel": "#rest",
            "routes": [
                {"when": {"team": "Consulting"}, "channel": "#consulting"},
                {"when": {"event_type": "sales-demo"}, "channel": "#demos"},
                {"when": {"host": "adam@harbor.example"}, "channel": "#consulting"},
                {"when": {"team": "Support"}, "channel": "#support"},
            ],
        }
    )

    found = route(MEETING, options=given)

    assert keys(found) == ["#consulting", "#demos"]
    assert [place.step.detail for place in found.places] == [
        "#consulting: the host is in the team 'Consulting'.",
        "#demos: the event type is 'sales-demo'.",
    ]


def test_a_direct_message_goes_to_each_host_whose_address_is_known():
    meeting = make_meeting(hosts=(*MEETING.hosts, Person(name="Nobody", email="", timezone="UTC")))

    found = route(meeting, options=SlackOptions(channel="@host"))

    assert [place.label for place in found.places] == [
        "direct message to Hannah Host",
        "direct message to Adam Adler",
    ]
    assert all(len(place.key) < 60 and "@harbor" not in place.key for place in found.places)
    assert len(set(keys(found))) == 2


def test_the_event_types_name_is_the_meetings_own_where_no_other_is_known():
    assert keys(route(make_meeting(), options=options({"event_type": "product demo"}))) == ["#r0"]


def test_without_a_place_the_reason_names_what_was_looked_at():
    given = options(
        {"event_type": "interview"}, {"host": "uma@harbor.example"}, {"team": "Support"},
        {"question": "Company size", "answer": "1"}, {"question": "Budget", "contains": "k"}, channel="",
    )  # fmt: skip

    found = route(MEETING, options=given)

    assert found.places == ()
    assert found.reason == (
        "No route fits, and the rule names no channel for the rest. Looked at: event type Product  demo; "
        "host Hannah@calsync.example, adam@harbor.example; teams Field Sales, Consulting; "
        "the answer to 'Company size'; the answer to 'Budget', which was not asked."
    )
    assert "More than 100" not in found.reason


def test_a_host_without_an_address_gets_nothing_and_the_reason_says_so():
    found = route(make_meeting(hosts=()), options=SlackOptions(channel="@host"))

    assert found.places == ()
    assert "no host with an e-mail address" in found.reason


def test_only_what_this_rule_posted_is_its_former_place():
    def record(key: str, **data: Any) -> Record:
        return Record(object_type="message", remote_id="1.000001", key=key, data=data)

    records = (
        record("#old", rule=7),
        record("#other-rule", rule=8),
        record("#from-before-rules-were-noted"),
        record("#now", rule=7),
        record("@host:abc", rule=7, label="direct message to Adam"),
    )
    now = route(MEETING, options=SlackOptions(channel="#now")).places

    found = former(records, places=now, rule_id=7)

    assert [place.label for place in found] == ["#old", "direct message to Adam"]
    assert former(records, places=now, rule_id=0) == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "say where the card goes"),
        ({"channel": "sales"}, "'sales' is no place in Slack: write #name"),
        ({"channel": "@ida"}, "is no place in Slack"),
        ({"channel": "#a", "route": []}, "there is no such name"),
        ({"routes": [{"when": {"host": "a@b.example"}, "channel": ""}]}, "say where the card goes"),
        ({"routes": [{"when": {"host": "a@b.example"}, "channel": "sales"}]}, "routes.0.channel: 'sales'"),
        ({"routes": [{"when": {}, "channel": "#a"}]}, "give one of event_type"),
        ({"routes": [{"when": {"host": "a", "team": "b"}, "channel": "#a"}]}, "for more, write another route"),
        ({"routes": [{"when": {"question": "Size"}, "channel": "#a"}]}, "either answer (what it is) or contains"),
        (
            {"routes": [{"when": {"question": "Q", "answer": "a", "contains": "b"}, "channel": "#a"}]},
            "either answer (what it is) or contains",
        ),
        ({"routes": [{"when": {"team": "a", "answer": "b"}, "channel": "#a"}]}, "name the question too"),
        ({"routes": [{"when": {"size": "a"}, "channel": "#a"}]}, "routes.0.when.size: there is no such name"),
        ({"channel": "#a", "routes": [{"when": {"team": "t"}, "channel": "#b"}] * 21}, "at most 20"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_in_words_that_help(given, told):
    with pytest.raises(ValidationError) as caught:
        check_options(SlackOptions, given)

    assert told in " ".join(caught.value.messages)


def test_the_form_describes_every_option():
    told = describe(SlackOptions)

    for name in SlackOptions.model_fields:
        assert f"{name} (" in told
    assert "usually False" in told
    assert "()" not in told
