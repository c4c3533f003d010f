"""What Salesforce holds, read back and compared with what was written."""

import pytest

from integrations.connectors.base import Record
from integrations.connectors.salesforce import coercion
from integrations.connectors.salesforce.schema import FieldType
from integrations.errors import PermanentError, RuleError
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import Write
from integrations.sandbox.salesforce.schema import Field
from tests.connectors.builders import make_meeting

BY_HAND = Write(via="seed")


@pytest.fixture
def org(to_salesforce):
    return to_salesforce.server.state.salesforce


@pytest.fixture
def written(to_salesforce):
    """The Event of a meeting, and the driver that wrote it."""
    to_salesforce.deliver()
    (event,) = to_salesforce.objects()
    return event


def compare(driver):
    return driver.connector().read_back(
        [row for row in driver.memory.records if "kept" in row.data]
    )


def mapped(driver, name, source, argument="", *, kind="Event", mode="always"):
    row = MappedField(
        object_type=kind, field=name, source=source, argument=argument, write_mode=mode
    )
    driver.mappings = (*driver.mappings, row)


def reads(driver):
    return [path for path in driver.requests() if path.endswith("/composite")]


def test_what_was_just_written_differs_in_nothing(to_salesforce, written):
    assert compare(to_salesforce) == []


def test_each_changed_field_is_told_ours_and_theirs(to_salesforce, org, written):
    ours = dict(written)
    changes = {"Subject": "Theirs", "Location": None, "EndDateTime": "2026-12-01T10:00:00Z"}
    org.update("Event", written["Id"], changes, how=BY_HAND)

    (found,) = compare(to_salesforce)

    assert (found.gone, found.record.remote_id) == (False, written["Id"])
    assert found.fields == {
        "Subject": (ours["Subject"], "Theirs"),
        "Location": (ours["Location"], None),
        "EndDateTime": ("2026-12-01T09:30:00Z", "2026-12-01T10:00:00.000+0000"),
    }


def test_a_field_that_we_do_not_write_is_nobodys_difference(to_salesforce, org, written):
    other = next(key for key in org.records["User"] if key != written["OwnerId"])
    org.update("Event", written["Id"], {"OwnerId": other}, how=BY_HAND)

    assert compare(to_salesforce) == []


def test_what_was_deleted_and_what_is_hidden_is_gone(to_salesforce, org, written):
    org.delete("Event", written["Id"])
    assert [found.gone for found in compare(to_salesforce)] == [True]

    del org.deleted[written["Id"]]  # never shown to us, not even as deleted
    assert [found.gone for found in compare(to_salesforce)] == [True]


def test_whom_an_event_was_given_to_by_hand_is_a_difference(to_salesforce, org, written):
    ours = written["WhoId"]
    other = org.create("Contact", {"LastName": "Other"}, how=BY_HAND)
    org.update("Event", written["Id"], {"WhoId": other}, how=BY_HAND)

    (found,) = compare(to_salesforce)

    assert found.fields == {"WhoId": (ours, other)}


def test_an_event_that_followed_its_lead_is_no_difference(to_salesforce, org, written):
    org.convert_lead(written["WhoId"])

    assert compare(to_salesforce) == []


def test_an_event_that_followed_a_merge_tells_only_what_people_changed(to_salesforce, org, written):
    kept = org.create("Lead", {"LastName": "Kept", "Company": "Kept"}, how=BY_HAND)
    org.merge("Lead", kept, written["WhoId"])
    org.update("Event", written["Id"], {"ShowAs": "Free"}, how=BY_HAND)

    (found,) = compare(to_salesforce)

    assert found.fields == {"ShowAs": ("Busy", "Free")}


def test_people_are_compared_by_what_is_mapped_always(to_salesforce, org):
    contact = org.create(
        "Contact", {"LastName": "Known", "Email": make_meeting().email}, how=BY_HAND
    )
    mapped(to_salesforce, "Title", "constant", "Guest", kind="Contact")
    mapped(to_salesforce, "Phone", "constant", "1", kind="Contact", mode="if_empty")
    to_salesforce.deliver()
    org.update("Contact", contact, {"Title": "CEO", "Phone": "2"}, how=BY_HAND)

    (found,) = compare(to_salesforce)

    assert (found.record.object_type, found.fields) == ("Contact", {"Title": ("Guest", "CEO")})


