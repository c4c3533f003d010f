"""When a meeting is for each of its people."""

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from bookings.models import Booking, Host, Invitee


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    """Hold the start and the end in one zone, and whose it is: hosts and invitees are counted, not named."""

    zone: str
    words: str
    whose: str = ""


def local(booking: Booking, zone: str) -> LocalTime | None:
    """Return when the meeting is in a zone; None where the zone is empty or unknown."""
    try:
        start = booking.start_at.astimezone(ZoneInfo(zone)) if zone else None
    except (KeyError, ValueError, OSError):
        return None
    if start is None:
        return None
    end = booking.end_at.astimezone(start.tzinfo)
    days = "" if end.date() == start.date() else f"{end:%a %d %b, }"
    return LocalTime(zone=zone, words=f"{start:%a %d %b %Y, %H:%M} – {days}{end:%H:%M}")


def local_times(
    booking: Booking, *, hosts: Iterable[Host], invitees: Iterable[Invitee]
) -> list[LocalTime]:
    """Return when the meeting is for its people, one for each zone, the hosts' first."""
    whose: dict[str, list[str]] = {}
    for who, rows in (("host", hosts), ("invitee", invitees)):
        for row in rows:
            whose.setdefault(row.timezone, []).append(who)
    found = ((local(booking, zone), people) for zone, people in whose.items())
    return [
        LocalTime(zone=time.zone, words=time.words, whose=_counted(people))
        for time, people in found
        if time is not None
    ]


def _counted(people: list[str]) -> str:
    counts = {who: people.count(who) for who in dict.fromkeys(people)}
    return " and ".join(who if count == 1 else f"{count} {who}s" for who, count in counts.items())
