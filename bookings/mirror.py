"""Turn snapshots of bookings into their rows: bookings, invitees, no-shows.

Works on a page as on a single one: whatever can be read or made for all at once is one statement. What changed is
returned; what it means is not decided here.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from bookings.mentions import mention_event_types, mention_hosts, write_hosts
from bookings.models import Booking, Invitee, RefetchRequest, Status
from bookings.origin import Origin
from bookings.refetching import Notes
from bookings.snapshots import (
    Answer,
    BookingSnapshot,
    Cancellation,
    InviteeSnapshot,
    MeetingSnapshot,
    NoShow,
    Unset,
    content_hash,
)
from bookings.versions import Changes, Draft, locked, write_many

#: How soon to read a booking again whose conference link was still being made.
CONFERENCE_LINK_DELAY = timedelta(seconds=5)

Reason = RefetchRequest.Reason

_NO_SHOW = ("no_show_uri", "no_show_at", "no_show_observed_at")


def write_bookings(
    meetings: Sequence[MeetingSnapshot], *, origin: Origin, notes: Notes
) -> list[tuple[Booking, Changes]]:
    """Write the bookings of these meetings with their hosts; each meeting must hold its booking."""
    snapshots = [meeting.booking for meeting in meetings if meeting.booking]
    hosts = mention_hosts(snapshots, origin=origin)
    types = mention_event_types(snapshots, origin=origin)
    drafts = [
        _booking_draft(snapshot, types, meeting=meeting, origin=origin)
        for snapshot, meeting in zip(snapshots, meetings, strict=True)
    ]
    written = write_many(Booking, drafts)
    write_hosts(written, snapshots, hosts)
    for booking, _ in written:
        _watch_conference_link(booking, origin=origin, notes=notes)
    return written


def _booking_draft(
    snapshot: BookingSnapshot, types: dict[str, int], *, meeting: MeetingSnapshot, origin: Origin
) -> Draft:
    values = {
        "name": snapshot.name,
        "status": snapshot.status,
        "start_at": snapshot.start_at,
        "end_at": snapshot.end_at,
        "created_at": snapshot.created_at,
        "event_type_id": types.get(snapshot.event_type_uri),
        "location_type": snapshot.location.type,
        "location_status": snapshot.location.status,
        "location_text": snapshot.location.text,
        "join_url": snapshot.location.join_url,
        "guests": list(snapshot.guests),
        "invitees_total": snapshot.invitees_total,
        "invitees_active": snapshot.invitees_active,
        "invitees_limit": snapshot.invitees_limit,
        **_cancellation(snapshot.cancellation),
    }
    if origin.account:
        values["account"] = origin.account
    return Draft(
        uri=snapshot.uri, values=values, updated_at=snapshot.updated_at, observed_at=meeting.observed_at,
        digest=content_hash(snapshot), raw=snapshot.raw,
        beside={"invitees_read_at": meeting.observed_at} if meeting.complete else {},
        erased_at=origin.now if snapshot.forgotten else None,
    )  # fmt: skip


def _watch_conference_link(booking: Booking, *, origin: Origin, notes: Notes) -> None:
    making = booking.location_status in {"processing", "initiated"}
    if making and booking.status == Status.ACTIVE and booking.end_at > origin.now:
        notes.ask(
            booking.uri, Reason.CONFERENCE_LINK, subject=booking.uri, delay=CONFERENCE_LINK_DELAY
        )
    else:
        notes.settle(Reason.CONFERENCE_LINK, subject=booking.uri)


def write_invitees(
    seen: Sequence[tuple[Booking, InviteeSnapshot, datetime]], *, origin: Origin, notes: Notes
) -> list[tuple[Invitee, Changes]]:
    """Write invitees, each with its booking and when it was observed; a no-show counts among the changes."""
    _lock_with_partners(snapshot for _, snapshot, _ in seen)
    drafts = [
        _invitee_draft(booking, snapshot, at, origin=origin) for booking, snapshot, at in seen
    ]
    written = write_many(Invitee, drafts)
    looked_at = []
    for (invitee, changes), (booking, snapshot, observed_at) in zip(written, seen, strict=True):
        invitee.booking = booking
        was = invitee.no_show_uri
        if apply_no_show(invitee, snapshot.no_show, observed_at=observed_at, notes=notes):
            looked_at.append(invitee)
        if invitee.no_show_uri != was:
            changes["no_show"] = [not invitee.is_no_show, invitee.is_no_show]
    write_no_shows(looked_at)
    return written


def _lock_with_partners(snapshots: Iterable[InviteeSnapshot]) -> None:
    """Lock the invitees and their partners in one order, so that two halves of a reschedule cannot deadlock."""
    uris = {uri for s in snapshots for uri in (s.uri, s.old_invitee_uri, s.new_invitee_uri) if uri}
    locked(Invitee, uris)


def _invitee_draft(
    booking: Booking, snapshot: InviteeSnapshot, observed_at: datetime, *, origin: Origin
) -> Draft:
    values = {
        "booking_id": booking.pk,
        "status": snapshot.status,
        "created_at": snapshot.created_at,
        "email": snapshot.email,
        "email_folded": snapshot.email.casefold(),
        "name": snapshot.name,
        "first_name": snapshot.first_name,
        "last_name": snapshot.last_name,
        "timezone": snapshot.timezone,
        "text_reminder_number": snapshot.text_reminder_number,
        "answers": answers_as_json(snapshot.answers),
        "tracking": dict(snapshot.tracking),
        "rescheduled": snapshot.rescheduled,
        "old_invitee_uri": snapshot.old_invitee_uri,
        "new_invitee_uri": snapshot.new_invitee_uri,
        "cancel_url": snapshot.cancel_url,
        "reschedule_url": snapshot.reschedule_url,
        "routing_submission_uri": snapshot.routing_submission_uri,
        **_cancellation(snapshot.cancellation),
    }
    return Draft(
        uri=snapshot.uri, values=values, updated_at=snapshot.updated_at, observed_at=observed_at,
        digest=content_hash(snapshot), raw=snapshot.raw,
        initial=_no_show_columns(snapshot.no_show, observed_at=observed_at),
        erased_at=origin.now if snapshot.forgotten else None,
    )  # fmt: skip


def _no_show_columns(no_show: NoShow | Unset | None, *, observed_at: datetime) -> dict[str, Any]:
    if isinstance(no_show, Unset):
        return {}
    return {
        "no_show_uri": no_show.uri if no_show else "",
        "no_show_at": no_show.created_at if no_show else None,
        "no_show_observed_at": observed_at,
    }


def apply_no_show(
    invitee: Invitee, no_show: NoShow | Unset | None, *, observed_at: datetime, notes: Notes
) -> bool:
    """Apply a no-show by its own version, which does not move the invitee's; tell whether there is something to write."""
    if isinstance(no_show, Unset):
        return False
    uri = no_show.uri if no_show else ""
    seen = invitee.no_show_observed_at
    differs = uri != invitee.no_show_uri
    if seen is not None and differs and observed_at == seen:
        notes.ask(invitee.booking.uri, Reason.NO_SHOW, subject=invitee.uri)
    if seen is not None and (observed_at < seen or (observed_at == seen and uri)):
        return False
    if not differs and seen == observed_at:
        return False
    for name, value in _no_show_columns(no_show, observed_at=observed_at).items():
        setattr(invitee, name, value)
    return True


