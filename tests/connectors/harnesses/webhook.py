"""What the contract suite has to know of the webhook connector."""

from typing import Any

from integrations.connectors.webhook.connector import PING
from integrations.sandbox import SandboxServer
from tests.connectors.harness import Harness

ENDPOINT = "calsync"


def webhook_events(server: SandboxServer) -> list[Any]:
    """What a receiver that counts each id once was told, without what `check` sends."""
    told = [row for row in server.state.webhook.messages if row["body"]["type"] != PING]
    return list({row["id"]: row for row in told}.values())


HARNESS = Harness(
    action="send_event",
    write={"method": "POST", "path_contains": "/webhook/"},
    secrets=lambda config: {"signing_secret": config.receiver_secret},
    objects=webhook_events,
    settings=lambda server: {"url": f"{server.url}/webhook/{ENDPOINT}"},
    tells=True,
    has_links=False,
    timeout=(1.0, 0.5),
    heals_expired_token=False,
)
