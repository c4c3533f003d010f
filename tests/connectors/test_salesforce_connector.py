"""The Salesforce connector against the sandbox: who the meeting belongs to, and what a change costs."""

import threading

import pytest

from integrations.connectors.base import Applied, Record
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    ReviewError,
    TemporaryError,
    ThrottledError,
)
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import canceled, make_meeting, moved

LEAD = {"method": "POST", "path_contains": "/sobjects/Lead"}
EVENT = {"method": "PATCH", "path_contains": "/sobjects/Event/"}
EMAIL = "ida@customer.example"


@pytest.fixture
def org(to_salesforce):
    return to_salesforce.server.state.salesforce


def add(org, name, **values):
    company = {"Company": "Known Ltd"} if name == "Lead" else {}
    fields = {"LastName": "Known", "Email": EMAIL, **company, **values}
    return org.create(name, fields, how=Write(via="seed"))


def leads(org):
    return [row for row in org.records["Lead"].values() if row["Email"] == EMAIL]


def the_event(driver):
    (event,) = driver.objects()
    return event


def data_calls(driver):
    return [path for path in driver.requests() if "/oauth2/" not in path]


def test_a_stranger_becomes_a_lead_in_three_calls(to_salesforce, org):
    applied = to_salesforce.deliver()

    (lead,) = leads(org)
    assert (lead["FirstName"], lead["LastName"]) == ("Ida", "Invitee")
    assert (lead["Company"], lead["LeadSource"]) == ("Customer Ltd", "Calendly")
    event = the_event(to_salesforce)
    assert event["WhoId"] == lead["Id"]
    assert event["Calendly_Invitee_UUID__c"] == make_meeting().key
    assert event["StartDateTime"] == "2026-12-01T09:00:00.000+0000"
    assert event["Location"] == "https://zoom.example/j/123"
    assert len(data_calls(to_salesforce)) == 3
    assert isinstance(applied, Applied)
    assert any("api-usage=" in step.detail for step in applied.steps)


def test_an_update_is_one_call_and_an_equal_one_none(to_salesforce):
    meeting = make_meeting()
    to_salesforce.deliver(meeting)
    before = len(data_calls(to_salesforce))

    to_salesforce.deliver(moved(meeting, days=1), kind="rescheduled", event_id=2)
    updated = len(data_calls(to_salesforce))
    to_salesforce.deliver(moved(meeting, days=1), kind="updated", event_id=3)

    assert updated - before == 1
    assert len(data_calls(to_salesforce)) == updated
    assert the_event(to_salesforce)["StartDateTime"] == "2026-12-02T09:00:00.000+0000"


def test_a_canceled_meeting_stays_as_free_time(to_salesforce):
    to_salesforce.deliver()
    to_salesforce.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    event = the_event(to_salesforce)
    assert event["Subject"] == "Canceled: Product demo with Ida Invitee"
    assert event["ShowAs"] == "Free"


def test_a_contact_goes_before_a_lead(to_salesforce, org):
    add(org, "Lead")
    contact = add(org, "Contact")

    to_salesforce.deliver()

    assert the_event(to_salesforce)["WhoId"] == contact
    assert len(leads(org)) == 1


@pytest.mark.parametrize("email", [EMAIL, EMAIL.upper()])
def test_a_lead_is_found_in_any_case(to_salesforce, org, email):
    lead = add(org, "Lead", Email=email)

    to_salesforce.deliver()

    assert the_event(to_salesforce)["WhoId"] == lead


@pytest.mark.parametrize("email", ["o'hara@x.example", r"back\slash@x.example", "zoë@x.example"])
def test_an_odd_address_is_found_again(to_salesforce, org, email):
    lead = add(org, "Lead", Email=email)

    to_salesforce.deliver(make_meeting(email=email))

    assert the_event(to_salesforce)["WhoId"] == lead


def test_a_converted_lead_leads_to_its_contact(to_salesforce, org):
    converted = org.convert_lead(add(org, "Lead"))
    org.records["Contact"][converted["contact"]]["Email"] = "other@customer.example"

    to_salesforce.deliver()

    assert the_event(to_salesforce)["WhoId"] == converted["contact"]
    assert len(leads(org)) == 1


def test_without_an_address_the_event_stands_alone(to_salesforce, org):
    to_salesforce.settings = {"event_owner": "integration_user"}
    before = len(org.records["Lead"])

    to_salesforce.deliver(make_meeting(email=""))

    assert the_event(to_salesforce)["WhoId"] is None
    assert len(org.records["Lead"]) == before
    assert len(data_calls(to_salesforce)) == 1


