"""What the contract suite has to know of Slack."""

from typing import Any

from integrations.sandbox import SandboxServer
from tests.connectors.harness import Harness

CHANNEL = "#sales"
CHANNEL_ID = "C0SALES01"


def slack_messages(server: SandboxServer, channel: str = CHANNEL_ID) -> list[Any]:
    return list(server.state.slack.messages[channel])


def slack_cards(server: SandboxServer) -> list[Any]:
    return [row for row in slack_messages(server) if row.get("thread_ts", row["ts"]) == row["ts"]]


def slack_replies(server: SandboxServer) -> list[Any]:
    return [row for row in slack_messages(server) if row.get("thread_ts", row["ts"]) != row["ts"]]


def slack_notices(server: SandboxServer) -> list[str]:
    """The texts in which Slack looks for links and mentions."""
    return ["\n".join(_marked([row["text"], row["blocks"]])) for row in slack_messages(server)]


def _marked(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _marked(item)]
    if isinstance(value, dict):
        inside = [
            text for item in value.values() if not isinstance(item, str) for text in _marked(item)
        ]
        return [*inside, value["text"]] if value.get("type") == "mrkdwn" else inside
    return [value] if isinstance(value, str) else []


HARNESS = Harness(
    action="post_card",
    write={"path_contains": "/chat.postMessage"},
    secrets=lambda config: {"bot_token": config.slack_bot_token},
    objects=slack_cards,
    options={"channel": CHANNEL},
    notice_options={"channel": CHANNEL},
    notices=slack_notices,
    point_at={"SLACK_API_URL": "/slack/api/"},
    timeout=1,
    heals_expired_token=False,
)
