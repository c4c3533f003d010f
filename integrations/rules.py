"""Which events are carried where: every enabled rule that asks for an event's kind plans one delivery."""

import logging
from collections.abc import Iterable
from datetime import datetime

from bookings.models import BookingEvent
from integrations import outbox
from integrations.models import Rule

logger = logging.getLogger(__name__)


def plan(events: Iterable[BookingEvent], *, now: datetime) -> set[int]:
    """Queue the deliveries of these events, in the caller's transaction; return the connections to wake.

    An event without a chain (a routing form submission) is kept and shown; no connector carries one yet.
    """
    connections: set[int] = set()
    for event in events:
        if event.chain_id is None:
            continue
        rules = Rule.objects.asking_for(event.kind)
        outbox.add(event, chain_id=event.chain_id, rules=rules, now=now)
        connections.update(rule.connection_id for rule in rules)
        logger.info("Planned: event=%s kind=%s rules=%s", event.pk, event.kind, len(rules))
    return connections
