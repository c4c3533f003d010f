"""Read a bounce: what a mail server says later of a message that it took. Pure; junk is nothing, never a crash.

Source: https://www.rfc-editor.org/rfc/rfc3464 (delivery status notifications)
"""

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from integrations.connectors.email import addresses

#: What our messages are named; see `message.message_id`.
_OURS = re.compile(r"<calsync\.[0-9a-f]{40}@[^\s<>@]{1,253}>")
_MOST_RECIPIENTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """Say what became of one recipient: `action` is failed, delayed, delivered, relayed or expanded."""

    emails: tuple[str, ...]
    action: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """Name the message of ours, and what became of its recipients."""

    message_id: str
    recipients: tuple[Undelivered, ...]

    @property
    def failed(self) -> tuple[Undelivered, ...]:
        """Return the recipients that it never reached."""
        return tuple(item for item in self.recipients if item.action == "failed")


def read(raw: bytes) -> Bounce | None:
    """Return what a bounce says, None where the bytes are none or tell of no message of ours."""
    try:
        message = email.message_from_bytes(raw)
        name, recipients = _message_id(message), tuple(_recipients(message))[:_MOST_RECIPIENTS]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # the parser takes almost anything; what it does not is no bounce
    return Bounce(message_id=name, recipients=recipients) if name and recipients else None


def _message_id(message: Message) -> str:
    """Return our message's name: from the copy of its head, else from what the bounce says it answers."""
    copies = [
        part
        for part in message.walk()
        if part.get_content_type() in {"message/rfc822", "text/rfc822-headers"}
    ]
    places = [*map(_text, copies), str(message.get("In-Reply-To", "")), str(message.get("References", ""))]  # fmt: skip
    found = (match[0] for place in places for match in [_OURS.search(place)] if match)
    return next(found, "")


def _text(part: Message) -> str:
    if part.is_multipart():
        return "\n".join(str(item.get("Message-ID", "")) for item in _parts(part))
    decoded = part.get_payload(decode=True)
    return decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""


def _parts(part: Message) -> list[Message]:
    payload = part.get_payload()
    found = payload if isinstance(payload, list) else []
    return [item for item in found if isinstance(item, Message)]


def _recipients(message: Message) -> Iterator[Undelivered]:
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        for block in _parts(part):
            if block.get("Final-Recipient") and block.get("Action"):
                yield _undelivered(block)


def _undelivered(block: Message) -> Undelivered:
    named = (_value(block, field) for field in ("Original-Recipient", "Final-Recipient"))
    said = (_value(block, "Diagnostic-Code"), addresses.line(str(block.get("Status", ""))))
    words = next((text for text in said if text), "no reason was given")
    return Undelivered(
        emails=tuple(dict.fromkeys(text for text in named if addresses.is_address(text))),
        action=addresses.line(str(block["Action"])).casefold(), words=words[:400],
    )  # fmt: skip


def _value(block: Message, field: str) -> str:
    """Return a typed field's value: `rfc822; ida@customer.example`."""
    kind, _, value = str(block.get(field, "")).partition(";")
    return addresses.line(value or kind, limit=500)
