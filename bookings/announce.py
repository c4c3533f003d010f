"""Derive a meeting's events from its state: what happened to an invitee that was not announced yet.

What was announced is kept on the invitee and changed under its row lock, so no order and no repetition of
snapshots announces anything twice. A reschedule is two halves, a canceled and a new invitee: whichever comes
first, the new one is announced as `rescheduled` once the old one is, and the cancel of the old one never is.
A half whose partner is unknown waits, with a note to ask the source (`bookings.refetching`).
"""

from datetime import datetime

from bookings.models import BookingEvent, Invitee, RefetchRequest
from bookings.origin import Origin
from bookings.partners import Partners
from bookings.refetching import Notes, aloud, booking_uri_of
from bookings.versions import Changes, plain

Kind = BookingEvent.Kind
Reason = RefetchRequest.Reason

#: Changes that a reader of the meeting cares for; a moved start makes them a reschedule.
_REPORTED = frozenset({
    "start_at", "end_at",
    "name", "hosts", "guests", "location_type", "location_text", "join_url", "email", "answers",
    "text_reminder_number", "timezone", "first_name", "last_name",
})  # fmt: skip

#: What the announcer changes on an invitee.
_ANNOUNCED = ("chain", "announced_at", "cancel_announced_at", "no_show_announced", "mirrored_at")


def reported(changes: Changes) -> Changes:
    """Return the changes that a reader of the meeting cares for."""
    return {name: pair for name, pair in changes.items() if name in _REPORTED}


