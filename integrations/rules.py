"""Which events are carried where: every enabled rule that asks for an event's kind, and acts on it, plans one delivery.

`integrations.deciding` says which rules act, and why the others do not. A rule whose target is
gone pauses: it goes on planning, what it planned waits, and a person who has mended it lets it go.
"""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from bookings.models import BookingEvent
from integrations import deciding, holds, outbox
from integrations.models import Delivery, Rule

logger = logging.getLogger(__name__)

#: What a delivery keeps of its rule.
_SAID = ("action", "options", "connection_id")


def plan(
    events: Iterable[BookingEvent],
    *,
    now: datetime,
    only: Rule | None = None,
    by: Rule | None = None,
) -> set[int]:
    """Queue the deliveries of these events, in the caller's transaction; return the connections to wake.

    The rules are asked in their order, and what those that did not act say is kept (`EventPlan`).
    `only` is asked alone, for what the clock brought for it; where it acts, `by` carries that out in its place.
    An event without a chain (a routing form submission) is kept and shown; no connector carries one yet.
    """
    carried = [event for event in events if event.chain_id is not None]
    if not carried:
        return set()
    asking = [only] if only else _asking({event.kind for event in carried})
    decisions = deciding.decide(carried, asking, now=now)
    planned = [(decision.event, by or rule) for decision in decisions for rule in decision.acting]
    freed = outbox.add(planned, now=now) if planned else set()
    deciding.keep(decisions)
    logger.info("Planned: events=%s deliveries=%s", len(carried), len(planned))
    return {rule.connection_id for _, rule in planned} | freed


def _asking(kinds: set[str]) -> list[Rule]:
    rules = Rule.objects.filter(enabled=True).select_related("connection")
    return [rule for rule in rules if not kinds.isdisjoint(rule.kinds)]


def lock(delivery: Delivery) -> None:
    """Lock the rule of a delivery, before the delivery: so does who looks at the clock, and who resumes a rule."""
    _locked().filter(deliveries=delivery).first()


@transaction.atomic
def pause(delivery: Delivery, *, now: datetime, reason: str, hint: str = "") -> bool:
    """Pause the rule of a delivery whose target is gone; return False where that is not to be blamed on the rule as it is.

    Mended since the delivery was planned, it sends the delivery as it says now. A deleted rule can be paused by nobody.
    """
    rule = _locked().filter(deliveries=delivery).first()
    if rule is None:
        return False
    if any(getattr(rule, name) != getattr(delivery, name) for name in _SAID):
        _as_now(rule, Delivery.objects.filter(pk=delivery.pk))
        return False
    paused = Rule.objects.filter(pk=rule.pk, paused_at=None).update(
        paused_at=now, paused_reason=reason, paused_hint=hint
    )
    if paused:
        logger.error("Rule paused, its target is gone: rule=%s", rule.pk)
    return True


@transaction.atomic
def resume(rule: Rule, *, now: datetime) -> bool:
    """Send what waits for a paused rule, as the rule says now; return False when it was not paused."""
    mended = _locked().get(pk=rule.pk)
    if mended.paused_at is None:
        return False
    Rule.objects.filter(pk=rule.pk).update(paused_at=None, paused_reason="", paused_hint="")
    _as_now(mended, Delivery.objects.filter(rule=mended))
    logger.warning("Rule resumed: rule=%s", rule.pk)
    return True


def _locked() -> QuerySet[Rule]:
    """Return rules to be changed, in the way of nobody who plans deliveries for them."""
    return Rule.objects.select_for_update(of=("self",), no_key=True)


def _as_now(rule: Rule, deliveries: QuerySet[Delivery]) -> None:
    said = {name: getattr(rule, name) for name in _SAID}
    waiting = deliveries.filter(state=Delivery.State.WAITING)
    for rows in holds.locked(waiting):
        rows.update(**said)
