"""Wait until everything that was played has arrived, and count it."""

import time
from dataclasses import dataclass

from bookings.models import Booking, BookingEvent
from integrations.embedded import ProcessGroup
from integrations.models import (
    BackfillRun,
    ClockEntry,
    Delivery,
    DriftFinding,
    DriftRun,
    InboundWebhook,
    MatchReview,
    Notification,
)
from integrations.sandbox.control_client import SandboxControl

#: After so long without any progress we give up: a machine that is busy with other things is slow, and not broken.
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Count what travelled the road."""

    webhooks: int
    bookings: int
    events: int
    delivered: int
    waiting: int
    failed: int
    asked: int
    changed: int
    history: int
    moments: int


def wait_until_settled(group: ProcessGroup, sandbox: SandboxControl, *, moments: int = 0) -> Counts:
    """Wait until no webhook, delivery and notification is under way, as long as they get fewer; then count.

    The clock is to come to so many meetings: `moments`.

    Raises:
        ChildDied: a process of the demo ended.
    """
    left, deadline = _under_way(sandbox, moments), time.monotonic() + _PATIENCE_SECONDS
    while any(left) and time.monotonic() < deadline:
        group.check()
        time.sleep(0.2)
        before, left = left, _under_way(sandbox, moments)
        if left != before:
            deadline = time.monotonic() + _PATIENCE_SECONDS
    return count()


def count() -> Counts:
    """Count what the database holds now."""
    states = Delivery.objects.all()
    return Counts(
        webhooks=InboundWebhook.objects.count(),
        bookings=Booking.objects.filter(events__silent=False).distinct().count(),
        events=BookingEvent.objects.filter(silent=False).count(),
        delivered=states.filter(
            state__in=[Delivery.State.DELIVERED, Delivery.State.SKIPPED]
        ).count(),
        waiting=states.filter(state__in=Delivery.UNSETTLED).count(),
        failed=states.filter(state=Delivery.State.FAILED, acknowledged_at=None)
        .exclude(failure_class=Delivery.FailureClass.REVIEW)
        .count(),
        asked=MatchReview.objects.filter(state=MatchReview.State.OPEN).count(),
        changed=DriftFinding.objects.filter(state=DriftFinding.State.FOUND).count(),
        history=Booking.objects.filter(events__silent=True).distinct().count(),
        moments=_moments(),
    )


def _moments() -> int:
    fired = ClockEntry.objects.filter(state=ClockEntry.State.FIRED)
    return fired.order_by().values("chain").distinct().count()


def _under_way(sandbox: SandboxControl, moments: int) -> tuple[int, ...]:
    """Tell what is left at each station, the sandbox's own queue first: what leaves one is at the next by then."""
    return (
        int(not sandbox.wait_idle(timeout=0)),
        InboundWebhook.objects.filter(state=InboundWebhook.State.RECEIVED).count(),
        BackfillRun.objects.filter(state__in=BackfillRun.UNFINISHED).count(),
        DriftRun.objects.filter(finished_at=None).count(),
        max(moments - _moments(), 0),
        Delivery.objects.filter(state__in=Delivery.UNSETTLED).count(),
        Notification.objects.filter(settled_at=None).count(),
    )
