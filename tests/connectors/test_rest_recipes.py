"""Each recipe from its file to the provider it is for: made, changed, canceled, lost and repeated."""

import json
from dataclasses import replace

import pytest

from bookings.snapshots import Answer
from integrations.connectors.base import Applied, Skip
from integrations.connectors.rest.options import RestOptions
from integrations.connectors.rest.settings import SECRETS, RestSettings
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.recipes import recipes
from integrations.recipes.shape import answered
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver
from tests.connectors.harnesses.rest import things

LIST = 2
PATHS = {"brevo": "/rest/brevo/v3", "vitally": "/rest/vitally", "lever": "/rest/lever/v1"}
RULES = [(name, number) for name in PATHS for number in range(len(recipes()[name].rules))]
BOOKED = make_meeting()
MOVED = moved(BOOKED, days=1)
STORY = [("booked", BOOKED), ("rescheduled", MOVED), ("canceled", canceled(MOVED))]


def filled(options):
    """What staff make of a recipe: their own answers in it."""
    return answered(options, {"list": LIST, "lever_user": "user-1"})


def beginning(name):
    """What the form of the recipe's connection begins with."""
    (role,) = recipes()[name].roles.values()
    return role.connection


def driver_of(sandbox, name, number=0):
    recipe, config = recipes()[name], sandbox.state.config
    keys = {
        "brevo": config.rest_brevo_key,
        "vitally": config.rest_vitally_key,
        "lever": config.rest_lever_key,
    }
    driver = Driver("rest", sandbox)
    driver.settings = {**beginning(name).settings, "base_url": f"{sandbox.url}{PATHS[name]}"}
    driver.secrets = dict.fromkeys(beginning(name).secrets, keys[name])
    driver.options = filled(recipe.rules[number].options)
    return driver


def play(driver, story=STORY):
    return [
        driver.deliver(meeting, kind=kind, event_id=number)
        for number, (kind, meeting) in enumerate(story, start=1)
    ]


def writes(driver):
    return [entry for entry in driver.server.requests(service="rest") if entry.method != "GET"]


@pytest.fixture
def contact(sandbox):
    return driver_of(sandbox, "brevo")


@pytest.fixture
def event(sandbox):
    return driver_of(sandbox, "brevo", 1)


@pytest.fixture
def vitally(sandbox):
    return driver_of(sandbox, "vitally")


@pytest.fixture
def lever(sandbox):
    return driver_of(sandbox, "lever")


@pytest.mark.parametrize(("name", "number"), RULES)
def test_a_recipe_is_what_the_form_takes(name, number):
    recipe = recipes()[name]

    RestOptions(**filled(recipe.rules[number].options))
    RestSettings(**{**beginning(name).settings, "base_url": "https://api.example.com"})

    assert set(beginning(name).secrets) <= set(SECRETS)
    assert all(page.startswith("https://") for page in recipe.docs)
    assert recipe.about


@pytest.mark.parametrize("name", sorted(PATHS))
def test_a_recipes_connection_can_be_tested(sandbox, name):
    driver = driver_of(sandbox, name)

    assert driver.connector().check().summary.endswith("HTTP 200.")

    driver.break_request("token_revoked", match={})
    with pytest.raises(ConfigurationError):
        driver.connector().check()


@pytest.mark.parametrize(("name", "number"), RULES)
def test_the_same_event_twice_is_one_write(sandbox, name, number):
    driver = driver_of(sandbox, name, number)
    driver.deliver()
    before = len(writes(driver))

    again = driver.deliver()

    assert again == Skip(reason="already equal")
    assert len(writes(driver)) == before == 1


@pytest.mark.parametrize(("name", "number"), RULES)
def test_a_key_that_is_refused_pauses_the_connection(sandbox, name, number):
    driver = driver_of(sandbox, name, number)
    driver.secrets = dict.fromkeys(driver.secrets, "wrong-key")

    with pytest.raises(ConfigurationError, match="HTTP 401"):
        driver.deliver()


