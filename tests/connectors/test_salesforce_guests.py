"""The guests of a meeting as relations of its Event: who is related, who follows, and what it costs."""

import pytest

from bookings.meeting import Person
from integrations.connectors.base import Applied, Skip
from integrations.errors import PermanentError, TemporaryError
from integrations.models import MappedField
from integrations.sandbox.salesforce.org import Write
from integrations.sandbox.salesforce.schema import Field
from tests.connectors.builders import canceled, make_meeting, moved

GUEST, OTHER = "gus@customer.example", "gil@customer.example"
RELATE = {"path_contains": "/composite", "body_contains": "/sobjects/EventRelation"}
CREATE = {"path_contains": "/composite/sobjects"}


@pytest.fixture
def org(to_salesforce):
    to_salesforce.settings = {"guests": "relate"}
    org = to_salesforce.server.state.salesforce
    org.enable_shared_activities()
    return org


@pytest.fixture
def without_shared_activities(to_salesforce):
    to_salesforce.settings = {"guests": "relate"}
    return to_salesforce.server.state.salesforce


def add(org, kind, email=GUEST):
    company = {"Company": "Known Ltd"} if kind == "Lead" else {}
    fields = {"LastName": "Guest", "Email": email, **company}
    return org.create(kind, fields, how=Write(via="seed"))


def with_guests(*emails, **more):
    return make_meeting(guests=emails, **more)


def related(driver):
    org = driver.server.state.salesforce
    rows = list(org.records["EventRelation"].values())
    assert {row["EventId"] for row in rows} <= {event["Id"] for event in driver.objects()}
    found = [row["RelationId"] for row in rows]
    assert len(found) == len(set(found))
    return set(found)


def calls(driver):
    return len([path for path in driver.requests() if "/oauth2/" not in path])


def told(applied):
    assert isinstance(applied, Applied)
    return " ".join(step.detail for step in applied.steps if step.name == "guests")


@pytest.mark.parametrize("kind", ["Contact", "Lead"])
def test_a_known_guest_is_related_and_an_update_costs_nothing_more(to_salesforce, org, kind):
    guest = add(org, kind)

    applied = to_salesforce.deliver(with_guests(GUEST.upper()))
    before = calls(to_salesforce)
    to_salesforce.deliver(moved(with_guests(GUEST), days=1), event_id=2)
    changed = calls(to_salesforce)
    equal = to_salesforce.deliver(moved(with_guests(GUEST), days=1), event_id=3)

    assert before == 3 + 3  # looked for, described once an hour, related
    assert related(to_salesforce) == {guest}
    assert f"Related to the Event: {kind} {guest}." in told(applied)
    assert changed == before + 1
    assert isinstance(equal, Skip)
    assert calls(to_salesforce) == changed


def test_a_meeting_without_guests_costs_no_call_more(to_salesforce, org):
    to_salesforce.deliver()

    assert calls(to_salesforce) == 3


def test_by_default_guests_are_only_named(to_salesforce):
    org = to_salesforce.server.state.salesforce
    add(org, "Contact")

    to_salesforce.deliver(with_guests(GUEST))

    assert related(to_salesforce) == set()
    assert calls(to_salesforce) == 3
    assert GUEST in to_salesforce.objects()[0]["Description"]


def test_changes_of_the_guests_follow_and_whom_staff_invited_stays(to_salesforce, org):
    first, second, by_staff = (
        add(org, "Contact"),
        add(org, "Lead", OTHER),
        add(org, "Contact", "s@x.example"),
    )
    to_salesforce.deliver(with_guests(GUEST))
    event = to_salesforce.objects()[0]["Id"]
    org.create("EventRelation", {"EventId": event, "RelationId": by_staff}, how=Write(via="seed"))

    to_salesforce.deliver(with_guests(OTHER), event_id=2)
    changed = related(to_salesforce)
    to_salesforce.deliver(with_guests(), event_id=3)

    assert changed == {second, by_staff}
    assert related(to_salesforce) == {by_staff}
    assert first not in changed


