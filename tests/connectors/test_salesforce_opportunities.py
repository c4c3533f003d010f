"""The Event is related to the open Opportunity of the Contact's Account."""

import pytest

from integrations.connectors.base import Applied, Choice, Record, Skip
from integrations.connectors.salesforce.opportunities import choose
from integrations.errors import RuleError, TemporaryError
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import make_meeting, moved

EMAIL = "ida@customer.example"
SEED = Write(via="seed")


def row(number):
    return {"Id": f"006{number}", "Name": f"Deal {number}"}


@pytest.mark.parametrize(
    ("policy", "count", "chosen", "told"),
    [
        ("only_open", 0, "", "has no open Opportunity"),
        ("only_open", 1, "0061", "is the Account's only open one"),
        ("only_open", 2, "", "2 Opportunities of the Contact's Account are open ('Deal 1', 'Deal 2'): none is linked."),
        ("only_open", 6, "", "'Deal 5', ...): none is linked."),
        ("newest_open", 0, "", "has no open Opportunity"),
        ("newest_open", 1, "0061", "is the Account's only open one"),
        ("newest_open", 2, "0061", "Opportunity 0061 'Deal 1' is the newest"),
        ("newest_open", 20, "0061", "20 or more Opportunities"),
    ],
)  # fmt: skip
def test_which_is_chosen(policy, count, chosen, told):
    found, said = choose(policy, [row(number + 1) for number in range(count)])

    assert found == chosen
    assert told in said


@pytest.fixture
def driver(to_salesforce):
    to_salesforce.options = {"link_opportunity": "only_open"}
    return to_salesforce


@pytest.fixture
def org(driver):
    return driver.server.state.salesforce


@pytest.fixture
def account(org):
    return org.create("Account", {"Name": "Customer"}, how=SEED)


@pytest.fixture
def contact(org, account):
    return org.create("Contact", {"LastName": "K", "Email": EMAIL, "AccountId": account}, how=SEED)


def add_deal(org, account, **values):
    deal = {"Name": "Deal", "StageName": "Proposal", "CloseDate": "2027-01-01", "AccountId": account}  # fmt: skip
    return org.create("Opportunity", {**deal, **values}, how=SEED)


def the_event(driver):
    (event,) = driver.objects()
    return event


def data_calls(driver):
    return [path for path in driver.requests() if "/oauth2/" not in path]


def told(applied):
    return " ".join(step.detail for step in applied.steps if step.name == "opportunity")


def test_the_only_open_one_is_linked_for_one_call_and_later_none(driver, org, account, contact):
    add_deal(org, account, StageName="Closed Lost")
    add_deal(org, org.create("Account", {"Name": "Other"}, how=SEED))
    deal = add_deal(org, account)

    applied = driver.deliver()
    first = len(data_calls(driver))
    driver.deliver(moved(make_meeting(), days=1), kind="rescheduled", event_id=2)
    second = len(data_calls(driver)) - first
    again = driver.deliver(moved(make_meeting(), days=1), kind="updated", event_id=3)

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (contact, deal)
    assert applied.fields[f"Event {event['Id']}"]["WhatId"] == (None, deal)
    assert "only open one" in told(applied)
    assert (first, second) == (3, 1)
    assert again == Skip(reason="already equal")


def test_off_asks_nothing_more(driver, org, account, contact):
    add_deal(org, account)
    driver.options = {}

    applied = driver.deliver()

    assert the_event(driver)["WhatId"] is None
    assert told(applied) == ""
    assert len(data_calls(driver)) == 2


def test_several_open_ones_are_named_and_none_is_linked(driver, org, account, contact):
    add_deal(org, account, Name="One")
    add_deal(org, account, Name="Two")

    applied = driver.deliver()

    assert "('Two', 'One'): none is linked" in told(applied)
    assert the_event(driver)["WhatId"] is None


def test_the_newest_is_taken_where_the_rule_says_so(driver, org, account, contact):
    driver.options = {"link_opportunity": "newest_open"}
    add_deal(org, account)
    newest = add_deal(org, account)

    driver.deliver()

    assert the_event(driver)["WhatId"] == newest


