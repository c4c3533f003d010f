"""The standard objects that an org of the sandbox has.

Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
"""

from integrations.sandbox.salesforce.schema import (
    Field,
    ObjectType,
    choice,
    external_id,
    kind,
    object_type,
    reference,
    text,
)

READ_ONLY = {"createable": False, "updateable": False}
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")


def standard_objects() -> dict[str, ObjectType]:
    """Return the objects by their name in lower case."""
    made = [
        _lead(),
        _contact(),
        _account(),
        _event(),
        _event_relation(),
        _task(),
        _case(),
        _campaign(),
        _campaign_member(),
        _campaign_member_status(),
        _opportunity(),
        _user(),
        _organization(),
    ]
    return {item.name.lower(): item for item in made}


def _person() -> list[Field]:
    return [
        text("FirstName", 40),
        text("LastName", 80, required=True),
        text("Name", 121, **READ_ONLY),
        text("Salutation", 40),
        text("Title", 128),
        Field(name="Email", type="email", length=80),
        Field(name="Phone", type="phone", length=40),
        Field(name="MobilePhone", type="phone", length=40),
        Field(name="Description", type="textarea", length=32000),
        choice("LeadSource", *SOURCES),
        reference("OwnerId", "User"),
        external_id(),
    ]


def _merged(name: str) -> Field:
    """Return the field of a deleted record that names the one it was merged into."""
    return reference("MasterRecordId", name, **READ_ONLY)


def _address(prefix: str) -> list[Field]:
    return [
        text(f"{prefix}Street", 255),
        text(f"{prefix}City", 40),
        text(f"{prefix}State", 80),
        text(f"{prefix}PostalCode", 20),
        text(f"{prefix}Country", 80),
    ]


def _lead() -> ObjectType:
    statuses = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted")
    return object_type(
        "Lead",
        "00Q",
        *_person(),
        *_address(""),
        text("Company", 255, required=True),
        text("Website", 255),
        choice("Status", *statuses, default=statuses[0]),
        choice("Rating", "Hot", "Warm", "Cold"),
        kind("NumberOfEmployees", "int"),
        kind("IsConverted", "boolean", default=False, **READ_ONLY),
        kind("ConvertedDate", "date", **READ_ONLY),
        reference("ConvertedContactId", "Contact", **READ_ONLY),
        reference("ConvertedAccountId", "Account", **READ_ONLY),
        reference("ConvertedOpportunityId", "Opportunity", **READ_ONLY),
        _merged("Lead"),
    )


def _contact() -> ObjectType:
    return object_type(
        "Contact",
        "003",
        *_person(),
        *_address("Mailing"),
        reference("AccountId", "Account"),
        text("Department", 80),
        _merged("Contact"),
    )


def _account() -> ObjectType:
    return object_type(
        "Account",
        "001",
        text("Name", 255, required=True),
        Field(name="Website", type="url", length=255),
        Field(name="Phone", type="phone", length=40),
        Field(name="Description", type="textarea", length=32000),
        choice("Industry", "Consulting", "Technology", "Finance", "Other"),
        choice("Type", "Prospect", "Customer", "Partner", "Other"),
        reference("OwnerId", "User"),
        _merged("Account"),
    )


def _activity() -> list[Field]:
    return [
        text("Subject", 255),
        Field(name="Description", type="textarea", length=32000),
        reference("WhoId", "Lead", "Contact"),
        reference("WhatId", "Account", "Opportunity", "Case", "Campaign"),
        reference("OwnerId", "User"),
        kind("ActivityDate", "date"),
        external_id(),
    ]


def _event() -> ObjectType:
    return object_type(
        "Event",
        "00U",
        *_activity(),
        text("Location", 255),
        kind("StartDateTime", "datetime"),
        kind("EndDateTime", "datetime"),
        kind("ActivityDateTime", "datetime"),
        kind("DurationInMinutes", "int"),
        kind("IsAllDayEvent", "boolean", default=False),
        kind("IsPrivate", "boolean", default=False),
        kind("IsChild", "boolean", default=False, **READ_ONLY),
        choice("ShowAs", "Busy", "OutOfOffice", "Free", default="Busy", restricted=True),
        choice("Type", "Call", "Email", "Meeting", "Other"),
    )


