"""The messages that the mail server took, read by the standard library: a second judge of what was sent."""

import email
import email.policy
import itertools
import threading
from email.message import EmailMessage

from integrations.sandbox.clock import Clock, micro
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.web import Json


class Mailbox:
    """Hold every message that was taken, oldest first. Callers hold the lock."""

    def __init__(self, *, config: SandboxConfig, clock: Clock, faults: FaultBoard) -> None:
        self.config = config
        self.faults = faults
        self.lock = threading.RLock()
        self._clock = clock
        self._numbers = itertools.count(1)
        self.messages: list[Json] = []

    def reset(self) -> None:
        """Throw every message away."""
        with self.lock:
            self.messages = []

    def keep(self, raw: bytes, *, sender: str, recipients: list[str]) -> None:
        """Take a message for its recipients."""
        with self.lock:
            number, at = next(self._numbers), micro(self._clock.now())
            seen = read(raw)
            self.messages.append(
                {"number": number, "at": at, "mail_from": sender, "rcpt_to": list(recipients), **seen}
            )  # fmt: skip


def parse(raw: bytes) -> EmailMessage:
    """Return a message as the standard library reads it."""
    return email.message_from_bytes(raw, policy=email.policy.default)


def read(raw: bytes) -> Json:
    """Return what a mail program would show of a message, and its text as it came."""
    message = parse(raw)
    return {
        "message_id": str(message["Message-ID"] or ""),
        "subject": str(message["Subject"] or ""),
        "from": str(message["From"] or ""),
        "to": str(message["To"] or ""),
        "cc": str(message["Cc"] or ""),
        "text": _content(message, "text/plain"),
        "html": _content(message, "text/html"),
        "calendar": _content(message, "text/calendar"),
        "raw": raw.decode("utf-8", errors="replace"),
    }


def _content(message: EmailMessage, kind: str) -> str:
    for part in message.walk():
        if part.get_content_type() == kind and not part.is_attachment():
            found: str = part.get_content()
            return found
    return ""
