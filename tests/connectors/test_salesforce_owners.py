"""Whose the Event and a new person are: the host's, by policy, and what that costs."""

import pytest

from bookings.meeting import Person
from integrations.connectors.base import Applied, Skip
from integrations.errors import PermanentError
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import RUNNING_USER, Write
from tests.connectors.builders import make_meeting, moved

EMAIL = "ida@customer.example"


@pytest.fixture
def org(to_salesforce):
    return to_salesforce.server.state.salesforce


def user(org, first):
    return next(key for key, row in org.records["User"].items() if row["FirstName"] == first)


def hosted_by(first, **more):
    host = Person(name=first, email=f"{first}@Harbor.example", timezone="UTC")
    return make_meeting(hosts=(host,), **more)


def owner(driver):
    (event,) = driver.objects()
    return event["OwnerId"]


def lead(org):
    return next(row for row in org.records["Lead"].values() if row["Email"] == EMAIL)


def calls(driver):
    return len([path for path in driver.requests() if "/oauth2/" not in path])


def told(applied):
    assert isinstance(applied, Applied)
    return " ".join(step.detail for step in applied.steps if step.name == "owner")


def test_the_event_is_the_hosts_in_three_calls_an_update_in_one_and_equal_in_none(
    to_salesforce, org
):
    applied = to_salesforce.deliver(hosted_by("ADAM"))
    booked = calls(to_salesforce)
    to_salesforce.deliver(moved(hosted_by("ADAM"), days=1), event_id=2)
    changed = calls(to_salesforce)
    equal = to_salesforce.deliver(moved(hosted_by("ADAM"), days=1), event_id=3)

    assert "FROM%20User" in str(to_salesforce.recorder.exchanges)
    assert owner(to_salesforce) == user(org, "Adam")
    assert lead(org)["OwnerId"] == RUNNING_USER
    assert user(org, "Adam") in told(applied)
    assert (booked, changed - booked) == (3, 1)
    assert isinstance(equal, Skip)
    assert calls(to_salesforce) == changed


def test_another_host_becomes_the_owner(to_salesforce, org):
    to_salesforce.deliver(hosted_by("Adam"))
    before = calls(to_salesforce)
    to_salesforce.deliver(moved(hosted_by("Uma"), days=1), kind="rescheduled", event_id=2)

    assert owner(to_salesforce) == user(org, "Uma")
    assert calls(to_salesforce) == before + 2


def test_another_host_alone_is_a_change(to_salesforce, org):
    to_salesforce.mappings = (
        MappedField(object_type="Event", field="Subject", source="event_type.name", argument="", write_mode="always"),
    )  # fmt: skip
    to_salesforce.deliver(hosted_by("Adam"))
    to_salesforce.deliver(hosted_by("Uma"), event_id=2)

    assert owner(to_salesforce) == user(org, "Uma")


@pytest.mark.parametrize("policy", ["host", "host_always"])
def test_whom_staff_made_the_owner_stays_unless_the_settings_say_always(to_salesforce, org, policy):
    to_salesforce.settings = {"event_owner": policy}
    to_salesforce.deliver(hosted_by("Adam"))
    event = to_salesforce.objects()[0]["Id"]
    other = org.create(
        "User",
        {"LastName": "Other", "Email": "other@harbor.example", "Username": "o@harbor.example"},
        how=Write(via="seed"),
    )
    org.update("Event", event, {"OwnerId": other}, how=Write(via="control"))

    to_salesforce.deliver(moved(hosted_by("Adam"), days=1), event_id=2)
    same_host = owner(to_salesforce)
    org.update("Event", event, {"OwnerId": other}, how=Write(via="control"))
    applied = to_salesforce.deliver(moved(hosted_by("Uma"), days=2), event_id=3)
    new_host = owner(to_salesforce)

    always = policy == "host_always"
    assert same_host == (user(org, "Adam") if always else other)
    assert new_host == (user(org, "Uma") if always else other)
    assert ("by hand" in told(applied)) is not always


