"""What a receiver holds: its secret, what came in by endpoint, and how it answers."""

import base64
import hashlib
import hmac
import threading
import time

from werkzeug.datastructures import Headers

from integrations.sandbox.clock import Clock, micro
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.web import Json

TOLERANCE_SECONDS = 300
KNOWN_ANSWERS = ("headers", "body")


class BadSignature(Exception):
    """The message is not by who holds the secret, or not of now; the text says which."""


class WebhookReceiver:
    """Hold what came in. Callers hold the lock."""

    messages: list[Json]
    answers: dict[str, Json]

    def __init__(self, *, config: SandboxConfig, clock: Clock, faults: FaultBoard) -> None:
        self.config = config
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget every message and chosen answer."""
        with self.lock:
            self.messages = []
            self.answers = {}

    def take(self, endpoint: str, *, headers: Headers, raw: bytes, body: Json) -> Json:
        """Verify and keep a message; return it.

        Raises:
            BadSignature: it is not to be trusted.
        """
        self._verify(headers, raw)
        message = {
            "endpoint": endpoint,
            "at": micro(self.clock.now()),
            "id": headers["webhook-id"],
            "timestamp": int(headers["webhook-timestamp"]),
            "signature": headers["webhook-signature"],
            "raw": raw.decode(),
            "body": body,
        }
        self.messages.append(message)
        return message

    def _verify(self, headers: Headers, raw: bytes) -> None:
        missing = [
            name
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
            if not headers.get(name)
        ]
        if missing:
            raise BadSignature(f"missing header: {', '.join(missing)}")
        stamp = headers["webhook-timestamp"]
        age = abs(time.time() - (int(stamp) if stamp.isdecimal() else 0))
        if age > TOLERANCE_SECONDS:
            raise BadSignature("the timestamp is not of now")
        if not self._is_signed(f"{headers['webhook-id']}.{stamp}.".encode() + raw, headers):
            raise BadSignature("no signature fits")

    def _is_signed(self, content: bytes, headers: Headers) -> bool:
        key = base64.b64decode(self.config.receiver_secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest())
        given = (part.partition(",") for part in headers["webhook-signature"].split(" "))
        return any(
            version == "v1" and hmac.compare_digest(expected, digest.encode())
            for version, _, digest in given
        )
