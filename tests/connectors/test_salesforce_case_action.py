"""The action `file_case`: one Case for each meeting, by an external id or by reading back."""

import pytest

from integrations.connectors.base import Applied, Choice, Record, Send, Skip
from integrations.errors import ConfigurationError, PermanentError, RuleError, TemporaryError
from integrations.http import NOT_SENT
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import canceled, make_meeting, moved
from tests.connectors.harness import Driver

ACTION = "file_case"
CASE = {"path_contains": "/sobjects/Case"}
FIELD = "Calendly_Invitee_UUID__c"
EMAIL = "ida@customer.example"


@pytest.fixture(params=["external id", "read back"])
def driver(request, sandbox):
    found = Driver("salesforce", sandbox, action=ACTION)
    if request.param == "external id":
        found.settings = {"case_external_id_field": FIELD}
    return found


@pytest.fixture
def org(sandbox):
    return sandbox.state.salesforce


def cases(org):
    return list(org.records["Case"].values())


def add_contact(org, **values):
    fields = {"LastName": "Known", "Email": EMAIL, **values}
    return org.create("Contact", fields, how=Write(via="seed"))


KNOWN = Record(object_type="Case", remote_id="5005g00000AAAAAAAA", content_hash="other")
CHANGED = "The case was opened before, and is left as it is."


@pytest.mark.parametrize(
    ("meeting", "options", "known", "decided"),
    [
        (make_meeting(), {}, None, "Open the case"),
        (make_meeting(is_no_show=True), {}, None, "Open the case"),
        (canceled(make_meeting()), {}, None, "The meeting is canceled and has no case: none is opened."),
        (canceled(make_meeting()), {"open_for_canceled": True}, None, "Open the case"),
        (make_meeting(), {}, KNOWN, "Update the case"),
        (make_meeting(), {"when_changed": "leave"}, KNOWN, CHANGED),
        (canceled(make_meeting()), {}, KNOWN, "Close the case"),
        (canceled(make_meeting()), {"when_canceled": "update"}, KNOWN, "Update the case"),
        (canceled(make_meeting()), {"when_canceled": "leave"}, KNOWN, CHANGED),
    ],
)  # fmt: skip
def test_what_is_decided(to_salesforce, meeting, options, known, decided):
    records = (known,) if known else ()

    decision = to_salesforce.plan(meeting, action=ACTION, options=options, records=records)

    told = decision.summary if isinstance(decision, Send) else decision.reason
    assert told.startswith(decided)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"when_canceled": "burn"}, "when_canceled"), ({"subject": "{% oops %}"}, "subject"), ({"to": 1}, "to"), ({"closed_status": ""}, "closed_status")],
)  # fmt: skip
def test_a_wrong_option_is_named(to_salesforce, options, named):
    with pytest.raises(RuleError, match=f"option {named} is wrong"):
        to_salesforce.plan(action=ACTION, options=options)


def test_a_case_is_the_contacts_and_opened_once(driver, org):
    contact = add_contact(org)
    driver.options = {"origin": "Web", "status": "Working"}

    applied = driver.deliver()
    again = driver.deliver(kind="no_show_removed", event_id=2)

    (case,) = cases(org)
    assert (case["ContactId"], case["SuppliedEmail"]) == (contact, None)
    assert (case["Subject"], case["Origin"], case["Status"]) == (
        "Product demo with Ida Invitee",
        "Web",
        "Working",
    )
    assert "Company: Customer Ltd" in case["Description"]
    assert "Booking: http" in case["Description"]
    assert isinstance(applied, Applied)
    assert applied.fields[f"Case {case['Id']}"]["Status"] == (None, "Working")
    assert again == Skip(reason="already equal")


def test_a_leads_case_says_who_they_are(driver, org):
    driver.deliver()

    (case,) = cases(org)
    assert (case["SuppliedName"], case["SuppliedEmail"]) == ("Ida Invitee", EMAIL)
    assert case["ContactId"] is None
    assert any(row["Email"] == EMAIL for row in org.records["Lead"].values())


def test_without_a_person_the_case_stands_alone(driver, org):
    driver.settings = {**driver.settings, "create": "nothing"}

    driver.deliver(make_meeting(email="", invitee_name=""))

    assert [(case["SuppliedName"], case["ContactId"]) for case in cases(org)] == [(None, None)]


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
def test_a_lost_answer_opens_no_second_case(driver, org, fault):
    add_contact(org)
    driver.break_request(fault, match=CASE | {"method": driver_method(driver)})

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()
    driver.deliver(moved(make_meeting(), days=1), kind="rescheduled", look_first=True)

    assert caught.value.ambiguous
    (case,) = cases(org)
    assert driver.memory.kept["Case", ""].remote_id == case["Id"]
    assert "Rescheduled 1 time" in case["Description"]


def driver_method(driver):
    return "PATCH" if driver.settings else "POST"


def test_another_meeting_of_the_person_gets_its_own_case(driver, org):
    driver.deliver()
    driver.memory.kept.clear()

    driver.deliver(make_meeting(key="OTHER"), look_first=True)

    assert len(cases(org)) == 2


def test_a_case_follows_a_reschedule_in_one_call(driver, org):
    driver.deliver()
    before = len(driver.requests())

    driver.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)

    (case,) = cases(org)
    assert "Rescheduled 1 time" in case["Description"]
    assert len(driver.requests()) == before + 1


