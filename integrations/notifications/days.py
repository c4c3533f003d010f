"""Days and clocks of a channel: when its daily messages are due, and how long they are wanted. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: How late a day's message may go out: in the afternoon nobody wants the morning's agenda any more.
GRACE = timedelta(hours=6)

_SATURDAY = 5


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name; UTC where there is none such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return when a clock in the zone shows this time (UTC).

    A time that the clock skips in spring is as late after the change as it would have been without; of a time that it shows twice in
    autumn, the first counts.
    """
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when a day begins and ends in the zone (UTC); it may have 23 or 25 hours."""
    return moment(day, time.min, zone), moment(day + timedelta(days=1), time.min, zone)


def due_day(
    *, at: time, zone: ZoneInfo, weekdays_only: bool, since: datetime, now: datetime
) -> date | None:
    """Return the day whose messages are due now, or None.

    It is today in the zone or no day: a late beat brings today's, for `GRACE`, and never yesterday's. What would have been
    due before `since` is not.
    """
    today = now.astimezone(zone).date()
    begins = moment(today, at, zone)
    if weekdays_only and today.weekday() >= _SATURDAY:
        return None
    return today if since <= begins <= now < begins + GRACE else None
