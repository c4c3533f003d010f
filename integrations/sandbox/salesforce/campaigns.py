"""Campaigns: a person is a member of each once, with one of the statuses that the campaign has.

Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_campaignmember.htm
"""

from typing import TYPE_CHECKING

from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.web import Json

if TYPE_CHECKING:
    from integrations.sandbox.salesforce.org import SalesforceOrg

_PEOPLE = ("ContactId", "LeadId")


def check(org: "SalesforceOrg", values: Json) -> None:
    """Refuse a member that is nobody, or is one already. Raises SalesforceError."""
    if not any(values.get(name) for name in _PEOPLE):
        message = "Required fields are missing: [LeadId, ContactId]"
        raise SalesforceError("REQUIRED_FIELD_MISSING", message, fields=_PEOPLE)
    for row in org.records["CampaignMember"].values():
        same = any(values.get(name) and values[name] == row[name] for name in _PEOPLE)
        if same and row["CampaignId"] == values["CampaignId"]:
            raise SalesforceError("DUPLICATE_VALUE", "Already a campaign member.")


def first_statuses(campaign: str) -> list[Json]:
    """Return the two statuses that every campaign begins with."""
    sent = {"Label": "Sent", "SortOrder": 1, "IsDefault": True}
    responded = {"Label": "Responded", "SortOrder": 2, "HasResponded": True}
    return [{"CampaignId": campaign, **row} for row in (sent, responded)]


def complete(org: "SalesforceOrg", record: Json) -> None:
    """Give a member the campaign's usual status where none, or none of the campaign's, was asked for."""
    rows = org.records["CampaignMemberStatus"].values()
    offered = [row for row in rows if row["CampaignId"] == record["CampaignId"]]
    named = [row for row in offered if row["Label"] == record["Status"]]
    usual = [row for row in offered if row["IsDefault"]]
    for row in (named or usual)[:1]:
        record |= {"Status": row["Label"], "HasResponded": row["HasResponded"]}
