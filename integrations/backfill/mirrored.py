"""What the mirror holds of a page already: which of it differs, and what it has that the page does not show."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Count, Q, QuerySet

from bookings.models import (
    Booking,
    EventType,
    Group,
    GroupRelationship,
    Host,
    OrganizationMembership,
    RoutingForm,
    SourceObject,
    Status,
)
from bookings.snapshots import DirectorySnapshot, MeetingSnapshot, content_hash

Row = TypeVar("Row", bound=SourceObject)

#: What a phase lists whole, so that what it does not show was retired or is gone.
_LISTED: dict[str, type[SourceObject]] = {
    "organization_memberships": OrganizationMembership,
    "groups": Group,
    "group_relationships": GroupRelationship,
    "event_types": EventType,
    "routing_forms": RoutingForm,
}
#: A no-show moves no version, so the invitees of a booking are read once more so long after its end.
_NO_SHOWS_SETTLED = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """Name bookings whose invitees are read although nothing tells that they changed: by when they ended and were read."""

    read_before: datetime
    ended_before: datetime | None


def ids_of(phase: str, snapshots: Iterable[DirectorySnapshot]) -> list[int]:
    """Return the ids of the rows of these objects; none for a phase that does not list whole."""
    model = _LISTED.get(phase)
    if model is None:
        return []
    uris = [snapshot.uri for snapshot in snapshots]
    rows = model._default_manager.filter(uri__in=uris)  # noqa: SLF001  # Django's documented name
    return list(rows.values_list("pk", flat=True))


def unlisted(phase: str, *, account: str, seen: Collection[int]) -> list[str]:
    """Return the URIs of the account's objects that a whole list did not show."""
    model = _LISTED.get(phase)
    if model is None:
        return []
    retired = EventType.objects.exclude(deleted_at=None).values_list("pk", flat=True)
    known = {*seen, *(retired if model is EventType else ())}
    rows = _askable(model, account=account)
    return [uri for pk, uri in rows.values_list("pk", "uri") if pk not in known]


def mentioned(*, account: str) -> list[str]:
    """Return the URIs of event types and hosts that bookings name and nothing described yet."""
    return [
        uri
        for model in (EventType, Host)
        for uri in _askable(model, account=account)
        .filter(source_updated_at=None)
        .values_list("uri", flat=True)
    ]


def _askable(model: type[Row], *, account: str) -> QuerySet[Row]:
    rows = model._default_manager.filter(account=account)  # noqa: SLF001  # Django's documented name
    return rows.filter(vanished_at=None, uri__startswith="http").order_by("pk")


def differing(
    meetings: Sequence[MeetingSnapshot], *, now: datetime, reread: Reread | None
) -> list[MeetingSnapshot]:
    """Return the meetings whose invitees have to be read: the booking differs from the mirror, or its people may.

    With `reread` so have others, but only once by one run.
    """
    uris = [meeting.booking.uri for meeting in meetings if meeting.booking]
    present = Q(invitees__vanished_at=None, invitees__id__isnull=False)
    rows = Booking.objects.filter(uri__in=uris).annotate(
        mirrored=Count("invitees", filter=present),
        mirrored_active=Count("invitees", filter=present & Q(invitees__status=Status.ACTIVE)),
    )
    known = {row.uri: row for row in rows.defer("raw").order_by()}
    return [
        meeting
        for meeting in meetings
        if meeting.booking
        and _differs(meeting, known.get(meeting.booking.uri), now=now, reread=reread)
    ]


def _differs(
    meeting: MeetingSnapshot,
    row: Booking | None,
    *,
    now: datetime,
    reread: Reread | None,
) -> bool:
    if row is None or meeting.booking is None:
        return True
    if row.content_hash != content_hash(meeting.booking) or row.vanished_at is not None:
        return True
    return _people_may_differ(meeting, row) or _are_due(row, now=now, reread=reread)


def _people_may_differ(meeting: MeetingSnapshot, row: Booking) -> bool:
    """Compare the counters, unless all invitees were read since: then the source counts otherwise than it lists."""
    booking, read_at = meeting.booking, row.invitees_read_at
    if booking is None or (read_at and row.observed_at and read_at >= row.observed_at):
        return False
    counted = (booking.invitees_total, booking.invitees_active)
    mirrored = (row.mirrored, row.mirrored_active)  # type: ignore[attr-defined]  # annotated above
    return any(
        told is not None and told != held for told, held in zip(counted, mirrored, strict=True)
    )


def _are_due(row: Booking, *, now: datetime, reread: Reread | None) -> bool:
    """Tell whether it is time to look: the day after a meeting, or because the run asks for it."""
    if row.status != Status.ACTIVE:
        return False
    read_at, settled_at = row.invitees_read_at, row.end_at + _NO_SHOWS_SETTLED
    if reread and (reread.ended_before is None or row.end_at <= reread.ended_before):
        return read_at is None or read_at < reread.read_before
    if read_at is None:
        return row.end_at <= now
    return read_at < settled_at <= now


def unlisted_bookings(
    *,
    account: str,
    start: datetime,
    end: datetime,
    seen: Collection[str],
    host_uri: str,
    event_type_id: int | None,
) -> list[str]:
    """Return the URIs of bookings that start in [start, end) and were not among those seen there."""
    rows = Booking.objects.filter(
        account=account, start_at__gte=start, start_at__lt=end, vanished_at=None
    ).filter(uri__startswith="http")
    if host_uri:
        rows = rows.filter(hosts__uri=host_uri)
    if event_type_id:
        rows = rows.filter(event_type=event_type_id)
    uris = rows.order_by("start_at", "id").values_list("uri", flat=True)
    return [uri for uri in uris if uri not in seen]