@pytest.mark.parametrize(("name", "number"), RULES)
def test_a_dry_run_writes_nothing_there(sandbox, name, number):
    driver = driver_of(sandbox, name, number)
    task, connector = driver.task(), driver.connector(dry_run=True)

    connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert writes(driver) == []


def test_brevo_keeps_one_contact_in_the_list_until_the_meeting_is_canceled(contact):
    play(contact, STORY[:2])
    (row,) = things(contact.server, "contacts")
    assert row["email"] == "ida@customer.example"
    assert row["listIds"] == [LIST]
    assert row["attributes"] == {"FIRSTNAME": "Ida", "LASTNAME": "Invitee"}

    contact.deliver(canceled(MOVED), kind="canceled", event_id=3)

    assert things(contact.server, "contacts")[0]["listIds"] == []


def test_brevo_needs_no_call_where_nothing_of_the_contact_changed(contact):
    contact.deliver()

    assert contact.deliver(MOVED, kind="rescheduled", event_id=2) == Skip(reason="already equal")


def test_brevo_takes_who_is_there_already(contact):
    contact.server.control.rest_insert(
        "contacts", id="77", email="ida@customer.example", listIds=[7], attributes={"CITY": "Rome"}
    )

    contact.deliver()

    (row,) = things(contact.server, "contacts")
    assert row["listIds"] == [2, 7]
    assert row["attributes"]["CITY"] == "Rome"


def test_brevo_makes_a_deleted_contact_anew(contact):
    contact.deliver()
    contact.server.state.rest.table("contacts").clear()

    contact.deliver(replace(BOOKED, invitee_name="Ida New"), kind="updated", event_id=2)

    assert things(contact.server, "contacts")[0]["attributes"]["LASTNAME"] == "New"


def test_brevo_repeats_a_lost_contact_without_harm(contact):
    contact.break_request("drop_after", match={"path_contains": "/contacts"})
    with pytest.raises(TemporaryError) as caught:
        contact.deliver()

    contact.deliver(look_first=True)

    assert caught.value.ambiguous
    assert len(things(contact.server, "contacts")) == 1
    assert contact.deliver() == Skip(reason="already equal")


def test_brevo_says_in_its_own_words_what_is_wrong(contact):
    contact.options = json.loads(json.dumps(contact.options).replace("[2]", "[99]"))

    with pytest.raises(PermanentError, match="HTTP 400: List 99 does not exist"):
        contact.deliver()


def test_brevos_wait_stands_in_a_header_of_its_own(contact):
    contact.break_request("rate_limited", match={}, retry_after=12)

    with pytest.raises(ThrottledError) as caught:
        contact.deliver()

    assert caught.value.retry_after == 12


def test_brevo_is_told_of_each_event(event):
    play(event)

    rows = things(event.server, "events")
    assert [row["event_name"] for row in rows] == [
        "meeting_booked",
        "meeting_rescheduled",
        "meeting_canceled",
    ]
    assert rows[0]["identifiers"] == {"email_id": "ida@customer.example"}
    assert rows[1]["event_properties"] == {
        "meeting": "Product demo", "starts": "2026-12-02T09:00:00Z", "minutes": 30, "status": "rescheduled",
    }  # fmt: skip


def test_brevos_lost_event_is_a_question_for_brevo_has_no_look_up(event):
    event.break_request("drop_after", match={"path_contains": "/events"})

    with pytest.raises(PermanentError, match="may not be sent twice"):
        event.deliver()
    event.deliver(MOVED, kind="rescheduled", event_id=2, look_first=True)

    assert len(things(event.server, "events")) == 2


