"""Write what a source says into the mirror, newest wins, and say what that changed.

A snapshot may come in any order and any number of times. Facts are merged by version, then `bookings.announce`
derives the events from the state that results, never from the name of a webhook. A page of bookings is one batch:
it costs a few statements more than a single booking. Rows are locked in one order (host, event type, booking,
invitees by URI), inside the caller's transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from bookings import searching
from bookings.announce import Announcer, reported
from bookings.directory import reconcile_directory
from bookings.erasure import forget_erased
from bookings.mirror import (
    apply_no_show,
    mark_unlisted,
    write_bookings,
    write_invitees,
    write_no_shows,
)
from bookings.models import Booking, BookingEvent, Invitee, RefetchRequest
from bookings.origin import Origin
from bookings.reconciled import Reconciled
from bookings.refetching import Notes
from bookings.snapshots import MeetingSnapshot, NoShowSnapshot, Snapshot
from bookings.versions import Changes, locked

Reason = RefetchRequest.Reason

Written = tuple[Booking, Changes]

_ASKED_FOR_DETAILS = "The body names its booking by URI alone and the booking is unknown: Calendly is asked about it."
#: How much older than the webhook a fact may be that a backfill found first and the webhook tells of.
_HEARD_LATE = timedelta(hours=24, minutes=3)


@transaction.atomic
def reconcile(snapshot: Snapshot, *, origin: Origin) -> Reconciled:
    """Write one snapshot into the mirror and return what it changed; the same again changes nothing."""
    match snapshot:
        case MeetingSnapshot():
            return reconcile_bookings([snapshot], origin=origin)
        case NoShowSnapshot():
            return reconcile_no_show(snapshot, origin=origin)
        case _:
            return reconcile_directory(snapshot, origin=origin)


@transaction.atomic
def reconcile_bookings(meetings: Sequence[MeetingSnapshot], *, origin: Origin) -> Reconciled:
    """Write bookings and the invitees seen with them, and say what all of them together became."""
    notes = Notes(origin)
    told, meetings = meetings, forget_erased(meetings)
    bookings = _write_bookings(meetings, origin=origin, notes=notes)
    found = [(pair[0], m) for m, pair in zip(meetings, bookings, strict=True) if pair]
    seen = [(booking, i, m.observed_at) for booking, m in found for i in m.invitees]
    invitees = write_invitees(seen, origin=origin, notes=notes) if seen else []
    announcer = Announcer(origin, notes)
    _announce(invitees, bookings, announcer=announcer, notes=notes)
    mark_unlisted(found, origin=origin)
    searching.refresh(_read_differently(invitees, bookings))
    events = announcer.write()
    if seen:
        heard_since = min(observed_at for _, _, observed_at in seen)
        events += hear([i for i, _ in invitees], since=heard_since, origin=origin)
    notes.write()
    changed = {pair[0].uri for pair in bookings if pair and pair[1]}
    changed |= {invitee.booking.uri for invitee, changes in invitees if changes}
    return Reconciled(
        events=tuple(events),
        booking=found[0][0] if found else None,
        note=announcer.note or ("" if found else _ASKED_FOR_DETAILS),
        changed=bool(changed),
        changed_bookings=frozenset(changed),
        forgotten=any(a is not b and a != b for a, b in zip(told, meetings, strict=True)),
    )


def _write_bookings(
    meetings: Sequence[MeetingSnapshot], *, origin: Origin, notes: Notes
) -> list[Written | None]:
    """Return each meeting's booking and its changes; None where the body names one that is not known."""
    full = [meeting for meeting in meetings if meeting.booking]
    written = iter(write_bookings(full, origin=origin, notes=notes) if full else ())
    named = {m.invitees[0].booking_uri for m in meetings if not m.booking}
    known = locked(Booking, named) if named else {}
    found: list[Written | None] = []
    for meeting in meetings:
        if meeting.booking:
            found.append(next(written))
        elif (invitee := meeting.invitees[0]).booking_uri in known:
            found.append((known[invitee.booking_uri], {}))
        else:
            notes.ask(invitee.booking_uri, Reason.DETAILS, subject=invitee.uri)
            found.append(None)
    return found


