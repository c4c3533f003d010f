"""Each step of matching against the sandbox, over real HTTP: what is used, what it costs, and what a failure means."""

import pytest

from integrations.connectors.base import Applied, Choice, Record, Skip
from integrations.errors import IntegrationError, ReviewError, TemporaryError
from integrations.sandbox.salesforce.org import Write
from tests.connectors.builders import make_meeting, moved

EMAIL = "ida@customer.example"
EXT = "Calendly_Invitee_UUID__c"
LEAD = {"method": "POST", "path_contains": "/sobjects/Lead"}
EVENT = {"method": "PATCH", "path_contains": "/sobjects/Event/"}


@pytest.fixture
def org(to_salesforce):
    return to_salesforce.server.state.salesforce


def add(org, name, **values):
    company = {"Company": "Known Ltd"} if name == "Lead" else {}
    given = {"LastName": "Known", "Email": EMAIL} if name != "Account" else {"Name": "Customer"}
    return org.create(name, {**given, **company, **values}, how=Write(via="seed"))


def linked(identifier, **more):
    return make_meeting(tracking={"salesforce_uuid": identifier}, **more)


def who(driver):
    (event,) = driver.objects()
    return event["WhoId"]


def calls(driver):
    return len([path for path in driver.requests() if "/oauth2/" not in path])


def people_there(org):
    return {*org.records["Lead"], *org.records["Contact"]}


def step(applied, name):
    assert isinstance(applied, Applied)
    return next(step.detail for step in applied.steps if step.name == name)


def asked(driver, meeting=None, **more):
    """Deliver and return the question that a person is asked."""
    with pytest.raises(ReviewError) as caught:
        driver.deliver(meeting, **more)
    assert caught.value.hint
    return caught.value


def ids(question):
    return [candidate.remote_id for candidate in question.candidates]


@pytest.mark.parametrize("name", ["Lead", "Contact"])
@pytest.mark.parametrize("length", [15, 18])
def test_the_record_that_the_link_names_is_used_whatever_its_address(
    to_salesforce, org, name, length
):
    add(org, "Contact")
    named = add(org, name, Email="someone@else.example")

    applied = to_salesforce.deliver(linked(named[:length]))

    assert who(to_salesforce) == named
    assert "the booking's link names it" in step(applied, "link")
    assert calls(to_salesforce) == 2


@pytest.mark.parametrize("gone", [True, False])
def test_a_link_that_names_nobody_is_passed_over_and_not_asked_for_again(to_salesforce, org, gone):
    named, contact = add(org, "Lead", Email="x@y.example"), add(org, "Contact")
    if gone:
        org.delete("Lead", named)
    meeting = linked(named if gone else named[:-4] + named[-4:].swapcase())

    to_salesforce.deliver(meeting)
    before = calls(to_salesforce)
    to_salesforce.deliver(moved(meeting, days=1), event_id=2)

    assert who(to_salesforce) == contact
    assert calls(to_salesforce) == before + 1


def test_a_link_to_a_converted_or_merged_record_leads_to_what_became_of_it(to_salesforce, org):
    lead, kept = add(org, "Lead"), add(org, "Lead", Email="kept@x.example")
    org.merge("Lead", kept, lead)

    to_salesforce.deliver(linked(lead))
    assert who(to_salesforce) == kept

    contact = org.convert_lead(kept)["contact"]
    to_salesforce.memory.kept.clear()
    to_salesforce.deliver(linked(kept, name="Other"), event_id=2)
    assert who(to_salesforce) == contact


@pytest.mark.parametrize("name", ["Lead", "Contact"])
def test_a_person_is_found_by_the_meetings_key_and_a_new_one_gets_it(to_salesforce, org, name):
    to_salesforce.settings = {
        "person_external_id_field": EXT, "create": name.lower(), "match_contacts": False, "match_leads": False,
    }  # fmt: skip
    to_salesforce.deliver()
    made = who(to_salesforce)
    assert org.records[name][made][EXT] == make_meeting().key
    org.records[name][made]["Email"] = "changed@since.example"
    to_salesforce.memory.kept.clear()

    applied = to_salesforce.deliver(make_meeting(name="Other"), event_id=2)

    assert who(to_salesforce) == made
    assert EXT in step(applied, "external id")