def test_vitally_keeps_one_note_at_the_account(vitally):
    play(vitally)

    (note,) = things(vitally.server, "notes")
    assert note["externalId"] == "calsync-AAAA1111-BBBB-2222"
    assert note["accountId"] == "acc-1"
    assert note["subject"] == "Product demo: canceled"
    assert note["noteDate"] == "2026-12-02T09:00:00Z"
    assert "<p>Ill</p>" in note["note"]


def test_vitallys_html_takes_no_strangers_markup(vitally):
    answers = (Answer(question="Why?", answer="<script>alert(1)</script>"),)

    vitally.deliver(replace(BOOKED, invitee_name="<b>Ida</b>", answers=answers))

    (note,) = things(vitally.server, "notes")
    assert "<script" not in note["note"]
    assert "&lt;b&gt;Ida&lt;/b&gt;" in note["note"]


def test_vitally_leaves_out_who_is_not_known(vitally):
    told = vitally.deliver(replace(BOOKED, email="nobody@else.example"))

    assert isinstance(told, Applied)
    assert not told.changed
    assert told.summary == "The rule's lookup found nobody: nothing is sent."
    assert writes(vitally) == []


def test_vitally_repeats_a_lost_note_without_harm(vitally):
    vitally.break_request("drop_after", match={"method": "POST"})
    with pytest.raises(TemporaryError):
        vitally.deliver()

    vitally.deliver(look_first=True)
    vitally.deliver(MOVED, kind="rescheduled", event_id=2, look_first=True)

    (note,) = things(vitally.server, "notes")
    assert note["subject"] == "Product demo: rescheduled"


def test_vitallys_deleted_note_is_made_anew(vitally):
    vitally.deliver()
    vitally.server.control.rest_remove("notes", things(vitally.server, "notes")[0]["id"])

    vitally.deliver(MOVED, kind="rescheduled", event_id=2)

    assert len(things(vitally.server, "notes")) == 1


def test_lever_has_a_note_for_each_event(lever):
    play(lever)

    notes = things(lever.server, "lever_notes")
    assert [note["opportunity"] for note in notes] == ["opp-1"] * 3
    assert notes[0]["text"].startswith(
        "Product demo with Hannah Host: booked, 2026-12-01 09:00 UTC."
    )
    assert notes[2]["text"].endswith("Ill [Calsync AAAA1111-BBBB-2222/3]")
    assert notes[0]["user"] == "user-1"
    assert lever.memory.records[0].url == "https://hire.lever.co/candidates/opp-1"


def test_lever_finds_a_lost_note_again(lever):
    lever.break_request("drop_after", match={"method": "POST"})
    with pytest.raises(TemporaryError) as caught:
        lever.deliver()

    told = lever.deliver(look_first=True)

    assert caught.value.ambiguous
    assert isinstance(told, Applied)
    assert len(things(lever.server, "lever_notes")) == 1
    assert lever.deliver() == Skip(reason="already equal")


def test_lever_does_not_take_event_12_for_event_1(lever):
    lever.deliver(event_id=12)

    lever.deliver(event_id=1, look_first=True)

    assert len(things(lever.server, "lever_notes")) == 2


def test_lever_passes_over_what_is_archived(lever):
    lever.server.control.rest_insert(
        "opportunities", id="opp-0", emails=["ida@customer.example"], archived={"reason": "old"}
    )

    lever.deliver()

    assert things(lever.server, "lever_notes")[0]["opportunity"] == "opp-1"


def test_lever_does_not_choose_between_two_opportunities(lever):
    lever.server.control.rest_insert(
        "opportunities", id="opp-2", emails=["ida@customer.example"], archived=None
    )

    with pytest.raises(PermanentError, match="found 2 that fit") as caught:
        lever.deliver()

    assert "set several to first" in caught.value.hint
    assert writes(lever) == []


def test_lever_leaves_out_who_is_no_candidate(lever):
    told = lever.deliver(replace(BOOKED, email="nobody@else.example"))

    assert isinstance(told, Applied)
    assert not told.changed
    assert things(lever.server, "lever_notes") == []
