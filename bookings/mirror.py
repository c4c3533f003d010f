"""Turn one snapshot of a booking into its rows: the booking, its hosts and type, an invitee, a no-show.

What changed is returned; what it means is not decided here.
"""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from bookings.models import Booking, BookingHost, EventType, Host, Invitee, RefetchRequest, Status
from bookings.origin import Origin
from bookings.refetching import ask, settle
from bookings.snapshots import (
    Answer,
    BookingSnapshot,
    Cancellation,
    HostSnapshot,
    InviteeSnapshot,
    NoShow,
    Unset,
    content_hash,
)
from bookings.versions import Changes, write

#: How soon to read a booking again whose conference link was still being made.
CONFERENCE_LINK_DELAY = timedelta(seconds=5)


def write_booking(
    snapshot: BookingSnapshot, *, observed_at: datetime, origin: Origin
) -> tuple[Booking, Changes]:
    """Write a booking with its hosts; note to read it again while its conference link is being made."""
    hosts = _mention_hosts(snapshot.hosts)
    event_type = _mention_event_type(snapshot)
    values = {
        "name": snapshot.name,
        "status": snapshot.status,
        "start_at": snapshot.start_at,
        "end_at": snapshot.end_at,
        "created_at": snapshot.created_at,
        "event_type": event_type,
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
    booking, changes = write(
        Booking, snapshot.uri, values, updated_at=snapshot.updated_at, observed_at=observed_at,
        digest=content_hash(snapshot), raw=snapshot.raw,
    )  # fmt: skip
    if changes:
        changes |= _write_hosts(booking, hosts)
    _watch_conference_link(booking, origin=origin)
    return booking, changes


def _watch_conference_link(booking: Booking, *, origin: Origin) -> None:
    reason = RefetchRequest.Reason.CONFERENCE_LINK
    if booking.location_status in {"processing", "initiated"} and booking.status == Status.ACTIVE:
        ask(booking.uri, reason, subject=booking.uri, origin=origin, delay=CONFERENCE_LINK_DELAY)
    else:
        settle(reason, subject=booking.uri)


def _mention_hosts(snapshots: tuple[HostSnapshot, ...]) -> list[Host]:
    known = Host.objects.in_bulk([snapshot.uri for snapshot in snapshots], field_name="uri")
    missing = [snapshot for snapshot in snapshots if snapshot.uri not in known]
    Host.objects.bulk_create(
        [Host(uri=s.uri, name=s.name, email=s.email, raw=dict(s.raw)) for s in missing],
        ignore_conflicts=True,
    )
    for snapshot in snapshots:
        _fill_host(known.get(snapshot.uri), snapshot)
    if missing:
        known = Host.objects.in_bulk([snapshot.uri for snapshot in snapshots], field_name="uri")
    return [known[snapshot.uri] for snapshot in snapshots]


def _fill_host(host: Host | None, mention: HostSnapshot) -> None:
    if host is None or host.source_updated_at is not None:
        return
    empty = {
        name: value
        for name, value in (("name", mention.name), ("email", mention.email))
        if value and not getattr(host, name)
    }
    if empty:
        Host.objects.filter(pk=host.pk).update(**empty)


def _mention_event_type(snapshot: BookingSnapshot) -> EventType | None:
    if not snapshot.event_type_uri:
        return None
    stub = {"name": snapshot.event_type_name or snapshot.name}
    return EventType.objects.get_or_create(uri=snapshot.event_type_uri, defaults=stub)[0]


def _write_hosts(booking: Booking, hosts: list[Host]) -> Changes:
    before = [row.host for row in booking.booking_hosts.select_related("host")]
    if [host.pk for host in before] == [host.pk for host in hosts]:
        return {}
    BookingHost.objects.filter(booking=booking).delete()
    BookingHost.objects.bulk_create(
        BookingHost(booking=booking, host=host, position=position)
        for position, host in enumerate(hosts)
    )
    return {"hosts": [[str(host) for host in before], [str(host) for host in hosts]]}


def write_invitee(
    booking: Booking, snapshot: InviteeSnapshot, *, observed_at: datetime
) -> tuple[Invitee, Changes]:
    """Write one invitee of a booking, without its no-show."""
    values = {
        "booking": booking,
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
    return write(
        Invitee, snapshot.uri, values, updated_at=snapshot.updated_at, observed_at=observed_at,
        digest=content_hash(snapshot), raw=snapshot.raw,
    )  # fmt: skip


def write_no_show(
    invitee: Invitee, no_show: NoShow | Unset | None, *, observed_at: datetime, origin: Origin
) -> bool:
    """Apply a no-show by its own version: it does not move the invitee's `updated_at`."""
    if isinstance(no_show, Unset):
        return False
    uri = no_show.uri if no_show else ""
    seen = invitee.no_show_observed_at
    differs = uri != invitee.no_show_uri
    if seen is not None and differs and observed_at == seen:
        ask(invitee.booking.uri, RefetchRequest.Reason.NO_SHOW, subject=invitee.uri, origin=origin)
    if seen is not None and (observed_at < seen or (observed_at == seen and uri)):
        return False
    invitee.no_show_uri, invitee.no_show_observed_at = uri, observed_at
    invitee.no_show_at = no_show.created_at if no_show else None
    if differs or seen != observed_at:
        invitee.save(
            update_fields=["no_show_uri", "no_show_at", "no_show_observed_at", "mirrored_at"]
        )
    return differs


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
