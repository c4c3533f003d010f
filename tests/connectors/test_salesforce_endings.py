"""What becomes of the Event when a meeting is canceled, missed, or comes back."""

import itertools
from dataclasses import replace

import pytest

from integrations.connectors.base import Applied, Skip
from integrations.errors import PermanentError, TemporaryError
from integrations.models import MappedField
from tests.connectors.builders import canceled, make_meeting, moved

EXT = "Calendly_Invitee_UUID__c"
DELETE = {"method": "DELETE"}
WRITE = {"path_contains": "/sobjects/Event"}


@pytest.fixture
def org(to_salesforce):
    to_salesforce.settings = {"when_canceled": "delete"}
    return to_salesforce.server.state.salesforce


@pytest.fixture(params=[EXT, ""])
def either(to_salesforce, org, request):
    """With an external id, and without."""
    to_salesforce.settings["event_external_id_field"] = request.param
    return to_salesforce


def calls(driver):
    return len([path for path in driver.requests() if "/oauth2/" not in path])


def the_event(driver):
    (event,) = driver.objects()
    return event


def test_a_canceled_meeting_is_deleted_in_one_call_and_not_again(either):
    either.deliver()
    before = calls(either)
    applied = either.deliver(canceled(make_meeting()), kind="canceled", event_id=2)
    after = calls(either)
    again = either.deliver(canceled(make_meeting()), kind="updated", event_id=3)

    assert either.objects() == []
    assert isinstance(applied, Applied)
    assert "is deleted" in applied.summary
    assert after == before + 1
    assert isinstance(again, Skip)
    assert calls(either) == after


def test_a_meeting_that_is_booked_again_gets_an_event_of_its_own(either):
    either.deliver()
    first = the_event(either)
    either.deliver(canceled(make_meeting()), kind="canceled", event_id=2)
    either.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=3)

    event = the_event(either)
    assert event["Id"] != first["Id"]
    assert event["WhoId"] == first["WhoId"]
    assert event["StartDateTime"] == "2026-12-02T09:00:00.000+0000"


def test_what_is_gone_already_is_fine(either, org):
    either.deliver()
    org.delete("Event", the_event(either)["Id"])

    applied = either.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert isinstance(applied, Applied)
    assert any("No Event was left" in step.detail for step in applied.steps)
    assert isinstance(either.deliver(canceled(make_meeting()), event_id=3), Skip)


def test_a_meeting_that_was_canceled_before_it_was_written_asks_nobody(either, org):
    before = len(org.records["Lead"])

    assert isinstance(either.deliver(canceled(make_meeting()), kind="canceled"), Skip)
    assert either.requests() == []
    assert len(org.records["Lead"]) == before


def test_an_event_whose_answer_was_lost_is_deleted_all_the_same(either):
    either.break_request("drop_after", match=WRITE)
    with pytest.raises(TemporaryError):
        either.deliver()
    assert len(either.objects()) == 1

    either.deliver(canceled(make_meeting()), kind="canceled", event_id=2, look_first=True)

    assert either.objects() == []


def test_a_lost_answer_to_the_deletion_is_repeated(either):
    either.deliver()
    either.break_request("drop_after", match=DELETE)

    with pytest.raises(TemporaryError):
        either.deliver(canceled(make_meeting()), kind="canceled", event_id=2)
    either.deliver(canceled(make_meeting()), kind="canceled", event_id=2, look_first=True)

    assert either.objects() == []
    assert [item.object_type for item in either.memory.records] == ["Lead"]


def test_a_deletion_that_is_refused_is_not_taken_for_done(either):
    either.deliver()
    either.break_request(
        "salesforce_error", match=DELETE, errorCode="INSUFFICIENT_ACCESS_OR_READONLY"
    )

    with pytest.raises(PermanentError):
        either.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert any(item.object_type == "Event" for item in either.memory.records)


def test_the_person_is_told_of_the_end_where_staff_map_it(to_salesforce, org):
    to_salesforce.mappings = tuple(
        MappedField(object_type="Lead", field=name, source=source, argument="", write_mode="always")
        for name, source in (
            ("LastName", "invitee.last_name"),
            ("Description", "booking.cancel_reason"),
        )
    )
    to_salesforce.deliver()
    lead = the_event(to_salesforce)["WhoId"]
    to_salesforce.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert to_salesforce.objects() == []
    assert org.records["Lead"][lead]["Description"] == "Ill"


def test_a_canceled_meeting_is_marked_with_who_and_why_by_default(to_salesforce):
    to_salesforce.deliver()
    to_salesforce.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    event = the_event(to_salesforce)
    assert event["Subject"].startswith("Canceled: ")
    assert event["ShowAs"] == "Free"
    assert "Canceled by Ida Invitee: Ill" in event["Description"]


def test_a_no_show_comes_and_goes(to_salesforce):
    meeting = make_meeting()
    subjects, calls_made = [], [0]
    for number, missed in enumerate((False, True, False)):
        to_salesforce.deliver(replace(meeting, is_no_show=missed), event_id=number + 1)
        subjects.append(the_event(to_salesforce)["Subject"])
        calls_made.append(calls(to_salesforce))

    plain = "Product demo with Ida Invitee"
    assert subjects == [plain, f"No-show: {plain}", plain]
    assert "did not come" not in the_event(to_salesforce)["Description"]
    assert the_event(to_salesforce)["ShowAs"] == "Busy"
    assert [after - before for before, after in itertools.pairwise(calls_made)] == [
        3,
        1,
        1,
    ]
