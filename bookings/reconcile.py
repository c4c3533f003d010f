"""Write what a source says into the mirror, newest wins, and say what that changed.

A snapshot may come in any order and any number of times. Facts are merged by version, then `bookings.announce`
derives the events from the state that results, never from the name of a webhook. Rows are locked in one order
(host, event type, booking, invitees by URI), inside the caller's transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from bookings.announce import Announcer
from bookings.models import (
    Booking,
    BookingEvent,
    BookingHost,
    EventType,
    Host,
    Invitee,
    RefetchRequest,
    RoutingSubmission,
    Status,
)
from bookings.origin import Origin
from bookings.refetching import ask, settle
from bookings.snapshots import (
    BookingSnapshot,
    Cancellation,
    EventTypeSnapshot,
    HostSnapshot,
    InviteeSnapshot,
    MeetingSnapshot,
    NoShow,
    NoShowSnapshot,
    RoutingSubmissionSnapshot,
    Snapshot,
    Unset,
    content_hash,
)
from bookings.versions import Changes, write

#: How soon to read a booking again whose conference link was still being made.
CONFERENCE_LINK_DELAY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """Say what a snapshot became: the events, the booking it is about, and a sentence for staff."""

    events: tuple[BookingEvent, ...] = ()
    booking: Booking | None = None
    note: str = ""
    changed: bool = False


@transaction.atomic
def reconcile(snapshot: Snapshot, *, origin: Origin) -> Reconciled:
    """Write one snapshot into the mirror and return what it changed; the same again changes nothing."""
    match snapshot:
        case MeetingSnapshot():
            return reconcile_booking(snapshot, origin=origin)
        case NoShowSnapshot():
            return reconcile_no_show(snapshot, origin=origin)
        case HostSnapshot():
            return reconcile_host(snapshot, origin=origin)
        case EventTypeSnapshot():
            return reconcile_event_type(snapshot, origin=origin)
        case RoutingSubmissionSnapshot():
            return reconcile_routing_submission(snapshot, origin=origin)


def reconcile_booking(snapshot: MeetingSnapshot, *, origin: Origin) -> Reconciled:
    """Write a booking and the invitees seen with it; each invitee is announced on its own."""
    changes: Changes = {}
    if snapshot.booking is None:
        booking = Booking.objects.filter(uri=snapshot.invitees[0].booking_uri).first()
        if booking is None:
            return _ask_for_details(snapshot.invitees[0], origin=origin)
    else:
        booking, changes = _write_booking(
            snapshot.booking, observed_at=snapshot.observed_at, origin=origin
        )
    return _reconcile_invitees(booking, snapshot, booking_changes=changes, origin=origin)


def reconcile_no_show(snapshot: NoShowSnapshot, *, origin: Origin) -> Reconciled:
    """Write a bare no-show onto its invitee, or ask the source when that is unknown."""
    invitee = (
        Invitee.objects.select_for_update(of=("self",))
        .select_related("booking")
        .filter(uri=snapshot.invitee_uri)
        .first()
    )
    if invitee is None:
        ask(
            snapshot.booking_uri,
            RefetchRequest.Reason.DETAILS,
            subject=snapshot.invitee_uri,
            origin=origin,
        )
        return Reconciled(
            note="It names an invitee that is not known yet: Calendly is asked about the booking."
        )
    changed = _write_no_show(
        invitee, snapshot.no_show, observed_at=snapshot.observed_at, origin=origin
    )
    announcer = Announcer(origin)
    announcer.announce(invitee, {})
    return Reconciled(
        events=tuple(announcer.events),
        booking=invitee.booking,
        note=announcer.note,
        changed=changed,
    )


def reconcile_host(snapshot: HostSnapshot, *, origin: Origin) -> Reconciled:
    """Write a host; a mere mention fills what is empty and overwrites nothing."""
    values = {"name": snapshot.name, "email": snapshot.email, "timezone": snapshot.timezone}
    _, changes = write(
        Host, snapshot.uri, values, updated_at=snapshot.updated_at, observed_at=origin.now,
        digest=content_hash(snapshot), raw=snapshot.raw,
    )  # fmt: skip
    return Reconciled(changed=bool(changes))


def reconcile_event_type(snapshot: EventTypeSnapshot, *, origin: Origin) -> Reconciled:
    """Write an event type; a deleted one is kept, since old bookings name it."""
    values = {
        "name": snapshot.name,
        "slug": snapshot.slug,
        "kind": snapshot.kind,
        "pooling_type": snapshot.pooling_type,
        "active": snapshot.active,
        "duration_minutes": snapshot.duration_minutes,
        "scheduling_url": snapshot.scheduling_url,
        "deleted_at": snapshot.deleted_at,
    }
    if not snapshot.name:
        del values["name"]  # a body that only names a deleted type takes its name away from nobody
    row, changes = write(
        EventType, snapshot.uri, values, updated_at=snapshot.updated_at, observed_at=origin.now,
        digest=content_hash(snapshot), raw=snapshot.raw,
    )  # fmt: skip
    return Reconciled(changed=bool(changes), note=f"Event type {row}.")


def reconcile_routing_submission(
    snapshot: RoutingSubmissionSnapshot, *, origin: Origin
) -> Reconciled:
    """Write a routing form submission; the first sight of one is an event."""
    values = {
        "routing_form_uri": snapshot.routing_form_uri,
        "created_at": snapshot.created_at,
        "answers": [_answer(answer) for answer in snapshot.answers],
        "tracking": dict(snapshot.tracking),
        "result_type": snapshot.result_type,
        "result_value": snapshot.result_value,
        "submitter_uri": snapshot.submitter_uri,
    }
    known = RoutingSubmission.objects.filter(uri=snapshot.uri).exists()
    row, changes = write(
        RoutingSubmission, snapshot.uri, values, updated_at=snapshot.updated_at, observed_at=origin.now,
        digest=content_hash(snapshot), raw=snapshot.raw,
    )  # fmt: skip
    events = () if known else (_submission_event(row, origin=origin),)
    return Reconciled(
        events=events, changed=bool(changes), note="No rule carries routing forms yet."
    )


def _submission_event(row: RoutingSubmission, *, origin: Origin) -> BookingEvent:
    return BookingEvent.objects.create(
        kind=BookingEvent.Kind.ROUTING_FORM_SUBMITTED, routing_submission=row, cause=origin.cause,
        cause_id=origin.cause_id, occurred_at=row.created_at, created_at=origin.now,
    )  # fmt: skip


def _ask_for_details(invitee: InviteeSnapshot, *, origin: Origin) -> Reconciled:
    ask(invitee.booking_uri, RefetchRequest.Reason.DETAILS, subject=invitee.uri, origin=origin)
    return Reconciled(
        note="The body names its booking by URI alone and the booking is unknown: Calendly is asked about it."
    )


def _reconcile_invitees(
    booking: Booking, snapshot: MeetingSnapshot, *, booking_changes: Changes, origin: Origin
) -> Reconciled:
    _lock(snapshot.invitees)
    announcer, changed, seen = Announcer(origin), bool(booking_changes), set()
    for invitee_snapshot in snapshot.invitees:
        invitee, changes = _write_invitee(
            booking, invitee_snapshot, observed_at=snapshot.observed_at
        )
        changed |= bool(changes)
        changed |= _write_no_show(
            invitee, invitee_snapshot.no_show, observed_at=snapshot.observed_at, origin=origin
        )
        announcer.announce(invitee, {**booking_changes, **changes})
        settle(RefetchRequest.Reason.DETAILS, subject=invitee.uri)
        seen.add(invitee.pk)
    if booking_changes:
        for invitee in booking.invitees.exclude(pk__in=seen).select_for_update().order_by("uri"):
            announcer.announce(invitee, booking_changes)
    return Reconciled(
        events=tuple(announcer.events), booking=booking, note=announcer.note, changed=changed
    )


def _lock(snapshots: Iterable[InviteeSnapshot]) -> None:
    """Lock the invitees and their partners in one order, so that two halves of a reschedule cannot deadlock."""
    uris = {uri for s in snapshots for uri in (s.uri, s.old_invitee_uri, s.new_invitee_uri) if uri}
    list(Invitee.objects.select_for_update().filter(uri__in=uris).order_by("uri").values_list("pk"))


def _write_booking(
    snapshot: BookingSnapshot, *, observed_at: datetime, origin: Origin
) -> tuple[Booking, Changes]:
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


def _write_invitee(
    booking: Booking, snapshot: InviteeSnapshot, *, observed_at: datetime
) -> tuple[Invitee, Changes]:
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
        "answers": [_answer(answer) for answer in snapshot.answers],
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


def _write_no_show(
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


def _answer(answer: Any) -> dict[str, Any]:
    return {"question": answer.question, "answer": answer.answer, "position": answer.position}


@transaction.atomic
def stop_waiting(invitee_uri: str, *, origin: Origin) -> Reconciled:
    """Announce one half of a reschedule without its partner, because the source does not know that either."""
    invitee = (
        Invitee.objects.select_for_update(of=("self",))
        .select_related("booking")
        .filter(uri=invitee_uri)
        .first()
    )
    if invitee is None:
        return Reconciled(note="The invitee is no longer in the mirror.")
    invitee.unpaired_at = origin.now
    invitee.save(update_fields=["unpaired_at", "mirrored_at"])
    announcer = Announcer(origin)
    announcer.announce(invitee, {})
    return Reconciled(events=tuple(announcer.events), booking=invitee.booking, note=announcer.note)


@transaction.atomic
def announce_again(invitee_uri: str, *, origin: Origin) -> Reconciled:
    """Make the events that have become due for an invitee since its partner arrived."""
    invitee = (
        Invitee.objects.select_for_update(of=("self",))
        .select_related("booking")
        .filter(uri=invitee_uri)
        .first()
    )
    announcer = Announcer(origin)
    if invitee is not None:
        announcer.announce(invitee, {})
    return Reconciled(events=tuple(announcer.events), booking=invitee.booking if invitee else None)
