"""The action `create_task`: one follow-up task for each meeting and rule."""

from datetime import timedelta

import pytest

from integrations.connectors.base import Applied, Choice, Record, Send, Skip
from integrations.errors import PermanentError, ReviewError, RuleError, TemporaryError
from integrations.http import NOT_SENT
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import START, make_meeting, moved
from tests.connectors.harness import Driver

ACTION = "create_task"
TASK = {"path_contains": "/sobjects/Task"}


@pytest.fixture
def driver(sandbox):
    return Driver("salesforce", sandbox, action=ACTION)


@pytest.fixture
def org(sandbox):
    return sandbox.state.salesforce


def tasks(org):
    return list(org.records["Task"].values())


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("booked", {}, ""),
        ("canceled", {"is_canceled": True}, ""),
        ("no_show", {"is_no_show": True}, ""),
        ("booked", {"is_canceled": True}, "The meeting is canceled by now."),
        ("canceled", {}, "The meeting is no longer canceled."),
        ("no_show", {}, "The invitee is no longer marked as a no-show."),
    ],
)
def test_what_is_out_of_date_makes_no_task(to_salesforce, kind, changes, told):
    decision = to_salesforce.plan(make_meeting(**changes), action=ACTION, kind=kind)

    if told:
        assert decision == Skip(reason=f"{told} No follow-up task is made.")
    else:
        assert isinstance(decision, Send)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"days": -1}, "option days is wrong: Input should be greater than or equal to 0"),
        ({"subject": "{{ nobody }}"}, "option subject is wrong: The template names 'nobody'"),
        ({"subject": "{% load x %}"}, "option subject is wrong: The template cannot be read"),
        ({"owner": "x"}, "option owner is wrong"),
    ],
)
def test_a_wrong_option_is_named(to_salesforce, options, told):
    with pytest.raises(RuleError, match=told):
        to_salesforce.plan(action=ACTION, options=options)


@pytest.mark.parametrize(("zone", "day"), [("Pacific/Auckland", "2026-12-03"), ("UTC", "2026-12-02"), ("No/Where", "2026-12-02")])  # fmt: skip
def test_the_day_is_counted_in_the_hosts_calendar(to_salesforce, zone, day):
    late = make_meeting(start_at=START + timedelta(hours=4))
    host = late.hosts[0]
    meeting = make_meeting(
        start_at=late.start_at, hosts=(type(host)(name=host.name, email=host.email, timezone=zone),)
    )

    assert day in to_salesforce.plan(meeting, action=ACTION).summary


def test_a_task_of_the_person_is_made_once(driver, org):
    driver.options = {"subject": "Call {{ invitee.first_name }}", "days": 2, "priority": "High"}
    applied = driver.deliver()
    again = driver.deliver(kind="updated", event_id=2)

    (task,) = tasks(org)
    (lead,) = [row for row in org.records["Lead"].values() if row["LastName"] == "Invitee"]
    assert task["WhoId"] == lead["Id"]
    assert (task["Subject"], task["ActivityDate"]) == ("Call Ida", "2026-12-03")
    assert (task["Priority"], task["Status"]) == ("High", "Not Started")
    assert "Customer Ltd" in task["Description"]
    assert isinstance(applied, Applied)
    assert applied.fields[f"Task {task['Id']}"]["WhoId"] == (None, lead["Id"])
    assert again == Skip(reason="The follow-up task was made before.")
    assert {record.object_type for record in driver.memory.records} == {"Lead", "Task"}


def test_each_rule_makes_one(driver, org):
    driver.deliver(rule_id=1)
    driver.deliver(rule_id=2, event_id=2)

    assert len(tasks(org)) == 2


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
def test_a_lost_answer_makes_no_second_task(driver, org, fault):
    driver.break_request(fault, match=TASK)

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()
    driver.deliver(look_first=True)

    assert caught.value.ambiguous
    assert len(tasks(org)) == 1
    assert driver.memory.kept["Task", "rule-1"].remote_id == tasks(org)[0]["Id"]


def test_a_lost_answer_of_one_rule_is_not_taken_for_anothers(driver, org):
    driver.deliver(rule_id=1)
    driver.deliver(rule_id=2, event_id=2, look_first=True)

    assert len(tasks(org)) == 2


def test_a_dry_run_makes_neither_person_nor_task(driver, org):
    people = len(org.records["Lead"])
    task, connector = driver.task(look_first=True), driver.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert [row["error"] for row in driver.recorder.exchanges].count(NOT_SENT) == 2
    assert applied.steps
    assert tasks(org) == []
    assert len(org.records["Lead"]) == people


def test_a_person_who_is_gone_is_looked_for_again(driver, org):
    kept = org.create("Contact", {"LastName": "Kept", "Email": "ida@customer.example"}, how=Write(via="seed"))  # fmt: skip
    gone = org.create("Contact", {"LastName": "Gone"}, how=Write(via="seed"))
    org.merge("Contact", kept, gone)
    driver.memory.remember(Record(object_type="Contact", remote_id=gone))

    driver.deliver()

    assert [task["WhoId"] for task in tasks(org)] == [kept]
    assert driver.memory.kept["Contact", ""].remote_id == kept


