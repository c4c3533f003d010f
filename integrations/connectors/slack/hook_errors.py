"""What the words mean with which an incoming webhook refuses, as data.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from collections.abc import Mapping

from integrations.connectors.slack.errors import SLOW_DOWN, WAIT, Answer, Verdict, error_of
from integrations.errors import ConfigurationError, IntegrationError, PermanentError

#: Slack refuses the layout; the same words without layout may pass.
HOOK_PAYLOAD = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_payload",
        "no_text",
        "too_many_attachments",
    }
)
#: What a webhook that is alive answers to a message without words.
ALIVE = frozenset({"invalid_payload", "missing_text_or_fallback_or_attachments", "no_text"})

_NEW_WEBHOOK = Verdict(
    ConfigurationError,
    "The webhook is gone: add a new one to the app (Incoming Webhooks > Add New Webhook to Workspace) and enter its URL.",
)
_OTHER_CHANNEL = Verdict(
    ConfigurationError,
    "The webhook writes to its own channel alone: unarchive the channel, or add a webhook for another one and enter its URL.",
)
_NOT_ALLOWED = Verdict(
    ConfigurationError,
    "The workspace does not allow this webhook to post. Ask a workspace admin, or add a webhook for another channel.",
)

HOOK_VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(
        ("invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled", "user_not_found"),
        _NEW_WEBHOOK,
    ),
    **dict.fromkeys(("channel_is_archived", "channel_not_found"), _OTHER_CHANNEL),
    **dict.fromkeys(("action_prohibited", "posting_to_general_channel_denied"), _NOT_ALLOWED),
    **dict.fromkeys(
        (*HOOK_PAYLOAD, "missing_text_or_fallback_or_attachments"),
        Verdict(PermanentError, "Slack refuses the message. Please report it with this delivery's exchanges."),
    ),
    **dict.fromkeys(("rate_limited", "ratelimited"), SLOW_DOWN),
    **dict.fromkeys(("fatal_error", "internal_error", "rollup_error", "service_unavailable", "unreadable"), WAIT),
}  # fmt: skip


def as_hook_error(answer: Answer) -> IntegrationError:
    """Return the error that says what happens next; words that nobody knows are worth three tries."""
    return error_of(answer, SLOW_DOWN if answer.status == 429 else HOOK_VERDICTS.get(answer.code))