class Announcer:
    """Collect the events that a batch of snapshots causes, and what to tell staff about those that it does not.

    `write` stores them; until then only the rows in memory know.
    """

    def __init__(self, origin: Origin, notes: Notes) -> None:
        self.origin = origin
        self.partners = Partners()
        self._notes = notes
        self._events: list[BookingEvent] = []
        self._touched: dict[int, Invitee] = {}
        self._begun: set[int] = set()
        self._said: list[str] = []

    def write(self) -> list[BookingEvent]:
        """Store the events and what is now announced; return the events in the order they were made."""
        self._speak_up()
        for invitee in self._touched.values():
            invitee.touch()
        if self._touched:
            Invitee.objects.bulk_update(self._touched.values(), _ANNOUNCED)
        made = BookingEvent.objects.bulk_create(self._events) if self._events else []
        self._touched, self._events = {}, []
        return made

    def _speak_up(self) -> None:
        """Let what a webhook told of be heard, although a silent origin brings what it waited for."""
        if not self.origin.silent or not self._events:
            return
        told = aloud(uri for event in self._events for uri in _subjects(event))
        for event in self._events:
            event.silent = told.isdisjoint(_subjects(event))

    @property
    def note(self) -> str:
        """Return what to tell staff, as one text."""
        return " ".join(self._said)

    def announce(self, invitee: Invitee, changes: Changes) -> None:
        """Make every event that is due for the invitee, then for those that waited for it."""
        if invitee.announced_at is not None:
            if invitee.pk not in self._begun:  # what it began with is no change of it
                self._announce_changes(invitee, changes)
        elif not self._announce_first(invitee):
            return
        self._announce_cancel(invitee)
        self._announce_no_show(invitee)
        for successor in self.partners.successors(invitee):
            if successor.announced_at is None:
                self.partners.add([successor])
                self.announce(successor, {})

    def _announce_first(self, invitee: Invitee) -> bool:
        predecessor = self.partners.predecessor(invitee)
        announced = predecessor is not None and predecessor.announced_at is not None
        if invitee.old_invitee_uri and not announced and invitee.unpaired_at is None:
            self._wait_for_predecessor(invitee)
            return False
        if predecessor is None or not announced:
            self._join(invitee, self._chain_of_successor(invitee) or invitee.pk)
            self._emit(Kind.BOOKED, invitee, {}, occurred_at=invitee.created_at)
        else:
            self._join(invitee, predecessor.chain_id or predecessor.pk)
            moved = _move(predecessor, invitee)
            self._emit(Kind.RESCHEDULED, invitee, moved, occurred_at=invitee.created_at)
            self._watch_counterpart(predecessor)
        self._notes.settle(Reason.PREDECESSOR, subject=invitee.uri)
        return True

    def _chain_of_successor(self, invitee: Invitee) -> int | None:
        """Return the chain of a successor that was announced alone, after waiting for us in vain."""
        return next((row.chain_id for row in self.partners.successors(invitee)), None)

    def _wait_for_predecessor(self, invitee: Invitee) -> None:
        self._notes.ask(
            booking_uri_of(invitee.old_invitee_uri), Reason.PREDECESSOR, subject=invitee.uri,
            delay=self.origin.hold,
        )  # fmt: skip
        self._said.append("It waits for the booking that it was rescheduled from.")

    def _watch_counterpart(self, predecessor: Invitee) -> None:
        if predecessor.is_canceled:
            self._notes.settle(Reason.SUCCESSOR, subject=predecessor.uri)
        else:
            self._notes.ask(
                predecessor.booking.uri, Reason.COUNTERPART, subject=predecessor.uri,
                delay=self.origin.hold,
            )  # fmt: skip

    def _join(self, invitee: Invitee, chain_id: int) -> None:
        invitee.chain_id, invitee.announced_at = chain_id, self.origin.now
        self._begun.add(invitee.pk)
        self._touched[invitee.pk] = invitee

    def _announce_changes(self, invitee: Invitee, changes: Changes) -> None:
        told = reported(changes)
        if invitee.is_canceled or not told:
            return
        kind = Kind.RESCHEDULED if "start_at" in told else Kind.UPDATED
        self._emit(kind, invitee, told, occurred_at=_latest(invitee) or self.origin.now)

    def _announce_cancel(self, invitee: Invitee) -> None:
        if not invitee.is_canceled or invitee.cancel_announced_at is not None:
            return
        self._notes.settle(Reason.COUNTERPART, subject=invitee.uri)
        if self.partners.has_successor(invitee):
            self._said.append("It is half of a reschedule: the new booking carries on.")
        elif (invitee.new_invitee_uri or invitee.rescheduled) and invitee.unpaired_at is None:
            self._wait_for_successor(invitee)
            return
        else:
            self._emit_cancel(invitee)
        self._notes.settle(Reason.SUCCESSOR, subject=invitee.uri)

    def _wait_for_successor(self, invitee: Invitee) -> None:
        self._notes.ask(
            booking_uri_of(invitee.new_invitee_uri or invitee.uri), Reason.SUCCESSOR, subject=invitee.uri,
            delay=self.origin.hold,
        )  # fmt: skip
        self._said.append("It is half of a reschedule and waits for the new booking.")

    def _emit_cancel(self, invitee: Invitee) -> None:
        when = invitee.canceled_at or invitee.source_updated_at or self.origin.now
        self._emit(Kind.CANCELED, invitee, {"status": ["active", "canceled"]}, occurred_at=when)
        invitee.cancel_announced_at = self.origin.now
        self._touched[invitee.pk] = invitee

    def _announce_no_show(self, invitee: Invitee) -> None:
        if invitee.is_no_show == invitee.no_show_announced:
            return
        kind = Kind.NO_SHOW if invitee.is_no_show else Kind.NO_SHOW_REMOVED
        when = invitee.no_show_at or invitee.no_show_observed_at or self.origin.now
        changes: Changes = {"no_show": [invitee.no_show_announced, invitee.is_no_show]}
        self._emit(kind, invitee, changes, occurred_at=when)
        invitee.no_show_announced = invitee.is_no_show
        self._touched[invitee.pk] = invitee

    def _emit(
        self, kind: Kind, invitee: Invitee, changes: Changes, *, occurred_at: datetime
    ) -> None:
        event = BookingEvent(
            kind=kind, booking=invitee.booking, invitee=invitee, chain_id=invitee.chain_id,
            changes=changes, cause=self.origin.cause, cause_id=self.origin.cause_id,
            silent=self.origin.silent, occurred_at=occurred_at, created_at=self.origin.now,
        )  # fmt: skip
        self._events.append(event)


def _subjects(event: BookingEvent) -> set[str]:
    """Return what a note that awaits this event may be about: the invitee, its other half, its booking."""
    if event.invitee is None or event.booking is None:
        return set()
    uris = {event.invitee.uri, event.invitee.old_invitee_uri, event.booking.uri}
    return uris - {""}


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