def _event_relation() -> ObjectType:
    """Return who is invited to an Event; without Shared Activities no Lead is."""
    return object_type(
        "EventRelation",
        "0RE",
        reference("EventId", "Event", required=True, updateable=False),
        reference("RelationId", "Contact", "User", required=True, updateable=False),
        choice("Status", "New", "Accepted", "Declined", "Uninvited", "Maybe", default="New"),
        text("Response", 255),
    )


def _task() -> ObjectType:
    statuses = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
    return object_type(
        "Task",
        "00T",
        *_activity(),
        choice("Status", *statuses, default=statuses[0]),
        choice("Priority", "High", "Normal", "Low", default="Normal"),
        choice("Type", "Call", "Email", "Meeting", "Other"),
        kind("IsClosed", "boolean", default=False, **READ_ONLY),
    )


def _case() -> ObjectType:
    statuses = ("New", "Working", "Escalated", "Closed")
    return object_type(
        "Case",
        "500",
        text("CaseNumber", 30, **READ_ONLY),
        text("Subject", 255),
        Field(name="Description", type="textarea", length=32000),
        choice("Status", *statuses, default="New"),
        choice("Origin", "Phone", "Email", "Web"),
        kind("IsClosed", "boolean", default=False, **READ_ONLY),
        choice("Priority", "High", "Medium", "Low", default="Medium"),
        reference("ContactId", "Contact"),
        reference("AccountId", "Account"),
        reference("OwnerId", "User"),
        text("SuppliedName", 80),
        Field(name="SuppliedEmail", type="email", length=80),
        Field(name="SuppliedPhone", type="phone", length=40),
        text("SuppliedCompany", 80),
        external_id(),
    )


def _campaign() -> ObjectType:
    return object_type(
        "Campaign",
        "701",
        text("Name", 80, required=True),
        kind("IsActive", "boolean", default=False),
        choice("Status", "Planned", "In Progress", "Completed", "Aborted", default="Planned"),
        choice("Type", "Webinar", "Email", "Conference", "Other"),
        kind("StartDate", "date"),
        kind("EndDate", "date"),
        reference("OwnerId", "User"),
    )


def _campaign_member() -> ObjectType:
    return object_type(
        "CampaignMember",
        "00v",
        reference("CampaignId", "Campaign", required=True, updateable=False),
        reference("LeadId", "Lead", updateable=False),
        reference("ContactId", "Contact", updateable=False),
        choice("Status", "Sent", "Responded"),
        kind("HasResponded", "boolean", default=False, **READ_ONLY),
    )


def _campaign_member_status() -> ObjectType:
    """Return the statuses that the members of each campaign may have."""
    return object_type(
        "CampaignMemberStatus",
        "01Y",
        reference("CampaignId", "Campaign", required=True, updateable=False),
        text("Label", 765, required=True),
        kind("SortOrder", "int"),
        kind("IsDefault", "boolean", default=False),
        kind("HasResponded", "boolean", default=False),
    )


def _opportunity() -> ObjectType:
    stages = ("Prospecting", "Qualification", "Proposal", "Closed Won", "Closed Lost")
    return object_type(
        "Opportunity",
        "006",
        text("Name", 120, required=True),
        choice("StageName", *stages, required=True),
        kind("CloseDate", "date", required=True),
        kind("IsClosed", "boolean", default=False, **READ_ONLY),
        kind("IsWon", "boolean", default=False, **READ_ONLY),
        kind("Amount", "currency"),
        Field(name="Description", type="textarea", length=32000),
        choice("LeadSource", *SOURCES),
        reference("AccountId", "Account"),
        reference("CampaignId", "Campaign"),
        reference("OwnerId", "User"),
    )


def _user() -> ObjectType:
    return object_type(
        "User",
        "005",
        text("Username", 80, required=True),
        text("FirstName", 40),
        text("LastName", 80, required=True),
        text("Name", 121, **READ_ONLY),
        Field(name="Email", type="email", length=128, required=True),
        kind("IsActive", "boolean", default=True),
        choice("UserType", "Standard", "PowerPartner", "CspLitePortal", default="Standard"),
        text("TimeZoneSidKey", 40),
    )


def _organization() -> ObjectType:
    return object_type(
        "Organization",
        "00D",
        text("Name", 80, required=True),
        text("OrganizationType", 40),
        text("InstanceName", 5),
        kind("IsSandbox", "boolean", default=False),
    )
