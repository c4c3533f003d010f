"""Campaigns, cases and opportunities of the sandbox's Salesforce."""

import pytest


def first(salesforce, name, where=""):
    rows = salesforce.get("/query", q=f"SELECT Id FROM {name} {where}").json()["records"]
    return rows[0]["Id"] if rows else None


@pytest.fixture
def campaign(salesforce):
    return first(salesforce, "Campaign")


@pytest.fixture
def contact(salesforce):
    return first(salesforce, "Contact")


def join(salesforce, **fields):
    return salesforce.post("/sobjects/CampaignMember", **fields)


def member(salesforce, key):
    return salesforce.get(f"/sobjects/CampaignMember/{key}").json()


def test_a_person_is_a_member_once(salesforce, campaign, contact):
    made = join(salesforce, CampaignId=campaign, ContactId=contact)
    again = join(salesforce, CampaignId=campaign, ContactId=contact)

    assert made.status_code == 201
    assert (again.status_code, again.json()[0]["errorCode"]) == (400, "DUPLICATE_VALUE")


def test_a_member_is_somebody(salesforce, campaign):
    refused = join(salesforce, CampaignId=campaign)

    assert refused.json()[0]["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_a_converted_lead_cannot_become_a_member(salesforce, sandbox, campaign):
    lead = first(salesforce, "Lead")
    sandbox.state.salesforce.convert_lead(lead)

    refused = join(salesforce, CampaignId=campaign, LeadId=lead)

    assert refused.json()[0]["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"


def test_a_converted_lead_takes_its_campaigns_along(salesforce, sandbox, campaign):
    lead = first(salesforce, "Lead")
    made = join(salesforce, CampaignId=campaign, LeadId=lead).json()["id"]

    converted = sandbox.state.salesforce.convert_lead(lead)

    assert member(salesforce, made)["ContactId"] == converted["contact"]


@pytest.mark.parametrize(
    ("asked", "got", "responded"),
    [({}, "Sent", False), ({"Status": "Responded"}, "Responded", True), ({"Status": "Nope"}, "Sent", False)],
)  # fmt: skip
def test_a_status_is_one_of_the_campaigns(salesforce, campaign, contact, asked, got, responded):
    made = join(salesforce, CampaignId=campaign, ContactId=contact, **asked).json()["id"]

    row = member(salesforce, made)
    assert (row["Status"], row["HasResponded"]) == (got, responded)


def test_every_campaign_tells_its_statuses(salesforce, campaign):
    where = f"CampaignId IN (SELECT Id FROM Campaign WHERE Id = '{campaign}')"
    text = f"SELECT Label, IsDefault FROM CampaignMemberStatus WHERE {where}"

    rows = salesforce.get("/query", q=text).json()["records"]

    assert [(row["Label"], row["IsDefault"]) for row in rows] == [
        ("Sent", True),
        ("Responded", False),
    ]


def test_what_is_closed_follows_the_status(salesforce, contact):
    case = salesforce.post("/sobjects/Case", ContactId=contact, Status="Closed").json()["id"]
    deal = {"Name": "Deal", "CloseDate": "2027-01-01"}
    won = salesforce.post("/sobjects/Opportunity", StageName="Closed Won", **deal).json()["id"]
    salesforce.post("/sobjects/Opportunity", StageName="Proposal", **deal)

    assert salesforce.get(f"/sobjects/Case/{case}").json()["IsClosed"] is True
    assert salesforce.get(f"/sobjects/Opportunity/{won}").json()["IsWon"] is True
    assert first(salesforce, "Opportunity", "WHERE IsClosed = false") not in {None, won}


def test_a_query_asks_another_object_in_between(salesforce, contact):
    account = salesforce.get(f"/sobjects/Contact/{contact}").json()["AccountId"]
    deal = {"Name": "Deal", "CloseDate": "2027-01-01", "StageName": "Proposal"}
    made = salesforce.post("/sobjects/Opportunity", AccountId=account, **deal).json()["id"]
    salesforce.post("/sobjects/Opportunity", **deal)

    of_contact = f"WHERE AccountId IN (SELECT AccountId FROM Contact WHERE Id = '{contact}')"

    assert first(salesforce, "Opportunity", of_contact) == made
    assert first(salesforce, "Opportunity", of_contact.replace(" IN ", " NOT IN ")) != made
