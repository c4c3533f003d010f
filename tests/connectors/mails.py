"""Read what the sandbox's mail server took, with the standard library's parser."""

import email
import email.policy
from email.message import EmailMessage
from typing import Any

from icalendar import Calendar, Event


def mails(driver: Any) -> list[Any]:
    return list(driver.server.state.mail.messages)


def recipients(driver: Any) -> list[list[str]]:
    return [mail["rcpt_to"] for mail in mails(driver)]


def parsed(mail: Any) -> EmailMessage:
    return email.message_from_string(mail["raw"], policy=email.policy.default)


def event_of(mail: Any) -> tuple[str, Event]:
    """The method and the event of a message's invitation."""
    calendar = Calendar.from_ical(mail["calendar"])
    (event,) = calendar.walk("VEVENT")
    assert isinstance(event, Event)
    return str(calendar["method"]), event


def attendees(event: Event) -> dict[str, Any]:
    found = event.get("attendee", [])
    rows = found if isinstance(found, list) else [found]
    return {str(row).removeprefix("mailto:"): row.params for row in rows}
