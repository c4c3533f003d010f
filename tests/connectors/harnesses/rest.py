"""What the contract suite has to know of the REST connector, held against the sandbox's store for anything."""

from typing import Any

from integrations.sandbox import SandboxServer
from tests.connectors.harness import Harness

KEY = "calsync-{{ meeting.key }}"
BODY = {
    "name": "{{ booking.status }}: {{ event_type.name }}",
    "person": {"name": "{{ invitee.name }}", "email": "{{ invitee.email }}"},
    "starts": {"$value": "booking.start_at"},
    "minutes": {"$value": "booking.duration"},
}


def things(server: SandboxServer, table: str = "things") -> list[Any]:
    return list(server.state.rest.table(table).values())


HARNESS = Harness(
    action="call",
    write={"method": "POST", "path_contains": "/rest/api/"},
    secrets=lambda config: {
        "client_id": config.rest_client_id,
        "client_secret": config.rest_client_secret,
    },
    objects=things,
    options={
        "object": "thing",
        "create": {"method": "POST", "path": "/things", "body": {**BODY, "key": KEY}},
        "update": {"method": "PATCH", "path": "/things/{{ record.id }}", "body": BODY},
        "cancel": {
            "method": "PATCH",
            "path": "/things/{{ record.id }}",
            "body": {"name": "Canceled"},
        },
        "find": {"path": "/things", "query": {"key": KEY}, "items": "data"},
        "id": "data.id",
        "link": "{{ response.data.url }}",
    },
    settings=lambda server: {
        "base_url": f"{server.url}/rest/api",
        "auth": "oauth2_client_credentials",
        "token_url": f"{server.url}/rest/oauth/token",
        "check_path": "/me",
    },
    timeout=(1.0, 0.5),
    heals_expired_token=True,
)
