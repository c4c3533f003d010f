"""What the clock is still to bring for a meeting; reads nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bookings.models import BookingEvent, Invitee, Status
from integrations.clock import moments
from integrations.models import Rule

Kind = BookingEvent.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """Say when a rule will act on a meeting, unless that is moved or canceled."""

    rule: Rule
    kind: str
    chain_id: int
    anchor_at: datetime
    due_at: datetime


def coming(members: Iterable[Invitee], clock: Iterable[Rule], *, now: datetime) -> Iterator[Coming]:
    """Yield when rules will act on the meetings of these chains; their bookings are loaded."""
    newest = {m.chain_id: m for m in sorted(members, key=lambda m: (m.created_at, m.pk))}
    rows = [member for member in newest.values() if member.announced_at and _takes_place(member)]
    for rule in clock:
        for kind in rule.clock_kinds:
            for row in rows:
                anchor = getattr(row.booking, moments.anchor_of(kind))
                due = moments.due_at(rule, kind, anchor)
                if due > now and not (kind == Kind.ENDED and row.is_no_show):
                    yield Coming(
                        rule=rule, kind=kind, chain_id=row.chain_id or row.pk, anchor_at=anchor, due_at=due
                    )  # fmt: skip


def _takes_place(invitee: Invitee) -> bool:
    booking = invitee.booking
    is_active = Status.ACTIVE == invitee.status == booking.status
    return is_active and not (invitee.vanished_at or invitee.erased_at or booking.vanished_at)
