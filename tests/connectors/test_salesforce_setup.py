"""What the organisation lacks for a connection's settings: told all at once, with how to add it."""

import pytest

from integrations.errors import ConfigurationError, TemporaryError
from integrations.sandbox.salesforce.schema import external_id, kind, text

EXT = "Calendly_Invitee_UUID__c"


@pytest.fixture
def org(to_salesforce):
    return to_salesforce.server.state.salesforce


def found(driver):
    return {item.name: item for item in driver.connector().set_up()}


def lacking(driver):
    return {name for name, item in found(driver).items() if not item.ok}


def test_nothing_is_missing_where_the_field_is_right(to_salesforce):
    (item,) = found(to_salesforce).values()

    assert (item.name, item.ok, item.hint) == (f"Event.{EXT}", True, "")


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (None, "Missing, or hidden"),
        (text(EXT, 255), "is not an External ID, is not unique"),
        (text(EXT, 255, external_id=True), "is not unique"),
        (text(EXT, 35, external_id=True, unique=True), "is too short (35 of 36)"),
        (kind(EXT, "double", external_id=True, unique=True), "is no text (number)"),
        (
            text(EXT, 255, external_id=True, unique=True, updateable=False),
            "may not be edited by the integration user",
        ),
        (
            text(EXT, 255, external_id=True, unique=True, createable=False),
            "may not be edited by the integration user",
        ),
    ],
)
def test_each_fault_of_the_field_is_told(to_salesforce, org, field, told):
    org.change_field("Event", remove=EXT)
    if field:
        org.change_field("Event", add=field)

    item = found(to_salesforce)[f"Event.{EXT}"]

    assert not item.ok
    assert told in item.detail
    assert "Object Manager > Activity > Fields & Relationships > New > Text" in item.hint
    assert "field name Calendly_Invitee_UUID, tick External ID and Unique" in item.hint


def test_all_that_is_missing_is_told_at_once_and_stops_the_check(to_salesforce, org):
    to_salesforce.settings = {"person_external_id_field": "Key__c", "person_accounts": True}
    org.change_field("Event", remove=EXT)
    org.change_field("Contact", add=external_id("Key__c"))

    assert lacking(to_salesforce) == {f"Event.{EXT}", "Lead.Key__c", "Account.IsPersonAccount"}
    with pytest.raises(ConfigurationError, match=r"Event\..*Lead\.Key__c.*IsPersonAccount"):
        to_salesforce.connector().check()

    org.change_field("Event", add=external_id())
    org.change_field("Lead", add=external_id("Key__c"))
    org.enable_person_accounts()
    assert lacking(to_salesforce) == set()
    assert to_salesforce.connector().check().profile


def test_a_key_of_people_need_not_be_editable_once_it_is_there(to_salesforce, org):
    to_salesforce.settings = {"person_external_id_field": "Key__c"}
    once = text("Key__c", 255, external_id=True, unique=True, updateable=False)
    org.change_field("Lead", add=once)
    org.change_field("Contact", add=once)

    assert lacking(to_salesforce) == set()


def test_without_an_external_id_the_description_has_to_be_writable(to_salesforce, org):
    to_salesforce.settings = {"event_external_id_field": ""}
    org.change_field("Event", remove=EXT)
    assert lacking(to_salesforce) == set()

    org.change_field("Event", remove="Description")
    assert lacking(to_salesforce) == {"Event.Description"}


def test_no_answer_is_not_taken_for_a_missing_field(to_salesforce):
    to_salesforce.break_request("error", match={"path_contains": "/describe"}, status=503)

    with pytest.raises(TemporaryError):
        to_salesforce.connector().set_up()
