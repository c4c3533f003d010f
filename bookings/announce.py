"""Derive a meeting's events from its state: what happened to an invitee that was not announced yet.

What was announced is kept on the invitee and changed under its row lock, so no order and no repetition of
snapshots announces anything twice. A reschedule is two halves, a canceled and a new invitee: whichever comes
first, the new one is announced as `rescheduled` once the old one is, and the cancel of the old one never is.
A half whose partner is unknown waits, with a note to ask the source (`bookings.refetching`).
"""

from datetime import datetime

from bookings.models import BookingEvent, Invitee, RefetchRequest
from bookings.origin import Origin
from bookings.refetching import ask, booking_uri_of, settle
from bookings.versions import Changes, plain

Kind = BookingEvent.Kind
Reason = RefetchRequest.Reason

#: Changes that a reader of the meeting cares for; a moved start makes them a reschedule.
_REPORTED = frozenset({
    "start_at", "end_at",
    "name", "hosts", "guests", "location_type", "location_text", "join_url", "email", "answers",
    "text_reminder_number", "timezone", "first_name", "last_name",
})  # fmt: skip


def reported(changes: Changes) -> Changes:
    """Return the changes that a reader of the meeting cares for."""
    return {name: pair for name, pair in changes.items() if name in _REPORTED}


