"""The sandbox's Salesforce answers like the real one."""

import base64
import json
import time

import pytest
import requests

from integrations.sandbox.salesforce.schema import Field

EXT = "Calendly_Invitee_UUID__c"
PERSON = {"LastName": "Lovelace", "Company": "Engines"}


@pytest.fixture
def login(sandbox):
    def post(**form):
        url = f"{sandbox.url}/salesforce/services/oauth2/token"
        return requests.post(url, data=form, timeout=5)

    return post


def jwt(**claims):
    parts = [{"alg": "RS256"}, claims]
    coded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
    return ".".join([*coded, "c2ln"])


def query(salesforce, text):
    return salesforce.get("/query", q=text)


def test_client_credentials_give_a_token_without_an_end(login, sandbox):
    answer = login(
        grant_type="client_credentials",
        client_id="sandbox-salesforce-client",
        client_secret="sandbox-salesforce-secret",
    ).json()

    assert set(answer) == {
        "access_token",
        "instance_url",
        "id",
        "issued_at",
        "signature",
        "token_type",
    }
    assert answer["instance_url"] == f"{sandbox.url}/salesforce"


def test_a_jwt_is_taken_if_it_has_the_right_claims(login):
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = {
        "iss": "sandbox-salesforce-client",
        "sub": "inga@harbor.example",
        "aud": "https://login.salesforce.com",
        "exp": time.time() + 180,
    }

    assert login(grant_type=grant, assertion=jwt(**claims)).status_code == 200
    assert login(grant_type=grant, assertion=jwt(**claims | {"exp": 1})).status_code == 400
    assert login(grant_type=grant, assertion="junk").json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_secret": "no"}, "invalid_client"),
        ({"client_id": "no"}, "invalid_client_id"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "no"}, "invalid_grant"),
    ],
)
def test_a_wrong_login_is_400_with_a_reason(login, form, error):
    right = {
        "grant_type": "client_credentials",
        "client_id": "sandbox-salesforce-client",
        "client_secret": "sandbox-salesforce-secret",
    }

    refused = login(**right | form)

    assert (refused.status_code, refused.json()["error"]) == (400, error)


def test_an_unknown_session_is_a_list_with_one_error(salesforce):
    salesforce.session.headers["Authorization"] = "Bearer nonsense"

    refused = salesforce.get("/limits")

    assert refused.status_code == 401
    assert refused.json()[0]["errorCode"] == "INVALID_SESSION_ID"


def test_every_answer_tells_the_api_usage(salesforce):
    salesforce.get("/limits")

    assert salesforce.get("/sobjects").headers["Sforce-Limit-Info"] == "api-usage=2/15000"


