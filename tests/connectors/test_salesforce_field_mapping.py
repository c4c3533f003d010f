"""A field mapping at the sandbox: what people and events get, what it costs, and what is said when it cannot be."""

from datetime import timedelta

import pytest

from bookings.snapshots import Answer
from integrations.connectors.base import Applied, Skip
from integrations.connectors.salesforce import schema
from integrations.connectors.values import Facts
from integrations.errors import PermanentError, RuleError, TemporaryError
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import Write
from integrations.sandbox.salesforce.schema import Field
from tests.connectors.builders import make_meeting, moved

EMAIL = "ida@customer.example"
ASKED = (
    Answer(question="Company", answer="Customer Ltd"),
    Answer(question="Job title", answer="Head of Sales"),
    Answer(question="Topics", answer="Pricing\nSecurity"),
)


def row(object_type, field, source, argument="", mode="if_empty"):
    return MappedField(
        object_type=object_type, field=field, source=source, argument=argument, write_mode=mode
    )


@pytest.fixture
def org(to_salesforce):
    org = to_salesforce.server.state.salesforce
    topics = Field(
        name="Topics__c", type="multipicklist", choices=("Pricing", "Security"), restricted=True
    )
    for name in ("Lead", "Contact"):
        org.change_field(name, add=topics)
        org.change_field(name, add=Field(name="Meetings__c", type="textarea", length=1000))
        org.change_field(name, add=Field(name="Next_Call__c", type="date"))
        org.change_field(name, add=Field(name="Wants_Call__c", type="boolean", default=False))
    org.change_field("Event", add=Field(name="Seats__c", type="double", precision=6, scale=0))
    org.change_field("Event", add=Field(name="Note__c", length=20))
    return org  # fmt: skip


@pytest.fixture
def driver(to_salesforce, org):
    to_salesforce.mappings = (
        row("Lead", "Title", "answer", "Job title"),
        row("Lead", "Meetings__c", "template", "{{ booking.start_at|date:'Y-m-d' }} {{ event_type.name }}", "append"),
        row("Lead", "LeadSource", "constant", "Web", "on_create"),
        row("Lead", "Next_Call__c", "booking.start_at", mode="always"),
        row("Lead", "Topics__c", "answer", "Topics", "append"),
        row("Contact", "Title", "answer", "Job title"),
    )  # fmt: skip
    return to_salesforce


def meeting(**changes):
    return make_meeting(**{"answers": ASKED, **changes})


def add_lead(org, **values):
    fields = {"LastName": "Known", "Company": "Known Ltd", "Email": EMAIL, **values}
    return org.create("Lead", fields, how=Write(via="seed"))


def lead_of(org):
    (lead,) = [row for row in org.records["Lead"].values() if row["Email"] == EMAIL]
    return lead


def calls(driver):
    """The requests of the delivery itself: neither logging in nor what is asked once an hour."""
    return [
        path for path in driver.requests() if "/oauth2/" not in path and "/describe" not in path
    ]


def details(applied):
    assert isinstance(applied, Applied)
    return [step.detail for step in applied.steps]


def test_a_new_lead_gets_what_is_mapped_and_what_it_must_not_lack(driver, org):
    driver.deliver(meeting())

    lead = lead_of(org)
    assert (lead["Title"], lead["LeadSource"]) == ("Head of Sales", "Web")
    assert lead["Meetings__c"] == "2026-12-01 Product demo"
    assert lead["Topics__c"] == "Pricing;Security"
    assert lead["Next_Call__c"] == "2026-12-01"
    assert (lead["LastName"], lead["Company"]) == ("Invitee", "Customer Ltd")
    assert lead["FirstName"] is None  # is not mapped, and a Lead can be without it
    assert len(calls(driver)) == 3


def test_a_company_that_nobody_told_never_breaks_a_new_lead(driver, org):
    driver.mappings = (row("Lead", "Company", "answer", "Employer"), row("Lead", "LastName", "utm_term"))  # fmt: skip

    driver.deliver(meeting(answers=(), invitee_name=""))

    assert (lead_of(org)["Company"], lead_of(org)["LastName"]) == ("[not provided]", "ida")


def test_an_existing_lead_is_changed_by_the_modes_alone(driver, org):
    key = add_lead(
        org, Title="CEO", LeadSource="Other", Next_Call__c="2020-01-01", Meetings__c="2020-01-01 Old", Topics__c="Pricing"
    )  # fmt: skip

    applied = driver.deliver(meeting())

    lead = lead_of(org)
    assert (lead["Title"], lead["LeadSource"]) == ("CEO", "Other")
    assert (lead["LastName"], lead["Company"]) == ("Known", "Known Ltd")
    assert lead["Next_Call__c"] == "2026-12-01"
    assert lead["Meetings__c"] == "2020-01-01 Old\n2026-12-01 Product demo"
    assert lead["Topics__c"] == "Pricing;Security"
    assert isinstance(applied, Applied)
    assert applied.fields[f"Lead {key}"]["Next_Call__c"] == ("2020-01-01", "2026-12-01")
    assert len(calls(driver)) == 4  # look up, event, read, change


