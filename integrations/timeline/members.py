"""Who belongs to a booking's story: its invitees, and those of the bookings that they came from and went to."""

from collections.abc import Collection, Iterable

from django.db.models import Q

from bookings.models import Booking, Invitee


def members_of(booking: Booking) -> list[Invitee]:
    """Return the invitees of the booking and of its chains, oldest first."""
    chains = booking.invitees.filter(chain__isnull=False).values_list("chain_id", flat=True)
    mine = Q(booking=booking) | Q(chain_id__in=list(chains))
    return list(Invitee.objects.filter(mine).select_related("booking").defer("raw", "booking__raw"))


def chain_ids(members: Iterable[Invitee]) -> set[int]:
    """Return the chains of the invitees."""
    return {member.chain_id for member in members if member.chain_id}


def whole_bookings(booking: Booking, members: Collection[Invitee]) -> set[int]:
    """Return the bookings of which everything belongs here: not those shared with strangers' chains."""
    bookings = {member.booking_id for member in members}
    strangers = Invitee.objects.filter(booking_id__in=bookings).exclude(
        pk__in=[member.pk for member in members]
    )
    return bookings - set(strangers.values_list("booking_id", flat=True)) | {booking.pk}
