"""What waits on purpose: for further changes, for another rule of the same event, or until a person mends its rule.

Such a delivery holds back later ones of its own rule, and no others. What need not be sent any more, because a later one
does it too, is superseded. A hold ends by the clock (`held_until`), with the
delivery that is waited for, or with the rule's pause; an attempt is never made before, and none is held after one.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet

from bookings.models import BookingEvent
from integrations.connectors.base import connector_class
from integrations.models import Delivery, Rule

State = Delivery.State

#: Deliveries that one statement names.
_AT_ONCE = 1000


def held(*, now: datetime) -> Q:
    """Return the condition that a delivery is held now."""
    paused = Rule.objects.filter(paused_at__isnull=False)
    return Q(held_until__gt=now) | Q(rule__in=paused.values("pk"))


def at_once(now: datetime) -> Mapping[str, Any]:
    """Return the columns of a delivery that a person wants sent without further waiting."""
    return {"not_before": now, "held_until": None, "waits_for": None}


def lock(deliveries: QuerySet[Delivery]) -> list[Delivery]:
    """Lock deliveries from the oldest on, and return them; in a transaction.

    Whoever changes several takes them in this order: no two then wait for each other for ever.
    """
    return list(deliveries.select_for_update(of=("self",)).order_by("id"))


def locked(deliveries: QuerySet[Delivery]) -> Iterator[QuerySet[Delivery]]:
    """Lock deliveries as `lock` does, and yield them to be changed, so many at once; in a transaction.

    What another plans or lets wait meanwhile is not among them. Changed as well, it would be taken out of that order.
    """
    pks = [row.pk for row in lock(deliveries.only("pk"))]
    for first in range(0, len(pks), _AT_ONCE):
        yield Delivery.objects.filter(pk__in=pks[first : first + _AT_ONCE])


def hold(deliveries: Sequence[Delivery], *, now: datetime) -> None:
    """Give new deliveries the times that their rules ask for, before they are stored; their chains are locked.

    What nobody waits for is not held for further changes, nor is what the clock brought: its moment is now.
    """
    unsettled = _unsettled(deliveries)
    for delivery in deliveries:
        rule = delivery.rule
        if rule is None:
            continue
        by_clock = delivery.event.cause == BookingEvent.Cause.CLOCK
        if rule.debounce_seconds and not (delivery.can_wait or by_clock):
            delivery.not_before = now + timedelta(seconds=rule.debounce_seconds)
            delivery.held_until = delivery.not_before
        if (delivery.event_id, rule.waits_for_id) in unsettled:
            delivery.waits_for_id = rule.waits_for_id
            patience = timedelta(seconds=rule.waits_at_most)
            delivery.held_until = delivery.not_before + patience


def _unsettled(deliveries: Sequence[Delivery]) -> set[tuple[int, int | None]]:
    """Return which events' deliveries of which rules have not ended, of those planned and those that are waited for.

    Rows of an earlier plan that have not are locked, so that none ends unseen before this plan is stored.
    """
    awaited = {row.rule.waits_for_id for row in deliveries if row.rule} - {None}
    if not awaited:
        return set()
    earlier = Delivery.objects.filter(
        event__in={row.event_id for row in deliveries}, rule__in=awaited
    )
    unsettled: set[tuple[int, int | None]] = {(row.event_id, row.rule_id) for row in deliveries}
    for row in earlier:
        known = {(row.event_id, row.rule_id)}
        unsettled = unsettled | known if row.state in Delivery.UNSETTLED else unsettled - known
    return unsettled


def supersede(
    deliveries: Collection[Delivery], *, earlier: Collection[Delivery], now: datetime
) -> set[int]:
    """Leave one waiting delivery of each chain and rule, that of the last event, where it does all that is due.

    That is so while a rule's time for further changes still runs (the first one's time is kept), and where the action
    writes the meeting as it is, whatever the event: three changes while a destination is down are one write. What the
    clock brought does it for no other: it may be too late when its turn has come, and is skipped then. `earlier` are the
    chains' unsettled deliveries of before. Return the connections of what waited for one that is superseded.
    """
    known = {row.chain_id for row in earlier}
    twice = Counter((row.chain_id, row.rule_id) for row in deliveries)
    new = [
        row
        for row in deliveries
        if (row.chain_id in known or twice[row.chain_id, row.rule_id] > 1) and _may_merge(row)
    ]
    if not new:
        return set()
    freed: set[int] = set()
    for rows in _mergeable(new, now=now):
        while rows and rows[-1].event.cause == BookingEvent.Cause.CLOCK:
            rows.pop()
        if len(rows) > 1:
            freed |= _merge(rows, now=now)
    return freed


def _may_merge(delivery: Delivery) -> bool:
    rule = delivery.rule
    return rule is not None and (rule.debounce_seconds > 0 or _coalesces(delivery))


def _mergeable(new: Sequence[Delivery], *, now: datetime) -> Collection[list[Delivery]]:
    """Return what waits, locked, by what one delivery could do; in the order of events."""
    waiting = Delivery.objects.filter(
        chain__in={row.chain_id for row in new}, rule__in={row.rule_id for row in new},
        state=State.WAITING,
    ).select_related("rule__connection", "event")  # fmt: skip
    found = defaultdict(list)
    for row in sorted(lock(waiting), key=lambda row: (row.event_id, row.pk)):
        if _coalesces(row) or _runs(row, now=now):
            found[row.chain_id, row.rule_id, row.connection_id, row.action].append(row)
    return found.values()


def _coalesces(delivery: Delivery) -> bool:
    """Tell whether the action writes the meeting as it is; a rule that changed its connection tells nothing of earlier ones."""
    rule = delivery.rule
    if rule is None or rule.connection_id != delivery.connection_id:
        return False
    provider = rule.connection.provider
    known = settings.CONNECTORS
    return provider in known and delivery.action in connector_class(provider).coalescing_actions


def _runs(delivery: Delivery, *, now: datetime) -> bool:
    """Tell whether the time for further changes still runs."""
    is_held = delivery.held_until is not None and delivery.not_before > now
    return is_held and delivery.attempt_count == 0


def _merge(rows: Sequence[Delivery], *, now: datetime) -> set[int]:
    """Settle all but the last; they are locked."""
    *earlier, last = rows
    reason = f"One write for both: superseded by event #{last.event_id}."
    freed: set[int] = set()
    for row in earlier:
        waiting = waiting_for(row)
        Delivery.objects.filter(pk=row.pk).update(
            state=State.SKIPPED, result=reason, error="", hint="", settled_at=now
        )
        freed |= let_go(waiting)
    if _runs(last, now=now) and last.held_until is not None:
        sooner = last.not_before - min(row.not_before for row in rows if _runs(row, now=now))
        Delivery.objects.filter(pk=last.pk).update(
            not_before=last.not_before - sooner, held_until=last.held_until - sooner
        )
    return freed


def waiting_for(delivery: Delivery) -> list[Delivery]:
    """Return what waits for a delivery that is about to end, and lock all of them, it as well."""
    waiting = Q(event=delivery.event_id, waits_for=delivery.rule_id, state=State.WAITING)
    which = Q(pk=delivery.pk) | waiting if delivery.rule_id else Q(pk=delivery.pk)
    rows = lock(Delivery.objects.filter(which).only("connection_id"))
    return [row for row in rows if row.pk != delivery.pk]


def let_go(waiting: Collection[Delivery]) -> set[int]:
    """End the wait of other rules for a delivery that has ended; return their connections.

    What waits for further changes beside goes on doing so.
    """
    if waiting:
        rows = Delivery.objects.filter(pk__in={row.pk for row in waiting})
        rows.update(waits_for=None, held_until=F("not_before"))
    return {row.connection_id for row in waiting}


def explain(delivery: Delivery, *, now: datetime) -> str:
    """Return why a waiting delivery is held now, in a sentence for staff; nothing where it is not."""
    if delivery.state != State.WAITING:
        return ""
    rule, until = delivery.rule, delivery.held_until
    if rule and rule.paused_at:
        return f"Waits because its rule is paused: {rule.paused_reason}"
    if until is None or until <= now:
        return ""
    if delivery.not_before > now:
        return f"Waits until {_clock(delivery.not_before)} for further changes."
    if delivery.waits_for is None:
        return f"Waits until {_clock(until)}."
    return (
        f"Waits for the rule \u201c{delivery.waits_for}\u201d, until {_clock(until)} at the latest."
    )


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M:%S} UTC"
