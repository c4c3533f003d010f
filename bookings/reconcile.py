"""Write what a source says into the mirror, newest wins, and say what that changed.

A snapshot may come in any order and any number of times. Facts are merged by version, then `bookings.announce`
derives the events from the state that results, never from the name of a webhook. Rows are locked in one order
(host, event type, booking, invitees by URI), inside the caller's transaction.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from bookings.announce import Announcer, reported
from bookings.mirror import answers_as_json, write_booking, write_invitee, write_no_show
from bookings.models import (
    Booking,
    BookingEvent,
    EventType,
    Host,
    Invitee,
    RefetchRequest,
    RoutingSubmission,
)
from bookings.origin import Origin
from bookings.refetching import ask, settle
from bookings.snapshots import (
    EventTypeSnapshot,
    HostSnapshot,
    InviteeSnapshot,
    MeetingSnapshot,
    NoShowSnapshot,
    RoutingSubmissionSnapshot,
    Snapshot,
    content_hash,
)
from bookings.versions import Changes, write


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
        booking, changes = write_booking(
            snapshot.booking, observed_at=snapshot.observed_at, origin=origin
        )
    return _reconcile_invitees(booking, snapshot, booking_changes=changes, origin=origin)


def reconcile_no_show(snapshot: NoShowSnapshot, *, origin: Origin) -> Reconciled:
    """Write a bare no-show onto its invitee, or ask the source when that is unknown."""
    invitee = _locked_invitee(snapshot.invitee_uri)
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
    changed = write_no_show(
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
        "answers": answers_as_json(snapshot.answers),
        "tracking": dict(snapshot.tracking),
        "result_type": snapshot.result_type,
        "result_value": snapshot.result_value,
        "submitter_uri": snapshot.submitter_uri,
    }
    row, changes = write(
        RoutingSubmission, snapshot.uri, values, updated_at=snapshot.updated_at, observed_at=origin.now,
        digest=content_hash(snapshot), raw=snapshot.raw,
    )  # fmt: skip
    events = (_submission_event(row, origin=origin),) if "uri" in changes else ()
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
        invitee, changes = write_invitee(
            booking, invitee_snapshot, observed_at=snapshot.observed_at
        )
        changed |= bool(changes)
        changed |= write_no_show(
            invitee, invitee_snapshot.no_show, observed_at=snapshot.observed_at, origin=origin
        )
        announcer.announce(invitee, {**booking_changes, **changes})
        settle(RefetchRequest.Reason.DETAILS, subject=invitee.uri)
        seen.add(invitee.pk)
    if reported(booking_changes):
        for invitee in booking.invitees.exclude(pk__in=seen).select_for_update().order_by("uri"):
            announcer.announce(invitee, booking_changes)
    return Reconciled(
        events=tuple(announcer.events), booking=booking, note=announcer.note, changed=changed
    )


def _lock(snapshots: Iterable[InviteeSnapshot]) -> None:
    """Lock the invitees and their partners in one order, so that two halves of a reschedule cannot deadlock."""
    uris = {uri for s in snapshots for uri in (s.uri, s.old_invitee_uri, s.new_invitee_uri) if uri}
    list(Invitee.objects.select_for_update().filter(uri__in=uris).order_by("uri").values_list("pk"))


def _locked_invitee(uri: str) -> Invitee | None:
    rows = Invitee.objects.select_for_update(of=("self",)).select_related("booking")
    return rows.filter(uri=uri).first()


@transaction.atomic
def stop_waiting(invitee_uri: str, *, origin: Origin) -> Reconciled:
    """Announce one half of a reschedule without its partner, because the source does not know that either."""
    invitee = _locked_invitee(invitee_uri)
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
    invitee = _locked_invitee(invitee_uri)
    announcer = Announcer(origin)
    if invitee is not None:
        announcer.announce(invitee, {})
    return Reconciled(events=tuple(announcer.events), booking=invitee.booking if invitee else None)