@pytest.mark.parametrize("name", ["Contact", "Lead"])
def test_a_failed_look_up_is_not_an_absence(to_salesforce, org, name):
    before = len(org.records["Lead"])
    org.change_field(name, remove="LastModifiedDate")

    with pytest.raises(PermanentError, match="INVALID_FIELD"):
        to_salesforce.deliver()

    assert len(org.records["Lead"]) == before
    assert to_salesforce.objects() == []


def test_a_lost_answer_to_a_new_lead_makes_no_second_one(to_salesforce, org):
    to_salesforce.break_request("drop_after", match=LEAD)

    with pytest.raises(TemporaryError) as caught:
        to_salesforce.deliver()
    to_salesforce.deliver(look_first=True)

    assert caught.value.ambiguous
    assert len(leads(org)) == 1
    assert the_event(to_salesforce)["WhoId"] == leads(org)[0]["Id"]


def test_a_new_lead_is_remembered_although_the_event_fails(to_salesforce):
    to_salesforce.break_write("error", status=503)

    with pytest.raises(TemporaryError):
        to_salesforce.deliver()

    assert [record.object_type for record in to_salesforce.memory.records] == ["Lead"]


def test_a_duplicate_that_appears_in_between_is_used(to_salesforce, org):
    to_salesforce.server.state.config.salesforce_duplicate_rule = "block"
    to_salesforce.break_request("latency", match=LEAD, seconds=0.3)
    other = threading.Timer(0.1, lambda: add(org, "Lead"))
    other.start()

    to_salesforce.deliver()
    other.join()

    (lead,) = leads(org)
    assert lead["LastName"] == "Known"
    assert the_event(to_salesforce)["WhoId"] == lead["Id"]


@pytest.mark.parametrize("key", ["duplicateResult", "duplicateResut"])
@pytest.mark.parametrize(("ids", "taken"), [(1, True), (2, False)])
def test_a_duplicate_rule_that_names_one_record_settles_it(to_salesforce, org, key, ids, taken):
    found = [add(org, "Contact", Email=f"{number}@x.example") for number in range(ids)]
    matches = [{"record": {"Id": one, "attributes": {"type": "Contact"}}} for one in found]
    to_salesforce.break_request(
        "salesforce_error",
        match=LEAD,
        errorCode="DUPLICATES_DETECTED",
        more={key: {"matchResults": [{"matchRecords": matches}]}},
    )

    if taken:
        to_salesforce.deliver()
        assert the_event(to_salesforce)["WhoId"] == found[0]
    else:
        with pytest.raises(ReviewError, match="names 2 records") as caught:
            to_salesforce.deliver()
        assert {candidate.remote_id for candidate in caught.value.candidates} == set(found)


def test_a_person_who_is_gone_is_looked_for_again(to_salesforce, org):
    to_salesforce.deliver()
    gone = leads(org)[0]["Id"]
    org.delete("Lead", gone)

    applied = to_salesforce.deliver(make_meeting(name="Other"), kind="updated", event_id=2)

    (lead,) = leads(org)
    assert lead["Id"] != gone
    assert the_event(to_salesforce)["WhoId"] == lead["Id"]
    assert isinstance(applied, Applied)
    assert any("is gone" in step.detail for step in applied.steps)


def test_a_person_that_was_merged_away_is_forgotten(to_salesforce, org):
    contact = add(org, "Contact")
    to_salesforce.memory.remember(Record(object_type="Lead", remote_id="00Q5g00000GoneGone"))

    to_salesforce.deliver()

    assert the_event(to_salesforce)["WhoId"] == contact
    assert {record.object_type for record in to_salesforce.memory.records} == {"Contact", "Event"}


def test_owners_are_assigned_when_a_lead_is_made_and_never_again(to_salesforce, org):
    adam = next(key for key, row in org.records["User"].items() if row["LastName"] == "Adler")
    to_salesforce.server.state.config.salesforce_assignment_owner = adam

    to_salesforce.deliver()

    assert leads(org)[0]["OwnerId"] == adam
    headers = [
        (entry.path.rsplit("/sobjects/")[1].split("/")[0], entry.headers["Sforce-Auto-Assign"])
        for entry in to_salesforce.server.requests(service="salesforce")
        if "/sobjects/" in entry.path
    ]
    assert headers == [("Lead", "TRUE"), ("Event", "FALSE")]


def test_two_events_with_one_external_id_need_a_person(to_salesforce, org):
    event = {
        "Subject": "x",
        "StartDateTime": "2026-12-01T09:00:00Z",
        "EndDateTime": "2026-12-01T10:00:00Z",
        "Calendly_Invitee_UUID__c": make_meeting().key,
    }
    for _ in range(2):
        org.insert_unchecked("Event", event)

    with pytest.raises(PermanentError) as caught:
        to_salesforce.deliver()

    assert "external id" in caught.value.hint


def test_a_race_for_one_key_is_tried_again_soon(to_salesforce):
    to_salesforce.break_write("salesforce_error", errorCode="DUPLICATE_VALUE")

    with pytest.raises(TemporaryError) as caught:
        to_salesforce.deliver()

    assert caught.value.retry_after == 1


