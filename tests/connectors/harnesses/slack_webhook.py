"""What the contract suite has to know of Slack where there is but an incoming webhook."""

from tests.connectors.harness import Harness
from tests.connectors.harnesses.slack import CHANNEL, slack_messages, slack_notices

HOOK = "T0SANDBOX/B0HOOK001/sandbox-sales"

HARNESS = Harness(
    provider="slack",
    action="post_card",
    write={"path_contains": "/services/"},
    secrets=lambda config: {},
    secrets_at=lambda server: {"webhook_url": f"{server.url}/slack/services/{HOOK}"},
    objects=slack_messages,
    options={"channel": CHANNEL},
    notice_options={"channel": CHANNEL},
    notices=slack_notices,
    timeout=1,
    heals_expired_token=False,
    tells=True,
    has_links=False,
    finds=False,
)
