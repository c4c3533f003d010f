"""A connection whose organisation has no field for the meeting's key: one Event all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.connectors.base import Skip
from integrations.errors import TemporaryError
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import canceled, make_meeting, moved

POST = {"method": "POST", "path_contains": "/sobjects/Event"}
MARK = f"Calsync: {make_meeting().key}"
EXT = "Calendly_Invitee_UUID__c"


@pytest.fixture
def org(to_salesforce):
    to_salesforce.settings = {"event_external_id_field": ""}
    org = to_salesforce.server.state.salesforce
    org.change_field("Event", remove=EXT)
    return org


def the_event(driver):
    (event,) = driver.objects()
    return event


def calls(driver):
    return len([path for path in driver.requests() if "/oauth2/" not in path])


def row(field, source, mode, argument=""):
    return MappedField(
        object_type="Event", field=field, source=source, argument=argument, write_mode=mode
    )


def test_an_event_is_made_and_moved_by_its_id_and_equal_costs_nothing(to_salesforce, org):
    meeting = make_meeting()
    to_salesforce.deliver(meeting)
    made, booked = the_event(to_salesforce)["Id"], calls(to_salesforce)
    to_salesforce.deliver(moved(meeting, days=1), kind="rescheduled", event_id=2)
    changed = calls(to_salesforce)
    equal = to_salesforce.deliver(moved(meeting, days=1), kind="updated", event_id=3)

    event = the_event(to_salesforce)
    assert event["Id"] == made
    assert event["StartDateTime"] == "2026-12-02T09:00:00.000+0000"
    assert event["Description"].splitlines()[-1] == MARK
    assert (booked, changed - booked) == (3, 1)
    assert isinstance(equal, Skip)
    assert calls(to_salesforce) == changed


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("email", ["ida@customer.example", ""])
def test_an_event_whose_answer_was_lost_is_found_again(to_salesforce, org, email, mapped):
    if mapped:
        to_salesforce.mappings = (row("Subject", "event_type.name", "always"),)
    meeting = make_meeting(email=email)
    to_salesforce.break_request("drop_after", match=POST)

    with pytest.raises(TemporaryError) as caught:
        to_salesforce.deliver(meeting)
    made = the_event(to_salesforce)["Id"]
    again = moved(meeting, hours=1)
    to_salesforce.deliver(again, kind="rescheduled", event_id=2, look_first=True)

    assert caught.value.ambiguous
    event = the_event(to_salesforce)
    assert event["Id"] == made
    assert event["StartDateTime"] == "2026-12-01T10:00:00.000+0000"
    assert MARK in event["Description"]


def test_looking_first_finds_no_others_meeting(to_salesforce, org):
    to_salesforce.deliver(make_meeting(key="AAAA1111-BBBB-2222-OTHER"))
    to_salesforce.memory.forget("Event", "")
    to_salesforce.deliver(look_first=True)

    assert len(to_salesforce.objects()) == 2


def test_a_failed_look_is_no_absence(to_salesforce, org):
    to_salesforce.break_request("error", match={"path_contains": "/query"}, status=503)

    with pytest.raises(TemporaryError):
        to_salesforce.deliver(look_first=True)

    assert to_salesforce.objects() == []


def test_every_page_of_what_is_there_is_read(to_salesforce, org):
    to_salesforce.server.state.config.salesforce_query_page = 2
    start = {"StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z"}
    for number in range(5):
        text = MARK if number == 4 else f"{MARK}-OTHER"
        org.create("Event", {**start, "Description": text}, how=Write(via="seed"))

    to_salesforce.deliver(look_first=True)

    assert len(to_salesforce.objects()) == 5


def test_what_was_made_long_ago_or_stands_in_a_users_calendar_as_a_copy_is_not_it(
    to_salesforce, org
):
    start = {"StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z"}
    old, copy = (
        org.create("Event", {**start, "Description": MARK}, how=Write(via="seed")) for _ in range(2)
    )
    before = datetime.now(UTC) - timedelta(days=40)
    org.records["Event"][old]["CreatedDate"] = before.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    org.records["Event"][copy]["IsChild"] = True

    to_salesforce.deliver(look_first=True)

    assert len(to_salesforce.objects()) == 3


def test_an_event_that_somebody_deleted_is_made_anew_once(to_salesforce, org):
    to_salesforce.deliver()
    gone = the_event(to_salesforce)["Id"]
    org.delete("Event", gone)
    to_salesforce.break_request("drop_after", match=POST)

    with pytest.raises(TemporaryError):
        to_salesforce.deliver(canceled(make_meeting()), kind="canceled", event_id=2)
    to_salesforce.deliver(canceled(make_meeting()), kind="canceled", event_id=2, look_first=True)

    event = the_event(to_salesforce)
    assert event["Id"] != gone
    assert event["Subject"].startswith("Canceled: ")


def test_a_person_who_is_gone_makes_no_second_event(to_salesforce, org):
    to_salesforce.deliver()
    made, lead = the_event(to_salesforce)["Id"], the_event(to_salesforce)["WhoId"]
    org.delete("Lead", lead)
    to_salesforce.break_request(
        "salesforce_error", match={"method": "PATCH", "path_contains": "/sobjects/Event/"},
        errorCode="ENTITY_IS_DELETED",
    )  # fmt: skip

    to_salesforce.deliver(make_meeting(name="Other"), event_id=2)

    event = the_event(to_salesforce)
    assert event["Id"] == made
    assert event["WhoId"] not in {lead, None}


@pytest.mark.parametrize("mode", ["append", "if_empty", "always"])
def test_the_line_stays_however_staff_map_the_description(to_salesforce, org, mode):
    to_salesforce.mappings = (
        row("Description", "template", mode, "{{ event_type.name }} " + "x" * 40_000),
    )
    to_salesforce.deliver()
    to_salesforce.deliver(make_meeting(name="Other"), event_id=2)

    text = the_event(to_salesforce)["Description"]
    assert text.splitlines().count(MARK) == 1
    assert len(text) <= 32_000


def test_what_is_kept_true_holds_the_line(to_salesforce, org):
    to_salesforce.deliver()

    (known,) = (item for item in to_salesforce.memory.records if item.object_type == "Event")
    assert known.data["kept"]["Description"] == the_event(to_salesforce)["Description"]


def test_a_field_that_comes_later_makes_no_second_event(to_salesforce, sandbox):
    to_salesforce.settings = {"event_external_id_field": ""}
    to_salesforce.deliver()
    made = the_event(to_salesforce)["Id"]
    to_salesforce.settings = {}
    to_salesforce.deliver(make_meeting(name="Other"), event_id=2)
    to_salesforce.deliver(make_meeting(name="Third"), event_id=3)

    event = the_event(to_salesforce)
    assert (event["Id"], event[EXT]) == (made, make_meeting().key)
    assert event["Subject"] == "Third with Ida Invitee"


def test_a_field_that_goes_makes_no_second_event(to_salesforce, sandbox):
    to_salesforce.deliver()
    made = the_event(to_salesforce)["Id"]
    to_salesforce.settings = {"event_external_id_field": ""}
    to_salesforce.deliver(make_meeting(name="Other"), event_id=2)

    event = the_event(to_salesforce)
    assert event["Id"] == made
    assert MARK in event["Description"]