def test_an_empty_field_is_filled_and_then_left_alone(driver, org):
    add_lead(org)
    driver.deliver(meeting())
    assert lead_of(org)["Title"] == "Head of Sales"
    org.update("Lead", lead_of(org)["Id"], {"Title": "CEO"}, how=Write(via="control"))

    driver.deliver(meeting(name="Other"), kind="updated", event_id=2)

    assert lead_of(org)["Title"] == "CEO"


def test_the_same_meeting_again_costs_nothing_and_a_move_touches_what_moved(driver, org):
    add_lead(org)
    driver.deliver(meeting())
    before = len(driver.requests())

    again = driver.deliver(meeting(), event_id=2)
    equal = len(driver.requests())
    driver.deliver(moved(meeting(), days=1), kind="rescheduled", event_id=3)

    assert again == Skip(reason="already equal")
    assert equal == before
    assert len(driver.requests()) - equal == 3  # event, read, change
    assert lead_of(org)["Next_Call__c"] == "2026-12-02"
    assert lead_of(org)["Meetings__c"].splitlines() == [
        "2026-12-01 Product demo", "2026-12-02 Product demo",
    ]  # fmt: skip


def test_a_lost_answer_appends_nothing_twice(driver, org):
    add_lead(org)
    driver.break_request(
        "drop_after", match={"method": "PATCH", "path_contains": "/sobjects/Lead/"}
    )

    with pytest.raises(TemporaryError):
        driver.deliver(meeting())
    driver.deliver(meeting(), look_first=True)

    assert lead_of(org)["Meetings__c"] == "2026-12-01 Product demo"


def test_a_refusal_of_the_person_keeps_no_meeting_from_the_calendar(driver, org):
    add_lead(org)
    driver.break_request(
        "salesforce_error",
        match={"method": "PATCH", "path_contains": "/sobjects/Lead/"},
        errorCode="FIELD_CUSTOM_VALIDATION_EXCEPTION",
    )

    with pytest.raises(PermanentError):
        driver.deliver(meeting())
    assert len(driver.objects()) == 1
    driver.deliver(meeting(), event_id=2)

    assert lead_of(org)["Title"] == "Head of Sales"


def test_a_person_who_goes_between_is_looked_for_by_the_next_try(driver, org):
    add_lead(org)
    driver.break_request(
        "salesforce_error",
        match={"method": "GET", "path_contains": "/sobjects/Lead/00Q"},
        errorCode="ENTITY_IS_DELETED", status=404,
    )  # fmt: skip

    with pytest.raises(TemporaryError) as caught:
        driver.deliver(meeting())
    driver.deliver(meeting(), event_id=2)

    assert caught.value.hint
    assert lead_of(org)["Title"] == "Head of Sales"


def test_what_does_not_fit_is_left_out_and_said(driver, org):
    driver.mappings = (
        row("Lead", "NumberOfEmployees", "answer", "Size"),
        row("Lead", "Wants_Call__c", "answer", "Call me"),
        row("Lead", "Rating", "answer", "Heat"),
        row("Lead", "Topics__c", "answer", "Topics"),
        row("Lead", "Title", "answer", "Role"),
        row("Lead", "City", "answer", "Town"),
    )
    answers = (
        Answer(question="Size", answer="10-50"),
        Answer(question="Call me", answer="Yes"),
        Answer(question="Heat", answer="Hot"),
        Answer(question="Topics", answer="Pricing\nShoes"),
        Answer(question="Role", answer="x" * 200),
        Answer(question="Which town?", answer="Berlin"),
    )

    told = "\n".join(details(driver.deliver(meeting(answers=answers))))

    lead = lead_of(org)
    assert (lead["NumberOfEmployees"], lead["Wants_Call__c"], lead["Rating"]) == (None, True, "Hot")
    assert lead["Topics__c"] == "Pricing"
    assert lead["Title"] == "x" * 128
    assert "Lead.NumberOfEmployees: '10-50' is no whole number" in told
    assert "Lead.Topics__c: 'Shoes' is none of Pricing, Security" in told
    assert "Lead.Title: cut from 200 to 128" in told
    assert "Lead.City: The question 'Town' was not asked." in told


