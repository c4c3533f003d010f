"""A person presses a button: the signed payload that the app gets, and the address where it may answer.

Sources: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import requests
from werkzeug.wrappers import Request, Response

from integrations.sandbox.slack.errors import SlackError
from integrations.sandbox.slack.workspace import APP, TEAM, SlackWorkspace
from integrations.sandbox.web import Json, read_json, reply

#: Seconds that an app has to answer a press.
PATIENCE = 3
MAX_USES = 5
GOOD_FOR = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """Hold a request that is ready to be sent, as often as one likes."""

    url: str
    body: bytes
    headers: dict[str, str]


def press(workspace: SlackWorkspace, data: Json) -> Signed:
    """Return the request about a button (`action_id`) of a message (`channel`, `ts`) that a `user` pressed.

    `base` is the sandbox's own address; `age` (seconds) makes the signature older, `secret` signs with another one.
    Raises SlackError.
    """
    url = workspace.config.slack_interactivity_url
    if not url:
        raise SlackError("interactivity_is_off")
    channel = workspace.channel(str(data["channel"]), by_name=True)
    message = workspace.message(channel["id"], str(data["ts"]))
    user = workspace.users.get(str(data.get("user", "U0OLIVIA1")))
    if message is None or user is None:
        raise SlackError("message_not_found" if message is None else "user_not_found")
    button = next(_buttons(message, str(data["action_id"])), None)
    if button is None:
        raise SlackError("button_not_found")
    payload = _payload(workspace, button, message, channel, user)
    payload["response_url"] = _address(workspace, channel, user, base=str(data.get("base", "")))
    body = urlencode({"payload": json.dumps(payload)}).encode()
    at = workspace.clock.now() - timedelta(seconds=float(data.get("age", 0)))
    secret = str(data.get("secret") or workspace.config.slack_signing_secret)
    return Signed(url=url, body=body, headers=sign(body, secret, int(at.timestamp())))


def sign(body: bytes, secret: str, timestamp: int) -> dict[str, str]:
    """Return the headers that prove where a body comes from.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    signed = f"v0:{timestamp}:".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": str(timestamp),
        "X-Slack-Signature": f"v0={digest}",
    }


def send(signed: Signed) -> Json:
    """Send a press and say how the app answered: a `status`, 0 when none came within three seconds."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                signed.url, data=signed.body, headers=signed.headers, timeout=PATIENCE,
                allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as error:
            return {"status": 0, "error": type(error).__name__}
    return {"status": answer.status_code, "answer": answer.text[:1_000]}


def answer(workspace: SlackWorkspace, request: Request, path: str) -> Response:
    """Take what the app says at the address that came with a press: five times within half an hour."""
    known = workspace.answers.get(path)
    if known is None or workspace.clock.now() > known["at"] + GOOD_FOR:
        return reply({"ok": False, "error": "expired_url"}, status=404)
    if known["uses"] >= MAX_USES:
        return reply({"ok": False, "error": "used_url"}, status=404)
    try:
        said = read_json(request)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not said.get("text"):
        return reply({"ok": False, "error": "invalid_payload"}, status=400)
    known["uses"] += 1
    workspace.whisper(
        channel=known["channel"], user=known["user"], text=str(said["text"]), via="response_url"
    )
    return reply({"ok": True})


def _buttons(message: Json, action_id: str) -> Iterator[Json]:
    for number, block in enumerate(message.get("blocks", ())):
        elements = [*block.get("elements", ()), block.get("accessory")]
        for element in elements:
            if isinstance(element, dict) and element.get("action_id") == action_id:
                yield {**element, "block_id": block.get("block_id", f"b{number}")}


def _payload(
    workspace: SlackWorkspace, button: Json, message: Json, channel: Json, user: Json
) -> Json:
    shown = ("type", "action_id", "block_id", "text", "value")
    return {
        "type": "block_actions",
        "api_app_id": APP,
        "trigger_id": f"{secrets.randbelow(10**12)}.{secrets.token_hex(16)}",
        "team": {"id": TEAM, "domain": "harbor"},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {
            "id": user["id"], "username": user["name"], "name": user["name"],
            "team_id": user["team_id"],
        },
        "channel": {"id": channel["id"], "name": channel["name"]},
        "container": {
            "type": "message", "message_ts": message["ts"], "channel_id": channel["id"],
            "is_ephemeral": False,
        },
        "message": message,
        "state": {"values": {}},
        "actions": [
            {name: button[name] for name in shown if name in button}
            | {"action_ts": workspace.new_ts()}
        ],
    }  # fmt: skip


def _address(workspace: SlackWorkspace, channel: Json, user: Json, *, base: str) -> str:
    path = f"/actions/{TEAM}/{secrets.randbelow(10**12)}/{secrets.token_hex(12)}"
    workspace.answers[path] = {
        "channel": channel["id"], "user": user["id"], "uses": 0, "at": workspace.clock.now(),
    }  # fmt: skip
    return f"{base}/slack{path}"
