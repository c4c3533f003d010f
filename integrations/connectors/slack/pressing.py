"""Presses of buttons: tell Slack's from a forgery, read them, and answer the person who pressed.

Sources: https://docs.slack.dev/authentication/verifying-requests-from-slack
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from slack_sdk.signature import Clock, SignatureVerifier

from integrations.connectors.base import Press, Presser, UnsignedError
from integrations.connectors.slack.buttons import read_button
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.text import cut, escape
from integrations.errors import IntegrationError
from integrations.http import HttpClient

#: Where Slack says that a press can be answered.
_ANSWERING = frozenset({"hooks.slack.com", "hooks.slack-gov.com"})
_MAX_TEXT = 3_000
#: Seconds to connect, and to wait for the answer to an answer.
_TIMEOUT = (3.05, 10.0)


class _At(Clock):
    """Tell the verifier the time that we were given."""

    def __init__(self, now: datetime) -> None:
        self._now = now.timestamp()

    def now(self) -> float:
        """Return the moment, in seconds."""
        return self._now


def verify(body: bytes, headers: Mapping[str, str], *, secret: str, now: datetime) -> None:
    """Check the signature on the raw bytes; it holds for five minutes.

    Raises:
        UnsignedError: it does not fit, whatever stands in the headers.
    """
    verifier = SignatureVerifier(secret, clock=_At(now))
    timestamp, signature = (
        headers.get(f"X-Slack-{name}") for name in ("Request-Timestamp", "Signature")
    )
    try:
        fits = verifier.is_valid(body, timestamp, signature)
    except (ValueError, TypeError, OverflowError):
        # No number, no ASCII, no UTF-8: the verifier was not written for forgeries.
        fits = False
    if not fits:
        raise UnsignedError


def read_press(body: bytes) -> Press | None:
    """Return which of our buttons was pressed; None for anything else that Slack sends."""
    payload = _payload(body)
    actions = payload.get("actions")
    pressed = actions[0] if isinstance(actions, list) and actions else None
    if payload.get("type") != "block_actions" or not isinstance(pressed, dict):
        return None
    asked = read_button(pressed)
    if asked is None:
        return None
    user, organization = _part(payload, "user"), _text(_part(payload, "team"), "id")
    names = (organization, _text(user, "id"), _text(payload, "trigger_id"), _text(pressed, "action_ts"))  # fmt: skip
    key = json.dumps([*names, pressed["action_id"], pressed["value"]])
    return Press(
        key=hashlib.sha256(key.encode()).hexdigest(),
        action=asked[0],
        ids=asked[1],
        organization=organization,
        user_id=_text(user, "id"),
        user_name=_text(user, "name") or _text(user, "username"),
        reply=_reply(payload),
    )


def presser_of(body: Mapping[str, Any]) -> Presser:
    """Return who a `users.info` answer tells of; an address that Slack has not seen confirmed counts for nothing.

    Source: https://docs.slack.dev/reference/objects/user-object
    """
    user = _part(body, "user")
    profile, grid = _part(user, "profile"), _part(user, "enterprise_user")
    vouched = user.get("is_email_confirmed", True) and not (user.get("deleted") or user.get("is_bot"))  # fmt: skip
    teams = grid.get("teams")
    return Presser(
        name=_text(user, "real_name") or _text(user, "name"),
        email=_text(profile, "email") if vouched else "",
        organizations=frozenset(
            filter(None, [_text(user, "team_id"), *(teams if isinstance(teams, list) else ())])
        ),
    )


def respond(client: SlackClient, reply: Mapping[str, str], *, text: str) -> None:
    """Show the person a line that nobody else sees: where Slack said, or else in the channel.

    The address is good for five answers in half an hour; a line that is shown twice does no harm.

    Raises:
        IntegrationError: see `errors`.
    """
    words = escape(cut(text, limit=_MAX_TEXT))
    if not _answered(reply.get("response_url", ""), words):
        target = {name: reply.get(name, "") for name in ("channel", "user")}
        thread = {"thread_ts": reply["thread_ts"]} if reply.get("thread_ts") else {}
        client.write("chat.postEphemeral", text=words, **target, **thread).require()


def _answered(url: str, words: str) -> bool:
    if not _is_slacks(url):
        return False
    message = {"response_type": "ephemeral", "replace_original": False, "text": words}
    with closing(HttpClient(timeout=_TIMEOUT)) as http:
        try:
            return http.request("POST", url, json_body=message).status_code == 200
        except IntegrationError:
            return False


def _is_slacks(url: str) -> bool:
    """Tell whether a host is one of Slack's own, or that of the API we are set to; `HttpClient` checks it once more."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host in _ANSWERING | {urlsplit(settings.SLACK_API_URL).hostname}


def _reply(payload: Mapping[str, Any]) -> dict[str, str]:
    container, channel = _part(payload, "container"), _part(payload, "channel")
    found = {
        "response_url": _text(payload, "response_url"),
        "channel": _text(channel, "id") or _text(container, "channel_id"),
        "user": _text(_part(payload, "user"), "id"),
        "thread_ts": _text(container, "thread_ts"),
    }
    return {name: value for name, value in found.items() if value}


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        (text,) = parse_qs(body.decode(), max_num_fields=10).get("payload", [""])
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _part(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = values.get(name)
    return found if isinstance(found, dict) else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    found = values.get(name)
    return found[:1_024].replace("\x00", "") if isinstance(found, str) else ""