@pytest.mark.parametrize("ending", ["converted", "merged"])
def test_a_person_who_became_another_is_followed_not_told(to_salesforce, org, ending):
    lead = org.create(
        "Lead", {"LastName": "Known", "Company": "C", "Email": make_meeting().email}, how=BY_HAND
    )
    mapped(to_salesforce, "Title", "constant", "Guest", kind="Lead")
    to_salesforce.deliver()
    if ending == "merged":
        org.merge("Lead", org.create("Lead", {"LastName": "K", "Company": "K"}, how=BY_HAND), lead)
    else:
        org.convert_lead(lead)

    assert compare(to_salesforce) == []


def test_a_mapped_field_that_vanished_is_named(to_salesforce, org):
    org.change_field("Event", add=Field(name="Calls__c", length=80))
    mapped(to_salesforce, "Calls__c", "constant", "One")
    to_salesforce.deliver()
    org.change_field("Event", remove="Calls__c")

    with pytest.raises(RuleError, match="Event has no field Calls__c") as raised:
        compare(to_salesforce)

    assert "Field mapping" in raised.value.hint


def test_a_field_that_vanished_after_its_mapping_stops_nothing(to_salesforce, org):
    org.change_field("Event", add=Field(name="Calls__c", length=80))
    mapped(to_salesforce, "Calls__c", "constant", "One")
    mapped(to_salesforce, "Subject", "constant", "Call")
    to_salesforce.deliver()
    (event,) = to_salesforce.objects()
    org.change_field("Event", remove="Calls__c")
    to_salesforce.mappings = to_salesforce.mappings[1:]
    org.update("Event", event["Id"], {"Subject": "Theirs"}, how=BY_HAND)

    (found,) = compare(to_salesforce)

    assert found.fields == {"Subject": ("Call", "Theirs")}


def test_a_refused_look_is_raised(to_salesforce, written):
    to_salesforce.break_request(
        "salesforce_error", match={"path_contains": "/composite"}, status=400,
        errorCode="MALFORMED_QUERY", message="?",
    )  # fmt: skip

    with pytest.raises(PermanentError, match="MALFORMED_QUERY"):
        compare(to_salesforce)


def test_a_thousand_records_of_two_kinds_are_five_looks(to_salesforce, org):
    times = {"StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z"}
    records = []
    for number in range(500):
        lead = org.insert_unchecked(
            "Lead", {"LastName": f"L{number}", "Company": "C", "Title": "Ours"}
        )
        event = org.insert_unchecked("Event", {"Subject": "Ours", "WhoId": lead, **times})
        kept = {"Subject": "Ours", "WhoId": lead}
        records += [
            Record(object_type="Lead", remote_id=lead, data={"kept": {"LastName": f"L{number}"}}),
            Record(object_type="Event", remote_id=event, data={"kept": kept}),
        ]
    org.update("Event", records[-1].remote_id, {"Subject": "Theirs"}, how=BY_HAND)
    connector = to_salesforce.connector()
    size = connector.compares_at_once

    found = [
        difference
        for at in range(0, len(records), size)
        for difference in connector.read_back(records[at : at + size])
    ]

    assert [item.record for item in found] == [records[-1]]
    data = [path for path in to_salesforce.requests() if "/oauth2/" not in path]
    assert data == reads(to_salesforce)
    assert len(data) == 5


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("datetime", "2026-12-01T09:00:00Z", "2026-12-01T09:00:00.000+0000"),
        ("datetime", "2026-12-01T09:00:00Z", "2026-12-01T10:00:00.000+0100"),
        ("textarea", "a\nb", "a\r\nb"),
        ("string", "a", " a "),
        ("string", None, ""),
        ("string", "", None),
        ("double", 3, 3.0),
        ("currency", 12.3, 12.30),
        ("email", "Ida@Customer.example", "ida@customer.example"),
        ("multipicklist", "Red;Blue", "Blue;Red"),
        ("reference", "0035g00000000A1", "0035g00000000A1AAI"),
        ("boolean", False, False),
    ],
)
def test_values_that_salesforce_spells_its_own_way_are_the_same(kind, ours, theirs):
    assert coercion.same(ours, theirs, FieldType(name="X", type=kind))


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("datetime", "2026-12-01T09:00:00Z", "2026-12-01T09:00:01.000+0000"),
        ("string", "a", "A"),
        ("string", "a", None),
        ("double", 0, None),
        ("boolean", False, True),
        ("multipicklist", "Red;Blue", "Red"),
        ("date", "2026-12-01", "2026-12-02"),
    ],
)
def test_values_that_mean_something_else_differ(kind, ours, theirs):
    assert not coercion.same(ours, theirs, FieldType(name="X", type=kind))