def _announce(
    invitees: Sequence[tuple[Invitee, Changes]],
    bookings: Sequence[Written | None],
    *,
    announcer: Announcer,
    notes: Notes,
) -> None:
    """Announce every invitee that was seen, and those of a changed booking that were not."""
    of_booking: dict[int, Changes] = {}
    for booking, changes in filter(None, bookings):
        of_booking.setdefault(booking.pk, {}).update(changes)
    others = _others(bookings, seen=[invitee.pk for invitee, _ in invitees])
    announcer.partners.add([*(invitee for invitee, _ in invitees), *others])
    for invitee, changes in invitees:
        announcer.announce(invitee, {**of_booking[invitee.booking_id], **changes})
        notes.settle(Reason.DETAILS, subject=invitee.uri)
    for invitee in others:
        announcer.announce(invitee, of_booking[invitee.booking_id])


def _read_differently(
    invitees: Sequence[tuple[Invitee, Changes]], bookings: Sequence[Written | None]
) -> set[int]:
    """Return the bookings that are found by another text from now on."""
    named = {pair[0].pk for pair in bookings if pair and searching.is_read_differently(pair[1])}
    return named | {
        invitee.booking_id
        for invitee, changes in invitees
        if searching.is_read_differently(changes)
    }


def _others(bookings: Iterable[Written | None], *, seen: list[int]) -> list[Invitee]:
    """Return the invitees that were not seen themselves, of bookings that changed in what readers care for."""
    changed = [
        found[0].pk for found in bookings if found and reported(found[1]) and "uri" not in found[1]
    ]
    if not changed:
        return []
    rows = Invitee.objects.filter(booking_id__in=changed).exclude(pk__in=seen)
    return list(
        rows.select_related("booking").select_for_update(of=("self",), no_key=True).order_by("uri")
    )


def hear(invitees: Iterable[Invitee], *, since: datetime, origin: Origin) -> list[BookingEvent]:
    """Return the events that a backfill found before the webhook came that tells of them; they are silent no more.

    Otherwise a webhook that a backfill has overtaken would be acknowledged and reach nobody.
    """
    pks = [invitee.pk for invitee in invitees]
    if origin.cause != BookingEvent.Cause.WEBHOOK or not pks:
        return []
    silent = BookingEvent.objects.filter(invitee_id__in=pks, silent=True)
    events = list(
        silent.filter(occurred_at__gte=since - _HEARD_LATE).select_related("invitee").order_by("id")
    )
    if events:
        BookingEvent.objects.filter(pk__in=[event.pk for event in events]).update(silent=False)
    for event in events:
        event.silent = False
    return events


@transaction.atomic
def reconcile_no_show(snapshot: NoShowSnapshot, *, origin: Origin) -> Reconciled:
    """Write a bare no-show onto its invitee, or ask the source when that is unknown."""
    notes = Notes(origin)
    invitee = _locked_invitee(snapshot.invitee_uri)
    if invitee is None:
        notes.ask(snapshot.booking_uri, Reason.DETAILS, subject=snapshot.invitee_uri)
        notes.write()
        return Reconciled(
            note="It names an invitee that is not known yet: Calendly is asked about the booking."
        )
    was = invitee.no_show_uri
    if apply_no_show(invitee, snapshot.no_show, observed_at=snapshot.observed_at, notes=notes):
        write_no_shows([invitee])
    result = _announce_one(invitee, origin=origin, notes=notes)
    heard = hear([invitee], since=snapshot.observed_at, origin=origin)
    return replace(result, changed=invitee.no_show_uri != was, events=(*result.events, *heard))


@transaction.atomic
def stop_waiting(invitee_uri: str, *, origin: Origin) -> Reconciled:
    """Announce one half of a reschedule without its partner, because the source does not know that either."""
    invitee = _locked_invitee(invitee_uri)
    if invitee is None:
        return Reconciled(note="The invitee is no longer in the mirror.")
    invitee.unpaired_at = origin.now
    invitee.save(update_fields=["unpaired_at", "mirrored_at"])
    return _announce_one(invitee, origin=origin, notes=Notes(origin))


@transaction.atomic
def announce_again(invitee_uri: str, *, origin: Origin) -> Reconciled:
    """Make the events that have become due for an invitee since its partner arrived."""
    invitee = _locked_invitee(invitee_uri)
    if invitee is None:
        return Reconciled()
    return _announce_one(invitee, origin=origin, notes=Notes(origin))


def _announce_one(invitee: Invitee, *, origin: Origin, notes: Notes) -> Reconciled:
    announcer = Announcer(origin, notes)
    announcer.partners.add([invitee])
    announcer.announce(invitee, {})
    events = announcer.write()
    notes.write()
    return Reconciled(events=tuple(events), booking=invitee.booking, note=announcer.note)


def _locked_invitee(uri: str) -> Invitee | None:
    rows = Invitee.objects.select_for_update(of=("self",), no_key=True).select_related("booking")
    return rows.filter(uri=uri).first()
