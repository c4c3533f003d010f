"""What the contract suite has to know of Salesforce."""

from typing import Any

from integrations.sandbox import SandboxServer
from tests.connectors.harness import Harness


def salesforce_events(server: SandboxServer) -> list[Any]:
    return list(server.state.salesforce.records["Event"].values())


HARNESS = Harness(
    action="sync_meeting",
    write={"method": "PATCH", "path_contains": "/sobjects/Event/"},
    secrets=lambda config: {
        "client_id": config.salesforce_client_id,
        "client_secret": config.salesforce_client_secret,
    },
    objects=salesforce_events,
    point_at={"SALESFORCE_LOGIN_URL": "/salesforce"},
    timeout=(1.0, 0.5),
    heals_expired_token=True,
)
