"""What rules of the clock left alone, and what they are still to do."""

from collections.abc import Collection, Iterator
from datetime import datetime

from bookings.models import Invitee
from integrations import clock
from integrations.models import ClockEntry
from integrations.timeline.entries import ClockLine
from integrations.timeline.members import chain_ids


def clock_lines(members: Collection[Invitee], *, now: datetime, most: int) -> Iterator[ClockLine]:
    """Yield what was left, and what is to come unless the meeting is moved or canceled."""
    rows = ClockEntry.objects.filter(chain__in=chain_ids(members)).select_related("rule")
    decided = set()
    for row in rows[:most]:
        decided.add((row.rule_id, row.chain_id, row.kind, row.anchor_at))
        if row.state == ClockEntry.State.SKIPPED:
            name = row.rule.name if row.rule else "a deleted rule"
            yield ClockLine(at=row.created_at, rule=name, kind=row.kind, reason=row.reason)
    for due in clock.coming(members, clock.clock_rules(), now=now):
        if (due.rule.pk, due.chain_id, due.kind, due.anchor_at) not in decided:
            yield ClockLine(at=due.due_at, rule=due.rule.name, kind=due.kind)
