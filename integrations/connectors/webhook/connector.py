"""Send each event once as a signed message, with the same id however often it has to be sent."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import urlsplit

import requests

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Record,
    Remember,
    Send,
    Skip,
    Step,
    Task,
)
from integrations.connectors.webhook import signing
from integrations.connectors.webhook.body import write_body
from integrations.connectors.webhook.errors import as_error
from integrations.connectors.webhook.options import WebhookOptions, WebhookSettings
from integrations.errors import ConfigurationError, RuleError
from integrations.http import HttpClient
from integrations.options import Options, read_options, read_settings

PING = "calsync.ping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Hold the bytes to send, the id that names them for ever, and the key by which we remember them."""

    id: str
    body: bytes
    key: str = ""


class WebhookConnector(Connector):
    """Tell a system of one's own every event, signed by the Standard Webhooks specification."""

    label: ClassVar[str] = "Webhook"
    purpose: ClassVar[str] = (
        "Tells a system of your own of every event, as one signed message (Standard Webhooks)."
    )
    needs: ClassVar[Sequence[str]] = (
        "an https address that takes the messages",
        "a signing secret, which the receiver keeps too",
    )
    guide: ClassVar[str] = "https://www.standardwebhooks.com"
    actions: ClassVar[Mapping[str, str]] = {"send_event": "Send every event as a signed message"}
    settings_model: ClassVar[type[Options]] = WebhookSettings
    options_model: ClassVar[type[Options]] = WebhookOptions
    secret_fields: ClassVar[Mapping[str, str]] = {
        "signing_secret": f"What the receiver verifies the messages with. {signing.HOW_TO_MAKE}",
        "previous_signing_secret": "Only while the secret is changed: messages carry a signature by this one too.",
    }
    #: Seconds to connect and to wait for an answer.
    timeout: ClassVar[tuple[float, float]] = (3.05, 20.0)

    def plan(self, task: Task) -> Decision:
        """Return the message, or that it was sent already.

        Raises:
            RuleError: the rule's options are wrong.
        """
        options = self._options(task)
        message_id = _message_id(task)
        key = f"{task.event_id}:{task.delivery_id}"
        if task.record("event", key):
            return Skip(reason="already equal")
        body = write_body(task, options=options, message_id=message_id)
        return Send(
            summary=f"Send booking.{task.kind} as {message_id}, {len(body)} bytes.",
            payload=Message(id=message_id, body=body, key=key),
        )

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Send the message and remember that it was taken; sent again, it has the same id.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        del task, forget  # the decision holds all, and what was sent stays sent
        message: Message = decision.payload
        answered = self._post(message)
        if not self.dry_run:
            remember(Record(object_type="event", remote_id=message.id, key=message.key))
        step = Step(name="message", detail=f"{message.id} {answered}.")
        return Applied(summary=f"{self._host} {answered}.", steps=(step,))

    def check(self) -> Applied:
        """Send a signed test event that is about no meeting.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        ping = {"type": PING, "timestamp": datetime.now(UTC).isoformat(), "data": {}}
        message = Message(id=f"ping_{uuid.uuid4().hex}", body=json.dumps(ping).encode())
        answered = self._post(message)
        return Applied(
            summary=f"{self._host} {answered} to a signed test message ({PING}).", changed=False
        )

    @property
    def lacks(self) -> Sequence[str]:
        """Return that nothing could be signed."""
        return () if self.account.secrets.get("signing_secret") else ("the signing secret",)

    @classmethod
    def check_secret(cls, name: str, value: str) -> str:
        """Return why a secret cannot sign."""
        try:
            signing.read_secret(value)
        except ValueError as error:
            return str(error)
        return ""

    def _post(self, message: Message) -> str:
        """Send a message and return in words that it was taken."""
        url, keys = self._settings.url, self._keys()
        if self.dry_run:
            self.recorder.record_not_sent(method="POST", url=url, request=json.loads(message.body))
            return "would be sent the message"
        headers = _headers(message, keys=keys, now=datetime.now(UTC))
        with closing(
            HttpClient(recorder=self.recorder, timeout=self.timeout, guarded=True)
        ) as http:
            response = http.request("POST", url, headers=headers, content=message.body)
        return self._taken(response)

    def _taken(self, response: requests.Response) -> str:
        if not 200 <= response.status_code < 300:
            raise as_error(response, host=self._host, now=datetime.now(UTC))
        return f"answered {response.status_code}"

    def _keys(self) -> list[bytes]:
        """Return the keys to sign with, the new one first."""
        secrets = self.account.secrets
        if not secrets.get("signing_secret"):
            raise ConfigurationError(
                f"{self.account.name} has no signing secret, so nobody could trust its messages.",
                hint=f"{signing.HOW_TO_MAKE} Enter it here and at the receiver.",
            )
        named = (secrets["signing_secret"], secrets.get("previous_signing_secret", ""))
        try:
            return [signing.read_secret(secret) for secret in named if secret]
        except ValueError as error:
            raise ConfigurationError(
                f"A signing secret of {self.account.name} cannot be used.", hint=str(error)
            ) from None

    @property
    def _host(self) -> str:
        return urlsplit(self._settings.url).hostname or ""

    @property
    def _settings(self) -> WebhookSettings:
        return read_settings(WebhookSettings, self.account.settings)

    def _options(self, task: Task) -> WebhookOptions:
        if task.action not in self.actions:
            raise RuleError(
                f"A webhook has no action {task.action!r}.", hint="Choose one of the actions."
            )
        return read_options(WebhookOptions, task.options)


def _message_id(task: Task) -> str:
    """Return what names the message for ever: its delivery, which is of one event and one rule."""
    chain = re.sub(r"[^A-Za-z0-9_-]", "-", task.meeting.key)[:100]
    return f"msg_{chain}_{task.event_id}_{task.delivery_id}"


def _headers(message: Message, *, keys: list[bytes], now: datetime) -> dict[str, str]:
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "User-Agent": "Calsync-Webhook/1",
        "webhook-id": message.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signing.sign(
            message.body, message_id=message.id, timestamp=timestamp, keys=keys
        ),
    }
