"""Tell a booking's story: what came in, what was decided, what was sent, what came back, and where it stands.

Reads only, in a number of queries that does not grow with the story, and no more of a long one than its newest end. The
unit is the reschedule chain: a booking's page tells what happened in the chain's other bookings too.
"""

from datetime import datetime

from django.utils import timezone

from bookings.models import Booking
from integrations.timeline.by_clock import clock_lines
from integrations.timeline.entries import (
    ORDER,
    Change,
    ClockLine,
    DeliveryEntry,
    Entry,
    EventEntry,
    OperatorEntry,
    PressEntry,
    WaitingEntry,
    WebhookEntry,
    Withheld,
)
from integrations.timeline.events import delivery_entry, event_entries
from integrations.timeline.members import chain_ids, members_of, whole_bookings
from integrations.timeline.operators import operator_entries, press_entries
from integrations.timeline.waiting import waiting_entries
from integrations.timeline.webhooks import webhook_entries
from integrations.timeline.words import changes_in_words

__all__ = [
    "MOST",
    "TOLD",
    "Change",
    "ClockLine",
    "DeliveryEntry",
    "Entry",
    "EventEntry",
    "OperatorEntry",
    "PressEntry",
    "WaitingEntry",
    "WebhookEntry",
    "Withheld",
    "changes_in_words",
    "delivery_entry",
    "operator_entries",
    "timeline",
]

#: Entries of a kind that a story tells; what is older stands in the lists.
MOST = 200
#: Entries that are told with all that belongs to them: attempts, exchanges, bodies.
TOLD = 30


def timeline(booking: Booking, *, now: datetime | None = None) -> list[Entry]:
    """Return what happened to the booking's chains and what the clock is to bring, oldest first: the newest `MOST` of each kind."""
    members = members_of(booking)
    chains, bookings = chain_ids(members), whole_bookings(booking, members)
    events = list(event_entries(members, most=MOST, told=TOLD))
    caused = {entry.webhook_id for entry in events if entry.webhook_id is not None}
    webhooks = list(webhook_entries(bookings, caused=caused, most=MOST, told=TOLD))
    operators = operator_entries(
        bookings=bookings,
        deliveries=[row.delivery.pk for entry in events for row in entry.deliveries],
        webhooks=[entry.webhook.pk for entry in webhooks],
        most=MOST,
    )
    entries: list[Entry] = [
        *webhooks, *events, *operators, *press_entries(chains, most=MOST),
        *waiting_entries(booking, members),
        *clock_lines(members, now=now or timezone.now(), most=MOST),
    ]  # fmt: skip
    return sorted(entries, key=lambda entry: (entry.at, ORDER[type(entry)]))
