"""Wait until everything that was played has arrived, and count it."""

import time
from dataclasses import dataclass

from bookings.models import Booking, BookingEvent
from integrations.embedded import ProcessGroup
from integrations.models import Delivery, InboundWebhook

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Count what travelled the road."""

    webhooks: int
    bookings: int
    events: int
    delivered: int
    failed: int


def wait_until_settled(group: ProcessGroup) -> Counts:
    """Wait until no webhook and no delivery is under way, a minute at the most; then count.

    Raises:
        ChildDied: a process of the demo ended.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _under_way() and time.monotonic() < deadline:
        group.check()
        time.sleep(0.2)
    return count()


def count() -> Counts:
    """Count what the database holds now."""
    states = Delivery.objects.all()
    return Counts(
        webhooks=InboundWebhook.objects.count(),
        bookings=Booking.objects.count(),
        events=BookingEvent.objects.count(),
        delivered=states.filter(
            state__in=[Delivery.State.DELIVERED, Delivery.State.SKIPPED]
        ).count(),
        failed=states.filter(state=Delivery.State.FAILED).count(),
    )


def _under_way() -> bool:
    received = InboundWebhook.objects.filter(state=InboundWebhook.State.RECEIVED)
    return received.exists() or Delivery.objects.filter(state__in=Delivery.UNSETTLED).exists()