def test_the_daily_limit_is_403(salesforce, control):
    control.settings(salesforce_daily_limit=1)
    salesforce.get("/limits")

    refused = salesforce.get("/limits")

    assert refused.status_code == 403
    assert refused.json()[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"


def test_versions_need_no_token(sandbox):
    rows = requests.get(f"{sandbox.url}/salesforce/services/data/", timeout=5).json()

    assert "66.0" in [row["version"] for row in rows]


def test_describe_tells_what_a_mapping_needs(salesforce):
    answer = salesforce.get("/sobjects/Lead/describe")
    fields = {row["name"]: row for row in answer.json()["fields"]}
    again = salesforce(
        "GET",
        "/sobjects/Lead/describe",
        headers={"If-Modified-Since": answer.headers["Last-Modified"]},
    )

    assert (fields["LastName"]["length"], fields["LastName"]["nillable"]) == (80, False)
    assert fields[EXT]["externalId"]
    assert fields[EXT]["unique"]
    assert fields["Status"]["picklistValues"][0]["active"]
    assert not fields["IsConverted"]["createable"]
    assert again.status_code == 304


def test_an_upsert_creates_then_updates(salesforce, control):
    made = salesforce.patch(f"/sobjects/Lead/{EXT}/ab%2Fc", **PERSON)
    changed = salesforce.patch(f"/sobjects/lead/{EXT}/AB%2FC", Title="Countess")

    assert (made.status_code, made.json()["created"]) == (201, True)
    assert (changed.status_code, changed.json()["created"]) == (200, False)
    assert made.json()["id"] == changed.json()["id"]
    assert len(made.json()["id"]) == 18
    record = control.salesforce_records("Lead")[-1]
    assert (record[EXT], record["Title"]) == ("ab/c", "Countess")
    history = control.salesforce_history(id=record["Id"])
    assert [row["action"] for row in history] == ["create", "update"]


def test_an_upsert_does_not_insert_when_only_updating(salesforce):
    refused = salesforce.patch(f"/sobjects/Lead/{EXT}/new?updateOnly=true", **PERSON)

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_several_matches_are_300_with_addresses(salesforce, control):
    for _ in range(2):
        control.salesforce_insert("Lead", **PERSON, **{EXT: "same"})

    several = salesforce.patch(f"/sobjects/Lead/{EXT}/same", Title="X")

    assert several.status_code == 300
    assert len(several.json()) == 2
    assert several.json()[0].startswith("/services/data/v66.0/sobjects/Lead/00Q")


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("Lead", {"LastName": "X"}, "REQUIRED_FIELD_MISSING"),
        ("Lead", PERSON | {"Nonsense": 1}, "INVALID_FIELD"),
        ("Lead", PERSON | {"Company": "x" * 256}, "STRING_TOO_LONG"),
        ("Lead", PERSON | {"Email": "nobody"}, "INVALID_EMAIL_ADDRESS"),
        ("Lead", PERSON | {"IsConverted": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("Lead", PERSON | {"NumberOfEmployees": "many"}, "JSON_PARSER_ERROR"),
        ("Lead", PERSON | {"OwnerId": "me"}, "MALFORMED_ID"),
        (
            "Contact",
            {"LastName": "X", "AccountId": "0015g0000099999"},
            "INVALID_CROSS_REFERENCE_KEY",
        ),
        ("Event", {"Subject": "X"}, "REQUIRED_FIELD_MISSING"),
        (
            "Event",
            {"StartDateTime": "2026-01-02T10:00:00Z", "EndDateTime": "2026-01-02T09:00:00Z"},
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            "Event",
            {
                "StartDateTime": "2026-01-02T10:00:00Z",
                "DurationInMinutes": 30,
                "ShowAs": "Asleep",
            },
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        ),
    ],
)
def test_a_bad_record_is_refused_with_its_code(salesforce, name, values, code):
    refused = salesforce.post(f"/sobjects/{name}", **values)

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, code)


def test_the_external_id_must_not_be_in_the_body(salesforce):
    refused = salesforce.patch(f"/sobjects/Lead/{EXT}/a", **PERSON, **{EXT: "a"})

    assert refused.json()[0]["errorCode"] == "INVALID_FIELD"


def test_a_missing_external_id_field_is_not_found(salesforce, control):
    control.salesforce_remove_field("Lead", EXT)

    refused = salesforce.patch(f"/sobjects/Lead/{EXT}/a", **PERSON)

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    assert query(salesforce, f"SELECT {EXT} FROM Lead").json()[0]["errorCode"] == "INVALID_FIELD"


def test_an_event_of_a_lead_takes_no_what(salesforce, control):
    who = control.salesforce_records("Lead")[0]["Id"]
    what = control.salesforce_records("Account")[0]["Id"]
    event = {"StartDateTime": "2026-12-01T10:00:00Z", "EndDateTime": "2026-12-01T10:30:00Z"}

    refused = salesforce.post("/sobjects/Event", WhoId=who, WhatId=what, **event)
    made = salesforce.post("/sobjects/Event", WhoId=who, **event)

    record = salesforce.get(f"/sobjects/Event/{made.json()['id']}").json()
    assert refused.json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    assert record["StartDateTime"] == "2026-12-01T10:00:00.000+0000"
    assert record["DurationInMinutes"] == 30
    assert record["attributes"]["type"] == "Event"


def test_moving_the_start_keeps_an_events_length(salesforce):
    key = salesforce.post(
        "/sobjects/Event", StartDateTime="2026-12-01T10:00:00Z", DurationInMinutes=45
    ).json()["id"]

    salesforce.patch(f"/sobjects/Event/{key}", StartDateTime="2026-12-02T10:00:00Z")

    record = salesforce.get(f"/sobjects/Event/{key}", fields="EndDateTime").json()
    assert record["EndDateTime"] == "2026-12-02T10:45:00.000+0000"


def test_a_unique_field_refuses_a_second_record(salesforce):
    salesforce.post("/sobjects/Lead", **PERSON, **{EXT: "one"})

    refused = salesforce.post("/sobjects/Lead", **PERSON, **{EXT: "ONE"})

    assert refused.json()[0]["errorCode"] == "DUPLICATE_VALUE"