def test_a_cancellation_closes_the_case(driver, org):
    driver.deliver()
    applied = driver.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    (case,) = cases(org)
    assert case["IsClosed"]
    assert "Canceled by Ida Invitee: Ill" in case["Description"]
    assert "closed" in applied.summary
    assert driver.plan(canceled(make_meeting())) == Skip(reason="already equal")


def test_a_case_for_a_canceled_meeting_stays_open(driver, org):
    driver.options = {"open_for_canceled": True}
    driver.deliver(canceled(make_meeting()), kind="canceled")

    driver.deliver(canceled(make_meeting(name="Other")), kind="updated", event_id=2)

    (case,) = cases(org)
    assert not case["IsClosed"]
    assert case["Subject"].startswith("Other")


def test_a_deleted_case_stays_deleted(driver, org):
    driver.deliver()
    org.delete("Case", cases(org)[0]["Id"])

    applied = driver.deliver(moved(make_meeting(), days=1), event_id=2)

    assert "was deleted in Salesforce" in applied.summary
    assert not applied.changed
    assert cases(org) == []


def test_a_person_who_is_gone_is_looked_for_again(driver, org):
    gone, kept = add_contact(org, Email="old@customer.example"), add_contact(org)
    org.merge("Contact", kept, gone)
    driver.memory.remember(Record(object_type="Contact", remote_id=gone))

    applied = driver.deliver()

    assert [case["ContactId"] for case in cases(org)] == [kept]
    assert any("is gone" in step.detail for step in applied.steps)


def test_a_refusal_that_is_not_about_the_lead_makes_no_second_lead(driver, org):
    driver.break_request(
        "salesforce_error",
        match=CASE | {"method": driver_method(driver)},
        errorCode="INVALID_CROSS_REFERENCE_KEY",
    )

    with pytest.raises(PermanentError, match="INVALID_CROSS_REFERENCE_KEY"):
        driver.deliver()

    assert sum(row["Email"] == EMAIL for row in org.records["Lead"].values()) == 1
    assert driver.memory.kept["Lead", ""]


def test_a_dry_run_opens_nothing(driver, org):
    people = len(org.records["Lead"])
    task, connector = driver.task(look_first=True), driver.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert [row["error"] for row in driver.recorder.exchanges].count(NOT_SENT) == 2
    assert "is open" in applied.summary
    assert (len(cases(org)), len(org.records["Lead"])) == (0, people)


@pytest.mark.parametrize("option", ["origin", "status", "closed_status"])
def test_a_value_that_is_not_listed_is_told_before_anything_is_made(driver, org, option):
    people = len(org.records["Lead"])
    driver.options = {option: "Nonsense"}

    with pytest.raises(RuleError, match=f"option {option} is wrong: Case"):
        driver.deliver()

    assert (len(cases(org)), len(org.records["Lead"])) == (0, people)


def test_a_value_that_was_added_a_moment_ago_is_seen(driver, org):
    driver.options = {"origin": "Web"}
    driver.deliver()
    origin = org.object("Case").find("Origin")
    org.change_field("Case", add=type(origin)(**{**vars(origin), "choices": (*origin.choices, "Calendly")}))  # fmt: skip
    driver.memory.kept.clear()
    driver.options = {"origin": "Calendly"}

    driver.deliver(make_meeting(key="OTHER"))

    assert cases(org)[-1]["Origin"] == "Calendly"


def test_the_check_sees_that_the_field_is_missing(to_salesforce):
    to_salesforce.settings = {"case_external_id_field": "Nothing__c"}

    with pytest.raises(ConfigurationError, match=r"Case.Nothing__c: Missing") as caught:
        to_salesforce.connector().check()

    assert "case_external_id_field" in caught.value.hint


@pytest.mark.parametrize("look_first", [False, True])
def test_an_object_that_is_hidden_fails_the_rule_and_stops_no_other(driver, org, look_first):
    org.objects.pop("case")

    with pytest.raises(RuleError, match="The integration user cannot use Case") as caught:
        driver.deliver(look_first=look_first)

    assert "turn the rule off" in caught.value.hint


def test_another_pick_takes_the_case_along(driver, org):
    first, second = (
        org.create("Contact", {"LastName": name}, how=Write(via="seed")) for name in ("A", "B")
    )
    driver.deliver(choice=picked(first))
    driver.deliver(choice=picked(second), event_id=2)
    again = driver.deliver(choice=picked(second), event_id=3)

    assert [row["ContactId"] for row in cases(org)] == [second]
    assert isinstance(again, Skip)


def test_a_case_that_was_given_to_somebody_stays_theirs(driver, org):
    first, second, other = (
        org.create("Contact", {"LastName": name}, how=Write(via="seed")) for name in "ABC"
    )
    driver.deliver(choice=picked(first))
    org.update("Case", cases(org)[0]["Id"], {"ContactId": other}, how=Write(via="control"))
    driver.deliver(choice=picked(second), event_id=2)

    assert [row["ContactId"] for row in cases(org)] == [other]


def picked(contact):
    return Choice(verdict="use", record=Record(object_type="Contact", remote_id=contact))


def test_a_converted_leads_case_becomes_the_contacts(driver, org):
    driver.deliver()
    (lead,) = [row["Id"] for row in org.records["Lead"].values() if row["Email"] == EMAIL]
    contact = org.convert_lead(lead)["contact"]
    driver.deliver(action="sync_meeting", options={}, event_id=2)

    driver.deliver(kind="updated", event_id=3)

    (case,) = cases(org)
    assert (case["ContactId"], case["Subject"]) == (contact, "Product demo with Ida Invitee")
