"""Who an account is at Calendly: user, organization, role and plan, and what its token may do.

Source: https://developer.calendly.com/api-docs (/users/me, /organizations/{uuid}, /organization_memberships)
"""

from urllib.parse import quote

from integrations.errors import AccessError, TemporaryError
from integrations.granting import Profile
from integrations.http import HttpClient
from integrations.models import Account
from integrations.sources.calendly.answers import LASTING
from integrations.sources.calendly.client import CalendlyClient
from integrations.sources.calendly.oauth import NEEDED, CalendlyOAuth
from integrations.sources.calendly.payloads.reading import Fields


def describe(account: Account, *, http: HttpClient) -> Profile:
    """Ask Calendly whose token it is; what it may not see of the organization stays empty.

    Raises:
        TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
    """
    client = CalendlyClient.for_account(account, http=http)
    user = client.me()
    user_uri, organization_uri = user.uri("uri"), user.uri("current_organization")
    if not (user_uri and organization_uri):
        raise TemporaryError("Calendly's answer names no user or no organization.", hint=LASTING)
    organization = _organization(client, organization_uri)
    return Profile(
        user_uri=user_uri,
        user_name=user.text("name"),
        user_email=user.text("email"),
        organization_uri=organization_uri,
        organization_name=organization.text("name"),
        plan=organization.text("plan"),
        role=_role(client, user_uri, organization_uri),
        granted=_granted(account, client),
        needed=NEEDED,
    )


def _granted(account: Account, client: CalendlyClient) -> tuple[str, ...] | None:
    """Ask which scopes were granted; of a personal token, and of a grant from before scopes, that is not told."""
    if not account.secrets.get("refresh_token"):
        return None
    return CalendlyOAuth().scopes_of(client.token()) or None


def _organization(client: CalendlyClient, uri: str) -> Fields:
    key = quote(uri.rpartition("/")[2], safe="")
    try:
        return client.find(f"/organizations/{key}") or Fields({})
    except AccessError:
        return Fields({})


def _role(client: CalendlyClient, user_uri: str, organization_uri: str) -> str:
    """Return owner, admin or user; asked by user alone, for only admins may ask about an organization."""
    try:
        memberships = client.collect("/organization_memberships", {"user": user_uri})
    except AccessError:
        return ""
    roles = [item.text("role") for item in memberships if item.uri("organization") == organization_uri]  # fmt: skip
    return roles[0] if roles else ""
