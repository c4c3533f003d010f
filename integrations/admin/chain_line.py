"""The way that a meeting took: each booking of a reschedule chain in a line, the one that is looked at among them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from django.db.models import Q

from bookings.models import Booking, Invitee


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Hold one booking that the meeting was, or is; `is_end` where it was canceled for good."""

    booking: Booking
    is_here: bool
    is_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Hold the stops of one invitee's meeting, oldest first."""

    invitee: Invitee
    stops: tuple[Stop, ...]


def lines(booking: Booking, invitees: Collection[Invitee]) -> list[Line]:
    """Return a line for each invitee whose meeting was moved, also where the other half is not known to belong to it."""
    others = _others(invitees)
    found = []
    for invitee in invitees:
        line = sorted(_line(invitee, others), key=lambda row: (row.created_at, row.pk))
        if len(line) > 1:
            found.append(Line(invitee=invitee, stops=tuple(_stops(line, booking))))
    return found


def _others(invitees: Collection[Invitee]) -> list[Invitee]:
    """Return who may be another stop of these: of the same chain, or named as the other half."""
    named = {uri for i in invitees for uri in (i.old_invitee_uri, i.new_invitee_uri) if uri}
    mine = {invitee.uri for invitee in invitees}
    chains = {invitee.chain_id for invitee in invitees if invitee.chain_id}
    asked = Q(uri__in=named) | Q(old_invitee_uri__in=mine) | Q(chain_id__in=chains)
    return list(Invitee.objects.filter(asked).select_related("booking").defer("raw", "booking__raw"))  # fmt: skip


def _line(invitee: Invitee, others: Collection[Invitee]) -> Iterator[Invitee]:
    yield invitee
    for other in others:
        same = other.chain_id is not None and other.chain_id == invitee.chain_id
        if other.pk != invitee.pk and (same or _moved(other, invitee) or _moved(invitee, other)):
            yield other


def _moved(old: Invitee, new: Invitee) -> bool:
    return old.uri == new.old_invitee_uri or new.uri == old.new_invitee_uri


def _stops(line: list[Invitee], here: Booking) -> Iterator[Stop]:
    for invitee in line:
        moved_on = invitee.rescheduled or invitee.new_invitee_uri
        is_last = invitee is line[-1]
        yield Stop(
            booking=invitee.booking,
            is_here=invitee.booking_id == here.pk,
            is_end=invitee.is_canceled and (is_last or not moved_on),
        )