def test_a_deleted_record_says_so(salesforce, control):
    key = control.salesforce_records("Lead")[0]["Id"]
    control.salesforce_delete("Lead", key)

    refused = salesforce.patch(f"/sobjects/Lead/{key}", Title="X")

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")


def test_a_converted_lead_points_to_its_contact(salesforce, control):
    lead = control.salesforce_records("Lead")[0]["Id"]
    ids = control.salesforce_convert_lead(lead)

    refused = salesforce.patch(f"/sobjects/Lead/{lead}", Title="X")

    found = query(
        salesforce,
        f"SELECT ConvertedContactId FROM Lead WHERE Id = '{lead}' AND IsConverted = true",
    ).json()["records"]
    assert refused.json()[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"
    assert found[0]["ConvertedContactId"] == ids["contact"]


def meeting_of(salesforce, key):
    event = {"Subject": "x", "StartDateTime": "2026-12-01T09:00:00Z", "DurationInMinutes": 30}
    return salesforce.post("/sobjects/Event", **event, WhoId=key)


def test_converting_a_lead_moves_its_events_and_no_new_one_can_point_to_it(salesforce, control):
    lead = control.salesforce_records("Lead")[0]["Id"]
    event = meeting_of(salesforce, lead).json()["id"]

    ids = control.salesforce_convert_lead(lead)

    refused = meeting_of(salesforce, lead)
    assert salesforce.get(f"/sobjects/Event/{event}").json()["WhoId"] == ids["contact"]
    assert refused.json()[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"


def test_a_validation_rule_refuses_a_record_however_it_is_written(salesforce, control):
    person = {"LastName": "Young", "Company": "Young & Co", "Email": "y@example.com"}
    told = "Tell us the number."
    control.salesforce_validation_rule(
        "Lead", requires="Phone", message=told, Email="y@example.com"
    )

    alone = salesforce.post("/sobjects/Lead", **person)
    records = [
        {"attributes": {"type": "Lead"}, **person},
        {"attributes": {"type": "Lead"}, **PERSON},
    ]
    together = salesforce.post("/composite/sobjects", allOrNone=False, records=records).json()
    mended = salesforce.post("/sobjects/Lead", **person, Phone="1")

    code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert (alone.status_code, alone.json()[0]["errorCode"]) == (400, code)
    assert alone.json()[0]["fields"] == ["Phone"]
    assert [row["success"] for row in together] == [False, True]
    assert together[0]["errors"][0]["statusCode"] == code
    assert mended.status_code == 201


def test_a_merged_record_is_gone_and_a_query_of_all_tells_which_was_kept(salesforce, control):
    gone, kept = (salesforce.post("/sobjects/Lead", **PERSON).json()["id"] for _ in range(2))
    event = meeting_of(salesforce, gone).json()["id"]

    control.salesforce_merge("Lead", kept=kept, merged=gone)

    text = f"SELECT Id, IsDeleted, MasterRecordId FROM Lead WHERE Id IN ('{gone}', '{kept}')"
    everything = salesforce.get("/queryAll", q=text).json()["records"]
    told = {row["Id"]: (row["IsDeleted"], row["MasterRecordId"]) for row in everything}
    assert told == {kept: (False, None), gone: (True, kept)}
    assert [row["Id"] for row in query(salesforce, text).json()["records"]] == [kept]
    assert salesforce.get(f"/sobjects/Event/{event}").json()["WhoId"] == kept
    assert meeting_of(salesforce, gone).json()[0]["errorCode"] == "INVALID_CROSS_REFERENCE_KEY"


def test_a_query_shows_a_field_of_the_record_that_a_look_up_names(salesforce, control):
    control.salesforce_insert("Contact", LastName="Alone")

    rows = query(salesforce, "SELECT LastName, account.name, Owner.Name FROM Contact").json()

    shown = {row["LastName"]: (row["Account"] or {}).get("Name") for row in rows["records"]}
    assert shown == {"North": "Northwind Traders", "Alone": None}
    assert {row["Owner"]["Name"] for row in rows["records"]} == {"Inga Integration"}
    assert rows["records"][0]["Owner"]["attributes"]["type"] == "User"


@pytest.mark.parametrize("field", ["Nothing.Name", "Account.Nothing", "LastName.Name"])
def test_a_relationship_that_is_none_is_refused(salesforce, field):
    refused = query(salesforce, f"SELECT {field} FROM Contact")

    assert refused.json()[0]["errorCode"] == "INVALID_FIELD"


def test_a_person_account_is_an_account_and_a_contact(salesforce, control):
    asked = "SELECT Id, IsPersonAccount FROM Contact WHERE Email = 'pia@x.example'"
    assert query(salesforce, asked).json()[0]["errorCode"] == "INVALID_FIELD"

    ids = control.salesforce_person_account(FirstName="Pia", LastName="Person", Email="pia@x.example")  # fmt: skip

    (contact,) = query(salesforce, asked).json()["records"]
    account = salesforce.get(f"/sobjects/Account/{ids['account']}").json()
    assert (contact["Id"], contact["IsPersonAccount"]) == (ids["contact"], True)
    assert (account["Name"], account["PersonContactId"]) == ("Pia Person", ids["contact"])
    refused = salesforce.post("/sobjects/Contact", LastName="x", AccountId=ids["account"])
    assert refused.json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"


@pytest.mark.parametrize(("count", "status"), [(5, 200), (6, 400)])
@pytest.mark.parametrize("resource", ["query", "queryAll"])
def test_a_composite_call_takes_five_queries(salesforce, count, status, resource):
    url = f"/services/data/v66.0/{resource}?q=SELECT+Id+FROM+Lead"
    parts = [{"method": "GET", "url": url, "referenceId": f"q{n}"} for n in range(count)]

    assert salesforce.post("/composite", compositeRequest=parts).status_code == status


@pytest.mark.parametrize(("mode", "status"), [("alert", 201), ("block", 400)])
def test_the_duplicate_rule_names_the_match_and_may_be_waved_through(
    salesforce, control, mode, status
):
    control.settings(salesforce_duplicate_rule=mode)
    person = PERSON | {"Email": "NORA@northwind.example"}

    refused = salesforce.post("/sobjects/Lead", **person)
    salesforce.session.headers["Sforce-Duplicate-Rule-Header"] = "allowSave=true; x=y"
    allowed = salesforce.post("/sobjects/Lead", **person)

    error = refused.json()[0]
    match = error["duplicateResut"]["matchResults"][0]
    assert error["errorCode"] == "DUPLICATES_DETECTED"
    assert match["matchRecords"][0]["record"]["Id"].startswith("003")
    assert allowed.status_code == status


def test_the_assignment_rule_fires_unless_the_header_says_no(salesforce, control):
    owner = control.salesforce_records("User")[2]["Id"]
    control.settings(salesforce_assignment_owner=owner)
    lead = control.salesforce_records("Lead")[0]
    path = f"/sobjects/Lead/{lead['Id']}"

    salesforce("PATCH", path, json={"Title": "A"}, headers={"Sforce-Auto-Assign": "FALSE"})
    quiet = salesforce.get(path).json()["OwnerId"]
    salesforce.patch(path, Title="B")

    assert quiet == lead["OwnerId"] != owner
    assert salesforce.get(path).json()["OwnerId"] == owner


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("LastName = 'O\\'Neil'", ["O'Neil"]),
        ("LastName IN ('back\\\\slash', 'Zed')", ["Zed", "back\\slash"]),
        ("LastName NOT IN ('Zed') AND Company = 'Q'", ["O'Neil", "back\\slash"]),
        ("Company = 'Q' AND (Email = null OR LastName LIKE 'z%')", ["Zed", "back\\slash"]),
        ("Company = 'Q' AND NOT LastName LIKE '%e%'", ["back\\slash"]),
        ("Company = 'Q' AND CreatedDate > 2020-01-01T00:00:00Z AND Email != null", ["O'Neil"]),
    ],
)
def test_soql_finds_what_it_says(salesforce, where, names):
    salesforce.post("/sobjects/Lead", LastName="O'Neil", Company="Q", Email="o@x.example")
    salesforce.post("/sobjects/Lead", LastName="back\\slash", Company="Q")
    salesforce.post("/sobjects/Lead", LastName="Zed", Company="Q")

    answer = query(salesforce, f"SELECT Id, LastName FROM Lead WHERE {where} ORDER BY LastName")

    found = [row["LastName"] for row in answer.json()["records"]]
    assert sorted(found) == sorted(names)
    assert found == sorted(found, key=str.lower)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id FROM", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Email = 'x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT 1 OOPS", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE Id IN (SELECT Id FROM Lead)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Id IN (SELECT Id, Name FROM Contact)", "MALFORMED_QUERY"),
    ],
)
def test_a_bad_query_is_refused_with_its_code(salesforce, text, code):
    refused = query(salesforce, text)

    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, code)


