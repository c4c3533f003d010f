"""A message as it is sent: head, text, HTML and invitation. Django's own classes write it.

Source: https://www.rfc-editor.org/rfc/rfc6047 (text/calendar, with the method in its type)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.mail import EmailMultiAlternatives
from django.utils.crypto import salted_hmac

from integrations.connectors.email import addresses
from integrations.connectors.email.calendar import Method
from integrations.connectors.email.options import EmailSettings
from integrations.connectors.email.recipients import Recipient
from integrations.connectors.email.rendering import Content

#: Nobody's machine answers a machine's mail. Source: https://www.rfc-editor.org/rfc/rfc3834
_HEADERS: Mapping[str, str] = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Hold one message to be sent: `calendar` is the method of its invitation, `attendees` whom that names.

    `already` are digests of those who have it; `state` is what the recipient's calendar then shows.
    """

    message_id: str
    to: tuple[Recipient, ...]
    content: Content
    cc: tuple[Recipient, ...] = ()
    already: frozenset[str] = frozenset()
    calendar: Method | None = None
    attendees: tuple[Recipient, ...] = ()
    state: str = ""

    @property
    def envelope(self) -> tuple[str, ...]:
        """Return every address that it has still to reach, each once."""
        everyone = dict.fromkeys(person.email for person in (*self.to, *self.cc))
        return tuple(email for email in everyone if person_digest(email) not in self.already)


def message_id(*parts: object, domain: str) -> str:
    """Return a name for ever: the same parts are the same message, which receivers drop when it comes again."""
    return f"<calsync.{_digest('message', *parts)[:40]}@{domain}>"


def record_key(message_id: str) -> str:
    """Return the key under which it is remembered for whom a message was accepted."""
    return message_id.strip("<>").partition("@")[0]


def person_digest(email: str) -> str:
    """Return what tells recipients apart, without saying who they are to anybody who lacks our key."""
    return _digest("person", addresses.folded(email))[:24]


def _digest(kind: str, *parts: object) -> str:
    value = "\x1f".join(map(str, parts))
    return salted_hmac(f"calsync.email.{kind}", value, algorithm="sha256").hexdigest()


def compose(letter: Letter, settings: EmailSettings, *, calendar: bytes = b"") -> EmailMultiAlternatives:  # fmt: skip
    """Return the message, its parts in the order in which mail programs prefer the last that they can show."""
    message = EmailMultiAlternatives(
        subject=addresses.line(letter.content.subject), body=letter.content.text,
        from_email=addresses.mailbox(settings.from_address, settings.from_name),
        to=[addresses.mailbox(person.email, person.name) for person in letter.to],
        cc=[addresses.mailbox(person.email, person.name) for person in letter.cc],
        reply_to=[settings.reply_to] if settings.reply_to else None,
        headers={**_HEADERS, "Message-ID": letter.message_id},
    )  # fmt: skip
    message.attach_alternative(letter.content.html, "text/html")
    if calendar:
        message.attach_alternative(calendar.decode(), f"text/calendar; method={letter.calendar}")
        message.attach("invite.ics", calendar, "application/ics")
    return message
