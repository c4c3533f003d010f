"""The webhook sender: signs, sends, retries with back-off, and disables what stays broken.

Source: https://developer.calendly.com/api-docs/overview/webhooks (time-outs, errors, retries).
"""

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import requests

from integrations.sandbox.calendly.deliveries import DeliveryLog, Message, next_id
from integrations.sandbox.calendly.message_queue import MessageQueue
from integrations.sandbox.calendly.signature import HEADER, sign
from integrations.sandbox.clock import later
from integrations.sandbox.web import Json

if TYPE_CHECKING:
    from integrations.sandbox.calendly.world import CalendlyWorld

WORKERS = 8


class WebhookSender:
    """Send messages from a few background threads."""

    def __init__(self, world: "CalendlyWorld") -> None:
        self._world = world
        self._queue = MessageQueue()
        self._held: list[Message] = []
        self._hold_until = 0
        self._group: list[Message] | None = None
        self.log = DeliveryLog(clock=world.clock, size=world.config.delivery_log_size)

    def start(self) -> None:
        """Start the threads that send."""
        for number in range(WORKERS):
            threading.Thread(
                target=self._work, name=f"sandbox-webhooks-{number}", daemon=True
            ).start()

    def stop(self) -> None:
        """Let the threads end; what is queued is not sent."""
        self._queue.close()

    def reset(self) -> None:
        """Forget queued messages and the log."""
        self._held, self._hold_until, self._group = [], 0, None
        self._queue.clear()
        self.log.clear()

    def publish(
        self,
        *,
        subscription: str,
        url: str,
        event: str,
        subject: str,
        body: bytes,
        signing_key: str | None,
    ) -> None:
        """Queue a message; the caller holds the world's lock."""
        message = Message(
            subscription=subscription,
            url=url,
            event=event,
            subject=subject,
            body=body,
            signing_key=signing_key,
            signed_at=int(time.time()),
        )
        if self._group is None:
            self._dispatch(message)
        else:
            self._group.append(message)

    @contextlib.contextmanager
    def reversed_group(self) -> Iterator[None]:
        """Collect what is published inside and queue it last first."""
        self._group = []
        try:
            yield
        finally:
            collected, self._group = self._group, None
            for message in reversed(collected):
                self._dispatch(message)

    def _dispatch(self, message: Message) -> None:
        taken = self._world.faults.take(
            service="webhooks",
            method="POST",
            path=message.url,
            body=message.body.decode(),
        )
        fault = taken[0] if taken else None
        params = fault.params if fault else {}
        match fault and fault.kind:
            case "drop":
                self.log.add(message, outcome="dropped")
            case "duplicate":
                for _ in range(int(params.get("copies", 2))):
                    self._line_up(replace(message, id=next_id()))
            case "delay":
                self._queue.put_later(message, seconds=float(params.get("seconds", 1)))
            case "reorder":
                self._hold_until = max(self._hold_until, int(params.get("messages", 1)) + 1)
                self._line_up(message)
            case "bad_signature":
                self._line_up(replace(message, tamper={"key": "not-the-key"}))
            case "stale_signature":
                age = int(params.get("seconds", 600))
                self._line_up(replace(message, tamper={"age": age}))
            case _:
                self._line_up(message)

    def _line_up(self, message: Message) -> None:
        if not self._hold_until:
            self._queue.put(message)
            return
        self._held.append(message)
        if len(self._held) >= self._hold_until:
            self._release()

    def _release(self) -> None:
        held, self._held, self._hold_until = self._held, [], 0
        for message in _shuffled(held):
            self._queue.put(message)

    def flush(self) -> None:
        """Send held, delayed and failed messages now."""
        with self._world.lock:
            self._release()
        self._queue.hurry()

    def wait_idle(self, *, seconds: float, ignore_retries: bool = False) -> bool:
        """Wait until nothing is queued or under way; messages held for a reorder do not count."""
        return self._queue.wait_idle(seconds=seconds, ignore_retries=ignore_retries)

    def status(self) -> Json:
        """Return how many messages are queued and held."""
        return {"queued": self._queue.size(), "held": len(self._held)}

    def disable(self, *, url_contains: str = "") -> int:
        """Disable the subscriptions whose URL contains a text; return how many."""
        with self._world.lock:
            keys = [
                key
                for key, row in self._world.subscriptions.items()
                if url_contains in row["callback_url"] and row["state"] == "active"
            ]
            for key in keys:
                self._disable(key)
        return len(keys)

    def _disable(self, key: str) -> None:
        row = self._world.subscriptions.get(key)
        if row is not None:
            row["state"] = "disabled"
            self._touch(row)
        for message in self._queue.remove(key):
            self.log.add(message, outcome="dropped", error="the subscription was disabled")

    def forget(self, key: str) -> None:
        """Drop what is queued for a subscription that was deleted."""
        self._queue.remove(key)

    def _work(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (taken := self._queue.take()) is not None:
                generation, message = taken
                retry = self._attempt(session, message)
                self._queue.done(message, generation=generation, retry=retry)

    def _attempt(self, session: requests.Session, message: Message) -> tuple[Message, float] | None:
        config = self._world.config
        headers = self._headers(message)
        started = time.monotonic()
        status, error = None, None
        try:
            with session.post(
                message.url,
                data=message.body,
                headers=headers,
                timeout=(config.webhook_connect_timeout, config.webhook_read_timeout),
                allow_redirects=False,
            ) as response:
                status = response.status_code
        except requests.RequestException as failure:
            error = type(failure).__name__
        took = time.monotonic() - started
        delivered = status is not None and 200 <= status < 300
        retry = None if delivered else self._retry(message, started=started)
        outcome = "delivered" if delivered else "failed" if retry else "gave_up"
        self.log.add(
            message,
            outcome=outcome,
            status=status,
            error=error,
            headers=headers,
            duration_ms=took * 1000,
        )
        self._note(message, outcome=outcome)
        return retry

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "Calendly-Sandbox-Webhooks"}
        if message.signing_key:
            key = str((message.tamper or {}).get("key", message.signing_key))
            new = self._world.config.webhook_new_timestamp_on_retry
            timestamp = message.signing_time(new=new)
            headers[HEADER] = sign(message.body, key=key, timestamp=timestamp)
        return headers

    def _retry(self, message: Message, *, started: float) -> tuple[Message, float] | None:
        config = self._world.config
        first = message.first_tried_at or started
        too_old = time.monotonic() - first >= config.webhook_give_up_after
        if too_old or not self._is_active(message.subscription):
            return None
        seconds = config.webhook_retry_base * 2 ** (message.attempt - 1)
        again = replace(message, attempt=message.attempt + 1, first_tried_at=first)
        return again, seconds

    def _is_active(self, key: str) -> bool:
        with self._world.lock:
            row = self._world.subscriptions.get(key)
            return row is not None and row["state"] == "active"

    def _note(self, message: Message, *, outcome: str) -> None:
        with self._world.lock:
            row = self._world.subscriptions.get(message.subscription)
            if row is None or row["state"] != "active":
                return
            if outcome == "gave_up":
                self._disable(message.subscription)
            elif outcome == "failed" and row["retry_started_at"] is None:
                row["retry_started_at"] = self._world.stamp()
                self._touch(row)
            elif outcome == "delivered" and row["retry_started_at"]:
                self._note_recovery(message, row)

    def _note_recovery(self, message: Message, row: Json) -> None:
        if not self._queue.failing_besides(message):
            row["retry_started_at"] = None
            self._touch(row)

    def _touch(self, row: Json) -> None:
        row["updated_at"] = later(row["updated_at"], self._world.clock.now())


def _shuffled(messages: list[Message]) -> list[Message]:
    if len(messages) < 3:
        return messages[::-1]
    mixed = messages[:]
    while mixed == messages:
        random.shuffle(mixed)
    return mixed