def test_a_lost_answer_makes_no_second_record_even_where_looking_is_off(to_salesforce, org):
    to_salesforce.settings = {"match_contacts": False, "match_leads": False, "create": "contact"}
    path = {"method": "POST", "path_contains": "/sobjects/Contact"}
    to_salesforce.break_request("drop_after", match=path)

    with pytest.raises(TemporaryError) as caught:
        to_salesforce.deliver()
    made = people_there(org)
    to_salesforce.deliver(look_first=True)

    assert caught.value.ambiguous
    assert people_there(org) == made
    assert who(to_salesforce) in made


@pytest.mark.parametrize("name", ["Lead", "Contact"])
def test_two_records_with_the_address_ask_a_person_and_write_nothing(to_salesforce, org, name):
    found = {add(org, name, LastName=last) for last in ("Older", "Newer")}
    before = people_there(org)

    question = asked(to_salesforce)

    assert set(ids(question)) == found
    assert to_salesforce.objects() == []
    assert people_there(org) == before
    assert {candidate.label for candidate in question.candidates} == {"Older", "Newer"}
    assert all("owner Inga Integration" in candidate.detail for candidate in question.candidates)
    assert all(candidate.url.endswith(f"/lightning/r/{name}/{candidate.remote_id}/view") for candidate in question.candidates)  # fmt: skip
    assert "A person has to choose." in str(question.steps)


def test_the_company_tells_candidates_apart(to_salesforce, org):
    account = add(org, "Account", Name="Customer AG")
    add(org, "Contact", AccountId=account)
    add(org, "Contact")
    add(org, "Lead", Company="Known Ltd")

    question = asked(to_salesforce)

    assert sorted(candidate.detail.split(" · ")[0] for candidate in question.candidates) == [
        "Customer AG", "Known Ltd", "owner Inga Integration",
    ]  # fmt: skip


def test_the_newest_is_used_where_the_connection_says_so(to_salesforce, org):
    to_salesforce.settings = {"when_ambiguous": "newest"}
    newer = add(org, "Lead", LastName="Newer")
    add(org, "Lead", LastName="Older")
    org.records["Lead"][newer]["LastModifiedDate"] = "2030-01-01T00:00:00.000+0000"

    applied = to_salesforce.deliver()

    assert who(to_salesforce) == newer
    assert "changed last, is used" in step(applied, "lead")


def test_a_chosen_record_costs_no_look_up(to_salesforce, org):
    to_salesforce.settings = {"event_owner": "integration_user"}
    chosen = add(org, "Contact")
    add(org, "Contact")
    choice = Choice(verdict="use", record=Record(object_type="Contact", remote_id=chosen))

    to_salesforce.deliver(choice=choice)

    assert who(to_salesforce) == chosen
    assert calls(to_salesforce) == 1
    assert to_salesforce.deliver(choice=choice) == Skip(reason="already equal")


def test_another_choice_moves_the_event_and_forgets_the_former(to_salesforce, org):
    contact, lead = add(org, "Contact"), add(org, "Lead")
    to_salesforce.deliver()
    assert who(to_salesforce) == contact

    choice = Choice(verdict="use", record=Record(object_type="Lead", remote_id=lead))
    to_salesforce.deliver(choice=choice)

    assert who(to_salesforce) == lead
    assert {record.object_type for record in to_salesforce.memory.records} == {"Lead", "Event"}


