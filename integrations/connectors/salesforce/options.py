"""What staff can set: on the connection, and on a rule."""

from typing import Literal

from django.conf import settings
from pydantic import Field, ValidationInfo, field_validator

from integrations.options import Options


class SalesforceSettings(Options):
    """Settings of a connection to one Salesforce organisation."""

    login: Literal["client_credentials", "jwt", "oauth"] = Field(
        default="client_credentials",
        description="How to log in: as the app's Run As user, as username with a signed JWT, or as whoever presses Connect",
    )
    login_url: str = Field(
        default_factory=lambda: str(settings.SALESFORCE_LOGIN_URL),
        pattern=r"^https?://[^/?#@\s]+(/[^?#\s]*)?$",
        description="My Domain address, such as https://acme.my.salesforce.com. jwt and oauth also take "
        "https://login.salesforce.com, or https://test.salesforce.com for a sandbox",
    )
    username: str = Field(
        default="",
        max_length=80,
        validate_default=True,
        description="With jwt: the username to act as; in a sandbox it ends with the sandbox's name",
    )
    audience: str = Field(
        default="",
        pattern=r"^(https://\S+)?$",
        description="With jwt: whom the assertion is for; left out, it is production's or the sandboxes', as login_url is",
    )
    api_version: str = Field(default="66.0", pattern=r"^\d{2,3}\.0$")
    event_external_id_field: str = Field(
        default="Calendly_Invitee_UUID__c",
        pattern=r"^([A-Za-z]\w*)?$",
        description="External ID and unique text field on Event that names the meeting; empty where there is none: an Event is "
        "then recognised by a line in its description",
    )
    case_external_id_field: str = Field(
        default="",
        pattern=r"^([A-Za-z]\w*)?$",
        description="External ID and unique text field on Case that names the meeting; empty for none.",
    )
    lead_source: str = Field(
        default="Calendly", max_length=40, description="Lead Source of new leads."
    )
    match_link: bool = Field(
        default=True, description="Use the record id that a booking link carries (salesforce_uuid)."
    )
    person_external_id_field: str = Field(
        default="",
        pattern=r"^([A-Za-z]\w*)?$",
        description="External ID and unique text field on Lead and Contact that names the meeting; empty for none.",
    )
    match_contacts: bool = Field(default=True, description="Look for a Contact by e-mail address.")
    match_leads: bool = Field(default=True, description="Look for a Lead by e-mail address.")
    match_accounts: bool = Field(
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
        default="lead", description="What a person who is not found becomes."
    )
    event_owner: Literal["host", "host_always", "integration_user"] = Field(
        default="host",
        description="Who owns the Event: the user with the host's e-mail address (host leaves whom staff put there by hand, "
        "host_always takes it back with each change), or whoever writes it.",
    )
    person_owner: Literal["rules", "host_on_create"] = Field(
        default="rules",
        description="Who owns a new person: whom the assignment rules choose, or the user with the host's e-mail address.",
    )
    guests: Literal["ignore", "relate", "create"] = Field(
        default="ignore",
        description="What becomes of a meeting's guests: named in the description alone, related to the Event where they are known, "
        "or created as create says, too.",
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

    link_opportunity: Literal["off", "only_open", "newest_open"] = Field(
        default="off",
        description="Relate the Event to the open Opportunity of the Contact's Account: never, where there is one, "
        "or to the newest",
    )
