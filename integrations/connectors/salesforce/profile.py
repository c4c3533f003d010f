"""Who we are at Salesforce, and whether it offers what we need.

Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_organization.htm
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from integrations.connectors.salesforce.client import SalesforceClient
from integrations.errors import ConfigurationError
from integrations.granting import Profile

#: The address of a session's owner: organization and user, by their ids.
_IDENTITY = re.compile(r"/id/(?P<organization>00D\w{12,15})/(?P<user>005\w{12,15})$")


def describe(client: SalesforceClient, *, api_version: str) -> Profile:
    """Ask who we are; what the user may not read of itself or of the organization stays empty.

    Raises:
        ConfigurationError: the API version is not offered, or the session is refused.
        TemporaryError: Salesforce does not answer.
    """
    _require_version(client.send("GET", "/services/data/").require(), api_version)
    found = _IDENTITY.search(urlsplit(client.identity).path)
    ids = found.groupdict() if found else {"organization": "", "user": ""}
    user, organization = _look_up(client, ids["user"])
    return Profile(
        user_uri=client.identity,
        user_name=_text(user, "Name") or _text(user, "Username"),
        user_email=_text(user, "Username"),
        organization_uri=ids["organization"],
        organization_name=_text(organization, "Name"),
        plan=_edition(organization),
        site=client.instance_url,
    )


def _require_version(versions: Any, wanted: str) -> None:
    offered = [str(item.get("version")) for item in versions or () if isinstance(item, Mapping)]
    if wanted not in offered:
        newest = max(offered, key=float) if offered else "one that is offered"
        raise ConfigurationError(
            f"Salesforce does not offer API version {wanted}.", hint=f"Set api_version to {newest}."
        )


def _look_up(client: SalesforceClient, user_id: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Ask for user and organization in one call; a part that is refused is empty."""
    queries = {"organization": "SELECT Name, OrganizationType, IsSandbox FROM Organization LIMIT 1"}
    if user_id:
        queries["user"] = f"SELECT Name, Username FROM User WHERE Id = '{user_id}'"  # noqa: S608 - an id, see _IDENTITY
    parts = [
        {
            "method": "GET",
            "url": f"{client.data_path}/query?q={quote(soql, safe='')}",
            "referenceId": name,
        }
        for name, soql in queries.items()
    ]
    body = {"allOrNone": False, "compositeRequest": parts}
    answer = client.send("POST", f"{client.data_path}/composite", json_body=body).require()
    rows = {part.get("referenceId"): _first_row(part) for part in answer.get("compositeResponse", ())}  # fmt: skip
    return rows.get("user", {}), rows.get("organization", {})


def _first_row(part: Mapping[str, Any]) -> Mapping[str, Any]:
    body = part.get("body")
    records = body.get("records") if isinstance(body, Mapping) else None
    return records[0] if records else {}


def _edition(organization: Mapping[str, Any]) -> str:
    edition = _text(organization, "OrganizationType")
    return f"{edition} (sandbox)" if organization.get("IsSandbox") else edition


def _text(row: Mapping[str, Any], name: str) -> str:
    return str(row.get(name) or "")