def test_a_lead_has_none_and_nobody_is_asked(driver, org):
    applied = driver.deliver()

    assert "is a Lead" in told(applied)
    assert len(data_calls(driver)) == 3


def test_turning_it_on_links_a_meeting_that_was_written_before(driver, org, account, contact):
    deal = add_deal(org, account)
    driver.options = {}
    driver.deliver()
    driver.options = {"link_opportunity": "only_open"}

    assert isinstance(driver.deliver(event_id=2), Applied)
    assert the_event(driver)["WhatId"] == deal


def test_what_somebody_chose_stays(driver, org, account, contact):
    driver.deliver()
    chosen = add_deal(org, account, StageName="Closed Won")
    org.update("Event", the_event(driver)["Id"], {"WhatId": chosen}, how=Write(via="control"))
    add_deal(org, account)

    applied = driver.deliver(moved(make_meeting(), days=1), event_id=2)

    assert the_event(driver)["WhatId"] == chosen
    assert f"related to {chosen} by somebody" in told(applied)


def test_one_that_is_opened_later_is_linked_with_the_next_change(driver, org, account, contact):
    driver.deliver()
    deal = add_deal(org, account)

    driver.deliver(moved(make_meeting(), days=1), event_id=2)

    assert the_event(driver)["WhatId"] == deal


def test_another_contact_gets_their_own(driver, org, account, contact):
    add_deal(org, account)
    driver.deliver()
    other_account = org.create("Account", {"Name": "Other"}, how=SEED)
    other = org.create("Contact", {"LastName": "O", "AccountId": other_account}, how=SEED)
    deal = add_deal(org, other_account)
    choice = Choice(verdict="use", record=Record(object_type="Contact", remote_id=other))

    driver.deliver(choice=choice, event_id=2)

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (other, deal)


def test_a_colleague_keeps_the_link(driver, org, account, contact):
    deal = add_deal(org, account)
    driver.deliver()
    add_deal(org, account)
    colleague = org.create("Contact", {"LastName": "C", "AccountId": account}, how=SEED)
    choice = Choice(verdict="use", record=Record(object_type="Contact", remote_id=colleague))

    driver.deliver(choice=choice, event_id=2)

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (colleague, deal)
    assert driver.memory.kept["Event", ""].data["contact"] == colleague


@pytest.mark.parametrize("field", ["Calendly_Invitee_UUID__c", ""])
def test_an_event_that_was_deleted_and_comes_back_is_linked_again(
    driver, org, account, contact, field
):
    driver.settings = {"event_external_id_field": field}
    deal = add_deal(org, account)
    driver.deliver()
    org.delete("Event", the_event(driver)["Id"])

    driver.deliver(moved(make_meeting(), days=1), event_id=2)

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (contact, deal)
    assert driver.memory.kept["Event", ""].data["opportunity"] == deal


def test_one_that_came_back_and_whose_link_was_not_answered_is_linked_by_the_next_try(
    driver, org, account, contact
):
    deal = add_deal(org, account)
    driver.deliver()
    org.delete("Event", the_event(driver)["Id"])
    linking = {"method": "PATCH", "body_contains": deal}
    driver.break_request("error", match=linking, status=503)

    with pytest.raises(TemporaryError):
        driver.deliver(moved(make_meeting(), days=1), event_id=2)
    driver.deliver(moved(make_meeting(), days=1), event_id=2, look_first=True)

    assert the_event(driver)["WhatId"] == deal


def test_an_event_that_was_deleted_and_comes_back_has_what_a_new_one_gets(driver, org, contact):
    driver.mappings = (
        MappedField(object_type="Event", field="Subject", source="event_type.name", argument="", write_mode="always"),
        MappedField(object_type="Event", field="Location", source="constant", argument="Pier 1", write_mode="on_create"),
    )  # fmt: skip
    driver.deliver()
    org.delete("Event", the_event(driver)["Id"])

    applied = driver.deliver(moved(make_meeting(), days=1), event_id=2)

    event = the_event(driver)
    assert event["Location"] == "Pier 1"
    assert applied.fields[f"Event {event['Id']}"]["Location"] == (None, "Pier 1")