def test_where_several_fit_a_person_is_asked_and_nothing_made(driver, org):
    for name in ("One", "Two"):
        org.create("Contact", {"LastName": name, "Email": "ida@customer.example"}, how=Write(via="seed"))  # fmt: skip

    with pytest.raises(ReviewError):
        driver.deliver()

    assert tasks(org) == []


def test_a_value_that_is_not_listed_is_told_before_anything_is_made(driver, org):
    people = len(org.records["Lead"])
    driver.options = {"status": "Someday"}

    with pytest.raises(RuleError, match=r"option status is wrong: Task\.Status has no value 'Someday', but Not Started,"):  # fmt: skip
        driver.deliver()

    assert len(org.records["Lead"]) == people
    assert tasks(org) == []


def test_a_reschedule_moves_the_task(driver, org):
    meeting = make_meeting()
    driver.deliver(meeting)
    applied = driver.deliver(moved(meeting, days=3), kind="rescheduled", event_id=2)

    (task,) = tasks(org)
    assert task["ActivityDate"] == "2026-12-05"
    assert applied.fields[f"Task {task['Id']}"] == {"ActivityDate": ("2026-12-02", "2026-12-05")}
    assert driver.plan(moved(meeting, days=3)) == Skip(reason="The follow-up task was made before.")


@pytest.mark.parametrize(
    ("touched", "told"),
    [
        ({"Status": "Completed"}, "is closed"),
        ({"ActivityDate": "2026-12-24"}, "was moved to 2026-12-24"),
        (None, "was deleted"),
    ],
)
def test_what_somebody_did_to_the_task_stays(driver, org, touched, told):
    meeting = make_meeting()
    driver.deliver(meeting)
    (task,) = tasks(org)
    if touched is None:
        org.delete("Task", task["Id"])
    else:
        org.update("Task", task["Id"], touched, how=Write(via="control"))
    before = [dict(row) for row in tasks(org)]

    applied = driver.deliver(moved(meeting, days=3), kind="rescheduled", event_id=2)

    assert told in applied.summary
    assert not applied.changed
    assert tasks(org) == before


def test_a_task_that_shall_not_move_stays(driver, org):
    driver.options = {"moves": False}
    driver.deliver()

    assert isinstance(driver.deliver(moved(make_meeting(), days=3), event_id=2), Skip)


def test_the_meeting_and_its_task_share_the_person(driver, org):
    driver.deliver()
    driver.deliver(action="sync_meeting", event_id=2)

    (event,) = org.records["Event"].values()
    assert event["WhoId"] == tasks(org)[0]["WhoId"]


@pytest.mark.parametrize("look_first", [False, True])
def test_an_object_that_is_hidden_fails_the_rule_and_stops_no_other(driver, org, look_first):
    org.objects.pop("task")

    with pytest.raises(RuleError, match="The integration user cannot use Task") as caught:
        driver.deliver(look_first=look_first)

    assert "turn the rule off" in caught.value.hint


def test_a_missing_external_id_fails_the_rule(driver, org):
    org.change_field("Task", remove="Calendly_Invitee_UUID__c")

    with pytest.raises(RuleError, match="cannot use Task with the field Calendly_Invitee_UUID__c"):
        driver.deliver()


def test_another_pick_takes_the_task_along(driver, org):
    first, second = (
        org.create("Contact", {"LastName": name}, how=Write(via="seed")) for name in ("A", "B")
    )
    driver.deliver(choice=picked(first))
    driver.deliver(choice=picked(second), event_id=2)
    again = driver.deliver(choice=picked(second), event_id=3)

    assert [row["WhoId"] for row in tasks(org)] == [second]
    assert isinstance(again, Skip)


def test_a_task_that_was_given_to_somebody_stays_theirs(driver, org):
    first, second, other = (
        org.create("Contact", {"LastName": name}, how=Write(via="seed")) for name in "ABC"
    )
    driver.deliver(choice=picked(first))
    org.update("Task", tasks(org)[0]["Id"], {"WhoId": other}, how=Write(via="control"))
    driver.deliver(choice=picked(second), event_id=2)

    assert [row["WhoId"] for row in tasks(org)] == [other]


def picked(contact):
    return Choice(verdict="use", record=Record(object_type="Contact", remote_id=contact))


def test_a_refused_task_tells_whom_was_made_for_it(driver, org):
    driver.break_request(
        "salesforce_error", match=TASK, errorCode="FIELD_CUSTOM_VALIDATION_EXCEPTION"
    )

    with pytest.raises(PermanentError) as caught:
        driver.deliver()

    (made,) = (
        key for key, row in org.records["Lead"].items() if row["Email"] == make_meeting().email
    )
    assert list(caught.value.changes) == [f"Lead {made}"]
    assert any("created" in step["detail"] for step in caught.value.steps)
