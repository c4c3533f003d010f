"""The action `add_to_campaign`: a person is a member once, with a status that follows the meeting."""

import pytest

from integrations.connectors.base import Choice, Record, Send, Skip
from integrations.errors import RuleError, TemporaryError
from integrations.http import NOT_SENT
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import canceled, make_meeting
from tests.connectors.harness import Driver

ACTION = "add_to_campaign"
MEMBER = {"method": "POST", "path_contains": "/sobjects/CampaignMember"}
NAME = "Autumn Webinar"
EMAIL = "ida@customer.example"
SEED = Write(via="seed")


@pytest.fixture
def driver(sandbox):
    found = Driver("salesforce", sandbox, action=ACTION)
    found.options = {"campaign": NAME, "status_no_show": "Sent", "status_booked": "Responded"}
    return found


@pytest.fixture
def org(sandbox):
    return sandbox.state.salesforce


def members(org):
    return list(org.records["CampaignMember"].values())


def campaign_of(org):
    return next(iter(org.records["Campaign"]))


def add_contact(org, **values):
    return org.create("Contact", {"LastName": "Known", "Email": EMAIL, **values}, how=SEED)


def data_calls(driver):
    return [path for path in driver.requests() if "/oauth2/" not in path]


@pytest.mark.parametrize(
    ("meeting", "options", "decided"),
    [
        (make_meeting(), {}, "Add the person to 'Autumn Webinar'."),
        (make_meeting(), {"status_booked": "Responded"}, "Add the person to 'Autumn Webinar' as 'Responded'."),
        (canceled(make_meeting()), {}, "The rule has no status_canceled: the person is not added."),
        (canceled(make_meeting()), {"status_canceled": "Sent"}, "Add the person to 'Autumn Webinar' as 'Sent'."),
        (make_meeting(is_no_show=True), {}, "The rule has no status_no_show: the person is not added."),
        (make_meeting(is_no_show=True), {"status_no_show": "Sent"}, "Add the person to 'Autumn Webinar' as 'Sent'."),
    ],
)  # fmt: skip
def test_what_is_decided(to_salesforce, meeting, options, decided):
    decision = to_salesforce.plan(meeting, action=ACTION, options={"campaign": NAME, **options})

    assert (decision.summary if isinstance(decision, Send) else decision.reason) == decided


@pytest.mark.parametrize(
    ("options", "named"), [({}, "campaign"), ({"campaign": ""}, "campaign"), ({"campaign": "x", "status": "y"}, "status")]
)  # fmt: skip
def test_a_wrong_option_is_named(to_salesforce, options, named):
    with pytest.raises(RuleError, match=f"option {named} is wrong"):
        to_salesforce.plan(action=ACTION, options=options)


@pytest.mark.parametrize("by", ["name", "id", "short id", "page"])
def test_a_contact_becomes_a_member_once(driver, org, by):
    contact, campaign = add_contact(org), campaign_of(org)
    page = f"https://acme.lightning.force.com/lightning/r/Campaign/{campaign}/view"
    named = {"name": NAME, "id": campaign, "short id": campaign[:15], "page": page}
    driver.options["campaign"] = named[by]

    applied = driver.deliver()
    again = driver.deliver(kind="rescheduled", event_id=2)

    (member,) = members(org)
    assert (member["ContactId"], member["Status"]) == (contact, "Responded")
    assert applied.fields[f"CampaignMember {member['Id']}"]["CampaignId"] == (None, campaign)
    assert again == Skip(reason="already equal")
    assert len(data_calls(driver)) == 3


def test_a_stranger_becomes_a_lead_and_a_member(driver, org):
    driver.deliver()

    (lead,) = [row for row in org.records["Lead"].values() if row["Email"] == EMAIL]
    assert [member["LeadId"] for member in members(org)] == [lead["Id"]]


def test_without_a_person_nobody_is_added(driver, org):
    driver.settings = {"create": "nothing"}

    applied = driver.deliver()

    assert "nobody is added" in applied.summary
    assert not applied.changed
    assert members(org) == []


def test_the_status_follows_the_meeting(driver, org):
    driver.options["status_canceled"] = "Sent"
    driver.deliver()
    driver.deliver(canceled(make_meeting()), kind="canceled", event_id=2)

    assert [member["Status"] for member in members(org)] == ["Sent"]