def test_guests_follow_where_nothing_else_of_the_event_changes(to_salesforce, org):
    to_salesforce.mappings = (
        MappedField(object_type="Event", field="Subject", source="event_type.name", argument="", write_mode="always"),
    )  # fmt: skip
    guest = add(org, "Contact")
    to_salesforce.deliver()
    to_salesforce.deliver(with_guests(GUEST), event_id=2)

    assert related(to_salesforce) == {guest}


@pytest.mark.parametrize("policy", ["relate", "create"])
def test_neither_hosts_nor_the_invitee_are_guests(to_salesforce, org, policy):
    to_salesforce.settings["guests"] = policy
    meeting = with_guests("HANNAH@calsync.example", "Ida@customer.example")
    before = len(org.records["Lead"])

    to_salesforce.deliver(meeting)

    assert related(to_salesforce) == set()
    assert len(org.records["Lead"]) == before + 1


@pytest.mark.parametrize(
    ("create", "kind"), [("lead", "Lead"), ("contact", "Contact"), ("nothing", "")]
)
def test_an_unknown_guest_is_created_as_the_settings_say_and_once(to_salesforce, org, create, kind):
    to_salesforce.settings |= {"guests": "create", "create": create}

    applied = to_salesforce.deliver(with_guests(GUEST))
    to_salesforce.deliver(with_guests(GUEST, OTHER), event_id=2)

    made = {
        row["Email"]: key for kind in ("Lead", "Contact") for key, row in org.records[kind].items()
    }
    assert {GUEST, OTHER} <= made.keys() if kind else not {GUEST, OTHER} & made.keys()
    assert related(to_salesforce) == {made[email] for email in (GUEST, OTHER) if kind}
    if kind:
        assert org.records[kind][made[GUEST]]["LastName"] == "gus"
    else:
        assert "1 guests are not known" in told(applied)


def test_an_unknown_guest_is_told_and_left_where_none_is_to_be_created(to_salesforce, org):
    applied = to_salesforce.deliver(with_guests(GUEST))

    assert related(to_salesforce) == set()
    assert "not known in Salesforce" in told(applied)


def test_a_lost_answer_to_new_guests_makes_no_second_ones(to_salesforce, org):
    to_salesforce.settings["guests"] = "create"
    to_salesforce.break_request("drop_after", match=CREATE)

    with pytest.raises(TemporaryError) as caught:
        to_salesforce.deliver(with_guests(GUEST))
    to_salesforce.deliver(with_guests(GUEST), look_first=True)

    assert caught.value.ambiguous
    made = [key for key, row in org.records["Lead"].items() if row["Email"] == GUEST]
    assert len(made) == 1
    assert related(to_salesforce) == set(made)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_to_the_relations_relates_nobody_twice(to_salesforce, org, kind):
    first, second = add(org, "Contact"), add(org, "Contact", OTHER)
    to_salesforce.deliver()
    to_salesforce.break_request(kind, match=RELATE)

    with pytest.raises(TemporaryError):
        to_salesforce.deliver(with_guests(GUEST, OTHER), event_id=2)
    lost = related(to_salesforce)
    to_salesforce.deliver(with_guests(GUEST, OTHER), event_id=2, look_first=True)
    repeated = related(to_salesforce)
    to_salesforce.deliver(with_guests(OTHER), event_id=3)

    assert lost == ({first, second} if kind == "drop_after" else set())
    assert repeated == {first, second}
    assert related(to_salesforce) == {second}


@pytest.mark.parametrize(("policy", "taken"), [("review", False), ("newest", True)])
def test_two_records_of_one_guest_are_told(to_salesforce, org, policy, taken):
    to_salesforce.settings["when_ambiguous"] = policy
    found = {add(org, "Contact"), add(org, "Contact")}

    applied = to_salesforce.deliver(with_guests(GUEST))

    assert len(related(to_salesforce) & found) == (1 if taken else 0)
    assert ("have the same address" in told(applied)) is not taken


def test_without_shared_activities_leads_are_told_and_contacts_related(
    to_salesforce, without_shared_activities
):
    org = without_shared_activities
    contact, lead = add(org, "Contact"), add(org, "Lead", OTHER)

    applied = to_salesforce.deliver(with_guests(GUEST, OTHER))

    assert related(to_salesforce) == {contact}
    assert f"Not related: Lead {lead}" in told(applied)
    assert "Shared Activities" in told(applied)