def test_what_a_new_lead_would_lack_is_not_said_of_a_contact(driver, org):
    org.create("Contact", {"LastName": "Known", "Email": EMAIL}, how=Write(via="seed"))
    driver.mappings = (row("Lead", "City", "answer", "Town"), row("Contact", "Title", "answer", "Role"))  # fmt: skip

    told = "\n".join(details(driver.deliver(meeting())))

    assert "Contact.Title: The question 'Role' was not asked." in told
    assert "Lead.City" not in told


def test_a_renamed_question_is_said(driver):
    answers = (Answer(question="Your job title", answer="CEO"),)

    told = "\n".join(details(driver.deliver(meeting(answers=answers))))

    assert "'Your job title' was: if it was renamed, correct the field mapping" in told


def test_an_event_keeps_its_times_whatever_staff_mapped(driver):
    driver.mappings = (
        row("Event", "Subject", "template", "Call: {{ invitee.name }}", "always"),
        row("Event", "Seats__c", "booking.duration", mode="always"),
    )

    driver.deliver(meeting())
    driver.deliver(moved(meeting(), days=1), kind="rescheduled", event_id=2)

    (event,) = driver.objects()
    assert (event["Subject"], event["Seats__c"]) == ("Call: Ida Invitee", 30)
    assert event["Description"] is None
    assert event["StartDateTime"] == "2026-12-02T09:00:00.000+0000"
    assert event["EndDateTime"] == "2026-12-02T09:30:00.000+0000"
    assert len(calls(driver)) == 4


def test_an_event_is_read_before_only_where_a_mode_asks_for_it(driver, org):
    driver.mappings = (
        row("Event", "Subject", "event.subject", mode="always"),
        row("Event", "Note__c", "booking.status", mode="append"),
        row("Event", "Location", "booking.place", mode="on_create"),
    )
    driver.deliver(meeting())
    (event,) = driver.objects()
    org.update("Event", event["Id"], {"Location": "Room 4"}, how=Write(via="control"))

    applied = driver.deliver(moved(meeting(), days=1), kind="rescheduled", event_id=2)

    (event,) = driver.objects()
    assert event["Note__c"] == "booked; rescheduled"
    assert event["Location"] == "Room 4"
    assert isinstance(applied, Applied)
    written = applied.fields[f"Event {event['Id']}"]
    assert written["Note__c"] == ("booked", "booked; rescheduled")
    assert "Location" not in written


def test_what_is_no_longer_so_is_cleared_on_the_event(driver):
    driver.mappings = (row("Event", "Location", "booking.location", mode="always"),)
    driver.deliver(meeting(location_text="Room 4"))

    driver.deliver(meeting(location_text=""), kind="updated", event_id=2)

    assert driver.objects()[0]["Location"] is None


def test_the_default_mapping_asks_for_no_description_and_keeps_its_budget(to_salesforce, org):
    to_salesforce.deliver(meeting())
    new = len(calls(to_salesforce))
    to_salesforce.deliver(moved(meeting(), days=1), kind="rescheduled", event_id=2)
    update = len(calls(to_salesforce))
    to_salesforce.deliver(moved(meeting(), days=1), kind="updated", event_id=3)

    assert (new, update - new, len(calls(to_salesforce)) - update) == (3, 1, 0)
    assert not any("/describe" in path for path in to_salesforce.requests())


def test_the_default_mapping_never_changes_a_person_who_is_there(to_salesforce, org):
    add_lead(org, FirstName=None)
    before = dict(lead_of(org))

    to_salesforce.deliver(meeting(text_reminder_number="+49 1"))

    assert lead_of(org) == before


def test_fields_are_described_once_an_hour_for_all(driver, org, monkeypatch):
    for number in range(3):
        driver.deliver(meeting(name=f"Call {number}"), event_id=number + 1)
    asked = [path for path in driver.requests() if "/describe" in path]
    monkeypatch.setattr(schema, "FRESH_SECONDS", 0)
    driver.deliver(meeting(name="Later"), event_id=9)
    described = [
        entry
        for entry in driver.server.requests(service="salesforce")
        if "/sobjects/Lead/describe" in entry.path
    ]

    assert asked == ["GET /salesforce/services/data/v66.0/sobjects/Lead/describe"]
    assert [entry.status for entry in described] == [200, 304]


def test_a_dead_cache_costs_a_call_and_no_delivery(driver, settings, org):
    dead = {**settings.CACHES["default"], "BACKEND": "django.core.cache.backends.redis.RedisCache"}
    settings.CACHES = {"default": {**dead, "LOCATION": "redis://127.0.0.1:1/0"}}

    driver.deliver(meeting())

    assert lead_of(org)["Title"] == "Head of Sales"


