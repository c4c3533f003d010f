"""What Slack's error codes mean for us, as data, and the one function that reads them.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage#errors
https://docs.slack.dev/reference/methods/chat.update#errors
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.errors import (
    ConfigurationError,
    DeadTargetError,
    IntegrationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)

#: The card can no longer be changed: a new one takes its place.
GONE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found"})
#: Slack refuses the layout; the same words without layout may pass.
PAYLOAD = frozenset(
    {
        "invalid_arg_name",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_charset",
        "invalid_json",
        "invalid_metadata_format",
        "json_not_object",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "too_many_attachments",
    }
)
#: Slack may have posted although it says that it failed.
_MAYBE_DONE = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})


class Verdict(NamedTuple):
    """Say what happens next for one error code."""

    error: type[IntegrationError]
    hint: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold Slack's answer to one method; `status` is HTTP's, which is 200 for most refusals.

    `scopes` are the token's, where Slack told them.
    """

    method: str
    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: float | None = None
    write: bool = False
    scopes: tuple[str, ...] | None = None

    @property
    def code(self) -> str:
        """Return the error code: empty when it went well, "unreadable" when it was no answer of Slack's."""
        if self.status == 200 and self.body.get("ok") is True:
            return ""
        code = str(self.body.get("error") or "")
        return code if code.replace("_", "").isalnum() else "unreadable"

    def require(self) -> Mapping[str, Any]:
        """Return the body of a success.

        Raises:
            IntegrationError: what the error code means.
        """
        if self.code:
            raise as_error(self)
        return self.body


WAIT = Verdict(
    TemporaryError,
    "Nothing to do: it is tried again. If it lasts, see https://slack-status.com.",
)
#: How often a code that nobody knows is tried in all.
UNKNOWN_TRIES = 3
_UNKNOWN = Verdict(
    TemporaryError,
    "Calsync does not know this answer. It is tried three times; if it lasts, report it with this delivery's exchanges.",
)
SLOW_DOWN = Verdict(ThrottledError, "Nothing to do: Slack asked us to wait.")
_TOKEN = Verdict(
    ConfigurationError,
    "Slack does not accept the bot token. Install the app to the workspace again and enter the new token.",
)
_NOT_ALLOWED = Verdict(
    ConfigurationError, "The workspace does not allow this app to act. Ask a workspace admin."
)
_NOBODY = Verdict(
    RuleError,
    "Nobody in this workspace has the host's e-mail address. Invite them to Slack, or route their meetings to a channel.",
)
_LAYOUT = Verdict(
    PermanentError, "Slack refuses the message. Please report it with this delivery's exchanges."
)
_RESTRICTED = Verdict(
    RuleError,
    "The channel's posting permissions keep the bot out. Allow it, or choose another channel.",
)

VERDICTS: Mapping[str, Verdict] = {
    **dict.fromkeys(_MAYBE_DONE | {"team_added_to_org", "unreadable"}, WAIT),
    **dict.fromkeys(("rate_limited", "ratelimited"), SLOW_DOWN),
    "message_limit_exceeded": Verdict(
        ThrottledError, "The workspace sends too many messages; it is tried again in an hour.", 3600.0
    ),
    **dict.fromkeys(
        (
            "account_inactive",
            "invalid_auth",
            "not_allowed_token_type",
            "not_authed",
            "token_expired",
            "token_revoked",
        ),
        _TOKEN,
    ),
    **dict.fromkeys(
        ("access_denied", "ekm_access_denied", "no_permission", "org_login_required"),
        _NOT_ALLOWED,
    ),
    "missing_scope": Verdict(
        ConfigurationError,
        "Add the missing scope to the app (OAuth & Permissions > Bot Token Scopes) and install it again.",
    ),
    "channel_not_found": Verdict(
        DeadTargetError,
        "Check the rule's channel. A private channel needs its id, and the bot as a member: /invite the app.",
    ),
    "is_archived": Verdict(
        DeadTargetError, "The channel is archived. Choose another in the rule, or unarchive it."
    ),
    "method_not_supported_for_channel_type": Verdict(
        RuleError, "Invite the bot: write /invite and the app's name in the channel."
    ),
    "not_in_channel": Verdict(
        RuleError, "Invite the bot: write /invite and the app's name in the channel."
    ),
    **dict.fromkeys(("user_disabled", "user_not_found", "users_not_found"), _NOBODY),
    **dict.fromkeys(
        (
            "restricted_action",
            "restricted_action_non_threadable_channel",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
        ),
        _RESTRICTED,
    ),
    **dict.fromkeys(PAYLOAD, _LAYOUT),
    "thread_not_found": Verdict(
        PermanentError, "The card was deleted in Slack; the meeting's next change posts a new one."
    ),
    **dict.fromkeys(GONE, Verdict(PermanentError, "The message can no longer be changed.")),
}  # fmt: skip


def as_error(answer: Answer) -> IntegrationError:
    """Return the error that says what happens next; a code that nobody knows is worth three tries."""
    return error_of(answer, _verdict(answer))


def error_of(answer: Answer, verdict: Verdict | None) -> IntegrationError:
    """Return the error for a verdict; None where nobody knows the code."""
    found = verdict or _UNKNOWN
    if not issubclass(found.error, TemporaryError):
        return found.error(_sentence(answer), hint=found.hint)
    wait = answer.retry_after if answer.retry_after is not None else found.retry_after
    maybe = answer.status >= 500 or answer.code in _MAYBE_DONE | {"unreadable"}
    ambiguous = answer.write and maybe and answer.status != 429
    return found.error(
        _sentence(answer), hint=found.hint, retry_after=wait, ambiguous=ambiguous,
        tries=None if verdict or answer.status >= 500 else UNKNOWN_TRIES,
    )  # fmt: skip


def _verdict(answer: Answer) -> Verdict | None:
    if answer.status == 429:
        return SLOW_DOWN
    if answer.code.startswith("restricted_action"):
        return _RESTRICTED
    return VERDICTS.get(answer.code)


def _sentence(answer: Answer) -> str:
    details = answer.body.get("response_metadata") or {}
    said = [str(line) for line in details.get("messages") or ()]
    if answer.body.get("needed"):
        said.append(f"needed: {answer.body['needed']}")
    what = f"HTTP {answer.status}" if answer.code == "unreadable" else answer.code
    return f"Slack answered {answer.method} with {what}" + (f" ({'; '.join(said)})" if said else "")