def test_a_used_up_daily_limit_holds_the_connection(to_salesforce):
    to_salesforce.server.state.config.salesforce_daily_limit = 0

    with pytest.raises(ThrottledError) as caught:
        to_salesforce.deliver()

    assert caught.value.retry_after == 900


def test_a_session_that_never_heals_is_not_renewed(to_salesforce):
    to_salesforce.deliver()
    to_salesforce.break_write(
        "salesforce_error",
        errorCode="INVALID_SESSION_ID",
        message="This session is not valid for use with the REST API",
        status=401,
    )

    with pytest.raises(ConfigurationError):
        to_salesforce.deliver(make_meeting(name="Other"), event_id=2)

    assert sum("/oauth2/" in path for path in to_salesforce.requests()) == 1


def test_a_session_is_renewed_once_and_then_it_needs_a_person(to_salesforce):
    to_salesforce.break_write("salesforce_error", times=0, errorCode="INVALID_SESSION_ID")

    with pytest.raises(ConfigurationError):
        to_salesforce.deliver()

    assert sum("/oauth2/" in path for path in to_salesforce.requests()) == 2
    assert sum("/sobjects/Event/" in path for path in to_salesforce.requests()) == 2


def test_a_token_serves_many_deliveries(to_salesforce):
    for number in range(3):
        to_salesforce.deliver(make_meeting(name=f"Call {number}"), event_id=number + 1)

    assert sum("/oauth2/" in path for path in to_salesforce.requests()) == 1


def test_a_wrong_secret_needs_a_person(to_salesforce):
    to_salesforce.secrets["client_secret"] = "wrong"

    with pytest.raises(ConfigurationError, match="invalid_client") as caught:
        to_salesforce.deliver()

    assert "client secret" in caught.value.hint


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"api_version": "12.0"}, "Set api_version to"),
        ({"event_external_id_field": "Nothing__c"}, "External ID"),
        ({"event_external_id_field": "Subject"}, "External ID"),
        ({"event_external_id_field": "a/../b"}, "correct its settings"),
        ({"unknown": 1}, "correct its settings"),
        ({"create": "account"}, "correct its settings"),
        ({"person_external_id_field": "Nothing__c"}, "Add the field"),
        ({"person_accounts": True}, "person_accounts"),
    ],
)
def test_the_check_tells_what_is_wrong_and_how_to_mend_it(to_salesforce, given, hint):
    to_salesforce.settings = given

    with pytest.raises(ConfigurationError) as caught:
        to_salesforce.connector().check()

    assert hint in caught.value.hint


def test_the_check_does_not_trust_an_old_session(to_salesforce):
    to_salesforce.deliver()
    to_salesforce.secrets["client_secret"] = "wrong"

    with pytest.raises(ConfigurationError):
        to_salesforce.connector().check()


def test_a_missing_field_pauses_the_connection_rather_than_failing_every_delivery(to_salesforce):
    to_salesforce.settings = {"event_external_id_field": "Nothing__c"}

    with pytest.raises(ConfigurationError) as caught:
        to_salesforce.deliver()

    assert "external id field" in caught.value.hint


def test_an_update_tells_each_field_that_changed_with_what_we_wrote_before(to_salesforce):
    meeting = make_meeting()
    to_salesforce.deliver(meeting)

    applied = to_salesforce.deliver(moved(meeting, days=1), kind="rescheduled", event_id=2)

    (written,) = applied.fields.values()
    assert written.keys() == {"StartDateTime", "EndDateTime", "Description"}
    assert written["StartDateTime"] == ("2026-12-01T09:00:00Z", "2026-12-02T09:00:00Z")


def test_a_new_event_tells_whom_it_belongs_to_and_nothing_that_is_empty(to_salesforce, org):
    applied = to_salesforce.deliver()

    (lead,) = leads(org)
    event = applied.fields[f"Event {the_event(to_salesforce)['Id']}"]
    assert event["WhoId"] == (None, lead["Id"])
    assert all(before is None and after for before, after in event.values())


@pytest.mark.parametrize("match", [LEAD, EVENT])
def test_a_refusal_tells_how_it_came_to_that(to_salesforce, org, match):
    to_salesforce.break_request("salesforce_error", match=match, errorCode="STRING_TOO_LONG")

    with pytest.raises(PermanentError) as caught:
        to_salesforce.deliver()

    steps = {step["name"]: step["detail"] for step in caught.value.steps}
    assert steps["contact"] == "No record has this e-mail address."
    created = [row["Id"] for row in leads(org)]
    assert list(caught.value.changes) == [f"Lead {one}" for one in created]
    assert ("person" in steps) == bool(created) == (match == EVENT)