def write_no_shows(invitees: Collection[Invitee]) -> None:
    """Write what was applied to these, in one statement."""
    for invitee in invitees:
        invitee.touch()
    if invitees:
        Invitee.objects.bulk_update(invitees, (*_NO_SHOW, "mirrored_at"))


def mark_unlisted(meetings: Sequence[tuple[Booking, MeetingSnapshot]], *, origin: Origin) -> None:
    """Mark the invitees that the complete snapshots of their bookings do not list (any more)."""
    complete = {booking.pk: meeting for booking, meeting in meetings if meeting.complete}
    if not complete:
        return
    rows = Invitee.objects.filter(
        booking_id__in=complete, vanished_at=None, uri__startswith="http"
    ).values_list("pk", "booking_id", "uri", "observed_at")
    gone = [
        pk
        for pk, booking_id, uri, observed_at in rows
        if uri not in {invitee.uri for invitee in complete[booking_id].invitees}
        and (observed_at is None or observed_at < complete[booking_id].observed_at)
    ]
    if gone:
        Invitee.objects.filter(pk__in=gone).update(
            vanished_at=origin.now, mirrored_at=timezone.now()
        )


def _cancellation(cancellation: Cancellation | None) -> dict[str, Any]:
    cancellation = cancellation or Cancellation()
    return {
        "canceled_by": cancellation.canceled_by,
        "cancel_reason": cancellation.reason,
        "canceler_type": cancellation.canceler_type,
        "canceled_at": cancellation.created_at,
    }


def answers_as_json(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """Return answers as the mirror's JSON columns hold them."""
    return [asdict(answer) for answer in answers]
