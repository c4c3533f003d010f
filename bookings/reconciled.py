"""What reconciling a snapshot came to."""

from dataclasses import dataclass

from bookings.models import Booking, BookingEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """Say what a snapshot became: the events, the booking it is about, and a sentence for staff.

    A page of bookings becomes one; `changed_bookings` are the URIs of those that differed from the mirror. `forgotten`
    says that something of an erased person was left out.
    """

    events: tuple[BookingEvent, ...] = ()
    booking: Booking | None = None
    note: str = ""
    changed: bool = False
    changed_bookings: frozenset[str] = frozenset()
    forgotten: bool = False