def test_a_guest_who_is_refused_keeps_nobody_else_out(to_salesforce, org):
    to_salesforce.settings["guests"] = "create"
    to_salesforce.server.state.config.salesforce_duplicate_rule = "block"
    contact = add(org, "Contact", OTHER)

    applied = to_salesforce.deliver(with_guests("not an address", OTHER))

    assert related(to_salesforce) == {contact}
    assert "A guest was not created" in told(applied)
    assert "INVALID_EMAIL_ADDRESS" in told(applied)


def test_a_failed_look_is_no_absence_and_is_made_up_for(to_salesforce, org):
    to_salesforce.settings["guests"] = "create"
    guest = add(org, "Contact")
    org.change_field("Contact", remove="LastModifiedDate")
    to_salesforce.settings |= {"match_contacts": False}
    leads = len(org.records["Lead"])

    with pytest.raises(PermanentError, match="INVALID_FIELD"):
        to_salesforce.deliver(with_guests(GUEST))
    assert len(org.records["Lead"]) == leads + 1  # the invitee alone

    org.change_field("Contact", add=Field(name="LastModifiedDate", type="datetime"))
    to_salesforce.deliver(with_guests(GUEST), event_id=2)
    assert related(to_salesforce) == {guest}


def test_a_guest_who_becomes_the_invitee_stays_with_the_event(to_salesforce, org):
    guest = add(org, "Contact")
    to_salesforce.deliver(with_guests(GUEST))
    hosts = (Person(name="Hannah", email="hannah@calsync.example", timezone="UTC"),)
    linked = make_meeting(tracking={"salesforce_uuid": guest}, hosts=hosts)

    to_salesforce.deliver(linked, event_id=2)

    assert to_salesforce.objects()[0]["WhoId"] == guest
    assert related(to_salesforce) == {guest}


def test_a_canceled_meeting_keeps_its_guests_until_it_is_deleted(to_salesforce, org):
    guest = add(org, "Contact")
    to_salesforce.deliver(with_guests(GUEST))
    to_salesforce.deliver(canceled(with_guests(GUEST)), event_id=2)
    assert related(to_salesforce) == {guest}

    to_salesforce.settings["when_canceled"] = "delete"
    to_salesforce.deliver(canceled(with_guests(GUEST)), event_id=3)
    assert related(to_salesforce) == set()

    to_salesforce.deliver(moved(with_guests(GUEST), days=1), event_id=4)
    assert related(to_salesforce) == {guest}


def test_a_dry_run_relates_and_creates_nobody(to_salesforce, org):
    to_salesforce.settings["guests"] = "create"
    add(org, "Contact")
    before = len(org.records["Lead"])
    task, connector = (
        to_salesforce.task(with_guests(GUEST, OTHER)),
        to_salesforce.connector(dry_run=True),
    )

    connector.apply(
        task, connector.plan(task), remember=lambda _: None, forget=lambda _type, _key: None
    )

    assert org.records["EventRelation"] == {}
    assert len(org.records["Lead"]) == before
    assert "EventRelation" in str(to_salesforce.recorder.exchanges)


def test_a_dry_run_leaves_the_guests_who_are_there(to_salesforce, org):
    add(org, "Contact")
    to_salesforce.deliver(with_guests(GUEST))
    event = to_salesforce.objects()[0]["Id"]
    to_salesforce.recorder.exchanges.clear()
    task = to_salesforce.task(moved(with_guests(GUEST), days=1))
    connector = to_salesforce.connector(dry_run=True)

    applied = connector.apply(
        task, connector.plan(task), remember=lambda _: None, forget=lambda _type, _key: None
    )

    assert "EventRelation" not in str(to_salesforce.recorder.exchanges)
    assert f"Event {event}" in applied.fields


def test_set_up_tells_what_guests_need(to_salesforce, without_shared_activities):
    def shared():
        return next(i for i in to_salesforce.connector().set_up() if i.name == "Shared Activities")

    assert shared().ok
    assert "Leads cannot" in shared().detail
    to_salesforce.settings["guests"] = "create"
    assert not shared().ok
    assert "Activity Settings" in shared().hint
    to_salesforce.settings["create"] = "contact"
    assert shared().ok
    without_shared_activities.enable_shared_activities()
    assert shared().hint == ""
