"""Many meetings in a few calls: as if each were written alone, and one's trouble stops no other."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.connectors.base import Applied, Skip
from integrations.connectors.salesforce import asking, looking
from integrations.connectors.salesforce.answers import Reply
from integrations.connectors.salesforce.collections import (
    MAX_RECORDS,
    MAX_SUBREQUESTS,
    Request,
    call_of,
    groups,
    replies_of,
)
from integrations.connectors.salesforce.line import Line
from integrations.connectors.salesforce.looking import Inquiry
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.http import Recorder
from integrations.sandbox.salesforce.org import Write
from tests.connectors.batches import SITUATIONS, VARIANTS, World, differences, person_in, row

EVERY = list(range(len(SITUATIONS)))
STRANGER, WRITTEN_BEFORE = 0, 15
LOOK_UP = {"method": "POST", "body_contains": "compositeRequest"}
LEADS = {"method": "POST", "path_contains": "/composite/sobjects"}
EVENTS = {"method": "PATCH", "path_contains": "/composite/sobjects/Event"}
ROOT = "/services/data/v66.0"


@pytest.fixture
def strangers(sandbox):
    return lambda count: World.of(sandbox, [STRANGER] * count, 0)


def keys_there(world):
    return sorted(row["Calendly_Invitee_UUID__c"] for row in world.org.records["Event"].values())


def leads_there(world):
    made = [row for row in world.org.records["Lead"].values() if row["LeadSource"] == "Calendly"]
    return sorted(row["Email"] for row in made)


def emails(world):
    return sorted(person.email for person in world.people)


@pytest.mark.parametrize("variant", range(len(VARIANTS)))
def test_everybody_at_once_ends_as_one_by_one(sandbox, variant):
    singly = World.of(sandbox, EVERY * 2, variant)
    expected = singly.seen(singly.write_singly())
    at_once = World.of(sandbox, EVERY * 2, variant)

    assert differences(at_once.seen(at_once.write_at_once()), expected) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    situations=st.lists(st.sampled_from(EVERY), min_size=2, max_size=12),
    variant=st.sampled_from(range(len(VARIANTS))),
)
def test_any_meetings_at_once_end_as_one_by_one(sandbox, situations, variant):
    singly = World.of(sandbox, situations, variant)
    expected = singly.seen(singly.write_singly())
    at_once = World.of(sandbox, situations, variant)

    assert differences(at_once.seen(at_once.write_at_once()), expected) == []


def test_two_hundred_strangers_take_three_calls_and_nothing_when_equal(strangers):
    world = strangers(200)

    assert all(isinstance(outcome, Applied) for outcome in world.write_at_once())

    assert world.calls() == [
        "/composite",
        "/composite/sobjects",
        "/composite/sobjects/Event/Calendly_Invitee_UUID__c",
    ]
    assert leads_there(world) == emails(world)
    assert all(isinstance(outcome, Skip) for outcome in world.write_at_once())
    assert len(world.calls()) == 3


def test_the_hosts_of_all_are_asked_for_with_the_people(strangers):
    world = strangers(20)
    world.driver.settings = {}
    host = {"LastName": "Host", "Email": "HANNAH@calsync.example", "Username": "h@x.example"}
    user = world.org.create("User", host, how=Write(via="seed"))

    assert all(isinstance(outcome, Applied) for outcome in world.write_at_once())

    assert len(world.calls()) == 3
    assert {row["OwnerId"] for row in world.org.records["Event"].values()} == {user}
    assert all(isinstance(outcome, Skip) for outcome in world.write_at_once())
    assert len(world.calls()) == 3


def test_two_hundred_changes_take_one_call(sandbox):
    world = World.of(sandbox, [WRITTEN_BEFORE] * 200, 0)

    world.write_at_once()

    assert world.calls() == ["/composite/sobjects/Event/Calendly_Invitee_UUID__c"]
    assert {row["Subject"] for row in world.org.records["Event"].values()} == {
        f"Product demo with Given{place} Family{place}" for place in range(1, 201)
    }


def test_existing_people_are_read_and_changed_together(sandbox):
    world = World.of(sandbox, [WRITTEN_BEFORE] * 30, len(VARIANTS) - 1)

    world.write_at_once()

    reads = ["/composite"] * 2
    upsert = ["/composite/sobjects/Event/Calendly_Invitee_UUID__c"]
    assert world.calls() == [*reads, *upsert, *reads, "/composite/sobjects"]
    described = [path for path in world.driver.requests() if path.endswith("/describe")]
    assert len(described) == len(set(described)) == 2
    known = [row for row in world.org.records["Contact"].values() if row["LastName"] != "North"]
    assert {row["Title"] for row in known} == {"Product demo"}


def test_owners_are_assigned_to_new_leads_alone(strangers):
    world = strangers(3)
    users = world.org.records["User"]
    adam = next(key for key, row in users.items() if row["LastName"] == "Adler")
    world.server.state.config.salesforce_assignment_owner = adam

    world.write_at_once()

    sent = [
        entry.headers["Sforce-Auto-Assign"]
        for entry in world.server.requests(service="salesforce")
        if "/composite/sobjects" in entry.path
    ]
    assert sent == ["TRUE", "FALSE"]
    made = [row for row in world.org.records["Lead"].values() if row["LeadSource"] == "Calendly"]
    assert [row["OwnerId"] for row in made] == [adam] * 3


def test_what_two_append_to_one_person_is_both_there(sandbox):
    world = World.of(sandbox, [STRANGER] * 2, 0)
    contact = person_in(world.org, "Contact", world.people[0], Title="Chief")
    world.driver.mappings = (row("Contact", "Title", "invitee.name", mode="append"),)
    for person in world.people:
        person.meeting["tracking"] = {"salesforce_uuid": contact}

    world.write_at_once()

    title = world.org.records["Contact"][contact]["Title"]
    assert title == "Chief; Given1 Family1; Given2 Family2"


def test_each_meeting_keeps_its_own_part_of_the_exchanges(strangers):
    world = strangers(12)

    world.write_at_once()

    for person in world.people:
        told = json.dumps(person.recorder.exchanges)
        others = [one for one in world.people if one is not person]
        names = [f"{one.email}" for one in others] + [f'KEY-{one.place}"' for one in others]
        assert [name for name in names if f'"{name}' in told or f" {name}" in told] == []
        calls = [one for one in person.recorder.exchanges if "/oauth2/" not in one["url"]]
        assert [one["status"] for one in calls] == [200, 200, 200]
        assert [one["request"]["others in this call"] for one in calls] == [11, 11, 11]
        _, lead, event = calls
        assert lead["request"]["records"][0]["Email"] == person.email
        assert event["request"]["records"][0]["Calendly_Invitee_UUID__c"] == f"KEY-{person.place}"
        assert lead["response"]["id"] in {row["Id"] for row in world.org.records["Lead"].values()}


def test_the_allowance_is_read(strangers):
    world = strangers(2)
    connector = world.driver.connector()
    jobs = [
        world._job(one, one.make_task(), connector.plan(one.make_task())) for one in world.people
    ]

    connector.apply_many(jobs)

    assert connector.usage.used == 3


@pytest.mark.parametrize("call", [LOOK_UP, LEADS, EVENTS], ids=["look-up", "leads", "events"])
@pytest.mark.parametrize(
    ("kind", "params", "error", "ambiguous"),
    [
        ("rate_limited", {"retry_after": 30}, ThrottledError, False),
        ("salesforce_error", {"errorCode": "REQUEST_LIMIT_EXCEEDED", "status": 403}, ThrottledError, False),
        ("salesforce_error", {"errorCode": "NOT_FOUND", "status": 404}, ConfigurationError, None),
        ("error", {"status": 503}, TemporaryError, True),
        ("broken_json", {}, TemporaryError, True),
        ("drop_after", {}, TemporaryError, True),
    ],
)  # fmt: skip
def test_what_fails_for_all_ends_for_each_as_alone_and_nothing_more_is_asked(
    strangers, call, kind, params, error, ambiguous
):
    world = strangers(4)
    world.driver.break_request(kind, match=call, times=1, **params)

    outcomes = world.write_at_once()

    assert [type(outcome) for outcome in outcomes] == [error] * 4
    assert len({id(outcome) for outcome in outcomes}) == 4
    assert {getattr(outcome, "ambiguous", None) for outcome in outcomes} == {ambiguous}
    assert len(world.calls()) == [LOOK_UP, LEADS, EVENTS].index(call) + 1


def test_an_answer_that_takes_too_long_may_have_been_a_write(own_sandbox):
    world = World.of(own_sandbox, [STRANGER] * 3, 0)
    world.driver.break_request("timeout", match=EVENTS, times=1, seconds=3)

    outcomes = world.write_at_once()

    lost = [outcome for outcome in outcomes if isinstance(outcome, TemporaryError)]
    assert [outcome.ambiguous for outcome in lost] == [True] * 3
    assert leads_there(world) == emails(world)


@pytest.mark.parametrize("call", [LEADS, EVENTS], ids=["leads", "events"])
def test_a_lost_answer_is_looked_for_and_nothing_is_there_twice(strangers, call):
    world = strangers(20)
    world.driver.break_request("drop_after", match=call, times=1)
    assert all(outcome.ambiguous for outcome in world.write_at_once())

    for person in world.people:
        person.task["look_first"] = True
    outcomes = world.write_at_once()

    assert all(isinstance(outcome, Applied) for outcome in outcomes)
    assert leads_there(world) == emails(world)
    assert keys_there(world) == sorted(f"KEY-{person.place}" for person in world.people)


def test_a_session_is_renewed_once_for_all(strangers):
    world = strangers(5)
    world.driver.break_request("token_expired", match=LEADS)

    assert all(isinstance(outcome, Applied) for outcome in world.write_at_once())

    assert sum("/oauth2/" in path for path in world.driver.requests()) == 2
    assert leads_there(world) == emails(world)


def test_a_refused_session_is_asked_for_twice_and_not_for_each(strangers):
    world = strangers(5)
    world.server.state.faults.add(service="salesforce", kind="token_revoked", times=None)

    outcomes = world.write_at_once()

    assert {type(outcome) for outcome in outcomes} == {ConfigurationError}
    assert sum("/oauth2/" in path for path in world.driver.requests()) <= 2


@pytest.mark.parametrize("name", ["Lead", "Event"])
def test_one_record_that_cannot_be_read_stops_no_other(strangers, name):
    world = strangers(9)
    words = {"Lead": '"Family4"', "Event": "with Given4"}[name]
    method = {"Lead": "POST", "Event": "PATCH"}[name]
    match = {"method": method, "path_contains": "/sobjects", "body_contains": words}
    world.driver.break_request(
        "salesforce_error", match=match, times=99, errorCode="JSON_PARSER_ERROR", status=400,
        message="Cannot read Given4 Family4",
    )  # fmt: skip

    outcomes = world.write_at_once()

    assert [type(outcome) for outcome in outcomes].count(Applied) == 8
    assert isinstance(outcomes[3], PermanentError)
    assert keys_there(world) == [f"KEY-{place}" for place in range(1, 10) if place != 4]
    others = json.dumps([one.recorder.exchanges for one in world.people if one.place != 4])
    assert "Family4" not in others
    assert len(world.calls()) < 13


def test_a_batch_that_lasts_too_long_sends_nothing_more(strangers):
    world = strangers(2)
    with world.driver.connector()._client() as client:
        line = Line(client=client, recorder=Recorder(), ends_at=0.0)
        (answer,) = line.answer([Request(method="GET", path=f"{ROOT}/limits")], [Recorder()])

    assert isinstance(answer, ThrottledError)
    assert not answer.ambiguous
    assert world.calls() == []


def test_a_guest_whom_nobody_knows_is_created_once_for_all_their_meetings(strangers):
    world = strangers(3)
    world.driver.settings["guests"] = "create"
    world.org.enable_shared_activities()
    first, second, third = world.people
    first.meeting["guests"] = ("gus@else.example", third.email)
    second.meeting["guests"] = ("GUS@else.example",)

    assert all(isinstance(outcome, Applied) for outcome in world.write_at_once())

    assert leads_there(world) == sorted([*emails(world), "gus@else.example"])
    assert len(world.org.records["EventRelation"]) == 3


def test_what_is_known_of_a_host_changes_no_meeting_that_is_under_way(strangers):
    world = strangers(2)
    world.driver.settings = {"event_external_id_field": ""}
    alone = world.people[0]
    alone.meeting["email"] = ""
    knows = world.driver.connector()
    nobody = knows.plan(alone.make_task())
    knows.apply(alone.make_task(), nobody, remember=lambda _: None, forget=lambda *_: None)
    host = {"LastName": "Host", "Email": "HANNAH@calsync.example", "Username": "h@x.example"}
    world.org.create("User", host, how=Write(via="seed"))
    before = len(world.org.records["Event"])

    assert all(isinstance(outcome, Applied) for outcome in world.write_at_once())

    assert len(world.org.records["Event"]) - before == len(world.people)


def test_another_action_is_written_alone(strangers):
    world = strangers(2)
    connector = world.driver.connector()
    jobs = []
    for person in world.people:
        task = person.make_task()
        jobs.append(world._job(person, task, connector.plan(task)))
    object.__setattr__(jobs[0].task, "action", "another")

    assert all(isinstance(outcome, Applied) for outcome in connector.apply_many(jobs))

    assert "/sobjects/Lead" in world.calls()
    assert leads_there(world) == emails(world)


def get(path):
    return Request(method="GET", path=f"{ROOT}{path}")


def post(path, **headers):
    return Request(method="POST", path=f"{ROOT}{path}", body={}, headers=headers)


def patch(path):
    return Request(method="PATCH", path=f"{ROOT}{path}", body={})


ID = "0035g00000AbCdEAAV"


@pytest.mark.parametrize(
    ("requests", "expected"),
    [
        ([], []),
        ([post("/sobjects/Lead", a="1")] * 2, [[0, 1]]),
        ([post("/sobjects/Lead", a="1"), post("/sobjects/Lead", a="2")], [[0], [1]]),
        (
            [post("/sobjects/Lead"), post("/sobjects/Contact"), post("/sobjects/Lead")],
            [[0, 2], [1]],
        ),
        ([patch("/sobjects/Event/Key__c/1"), post("/sobjects/Lead")], [[1]]),
        ([patch("/sobjects/Event/Key__c/1"), patch("/sobjects/Event/Key__c/2")], [[0, 1]]),
        ([patch("/sobjects/Event/Key__c/1"), patch("/sobjects/Event/Other__c/2")], [[0], [1]]),
        ([patch(f"/sobjects/Contact/{ID}"), patch("/sobjects/Event/Key__c/2")], [[1]]),
        ([get("/sobjects/Lead/describe"), get("/sobjects/Lead/describe")], [[0, 1]]),
        ([get("/sobjects/Lead/describe"), get("/sobjects/Event/describe")], [[0], [1]]),
        ([post("/anything/else"), post("/anything/else")], [[0], [1]]),
        ([get(f"/sobjects/Contact/{ID}?fields=Title"), get("/limits")], [[0]]),
        ([get("/sobjects/Event/Key__c/1")] * (MAX_SUBREQUESTS + 1), [list(range(25)), [25]]),
        ([post("/sobjects/Lead")] * (MAX_RECORDS + 1), [list(range(200)), [200]]),
    ],
)
def test_what_travels_together(requests, expected):
    assert groups(requests) == expected


def test_a_refusal_that_names_no_duplicates_is_asked_for_alone():
    call = call_of([post("/sobjects/Lead")] * 2)
    error = {"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these?", "fields": []}
    named = {**error, "duplicateResut": {"matchResults": []}}
    items = [{"success": False, "errors": [one]} for one in (error, named)]

    first, second = replies_of(call, Reply(status=200, body=items))

    assert first is None
    assert second is not None
    assert second.code == "DUPLICATES_DETECTED"


@pytest.mark.parametrize("body", [None, [], [{}], "<html>", {"records": []}, [{"success": True}]])
def test_an_answer_in_an_unknown_shape_may_have_been_written(body):
    call = call_of([post("/sobjects/Lead")] * 2)

    with pytest.raises(TemporaryError) as caught:
        replies_of(call, Reply(status=200, body=body))

    assert caught.value.ambiguous


def inquiry(place, **asked):
    email = f"person{place}@{'long' * 20}.example"
    return Inquiry(asked={"contacts": email, "leads": email, **asked}, key=f"KEY-{place}")


def test_every_value_is_asked_for_once_within_the_bounds():
    inquiries = [
        inquiry(place, external="Key__c", accounts=f"company{place}.example", link=f"003{place:012d}AAA")
        for place in range(450)
    ]  # fmt: skip

    asked = asking.queries(inquiries)

    assert max(len(quote(one.soql, safe="")) for one in asked) <= asking.MAX_ADDRESS
    assert max(one.soql.count("', '") for one in asked) < asking.MAX_VALUES
    assert max(map(len, asking.calls(asked))) == asking.MAX_QUERIES
    for part, values in {
        "Contact": ("'person{}@", "'KEY-{}'"),
        "Lead": ("'person{}@", "'KEY-{}'"),
        "Account": ("'%company{}.",),
    }.items():
        soql = "\n".join(one.soql for one in asked if one.part == part)
        counts = {soql.count(value.format(place)) for value in values for place in range(450)}
        assert counts == {1}


def answered(asked, rows, *, failed=None):
    done = {"totalSize": 0, "done": True}
    return {
        one.reference: failed[one.part]
        if failed and one.part in failed
        else {"httpStatusCode": 200, "body": {**done, "records": rows.get(one.part, [])}}
        for one in asked
    }


def contact(identifier, **values):
    return {"Id": identifier, "LastModifiedDate": "2026-11-01T00:00:00.000+0000", **values}


def found(reply, part):
    answers = {answer["referenceId"]: answer for answer in reply["compositeResponse"]}
    return [row["Id"] for row in answers[part]["body"]["records"]]


def test_each_gets_what_it_asked_for_and_not_what_it_refused():
    first, second = inquiry(1), inquiry(2)
    first = Inquiry(asked=first.asked, key=first.key, refused=("003B",))
    asked = asking.queries([first, second])
    one, two = (each.asked["contacts"].upper() for each in (first, second))
    rows = [contact("003A", Email=one), contact("003B", Email=one), contact("003C", Email=two)]

    replies = asking.replies([first, second], asked, answered(asked, {"Contact": rows}))

    assert [found(reply, "Contact") for reply in replies] == [["003A"], ["003C"]]
    assert [found(reply, "Lead") for reply in replies] == [[], []]


def test_at_most_as_many_as_alone_are_brought_the_newest_first():
    asks = inquiry(1)
    asked = asking.queries([asks, inquiry(2)])
    rows = [
        contact(f"003{day}", Email=asks.asked["contacts"], LastModifiedDate=f"2026-11-{day:02}T00:00:00.000+0000")
        for day in range(1, 31)
    ]  # fmt: skip

    reply, _ = asking.replies([asks, inquiry(2)], asked, answered(asked, {"Contact": rows}))

    assert found(reply, "Contact") == [f"003{day}" for day in range(30, 30 - looking.MOST, -1)]


def test_who_found_nothing_beside_a_row_of_nobody_asks_alone():
    first, second = inquiry(1), inquiry(2)
    asked = asking.queries([first, second])
    rows = [contact("003A", Email=first.asked["contacts"]), contact("003S", Email="strange@x")]

    replies = asking.replies([first, second], asked, answered(asked, {"Contact": rows}))

    assert replies[0] is not None
    assert replies[1] is None


def test_a_refused_query_is_asked_alone_by_who_needed_it_and_a_slow_one_fails_for_them():
    first = Inquiry(asked={"contacts": "a@x.example"})
    second = Inquiry(asked={"leads": "b@x.example"})
    asked = asking.queries([first, second])
    refused = {"httpStatusCode": 400, "body": [{"errorCode": "MALFORMED_QUERY", "message": "b@x"}]}
    slow = {"httpStatusCode": 500, "body": [{"errorCode": "QUERY_TIMEOUT", "message": "long"}]}

    one, two = asking.replies([first, second], asked, answered(asked, {}, failed={"Lead": refused}))
    assert one is not None
    assert two is None

    one, two = asking.replies([first, second], asked, answered(asked, {}, failed={"Lead": slow}))
    assert one is not None
    assert two is not None
    assert two["compositeResponse"] == [{**slow, "referenceId": "Lead"}]


def test_a_look_up_that_fails_is_never_an_absence(strangers):
    world = strangers(3)
    world.org.change_field("Lead", remove="IsConverted")

    outcomes = world.write_at_once()

    assert [isinstance(outcome, PermanentError) for outcome in outcomes] == [True] * 3
    assert keys_there(world) == []