def test_nobody_takes_the_person_off_the_event(to_salesforce, org):
    to_salesforce.deliver()

    to_salesforce.deliver(choice=Choice(verdict="nobody"))

    assert who(to_salesforce) is None
    assert {record.object_type for record in to_salesforce.memory.records} == {"Event"}
    again = to_salesforce.deliver(choice=Choice(verdict="nobody"))
    assert again == Skip(reason="already equal")


@pytest.mark.parametrize("rule", ["off", "alert"])
def test_a_new_record_is_made_beside_the_refused_ones_and_once(to_salesforce, org, rule):
    to_salesforce.server.state.config.salesforce_duplicate_rule = rule
    refused = (add(org, "Contact"), add(org, "Contact"))
    choice = Choice(verdict="create", refused=refused)

    to_salesforce.deliver(choice=choice)
    made = who(to_salesforce)
    to_salesforce.memory.kept.clear()
    to_salesforce.deliver(make_meeting(name="Other"), choice=choice, event_id=2)

    assert made not in refused
    assert made in org.records["Lead"]
    assert who(to_salesforce) == made


def test_a_rule_that_blocks_the_new_record_asks_again_with_what_it_names(to_salesforce, org):
    to_salesforce.server.state.config.salesforce_duplicate_rule = "block"
    refused = (add(org, "Contact"), add(org, "Contact"))

    question = asked(to_salesforce, choice=Choice(verdict="create", refused=refused))

    assert set(ids(question)) == set(refused)
    assert "duplicate rule" in str(question)


def test_a_duplicate_that_cannot_be_seen_asks_without_candidates(to_salesforce):
    to_salesforce.break_request(
        "salesforce_error",
        match=LEAD,
        errorCode="DUPLICATES_DETECTED",
        more={"duplicateResut": {"matchResults": []}},
    )

    question = asked(to_salesforce)

    assert question.candidates == ()
    assert "none that can be seen" in str(question)


def test_a_duplicate_costs_a_new_booking_no_fourth_call(to_salesforce, org):
    named = add(org, "Contact", Email="another@x.example")
    match = {"record": {"Id": named, "attributes": {"type": "Contact"}}}
    to_salesforce.break_request(
        "salesforce_error",
        match=LEAD,
        errorCode="DUPLICATES_DETECTED",
        more={"duplicateResut": {"matchResults": [{"matchRecords": [match]}]}},
    )

    to_salesforce.deliver()

    assert who(to_salesforce) == named
    assert calls(to_salesforce) == 3


@pytest.mark.parametrize("way", ["convert", "merge"])
@pytest.mark.parametrize("chosen", [True, False])
def test_who_was_converted_or_merged_is_followed(to_salesforce, org, way, chosen):
    to_salesforce.settings = {"event_owner": "integration_user"}
    lead, other = add(org, "Lead", Email="old@x.example"), add(org, "Lead", Email="other@x.example")
    record = Record(object_type="Lead", remote_id=lead)
    choice = Choice(verdict="use", record=record) if chosen else None
    if not chosen:
        to_salesforce.memory.remember(record)
    if way == "merge":
        org.merge("Lead", other, lead)
        became = other
    else:
        became = org.convert_lead(lead)["contact"]

    applied = to_salesforce.deliver(choice=choice)

    assert who(to_salesforce) == became
    assert any("is gone" in step.detail for step in applied.steps)
    assert calls(to_salesforce) == 3
    before = calls(to_salesforce)
    to_salesforce.deliver(make_meeting(name="Other"), event_id=2)
    assert calls(to_salesforce) == before + 1


def test_a_chosen_record_that_was_deleted_asks_again(to_salesforce, org):
    chosen, left = add(org, "Contact"), add(org, "Contact")
    org.delete("Contact", chosen)
    choice = Choice(verdict="use", record=Record(object_type="Contact", remote_id=chosen))

    question = asked(to_salesforce, choice=choice)

    assert ids(question) == [left]
    assert chosen in str(question)


