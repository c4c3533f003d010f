"""The action `set_lead_status`: from listed statuses alone, and never a converted Lead."""

import pytest

from integrations.connectors.base import Record, Send, Skip
from integrations.errors import RuleError, TemporaryError
from integrations.http import NOT_SENT
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import canceled, make_meeting
from tests.connectors.harness import Driver

ACTION = "set_lead_status"
NEW, WORKING = "Open - Not Contacted", "Working - Contacted"
EMAIL = "ida@customer.example"
SEED = Write(via="seed")
CHANGE = {"method": "PATCH", "path_contains": "/sobjects/Lead/"}


@pytest.fixture
def driver(sandbox):
    found = Driver("salesforce", sandbox, action=ACTION)
    found.options = {"status": WORKING}
    return found


@pytest.fixture
def org(sandbox):
    return sandbox.state.salesforce


def add_lead(org, **values):
    return org.create("Lead", {"LastName": "Known", "Company": "X", "Email": EMAIL, **values}, how=SEED)  # fmt: skip


def status_of(org, lead):
    return org.records["Lead"][lead]["Status"]


@pytest.mark.parametrize(
    ("kind", "meeting", "told"),
    [
        ("booked", make_meeting(), ""),
        ("canceled", canceled(make_meeting()), ""),
        ("booked", canceled(make_meeting()), "The meeting is canceled by now."),
        ("no_show", make_meeting(), "The invitee is no longer marked as a no-show."),
    ],
)
def test_what_is_out_of_date_moves_nothing(to_salesforce, kind, meeting, told):
    decision = to_salesforce.plan(meeting, kind=kind, action=ACTION, options={"status": "X"})

    if told:
        assert decision == Skip(reason=f"{told} The Lead's status is left as it is.")
    else:
        assert isinstance(decision, Send)


@pytest.mark.parametrize(
    ("options", "named"), [({}, "status"), ({"status": ""}, "status"), ({"status": "x", "only_from": "New"}, "only_from")]
)  # fmt: skip
def test_a_wrong_option_is_named(to_salesforce, options, named):
    with pytest.raises(RuleError, match=f"option {named} is wrong"):
        to_salesforce.plan(action=ACTION, options=options)


@pytest.mark.parametrize("only_from", [[], [NEW]])
def test_a_status_is_moved_once(driver, org, only_from):
    lead = add_lead(org)
    driver.options["only_from"] = only_from

    applied = driver.deliver()
    again = driver.deliver(event_id=2)

    assert status_of(org, lead) == WORKING
    assert applied.fields == {f"Lead {lead}": {"Status": (NEW, WORKING)}}
    assert again.summary == f"Lead {lead} has the status {WORKING!r} already."
    assert not again.changed
    assert sum(path.startswith("PATCH") for path in driver.requests()) == 1


def test_a_status_that_is_not_listed_stays(driver, org):
    lead = add_lead(org, Status=WORKING)
    driver.options = {"status": NEW, "only_from": [NEW, "Closed - Converted"]}

    applied = driver.deliver()

    assert status_of(org, lead) == WORKING
    assert f"has the status '{WORKING}'; the rule moves" in applied.summary
    assert not applied.changed


def test_a_stranger_becomes_a_lead_with_the_status(driver, org):
    driver.deliver()

    (lead,) = [row for row in org.records["Lead"].values() if row["Email"] == EMAIL]
    assert lead["Status"] == WORKING


def test_a_converted_lead_is_left_alone(driver, org):
    lead = add_lead(org)
    org.convert_lead(lead)
    driver.memory.remember(Record(object_type="Lead", remote_id=lead))

    applied = driver.deliver()

    assert applied.summary == f"Lead {lead} was converted: its status is left alone."
    assert not applied.changed


def test_a_lead_that_is_converted_in_between_is_left_alone(driver, org):
    add_lead(org)
    driver.break_request("salesforce_error", match=CHANGE, errorCode="CANNOT_UPDATE_CONVERTED_LEAD")

    applied = driver.deliver()

    assert "was converted a moment ago" in applied.summary
    assert not applied.changed


def test_a_lead_that_is_deleted_in_between_is_tried_again(driver, org):
    add_lead(org)
    driver.break_request(
        "salesforce_error", match=CHANGE, errorCode="ENTITY_IS_DELETED", status=404
    )

    with pytest.raises(TemporaryError, match="a moment ago") as caught:
        driver.deliver()

    assert not caught.value.ambiguous


def test_a_contact_has_no_status(driver, org):
    contact = org.create("Contact", {"LastName": "Known", "Email": EMAIL}, how=SEED)

    applied = driver.deliver()

    assert applied.summary == f"The invitee is Contact {contact}, no Lead or no longer one."
    assert not applied.changed


def test_nobody_has_no_status(driver):
    driver.settings = {"create": "nothing"}

    assert driver.deliver().summary == "The meeting belongs to no Lead."


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_moves_once(driver, org, kind):
    lead = add_lead(org)
    driver.options["only_from"] = [NEW]
    driver.break_request(kind, match=CHANGE)

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()
    driver.deliver(look_first=True)

    assert caught.value.ambiguous
    assert status_of(org, lead) == WORKING


def test_a_lead_that_is_gone_is_looked_for_again(driver, org):
    gone, lead = add_lead(org, Email="old@customer.example"), add_lead(org)
    driver.memory.remember(Record(object_type="Lead", remote_id=gone))
    org.delete("Lead", gone)

    driver.deliver()

    assert status_of(org, lead) == WORKING
    assert driver.memory.kept["Lead", ""].remote_id == lead


@pytest.mark.parametrize(
    ("options", "named"),
    [({"status": "Nope"}, "status"), ({"only_from": [NEW, "Nope"]}, r"only_from\.1")],
)
def test_a_status_that_there_is_not_is_told_before_anybody_is_made(driver, org, options, named):
    people = len(org.records["Lead"])
    driver.options |= options

    with pytest.raises(RuleError, match=rf"option {named} is wrong: Lead\.Status has no value 'Nope'"):  # fmt: skip
        driver.deliver()

    assert len(org.records["Lead"]) == people


@pytest.mark.parametrize(("there", "held_back"), [(True, 1), (False, 2)])
def test_a_dry_run_moves_nothing(driver, org, there, held_back):
    lead = add_lead(org) if there else ""
    people = len(org.records["Lead"])
    task, connector = driver.task(), driver.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert [row["error"] for row in driver.recorder.exchanges].count(NOT_SENT) == held_back
    assert "was moved" in applied.summary
    assert len(org.records["Lead"]) == people
    assert not there or status_of(org, lead) == NEW
