"""What staff can set: on the connection, and on a rule."""

from django.conf import settings
from pydantic import Field

from integrations.connectors.base import Options


class SalesforceSettings(Options):
    """Settings of a connection to one Salesforce organisation."""

    login_url: str = Field(
        default_factory=lambda: str(settings.SALESFORCE_LOGIN_URL),
        description="My Domain address, such as https://acme.my.salesforce.com.",
    )
    api_version: str = Field(default="66.0", pattern=r"^\d{2,3}\.0$")
    event_external_id_field: str = Field(
        default="Calendly_Invitee_UUID__c",
        pattern=r"^[A-Za-z]\w*$",
        description="External ID and unique text field on Event that names the meeting.",
    )
    lead_source: str = Field(
        default="Calendly", max_length=40, description="Lead Source of new leads."
    )


class SalesforceOptions(Options):
    """A rule that writes to Salesforce has no options of its own."""