@pytest.mark.parametrize("known", [False, True])
def test_a_field_that_vanished_is_named_so_that_the_mapping_can_be_mended(driver, org, known):
    if known:
        add_lead(org)
    driver.connector().describe_fields("Lead")
    org.change_field("Lead", remove="Meetings__c")

    with pytest.raises(RuleError) as caught:
        driver.deliver(meeting())

    assert "Lead has no field Meetings__c" in str(caught.value)
    assert "Field mapping" in caught.value.hint
    (problem,) = driver.connector().check_mappings(driver.mappings)
    assert (problem.place, "Meetings__c" in problem.message) == (1, True)


def test_a_field_that_became_read_only_is_named_too(driver, org):
    driver.connector().describe_fields("Lead")
    org.change_field("Lead", add=Field(name="Title", length=128, createable=False, updateable=False))  # fmt: skip

    with pytest.raises(RuleError, match=r"Lead\.Title cannot be written"):
        driver.deliver(meeting())


def test_every_row_of_a_mapping_is_checked_against_what_salesforce_says(driver):
    rows = (
        row("Lead", "Title", "answer", "Job title"),
        row("Lead", "Titel", "answer", "Job title"),
        row("Lead", "IsConverted", "constant", "true"),
        row("Lead", "Email", "booking.start_at"),
        row("Lead", "Title", "invitee.name"),
        row("Lead", "Rating", "constant", "Boiling"),
        row("Event", "ShowAs", "constant", "Perhaps"),
        row("Event", "Type", "constant", "call"),
        row("Lead", "FirstName", "constant", "x" * 41),
        row("Lead", "City", "template", "{% if %}"),
        row("Lead", "Street", "answer"),
        row("Event", "WhoId", "constant", "0035g00000AAAAA"),
        row("Event", "calendly_invitee_uuid__C", "invitee.name"),
        row("Lead", "NumberOfEmployees", "constant", "12", "append"),
        row("Event", "EndDateTime", "booking.duration"),
        row("Order", "Name", "invitee.name"),
        row("Lead", "", "invitee.name"),
        row("Lead", "State", ""),
        row("Lead", "Phone", "invitee.phone", mode="sometimes"),
    )

    found = {item.place: item.message for item in driver.connector().check_mappings(rows)}

    expected = {
        1: "Perhaps Title?", 2: "cannot be written", 3: "cannot take", 4: "another row already",
        6: "is none of Busy, OutOfOffice, Free", 8: "cut from 41 to 40", 9: "cannot be read in line 1",
        10: "needs the question", 11: "by Calsync itself", 12: "by Calsync itself", 13: "nothing can be appended",
        14: "cannot take", 15: "cannot be mapped", 16: "Choose a field", 17: "Choose a value",
        18: "Choose when",
    }  # fmt: skip
    assert found.keys() == expected.keys()
    for place, words in expected.items():
        assert words in found[place], found[place]


def test_the_default_mapping_passes_its_own_check(driver):
    connector = driver.connector()

    assert connector.check_mappings(connector.default_mappings()) == []


def test_the_default_mapping_written_down_by_staff_does_the_same(to_salesforce, org):
    to_salesforce.deliver(meeting())
    lead, (event,) = dict(lead_of(org)), to_salesforce.objects()
    to_salesforce.server.reset()
    to_salesforce.memory.kept.clear()
    to_salesforce.mappings = tuple(to_salesforce.connector().default_mappings())

    to_salesforce.deliver(meeting())

    stamps = {"CreatedDate", "LastModifiedDate", "SystemModstamp"}
    org = to_salesforce.server.state.salesforce
    for before, after in ((lead, lead_of(org)), (event, to_salesforce.objects()[0])):
        assert {k: v for k, v in after.items() if k not in stamps} == {
            k: before[k] for k in after if k not in stamps
        }


def test_fields_are_offered_with_their_types_and_without_what_is_ours(driver):
    offered = {item.name: item for item in driver.connector().describe_fields("Event")}
    of_lead = {item.name: item for item in driver.connector().describe_fields("Lead")}

    assert "WhoId" not in offered
    assert "Calendly_Invitee_UUID__c" not in offered
    assert "Id" not in offered
    assert offered["Subject"].type == "text, up to 255"
    assert not of_lead["Company"].is_required  # never lacks
    assert "Name" not in of_lead


def test_a_preview_shows_what_a_field_would_get_and_asks_nobody(driver):
    connector = driver.connector()
    connector.describe_fields("Lead")
    before = len(driver.requests())
    facts = Facts(meeting=meeting(end_at=make_meeting().start_at + timedelta(hours=1)))

    shown = connector.preview([*driver.mappings, row("Event", "Seats__c", "booking.duration")], facts)  # fmt: skip

    assert [str(item.value) for item in shown] == [
        "Head of Sales", "2026-12-01 Product demo", "Web", "2026-12-01", "Pricing;Security", "Head of Sales", "60",
    ]  # fmt: skip
    assert len(driver.requests()) == before