@pytest.mark.parametrize(("wanted", "changed"), [("Responded", True), ("", False), ("Sent", False)])
def test_who_is_a_member_already_is_not_added_again(driver, org, wanted, changed):
    contact = add_contact(org)
    org.create("CampaignMember", {"CampaignId": campaign_of(org), "ContactId": contact}, how=SEED)
    driver.options["status_booked"] = wanted

    applied = driver.deliver()

    (member,) = members(org)
    assert member["Status"] == (wanted or "Sent")
    assert applied.changed is changed
    assert driver.memory.kept["CampaignMember", "rule-1"].remote_id == member["Id"]


@pytest.mark.parametrize("fault", ["drop_after", "drop_before"])
def test_a_lost_answer_makes_no_second_member(driver, org, fault):
    driver.break_request(fault, match=MEMBER)

    with pytest.raises(TemporaryError):
        driver.deliver()
    driver.deliver(look_first=True)

    assert [member["Status"] for member in members(org)] == ["Responded"]
    assert driver.memory.kept["CampaignMember", "rule-1"].remote_id == members(org)[0]["Id"]


def test_who_was_taken_out_is_not_put_back(driver, org):
    driver.deliver()
    org.delete("CampaignMember", members(org)[0]["Id"])

    applied = driver.deliver(make_meeting(is_no_show=True), kind="no_show", event_id=2)

    assert "Somebody took the person out" in applied.summary
    assert members(org) == []


def test_another_campaign_of_the_same_rule_is_joined_too(driver, org):
    driver.deliver()
    org.create("Campaign", {"Name": "Spring"}, how=SEED)
    driver.options["campaign"] = "Spring"

    driver.deliver(event_id=2)

    assert len({member["CampaignId"] for member in members(org)}) == 2


def test_a_converted_lead_joins_as_the_contact(driver, org):
    lead = org.create("Lead", {"LastName": "Known", "Company": "X", "Email": EMAIL}, how=SEED)
    driver.memory.remember(Record(object_type="Lead", remote_id=lead))
    converted = org.convert_lead(lead)

    applied = driver.deliver()

    assert [member["ContactId"] for member in members(org)] == [converted["contact"]]
    assert any("is gone" in step.detail for step in applied.steps)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"campaign": "Nothing"}, "option campaign is wrong: there is no campaign 'Nothing'"),
        ({"campaign": "Twice"}, "option campaign is wrong: several campaigns are called 'Twice'"),
        ({"campaign": "It's"}, r"option campaign is wrong: there is no campaign \"It's\""),
        ({"status_booked": "Gone"}, "option status_booked is wrong: the campaign has no status 'Gone', but Sent, Responded"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_told_before_anybody_is_made(driver, org, options, told):
    for _ in range(2):
        org.create("Campaign", {"Name": "Twice"}, how=SEED)
    people = len(org.records["Lead"])
    driver.options |= options

    with pytest.raises(RuleError, match=told):
        driver.deliver()

    assert (len(org.records["Lead"]), members(org)) == (people, [])


def test_statuses_that_are_hidden_are_not_checked_and_it_says_so(driver, org):
    org.change_field("CampaignMemberStatus", remove="SortOrder")

    applied = driver.deliver()

    assert len(members(org)) == 1
    assert any("not checked" in step.detail for step in applied.steps)


def test_a_campaign_that_cannot_be_asked_for_is_no_missing_one(driver, org):
    driver.break_request("error", match={"path_contains": "/composite"}, status=503)

    with pytest.raises(TemporaryError):
        driver.deliver()


def test_a_dry_run_adds_nobody(driver, org):
    people = len(org.records["Lead"])
    task, connector = driver.task(), driver.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert [row["error"] for row in driver.recorder.exchanges].count(NOT_SENT) == 2
    assert "is a member" in applied.summary
    assert (len(org.records["Lead"]), members(org)) == (people, [])


@pytest.mark.parametrize("look_first", [False, True])
def test_an_object_that_is_hidden_fails_the_rule_and_stops_no_other(driver, org, look_first):
    org.objects.pop("campaign")

    with pytest.raises(RuleError, match="The integration user cannot use Campaign") as caught:
        driver.deliver(look_first=look_first)

    assert "turn the rule off" in caught.value.hint


def test_members_that_are_hidden_fail_the_rule(driver, org):
    org.objects.pop("campaignmember")

    with pytest.raises(RuleError, match="The integration user cannot use CampaignMember"):
        driver.deliver()


def test_another_pick_joins_and_the_one_before_stays(driver, org):
    first, second = (add_contact(org, LastName=name) for name in ("A", "B"))
    for event_id, contact in enumerate((first, second, second), start=1):
        choice = Choice(verdict="use", record=Record(object_type="Contact", remote_id=contact))
        last = driver.deliver(choice=choice, event_id=event_id)

    assert [member["ContactId"] for member in members(org)] == [first, second]
    assert last == Skip(reason="already equal")
