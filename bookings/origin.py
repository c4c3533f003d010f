"""Where a snapshot came from, and when: what every event it causes is stamped with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bookings.models import BookingEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Name the cause of a change.

    `account` says which account can be asked again (`calendly:7`); `hold` is how long one half of a reschedule
    waits for the other before the source is asked. What a `silent` origin tells of is acted on only by rules that
    ask for it: a backfill is one.
    """

    cause: BookingEvent.Cause
    now: datetime
    cause_id: int | None = None
    account: str = ""
    hold: timedelta = timedelta(seconds=30)
    silent: bool = False
