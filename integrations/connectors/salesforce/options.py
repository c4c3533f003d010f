"""What staff can set: on the connection, and on a rule."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from django.conf import settings
from pydantic import Field, ValidationInfo, field_validator

from integrations.options import Options


class SalesforceSettings(Options):
    """Settings of a connection to one Salesforce organisation."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {
        "Log-in": ("login", "login_url", "username", "audience", "api_version"),
        "People": (
            "match_link", "match_contacts", "match_leads", "match_accounts", "free_mail_domains", "when_ambiguous",
            "create", "lead_source", "person_owner", "person_accounts",
        ),
        "Events": ("event_owner", "guests", "when_canceled", "drift"),
        "Fields that name the meeting": (
            "event_external_id_field", "person_external_id_field", "case_external_id_field",
        ),
    }  # fmt: skip
    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "login": {
            "client_credentials": "As the app's Run As user (client credentials)",
            "jwt": "As a user name, with a certificate (JWT)",
            "oauth": "As whoever presses Connect (OAuth)",
        },
        "create": {"lead": "A Lead", "contact": "A Contact", "nothing": "Nothing: it is left out"},
        "event_owner": {
            "host": "The host, unless staff chose another",
            "host_always": "The host, always",
            "integration_user": "Whoever writes it",
        },
        "person_owner": {
            "rules": "Whom the assignment rules choose", "host_on_create": "The host, when created",
        },
        "guests": {
            "ignore": "Named in the description alone",
            "relate": "Related to the Event where they are known",
            "create": "Related, and created where they are not known",
        },
        "when_canceled": {"mark": "Marked as canceled, its time freed", "delete": "Deleted"},
        "when_ambiguous": {"review": "Ask a person", "newest": "Take the one changed last"},
        "drift": {
            "off": "Do not look", "report": "Report what was changed there", "repair": "Write ours again",
        },
    }  # fmt: skip

    login: Literal["client_credentials", "jwt", "oauth"] = Field(
        default="client_credentials",
        title="How to log in",
        description="Whom Calsync acts as; the secrets below belong to it",
    )
    login_url: str = Field(
        title="Address",
        default_factory=lambda: str(settings.SALESFORCE_LOGIN_URL),
        pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$",
        description="My Domain address, such as https://acme.my.salesforce.com. The last two ways to log in also take "
        "https://login.salesforce.com, or https://test.salesforce.com for a sandbox",
    )
    username: str = Field(
        default="",
        max_length=80,
        validate_default=True,
        description="With a certificate: the user name to act as; in a sandbox it ends with the sandbox's name",
    )
    audience: str = Field(
        default="",
        pattern=r"^(https://\S+)?$",
        description="With a certificate: whom the assertion is for; left out, it is production's or the sandboxes', as the address is",
    )
    api_version: str = Field(
        default="66.0",
        pattern=r"^\d{2,3}\.0$",
        title="API version",
        description="Of Salesforce's REST API",
    )
    event_external_id_field: str = Field(
        title="On Event",
        default="Calendly_Invitee_UUID__c",
        pattern=r"^([A-Za-z]\w*)?$",
        description="External ID and unique text field on Event that names the meeting; empty where there is none: an Event is "
        "then recognised by a line in its description",
    )
    case_external_id_field: str = Field(
        title="On Case",
        default="",
        pattern=r"^([A-Za-z]\w*)?$",
        description="External ID and unique text field on Case that names the meeting; empty for none.",
    )
    lead_source: str = Field(
        default="Calendly", max_length=40, description="Lead Source of new leads."
    )
    match_link: bool = Field(
        title="Take the record of the booking link",
        default=True,
        description="Use the record id that a booking link carries (salesforce_uuid).",
    )
    person_external_id_field: str = Field(
        title="On Lead and Contact",
        default="",
        pattern=r"^([A-Za-z]\w*)?$",
        description="External ID and unique text field on Lead and Contact that names the meeting; empty for none.",
    )
    match_contacts: bool = Field(
        title="Look for Contacts", default=True, description="Look for a Contact by e-mail address."
    )
    match_leads: bool = Field(
        title="Look for Leads", default=True, description="Look for a Lead by e-mail address."
    )
    match_accounts: bool = Field(
        title="Look for Accounts",
        default=False,
        description="Look for an Account by the address's domain, to put a new Contact into.",
    )
    free_mail_domains: list[str] = Field(
        default_factory=list,
        description="More domains that say nothing of a company, besides gmail.com and its likes.",
    )
    person_accounts: bool = Field(
        default=False, description="The organisation has Person Accounts enabled."
    )
    create: Literal["lead", "contact", "nothing"] = Field(
        title="Who is not found becomes",
        default="lead",
        description="What a person who is not found becomes.",
    )
    event_owner: Literal["host", "host_always", "integration_user"] = Field(
        default="host",
        description="Who owns the Event: the user with the host's e-mail address, or whoever writes it. Whom staff put there by hand "
        "stays, or is replaced with each change.",
    )
    person_owner: Literal["rules", "host_on_create"] = Field(
        default="rules",
        description="Who owns a new person: whom the assignment rules choose, or the user with the host's e-mail address.",
    )
    guests: Literal["ignore", "relate", "create"] = Field(
        default="ignore",
        description="What becomes of a meeting's guests: named in the description alone, related to the Event where they are known, "
        "or created, too, as who is not found becomes.",
    )
    when_canceled: Literal["mark", "delete"] = Field(
        default="mark",
        description="What becomes of a canceled meeting's Event: marked as canceled and its time freed, or deleted.",
    )
    when_ambiguous: Literal["review", "newest"] = Field(
        default="review",
        description="Where several records fit: ask a person, or take the one changed last.",
    )

    drift: Literal["off", "report", "repair"] = Field(
        title="Each night",
        default="report",
        description="What was written is read back each night: not at all, to report what was changed in Salesforce, or to "
        "write ours again.",
    )

    @field_validator("username")
    @classmethod
    def _jwt_names_its_user(cls, username: str, info: ValidationInfo) -> str:
        if info.data.get("login") == "jwt" and not username:
            raise ValueError("is needed with the login jwt")
        return username


class SalesforceOptions(Options):
    """Options of a rule that writes the meeting."""

    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "link_opportunity": {
            "off": "Never", "only_open": "Where there is one open", "newest_open": "To the newest open one",
        }
    }  # fmt: skip

    link_opportunity: Literal["off", "only_open", "newest_open"] = Field(
        default="off",
        description="Relate the Event to the open Opportunity of the Contact's Account: never, where there is one, "
        "or to the newest",
    )