@pytest.mark.parametrize("by_staff", [False, True])
def test_nobodys_meeting_loses_the_link_that_we_made(driver, org, account, contact, by_staff):
    add_deal(org, account)
    driver.deliver()
    chosen = add_deal(org, account, StageName="Closed Won")
    if by_staff:
        org.update("Event", the_event(driver)["Id"], {"WhatId": chosen}, how=Write(via="control"))

    driver.deliver(choice=Choice(verdict="nobody"), event_id=2)

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (None, chosen if by_staff else None)
    assert not driver.memory.kept["Event", ""].data.get("opportunity")


def test_a_link_is_taken_out_where_the_meeting_becomes_a_leads(driver, org, account, contact):
    add_deal(org, account)
    driver.deliver()
    lead = org.create("Lead", {"LastName": "L", "Company": "X"}, how=SEED)
    choice = Choice(verdict="use", record=Record(object_type="Lead", remote_id=lead))
    driver.options = {}

    driver.deliver(choice=choice, event_id=2)

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (lead, None)


def test_a_mapping_of_the_field_goes_first(driver, org, account, contact):
    add_deal(org, account)
    driver.mappings = (
        MappedField(object_type="Event", field="WhatId", source="constant", argument=account, write_mode="always"),
    )  # fmt: skip

    applied = driver.deliver()

    assert the_event(driver)["WhatId"] == account
    assert "field mapping fills WhatId" in told(applied)


def test_one_that_vanishes_in_between_keeps_no_meeting_back(driver, org, account, contact):
    add_deal(org, account)
    driver.break_write("salesforce_error", errorCode="INVALID_CROSS_REFERENCE_KEY")

    driver.deliver()

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (contact, None)
    assert "opportunity" not in driver.memory.kept["Event", ""].data


def test_a_person_who_is_gone_is_still_found_again(driver, org, account, contact):
    deal = add_deal(org, account)
    gone = org.create("Contact", {"LastName": "Gone", "AccountId": account}, how=SEED)
    org.merge("Contact", contact, gone)
    driver.memory.remember(Record(object_type="Contact", remote_id=gone))

    driver.deliver()

    event = the_event(driver)
    assert (event["WhoId"], event["WhatId"]) == (contact, deal)


def test_hidden_opportunities_keep_no_meeting_back(driver, org, account, contact):
    org.change_field("Opportunity", remove="IsClosed")

    applied = driver.deliver()

    assert the_event(driver)["WhoId"] == contact
    assert "hidden from the integration user" in told(applied)


def test_a_failed_look_up_is_not_an_absence(driver, org, account, contact):
    add_deal(org, account)
    driver.memory.remember(Record(object_type="Contact", remote_id=contact))
    driver.break_request("error", match={"path_contains": "/composite"}, status=503)

    with pytest.raises(TemporaryError):
        driver.deliver()

    assert driver.objects() == []


def test_a_lost_answer_is_written_once_with_its_link(driver, org, account, contact):
    deal = add_deal(org, account)
    driver.break_write("drop_after")

    with pytest.raises(TemporaryError):
        driver.deliver()
    driver.deliver(look_first=True)

    assert the_event(driver)["WhatId"] == deal


def test_a_dry_run_tells_which_and_links_nothing(driver, org, account, contact):
    add_deal(org, account)
    task, connector = driver.task(), driver.connector(dry_run=True)

    applied = connector.apply(task, connector.plan(task), remember=print, forget=print)

    assert "only open one" in told(applied)
    assert driver.objects() == []


@pytest.mark.parametrize("options", [{"link_opportunity": "all"}, {"link_oportunity": "off"}])
def test_a_wrong_option_is_named(driver, options):
    with pytest.raises(RuleError, match=next(iter(options))):
        driver.plan(options=options)
