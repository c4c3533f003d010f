"""What a story is made of: one dataclass an entry, each with the template that shows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.contrib.admin.models import LogEntry

from bookings.models import BookingEvent, Invitee
from integrations.models import (
    BackfillFinding,
    Delivery,
    DeliveryAttempt,
    InboundWebhook,
    Interaction,
    RemoteRecord,
    Rule,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Say in words what one fact was and became; `is_time` where it is a moment, which names nobody."""

    name: str
    before: str
    after: str
    is_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEntry:
    """Hold one delivery, what exists over there because of it, and its attempts, oldest first; of an old one, none."""

    delivery: Delivery
    attempts: tuple[DeliveryAttempt, ...]
    records: tuple[RemoteRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEntry:
    """Hold a webhook that came in for one of the chain's bookings; of an old one, no body."""

    template: ClassVar[str] = "admin/calsync/entry_webhook.html"
    at: datetime
    webhook: InboundWebhook
    body: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Name a rule that did not act on an event, and why; `is_new` where it was made later, no `rule` where it was deleted."""

    rule: Rule | None
    name: str
    reason: str
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventEntry:
    """Hold a decided change, its cause, its deliveries, and the rules that left it alone."""

    template: ClassVar[str] = "admin/calsync/entry_event.html"
    at: datetime
    event: BookingEvent
    changes: tuple[Change, ...]
    deliveries: tuple[DeliveryEntry, ...]
    withheld: tuple[Withheld, ...] = ()
    finding: BackfillFinding | None = None

    @property
    def webhook_id(self) -> int | None:
        """Return the inbound webhook that caused it, if one did."""
        return self.event.cause_id if self.event.cause == BookingEvent.Cause.WEBHOOK else None

    @property
    def backfill_id(self) -> int | None:
        """Return the backfill that found it, if one did."""
        return self.event.cause_id if self.event.cause == BookingEvent.Cause.BACKFILL else None

    @property
    def clock_reason(self) -> str:
        """Return why a rule of the clock acted otherwise than at its moment, if it did."""
        entry = getattr(self.event, "clock_entry", None)
        return entry.reason if entry and self.deliveries else ""

    @property
    def why_nothing(self) -> str:
        """Return why nothing was sent at all, in a sentence; nothing where something was."""
        if self.deliveries:
            return ""
        if self.event.chain_id is None:
            return "Nothing is sent for this: it belongs to no meeting yet."
        if not self.withheld:
            return "Nothing was sent: there is no rule."
        if all(left.is_new for left in self.withheld):
            return "Nothing was sent: no rule existed at the time."
        return "Nothing was sent: no rule acted on it."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockLine:
    """Say when a rule will act on the meeting, or, with a `reason`, why it did not at its moment."""

    template: ClassVar[str] = "admin/calsync/entry_clock.html"
    at: datetime
    rule: str
    kind: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEntry:
    """Say what the booking, or one of its invitees, waits for; `given_up` when nobody asks any more."""

    template: ClassVar[str] = "admin/calsync/entry_waiting.html"
    at: datetime
    reason: str
    invitee: Invitee | None = None
    due_at: datetime | None = None
    attempts: int = 0
    error: str = ""
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorEntry:
    """Hold what a member of staff did; `about` says to what."""

    template: ClassVar[str] = "admin/calsync/entry_operator.html"
    at: datetime
    log: LogEntry
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PressEntry:
    """Hold the press of a button about the meeting."""

    template: ClassVar[str] = "admin/calsync/entry_press.html"
    at: datetime
    press: Interaction

    @property
    def asked(self) -> str:
        """Return what the button asks for."""
        return self.press.action.replace("_", " ")


Entry = WebhookEntry | EventEntry | WaitingEntry | OperatorEntry | PressEntry | ClockLine

#: What comes first of what happened at the same moment.
ORDER = {
    WebhookEntry: 0, PressEntry: 1, OperatorEntry: 2, EventEntry: 3, WaitingEntry: 4, ClockLine: 5,
}  # fmt: skip