def test_who_is_gone_twice_is_not_looked_for_for_ever(to_salesforce):
    to_salesforce.break_request(
        "salesforce_error", match=EVENT, times=0, errorCode="ENTITY_IS_DELETED"
    )

    with pytest.raises(IntegrationError):
        to_salesforce.deliver()

    assert sum("/sobjects/Event/" in path for path in to_salesforce.requests()) == 2


def test_a_new_contact_is_put_into_the_account_of_its_domain(to_salesforce, org):
    to_salesforce.settings = {"match_accounts": True, "create": "contact"}
    account = add(org, "Account", Website="https://www.customer.example/")
    add(org, "Account", Name="Other", Website="notcustomer.example")

    to_salesforce.deliver()

    assert org.records["Contact"][who(to_salesforce)]["AccountId"] == account
    assert calls(to_salesforce) == 3


def test_two_accounts_of_one_domain_ask_and_the_chosen_one_gets_the_contact(to_salesforce, org):
    to_salesforce.settings = {"match_accounts": True, "create": "contact"}
    accounts = [add(org, "Account", Website="customer.example") for _ in range(2)]

    question = asked(to_salesforce)
    assert set(ids(question)) == set(accounts)
    record = Record(object_type="Account", remote_id=accounts[0])
    to_salesforce.deliver(choice=Choice(verdict="use", record=record))

    assert org.records["Contact"][who(to_salesforce)]["AccountId"] == accounts[0]


def test_a_stranger_is_not_created_where_that_is_off_and_equal_costs_nothing(to_salesforce, org):
    to_salesforce.settings = {"create": "nothing"}
    before = people_there(org)

    applied = to_salesforce.deliver()
    again = to_salesforce.deliver()

    assert who(to_salesforce) is None
    assert people_there(org) == before
    assert "Creating is off" in step(applied, "create")
    assert again == Skip(reason="already equal")
    contact = add(org, "Contact")
    to_salesforce.deliver(make_meeting(name="Other"), event_id=2)
    assert who(to_salesforce) == contact


def test_a_person_account_is_used_as_its_contact_and_never_as_a_company(to_salesforce, org):
    to_salesforce.settings = {
        "person_accounts": True, "match_accounts": True, "create": "contact",
    }  # fmt: skip
    org.enable_person_accounts()
    person = org.add_person_account({"LastName": "Invitee", "Email": EMAIL})
    company = org.add_person_account({"LastName": "Shop", "Email": "shop@stranger.example"})
    org.records["Account"][company["account"]]["Website"] = "stranger.example"

    applied = to_salesforce.deliver()
    assert who(to_salesforce) == person["contact"]
    assert "(Person Account)" in step(applied, "contact")

    to_salesforce.memory.kept.clear()
    stranger = make_meeting(email="new@stranger.example", key="other-key")
    to_salesforce.deliver(stranger, event_id=2)
    made = org.records["Contact"][to_salesforce.objects()[1]["WhoId"]]
    assert made["AccountId"] is None


def test_a_link_to_a_person_account_leads_to_its_contact(to_salesforce, org):
    to_salesforce.settings = {"person_accounts": True}
    org.enable_person_accounts()
    person = org.add_person_account({"LastName": "Invitee", "Email": "x@y.example"})

    to_salesforce.deliver(linked(person["account"]))

    assert who(to_salesforce) == person["contact"]


def test_everything_at_once_is_still_one_call(to_salesforce, org):
    """Every step on, a link, and a stored record that is gone: five queries, which is what one call takes."""
    to_salesforce.settings = {
        "match_accounts": True, "create": "contact", "person_external_id_field": EXT, "person_accounts": True,
    }  # fmt: skip
    org.enable_person_accounts()
    person = org.add_person_account({"LastName": "Other", "Email": "x@y.example"})
    org.delete("Account", person["account"])
    stored = add(org, "Lead", Email="old@x.example")
    to_salesforce.memory.remember(Record(object_type="Lead", remote_id=stored))
    kept = add(org, "Lead", Email="kept@x.example")
    org.merge("Lead", kept, stored)

    to_salesforce.deliver(linked(person["account"]))

    assert who(to_salesforce) == kept