def test_only_an_owner_that_is_always_the_hosts_is_kept_true(to_salesforce, org):
    kept = []
    for policy in ("host", "host_always"):
        to_salesforce.settings = {"event_owner": policy}
        to_salesforce.deliver(hosted_by("Adam"))
        kept += [
            r.data["kept"].get("OwnerId")
            for r in to_salesforce.memory.records
            if r.object_type == "Event"
        ]
        to_salesforce.memory.kept.clear()

    assert kept == [None, user(org, "Adam")]


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (lambda org: org.records["User"][user(org, "Adam")].update(Email="x@y.example"), "No user has"),
        (lambda org: org.records["User"][user(org, "Adam")].update(IsActive=False), "is not active"),
        (lambda org: org.records["User"][user(org, "Adam")].update(UserType="PowerPartner"), "No user has"),
        (lambda org: org.records["User"][user(org, "Uma")].update(Email="adam@harbor.example"), "2 active users"),
    ],
)  # fmt: skip
def test_where_no_one_user_is_the_host_the_integration_user_stays(to_salesforce, org, prepare, why):
    prepare(org)

    applied = to_salesforce.deliver(hosted_by("Adam"))
    before = calls(to_salesforce)
    to_salesforce.deliver(moved(hosted_by("Adam"), days=1), event_id=2)

    assert owner(to_salesforce) == RUNNING_USER
    assert why in told(applied)
    assert calls(to_salesforce) == before + 1


def test_a_new_host_without_a_user_leaves_it_to_the_integration_user(to_salesforce, org):
    to_salesforce.deliver(hosted_by("Adam"))
    to_salesforce.deliver(moved(hosted_by("Nobody"), days=1), event_id=2)

    assert owner(to_salesforce) == RUNNING_USER


@pytest.mark.parametrize("code", ["INACTIVE_OWNER_OR_USER", "TRANSFER_REQUIRES_READ"])
def test_an_owner_that_is_refused_keeps_no_meeting_from_the_calendar(to_salesforce, code):
    to_salesforce.break_write("salesforce_error", errorCode=code)

    applied = to_salesforce.deliver(hosted_by("Adam"))

    assert owner(to_salesforce) == RUNNING_USER
    assert code in told(applied)


def test_an_owner_that_is_refused_is_neither_kept_true_nor_told_as_written(to_salesforce):
    to_salesforce.settings = {"event_owner": "host_always"}
    to_salesforce.break_write("salesforce_error", errorCode="INACTIVE_OWNER_OR_USER")

    applied = to_salesforce.deliver(hosted_by("Adam"))

    assert "OwnerId" not in to_salesforce.memory.kept["Event", ""].data["kept"]
    (event,) = to_salesforce.objects()
    assert "OwnerId" not in applied.fields[f"Event {event['Id']}"]
    assert to_salesforce.connector().read_back([to_salesforce.memory.kept["Event", ""]]) == []


def test_another_refusal_is_not_taken_for_one_of_the_owner(to_salesforce):
    to_salesforce.break_write("salesforce_error", errorCode="FIELD_CUSTOM_VALIDATION_EXCEPTION")

    with pytest.raises(PermanentError):
        to_salesforce.deliver(hosted_by("Adam"))

    assert to_salesforce.objects() == []


@pytest.mark.parametrize("field", ["Calendly_Invitee_UUID__c", ""])
def test_an_event_that_was_deleted_and_comes_back_is_the_hosts_again(to_salesforce, org, field):
    to_salesforce.settings = {"event_external_id_field": field}
    to_salesforce.deliver(hosted_by("Adam"))
    org.delete("Event", to_salesforce.objects()[0]["Id"])
    to_salesforce.deliver(moved(hosted_by("Adam"), days=1), event_id=2)

    assert owner(to_salesforce) == user(org, "Adam")


def test_the_owner_can_be_left_to_whoever_writes(to_salesforce, org):
    to_salesforce.settings = {"event_owner": "integration_user"}

    to_salesforce.deliver(hosted_by("Adam"))

    assert owner(to_salesforce) == RUNNING_USER
    assert "FROM%20User" not in str(to_salesforce.recorder.exchanges)


