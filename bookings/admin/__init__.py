"""Browse the mirror: what the calendar says, to be read and never edited here.

`integrations.admin` replaces some of these pages with ones that also operate.
"""

from bookings.admin.bookings import BookingAdmin, BookingChangeList, relative, status_of
from bookings.admin.directory import EventTypeAdmin, HostAdmin

__all__ = [
    "BookingAdmin",
    "BookingChangeList",
    "EventTypeAdmin",
    "HostAdmin",
    "relative",
    "status_of",
]
