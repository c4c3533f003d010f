"""The agenda: one day's meetings as a channel's clock and filters see them, in a number of queries that does not grow."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import QuerySet

from bookings.meeting import Meeting, load_meetings
from bookings.models import Booking, Invitee
from bookings.personal import masked
from integrations.connectors.base import Notice, NoticeLine, NoticeSection
from integrations.models import NotificationChannel
from integrations.notifications.days import bounds, zone_of
from integrations.notifications.links import listed, page

#: How many meetings are told one by one, and how many invitees of one.
MOST = 40
_MOST_INVITEES = 3


def agenda(channel: NotificationChannel, *, day: date, key: str) -> Notice | None:
    """Return the day's meetings, or None where there are none and the channel does not want to hear that."""
    groups = _by_booking(channel, day=day)
    held = [group for group in groups if not all(meeting.is_canceled for meeting in group)]
    canceled = [group for group in groups if all(meeting.is_canceled for meeting in group)]
    if not held and not channel.tells_nothing:
        return None
    sections = [_section("Meetings", held) if held else _nothing()]
    if canceled:
        sections.append(_section("Canceled", canceled))
    return Notice(
        key=key,
        title=f"{_count(len(held))} on {day:%A}, {day.day} {day:%B}",
        sections=tuple(sections),
        url=listed(Booking),
    )


def _count(number: int) -> str:
    return {0: "No meetings", 1: "One meeting"}.get(number, f"{number} meetings")


def _nothing() -> NoticeSection:
    return NoticeSection(heading="Meetings", lines=(NoticeLine(text="Nothing is booked for today."),))  # fmt: skip


def _by_booking(channel: NotificationChannel, *, day: date) -> list[list[Meeting]]:
    """Return the day's meetings by start; those of one group event together."""
    begins, ends = bounds(day, zone_of(channel.time_zone))
    wanted = set(_bookings(channel, begins, ends).values_list("pk", flat=True))
    places = Invitee.objects.filter(booking__in=wanted, chain__isnull=False)
    chains = set(places.values_list("chain_id", flat=True))
    found: dict[int, list[Meeting]] = defaultdict(list)
    for meeting in load_meetings(chains).values():
        if (
            meeting.booking_id in wanted
        ):  # otherwise it was moved to another day, or away from the filter
            found[meeting.booking_id].append(meeting)
    return sorted(found.values(), key=lambda group: (group[0].start_at, group[0].booking_id))


def _bookings(channel: NotificationChannel, begins: datetime, ends: datetime) -> QuerySet[Booking]:
    rows = Booking.objects.filter(start_at__gte=begins, start_at__lt=ends, vanished_at=None)
    filters: dict[str, Any] = {
        "hosts": channel.host_id,
        "hosts__memberships__groups": channel.group_id,
        "event_type": channel.event_type_id,
    }
    return rows.filter(**{name: pk for name, pk in filters.items() if pk})


def _section(heading: str, groups: Sequence[Sequence[Meeting]]) -> NoticeSection:
    lines = [_line(group) for group in groups[:MOST]]
    if len(groups) > MOST:
        lines.append(NoticeLine(text=f"and {len(groups) - MOST} more", url=listed(Booking)))
    return NoticeSection(heading=heading, lines=tuple(lines))


def _line(group: Sequence[Meeting]) -> NoticeLine:
    meeting = group[0]
    present = [member for member in group if not member.is_canceled] or group
    return NoticeLine(
        text=f"{meeting.name or 'Meeting'} with {_who(present)}",
        url=page(Booking, meeting.booking_id),
        at=meeting.start_at,
        detail=" · ".join(_details(meeting, present)),
    )


def _who(members: Sequence[Meeting]) -> str:
    named = ", ".join(_person(member) for member in members[:_MOST_INVITEES])
    left = len(members) - _MOST_INVITEES
    return f"{named} and {left} more" if left > 0 else named


def _person(meeting: Meeting) -> str:
    """Return who comes; an address is masked, also where it stands as the name."""
    if meeting.is_erased:
        return "somebody erased"
    address = masked(meeting.email)
    name = meeting.invitee_name.replace(meeting.email, address) if meeting.email else meeting.invitee_name  # fmt: skip
    return f"{name} ({address})" if name and address and name != address else name or address or "an unknown invitee"  # fmt: skip


def _details(meeting: Meeting, members: Sequence[Meeting]) -> Iterator[str]:
    if hosts := ", ".join(host.name or host.email for host in meeting.hosts):
        yield f"Host: {hosts}"
    if place := meeting.join_url or " ".join(meeting.location_text.split()):
        yield place
    if meeting.is_canceled:
        yield "canceled"
    elif all(member.is_no_show for member in members):
        yield "no-show"
    elif meeting.reschedule_count:
        yield "rescheduled"