@pytest.mark.parametrize("kind", ["Lead", "Contact"])
@pytest.mark.parametrize("event_owner", ["host", "integration_user"])
def test_a_new_person_can_be_the_hosts_past_the_assignment_rules(
    to_salesforce, org, kind, event_owner
):
    to_salesforce.settings = {
        "person_owner": "host_on_create",
        "create": kind.lower(),
        "event_owner": event_owner,
    }
    to_salesforce.server.state.config.salesforce_assignment_owner = user(org, "Uma")

    to_salesforce.deliver(hosted_by("Adam"))
    to_salesforce.deliver(moved(hosted_by("Uma"), days=1), event_id=2)

    (made,) = (row for row in org.records[kind].values() if row["Email"] == EMAIL)
    assert made["OwnerId"] == user(org, "Adam")


def test_without_a_user_a_new_lead_goes_by_the_rules(to_salesforce, org):
    to_salesforce.settings = {"person_owner": "host_on_create"}
    to_salesforce.server.state.config.salesforce_assignment_owner = user(org, "Uma")

    to_salesforce.deliver(hosted_by("Nobody"))

    assert lead(org)["OwnerId"] == user(org, "Uma")


def test_a_person_whose_owner_is_refused_is_created_all_the_same(to_salesforce, org):
    to_salesforce.settings = {"person_owner": "host_on_create"}
    to_salesforce.break_request(
        "salesforce_error", match={"method": "POST", "path_contains": "/sobjects/Lead"},
        errorCode="TRANSFER_REQUIRES_READ",
    )  # fmt: skip

    applied = to_salesforce.deliver(hosted_by("Adam"))

    assert lead(org)["OwnerId"] == RUNNING_USER
    assert "OwnerId" not in applied.fields[f"Lead {lead(org)['Id']}"]
    assert "TRANSFER_REQUIRES_READ" in told(applied)


def test_an_owner_that_staff_map_goes_before_the_policy(to_salesforce, org):
    to_salesforce.mappings = (
        MappedField(object_type="Event", field="OwnerId", source="constant", argument=user(org, "Uma"), write_mode="always"),
    )  # fmt: skip

    to_salesforce.deliver(hosted_by("Adam"))

    assert owner(to_salesforce) == user(org, "Uma")


def test_a_failed_look_for_the_user_is_no_absence(to_salesforce, org):
    org.change_field("User", remove="UserType")

    with pytest.raises(PermanentError, match="INVALID_FIELD"):
        to_salesforce.deliver(hosted_by("Adam"))

    assert to_salesforce.objects() == []


def test_a_user_who_was_found_serves_who_needs_no_other_look_up(to_salesforce, org):
    alone = {"email": "", "name": "Alone"}
    counts = []
    for number in range(3):
        before = calls(to_salesforce)
        to_salesforce.memory.kept.clear()
        to_salesforce.deliver(hosted_by("Adam", key=f"KEY-{number}", **alone), event_id=number + 1)
        counts.append(calls(to_salesforce) - before)

    assert counts == [2, 1, 1]
    assert {row["OwnerId"] for row in to_salesforce.objects()} == {user(org, "Adam")}


def test_a_user_who_was_found_and_is_not_any_more_keeps_no_meeting_from_the_calendar(
    to_salesforce, org
):
    to_salesforce.deliver(hosted_by("Adam", email=""))
    to_salesforce.memory.kept.clear()
    org.records["User"][user(org, "Adam")]["IsActive"] = False

    applied = to_salesforce.deliver(hosted_by("Adam", email="", key="OTHER"), event_id=2)

    assert {row["OwnerId"] for row in to_salesforce.objects()} == {user(org, "Adam"), RUNNING_USER}
    assert "INACTIVE_OWNER_OR_USER" in told(applied)


def test_more_look_ups_than_one_call_takes_are_asked_in_two(to_salesforce, org):
    to_salesforce.settings = {"match_accounts": True, "person_accounts": True, "create": "contact"}
    org.enable_person_accounts()
    made = org.add_person_account({"LastName": "Known", "Email": "known@x.example"})
    to_salesforce.deliver(hosted_by("Adam"))
    before = calls(to_salesforce)

    linked = hosted_by("Uma", tracking={"salesforce_uuid": made["account"]})
    to_salesforce.deliver(linked, event_id=2)

    assert owner(to_salesforce) == user(org, "Uma")
    assert to_salesforce.objects()[0]["WhoId"] == made["contact"]
    assert calls(to_salesforce) == before + 3