def test_long_results_come_in_batches(salesforce, control):
    control.settings(salesforce_query_page=2)

    first = query(salesforce, "SELECT Name FROM User ORDER BY Name DESC").json()
    rest = salesforce.get("/query/" + first["nextRecordsUrl"].rsplit("/", 1)[-1]).json()

    assert (first["totalSize"], first["done"], rest["done"]) == (3, False, True)
    assert [r["Name"] for r in first["records"] + rest["records"]] == [
        "Uma Underwood",
        "Inga Integration",
        "Adam Adler",
    ]


def records(*rows):
    return [{"attributes": {"type": "Lead"}, **row} for row in rows]


def test_a_collection_succeeds_and_fails_row_by_row(salesforce):
    rows = records(PERSON | {EXT: "a"}, {EXT: "b", "LastName": "X"}, PERSON | {EXT: "a"})

    answer = salesforce.patch(f"/composite/sobjects/Lead/{EXT}", records=rows)

    first, second, third = answer.json()
    assert answer.status_code == 200
    assert (first["created"], third["created"]) == (True, False)
    assert first["id"] == third["id"]
    assert second["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"


def test_all_or_none_undoes_the_good_rows(salesforce, control):
    rows = records(PERSON | {EXT: "a"}, {"LastName": "X", EXT: "b"})
    before = len(control.salesforce_records("Lead"))

    answer = salesforce.patch(f"/composite/sobjects/Lead/{EXT}", allOrNone=True, records=rows)

    codes = [row["errors"][0]["statusCode"] for row in answer.json()]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert len(control.salesforce_records("Lead")) == before


def test_more_than_200_records_are_refused(salesforce):
    rows = records(*[PERSON | {EXT: str(n)} for n in range(201)])

    assert salesforce.patch(f"/composite/sobjects/Lead/{EXT}", records=rows).status_code == 400


def test_composite_passes_ids_on(salesforce, control):
    base = "/services/data/v66.0"
    answer = salesforce.post(
        "/composite",
        compositeRequest=[
            {
                "method": "PATCH",
                "url": f"{base}/sobjects/Lead/{EXT}/a",
                "referenceId": "lead",
                "body": PERSON,
            },
            {
                "method": "GET",
                "url": f"{base}/query?q=SELECT+Id+FROM+Contact+LIMIT+1",
                "referenceId": "found",
            },
            {
                "method": "PATCH",
                "url": f"{base}/sobjects/Event/{EXT}/a",
                "referenceId": "event",
                "body": {
                    "WhoId": "@{found.records[0].Id}",
                    "Description": "Lead @{lead.id}",
                    "StartDateTime": "2026-12-01T10:00:00Z",
                    "DurationInMinutes": 30,
                },
            },
            {
                "method": "GET",
                "url": f"{base}/sobjects/Lead/@{{nobody.id}}",
                "referenceId": "lost",
            },
        ],
    )

    parts = {row["referenceId"]: row for row in answer.json()["compositeResponse"]}
    event = control.salesforce_records("Event")[0]
    assert parts["lead"]["httpStatusCode"] == 201
    assert event["WhoId"] == parts["found"]["body"]["records"][0]["Id"]
    assert event["Description"] == f"Lead {parts['lead']['body']['id']}"
    assert parts["lost"]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=1/")


def test_composite_all_or_none_rolls_back(salesforce, control):
    base = "/services/data/v66.0"
    before = len(control.salesforce_records("Lead"))

    answer = salesforce.post(
        "/composite",
        allOrNone=True,
        compositeRequest=[
            {"method": "POST", "url": f"{base}/sobjects/Lead", "referenceId": "a", "body": PERSON},
            {"method": "POST", "url": f"{base}/sobjects/Lead", "referenceId": "b", "body": {}},
        ],
    )

    codes = [row["body"][0]["errorCode"] for row in answer.json()["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert len(control.salesforce_records("Lead")) == before


def add_field(sandbox, **field):
    org = sandbox.state.salesforce
    with org.lock:
        org.change_field("Lead", add=Field(**field))


def test_a_number_has_as_many_digits_as_its_field(sandbox, salesforce):
    add_field(sandbox, name="Seats__c", type="percent", precision=5, scale=2, label="Seats, share")
    row = next(
        row
        for row in salesforce.get("/sobjects/Lead/describe").json()["fields"]
        if row["name"] == "Seats__c"
    )
    fine = salesforce.post("/sobjects/Lead", **PERSON, Seats__c=999.994)
    refused = salesforce.post("/sobjects/Lead", **PERSON, Seats__c=1000)

    assert (row["precision"], row["scale"], row["label"]) == (5, 2, "Seats, share")
    stored = salesforce.get(f"/sobjects/Lead/{fine.json()['id']}").json()
    assert stored["Seats__c"] == 999.99
    assert refused.json()[0]["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"


def test_several_values_of_a_list_are_each_checked(sandbox, salesforce):
    add_field(
        sandbox, name="Topics__c", type="multipicklist", restricted=True, choices=("A", "B"), inactive=("Old",)
    )  # fmt: skip
    fine = salesforce.post("/sobjects/Lead", **PERSON, Topics__c="A;B")
    refused = salesforce.post("/sobjects/Lead", **PERSON, Topics__c="A;Old")
    rows = salesforce.get("/sobjects/Lead/describe").json()["fields"]
    listed = next(row["picklistValues"] for row in rows if row["name"] == "Topics__c")

    assert fine.status_code == 201
    assert refused.json()[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    assert {row["value"]: row["active"] for row in listed} == {"A": True, "B": True, "Old": False}


def test_blanks_around_a_text_are_not_kept(salesforce):
    made = salesforce.post("/sobjects/Lead", **PERSON, Title="  Chief \n").json()["id"]

    assert salesforce.get(f"/sobjects/Lead/{made}").json()["Title"] == "Chief"


def test_leads_are_invited_with_shared_activities_alone_and_go_with_the_event(salesforce, control):
    lead = control.salesforce_records("Lead")[0]["Id"]
    times = {"StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z"}
    event = salesforce.post("/sobjects/Event", **times).json()["id"]
    invited = {"EventId": event, "RelationId": lead}

    refused = salesforce.post("/sobjects/EventRelation", **invited)
    control.salesforce_shared_activities()
    taken = salesforce.post("/sobjects/EventRelation", **invited, IsInvitee=True)
    rows = control.salesforce_records("EventRelation")
    salesforce.delete(f"/sobjects/Event/{event}")

    assert (refused.status_code, taken.status_code) == (400, 201)
    assert [(row["RelationId"], row["IsInvitee"]) for row in rows] == [(lead, True)]
    assert control.salesforce_records("EventRelation") == []


def test_what_was_made_in_the_last_days_is_found(salesforce, control):
    found = query(salesforce, "SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS:2")
    none = query(salesforce, "SELECT Id FROM Lead WHERE ConvertedDate = LAST_N_DAYS:2")

    assert found.json()["totalSize"] == len(control.salesforce_records("Lead"))
    assert none.json()["totalSize"] == 0


def test_an_inactive_user_owns_nothing(salesforce, control):
    user = control.salesforce_insert("User", LastName="Gone", Email="g@harbor.example", Username="g@h.example", IsActive=False)  # fmt: skip
    lead = control.salesforce_records("Lead")[0]["Id"]

    refused = salesforce.patch(f"/sobjects/Lead/{lead}", OwnerId=user)

    assert refused.json()[0]["errorCode"] == "INACTIVE_OWNER_OR_USER"


@pytest.mark.parametrize(
    ("broken", "code"),
    [({"Nonsense__c": "x"}, "INVALID_FIELD"), ({"IsPrivate": "no"}, "JSON_PARSER_ERROR")],
)
def test_a_collection_that_cannot_be_read_is_refused_as_a_whole(salesforce, broken, code):
    event = {"attributes": {"type": "Event"}, "Subject": "Batch", "DurationInMinutes": 30}
    whole = event | {"StartDateTime": "2026-12-01T09:00:00Z"}

    answer = salesforce.post("/composite/sobjects", records=[whole, whole | broken])

    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
    found = query(salesforce, "SELECT Id FROM Event WHERE Subject = 'Batch'").json()
    assert found["totalSize"] == 0


def test_a_collection_names_the_records_that_share_an_external_id(salesforce, control):
    event = {
        "Subject": "x", "StartDateTime": "2026-12-01T09:00:00Z", "EndDateTime": "2026-12-01T10:00:00Z",
        EXT: "one",
    }  # fmt: skip
    ids = [control.salesforce_insert("Event", **event) for _ in range(2)]
    record = {"attributes": {"type": "Event"}, "Subject": "y", EXT: "one"}

    (result,) = salesforce.patch(f"/composite/sobjects/Event/{EXT}", records=[record]).json()

    assert result["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"
    assert all(identifier in result["errors"][0]["message"] for identifier in ids)