class Announcer:
    """Collect the events that one snapshot causes, and what to tell staff about those that it does not."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.events: list[BookingEvent] = []
        self._notes: list[str] = []

    @property
    def note(self) -> str:
        """Return the notes as one text."""
        return " ".join(self._notes)

    def announce(self, invitee: Invitee, changes: Changes) -> None:
        """Make every event that is due for the invitee, then for those that waited for it."""
        if invitee.announced_at is not None:
            self._announce_changes(invitee, changes)
        elif not self._announce_first(invitee):
            return
        self._announce_cancel(invitee)
        self._announce_no_show(invitee)
        waiting = Invitee.objects.successors_of(invitee.uri).filter(announced_at=None)
        for successor in waiting.select_related("booking").select_for_update(of=("self",)):
            self.announce(successor, {})

    def _announce_first(self, invitee: Invitee) -> bool:
        predecessor = self._predecessor(invitee)
        announced = predecessor is not None and predecessor.announced_at is not None
        if invitee.old_invitee_uri and not announced and invitee.unpaired_at is None:
            self._wait_for_predecessor(invitee)
            return False
        if predecessor is None or not announced:
            self._join(invitee, self._chain_of_successor(invitee) or invitee.pk)
            self._emit(Kind.BOOKED, invitee, {}, occurred_at=invitee.created_at)
        else:
            self._join(invitee, predecessor.chain_id or predecessor.pk)
            self._emit(
                Kind.RESCHEDULED,
                invitee,
                _move(predecessor, invitee),
                occurred_at=invitee.created_at,
            )
            self._watch_counterpart(predecessor)
        settle(Reason.PREDECESSOR, subject=invitee.uri)
        return True

    def _predecessor(self, invitee: Invitee) -> Invitee | None:
        if not invitee.old_invitee_uri:
            return None
        return Invitee.objects.select_related("booking").filter(uri=invitee.old_invitee_uri).first()

    def _chain_of_successor(self, invitee: Invitee) -> int | None:
        """Return the chain of a successor that was announced alone, after waiting for us in vain."""
        return Invitee.objects.successors_of(invitee.uri).values_list("chain_id", flat=True).first()

    def _wait_for_predecessor(self, invitee: Invitee) -> None:
        ask(
            booking_uri_of(invitee.old_invitee_uri), Reason.PREDECESSOR, subject=invitee.uri,
            origin=self.origin, delay=self.origin.hold,
        )  # fmt: skip
        self._notes.append("It waits for the booking that it was rescheduled from.")

    def _watch_counterpart(self, predecessor: Invitee) -> None:
        if predecessor.is_canceled:
            settle(Reason.SUCCESSOR, subject=predecessor.uri)
        else:
            ask(
                predecessor.booking.uri, Reason.COUNTERPART, subject=predecessor.uri,
                origin=self.origin, delay=self.origin.hold,
            )  # fmt: skip

    def _join(self, invitee: Invitee, chain_id: int) -> None:
        invitee.chain_id, invitee.announced_at = chain_id, self.origin.now
        Invitee.objects.filter(pk=invitee.pk).update(chain=chain_id, announced_at=self.origin.now)

    def _announce_changes(self, invitee: Invitee, changes: Changes) -> None:
        told = reported(changes)
        if invitee.is_canceled or not told:
            return
        kind = Kind.RESCHEDULED if "start_at" in told else Kind.UPDATED
        self._emit(kind, invitee, told, occurred_at=_latest(invitee) or self.origin.now)

    def _announce_cancel(self, invitee: Invitee) -> None:
        if not invitee.is_canceled or invitee.cancel_announced_at is not None:
            return
        settle(Reason.COUNTERPART, subject=invitee.uri)
        if self._has_successor(invitee):
            self._notes.append("It is half of a reschedule: the new booking carries on.")
        elif (invitee.new_invitee_uri or invitee.rescheduled) and invitee.unpaired_at is None:
            self._wait_for_successor(invitee)
            return
        else:
            self._emit_cancel(invitee)
        settle(Reason.SUCCESSOR, subject=invitee.uri)

    def _has_successor(self, invitee: Invitee) -> bool:
        if Invitee.objects.successors_of(invitee.uri).exists():
            return True
        uri = invitee.new_invitee_uri
        return bool(uri) and Invitee.objects.filter(uri=uri).exists()

    def _wait_for_successor(self, invitee: Invitee) -> None:
        ask(
            booking_uri_of(invitee.new_invitee_uri or invitee.uri), Reason.SUCCESSOR, subject=invitee.uri,
            origin=self.origin, delay=self.origin.hold,
        )  # fmt: skip
        self._notes.append("It is half of a reschedule and waits for the new booking.")

    def _emit_cancel(self, invitee: Invitee) -> None:
        when = invitee.canceled_at or invitee.source_updated_at or self.origin.now
        self._emit(Kind.CANCELED, invitee, {"status": ["active", "canceled"]}, occurred_at=when)
        invitee.cancel_announced_at = self.origin.now
        Invitee.objects.filter(pk=invitee.pk).update(cancel_announced_at=self.origin.now)

    def _announce_no_show(self, invitee: Invitee) -> None:
        if invitee.is_no_show == invitee.no_show_announced:
            return
        kind = Kind.NO_SHOW if invitee.is_no_show else Kind.NO_SHOW_REMOVED
        when = invitee.no_show_at or invitee.no_show_observed_at or self.origin.now
        changes: Changes = {"no_show": [invitee.no_show_announced, invitee.is_no_show]}
        self._emit(kind, invitee, changes, occurred_at=when)
        invitee.no_show_announced = invitee.is_no_show
        Invitee.objects.filter(pk=invitee.pk).update(no_show_announced=invitee.is_no_show)

    def _emit(
        self, kind: Kind, invitee: Invitee, changes: Changes, *, occurred_at: datetime
    ) -> None:
        event = BookingEvent.objects.create(
            kind=kind, booking_id=invitee.booking_id, invitee=invitee, chain_id=invitee.chain_id,
            changes=changes, cause=self.origin.cause, cause_id=self.origin.cause_id,
            occurred_at=occurred_at, created_at=self.origin.now,
        )  # fmt: skip
        self.events.append(event)


def _move(predecessor: Invitee, invitee: Invitee) -> Changes:
    before, after = predecessor.booking, invitee.booking
    pairs = {
        name: [plain(getattr(before, name)), plain(getattr(after, name))]
        for name in ("start_at", "end_at")
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _latest(invitee: Invitee) -> datetime | None:
    versions = (invitee.source_updated_at, invitee.booking.source_updated_at)
    return max((version for version in versions if version), default=None)