def test_whose_key_it_is_goes_before_whose_address(to_salesforce, org):
    to_salesforce.settings = {"person_external_id_field": EXT}
    keyed = add(org, "Lead", Email="old@x.example", **{EXT: make_meeting().key})
    add(org, "Contact")
    add(org, "Contact")

    to_salesforce.deliver()

    assert who(to_salesforce) == keyed


def test_a_refused_record_is_left_out_of_the_look_up(to_salesforce, org):
    refused = tuple(add(org, "Contact") for _ in range(20))
    since = add(org, "Contact")
    org.records["Contact"][since]["LastModifiedDate"] = "2020-01-01T00:00:00.000+0000"

    to_salesforce.deliver(choice=Choice(verdict="create", refused=refused))

    assert who(to_salesforce) == since


#: A field that only this look-up asks for, so that taking it away breaks that part of the call alone.
PARTS = {
    "contacts": ("Contact", "LastModifiedDate"),
    "leads": ("Lead", "IsConverted"),
    "accounts": ("Account", "Website"),
    "external": ("Contact", EXT),
    "link": ("Contact", "MasterRecordId"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_look_up_that_failed_inside_a_200_is_never_an_absence(
    to_salesforce, org, part
):
    named, before = add(org, "Contact", Email="x@y.example"), len(org.records["Lead"])
    to_salesforce.settings = {
        "match_accounts": True, "create": "contact", "person_external_id_field": EXT,
    }  # fmt: skip
    org.change_field(PARTS[part][0], remove=PARTS[part][1])
    people = people_there(org)

    with pytest.raises(IntegrationError, match="INVALID_FIELD"):
        to_salesforce.deliver(linked(named))

    assert people_there(org) == people
    assert len(org.records["Lead"]) == before
    assert to_salesforce.objects() == []


def test_what_became_of_a_record_is_not_guessed_where_it_cannot_be_asked(to_salesforce, org):
    lead = add(org, "Lead", Email="old@x.example")
    to_salesforce.memory.remember(Record(object_type="Lead", remote_id=lead))
    org.delete("Lead", lead)
    org.change_field("Lead", remove="MasterRecordId")
    people = people_there(org)

    with pytest.raises(IntegrationError, match="INVALID_FIELD"):
        to_salesforce.deliver()

    assert people_there(org) == people


@pytest.mark.parametrize("status", [500, 503])
def test_a_look_up_that_cannot_be_answered_is_tried_again(to_salesforce, org, status):
    people = people_there(org)
    to_salesforce.break_request("error", match={"path_contains": "/composite"}, status=status)

    with pytest.raises(TemporaryError):
        to_salesforce.deliver()

    assert people_there(org) == people


@pytest.mark.parametrize("form", ["{id}", "{short}", "https://x.lightning.force.com/lightning/r/Lead/{id}/view"])  # fmt: skip
def test_a_record_that_a_person_names_is_found(to_salesforce, org, form):
    lead = add(org, "Lead", LastName="Lane")

    found = to_salesforce.connector().find(form.format(id=lead, short=lead[:15]))

    assert (found.object_type, found.remote_id, found.label) == ("Lead", lead, "Lane")
    assert found.detail.startswith("Known Ltd · owner Inga Integration")


def test_a_record_that_was_converted_is_found_as_its_contact(to_salesforce, org):
    lead = add(org, "Lead")
    contact = org.convert_lead(lead)["contact"]

    found = to_salesforce.connector().find(lead)

    assert (found.object_type, found.remote_id) == ("Contact", contact)
    assert lead in found.detail


def test_what_is_nobody_is_not_found(to_salesforce, org):
    gone = add(org, "Lead")
    org.delete("Lead", gone)
    account = next(iter(org.records["Account"]))

    for text in ("", "x", "'); --", gone, account):
        assert to_salesforce.connector().find(text) is None
