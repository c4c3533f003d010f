"""A pretend Calendly account: plays booking, moving, canceling and no-shows, and tells of each as webhooks do."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from bookings.origin import Origin
from bookings.snapshots import (
    UNSET,
    BookingSnapshot,
    Cancellation,
    HostSnapshot,
    InviteeSnapshot,
    MeetingSnapshot,
    NoShow,
)

BASE = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
API = "https://api.calendly.com"


def origin(now=BASE, **kwargs):
    from bookings.models import BookingEvent

    return Origin(
        **{"cause": BookingEvent.Cause.WEBHOOK, "now": now, "account": "calendly:1", **kwargs}
    )


@dataclass
class Account:
    """Hold the truth; every operation returns the snapshots that its webhooks carry."""

    now: datetime = BASE
    bookings: dict[str, BookingSnapshot] = field(default_factory=dict)
    invitees: dict[str, InviteeSnapshot] = field(default_factory=dict)

    def book(
        self, *, old: InviteeSnapshot | None = None, into: str = "", email: str = "ann@example.com"
    ):
        """Book a meeting, or one more place in a group event."""
        self._tick()
        booking = self.bookings.get(into) or self._new_booking(limit=5 if into == "group" else 1)
        if into in self.bookings:
            booking = replace(
                booking, updated_at=self.now, invitees_active=(booking.invitees_active or 0) + 1,
                invitees_total=(booking.invitees_total or 0) + 1,
            )  # fmt: skip
        self.bookings[booking.uri] = booking
        number = len(self.invitees) + 1
        invitee = InviteeSnapshot(
            uri=f"{booking.uri}/invitees/I{number}", booking_uri=booking.uri, status="active", email=email,
            name="Ann Lee", created_at=self.now, updated_at=self.now, timezone="Europe/Berlin",
            old_invitee_uri=old.uri if old else "", no_show=None,
        )  # fmt: skip
        self.invitees[invitee.uri] = invitee
        return [self.tell(invitee.uri)]

    def reschedule(self, uri: str):
        """Move a meeting: a new booking, and a cancel of the old that names it."""
        new = self.book(old=self.invitees[uri])[0].invitees[0]
        canceled = self._cancel(uri, rescheduled=True, new_invitee_uri=new.uri)
        return [canceled, self.tell(new.uri)]

    def cancel(self, uri: str):
        """Cancel one invitee; a one-on-one booking ends with it."""
        self._tick()
        return [self._cancel(uri)]

    def mark_no_show(self, uri: str):
        """Mark a no-show, which moves no version."""
        self._tick()
        mark = NoShow(uri=f"{API}/invitee_no_shows/{self.now.timestamp():.0f}", created_at=self.now)
        self.invitees[uri] = replace(self.invitees[uri], no_show=mark)
        return [self.tell(uri)]

    def unmark_no_show(self, uri: str):
        """Take a no-show back."""
        self._tick()
        self.invitees[uri] = replace(self.invitees[uri], no_show=None)
        return [self.tell(uri)]

    def tell(self, uri: str) -> MeetingSnapshot:
        """Say how things stand now, as a webhook about this invitee would."""
        invitee = self.invitees[uri]
        return MeetingSnapshot(
            booking=self.bookings[invitee.booking_uri], invitees=(invitee,), observed_at=self.now
        )

    def fetch(self, booking_uri: str) -> MeetingSnapshot | None:
        """Say how things stand now, as the API would."""
        if booking_uri not in self.bookings:
            return None
        seen = tuple(i for i in self.invitees.values() if i.booking_uri == booking_uri)
        return MeetingSnapshot(
            booking=self.bookings[booking_uri], invitees=seen, observed_at=self.now
        )

    def _cancel(self, uri: str, **links) -> MeetingSnapshot:
        invitee = self.invitees[uri]
        cancellation = Cancellation(
            canceled_by="Ann Lee", reason="Ill", canceler_type="invitee", created_at=self.now
        )
        self.invitees[uri] = replace(
            invitee, status="canceled", cancellation=cancellation, updated_at=self.now, **links
        )
        booking = self.bookings[invitee.booking_uri]
        active = max(0, (booking.invitees_active or 0) - 1)
        self.bookings[booking.uri] = replace(
            booking, updated_at=self.now, invitees_active=active,
            status="active" if active else "canceled",
        )  # fmt: skip
        return self.tell(uri)

    def _new_booking(self, *, limit: int) -> BookingSnapshot:
        number = len(self.bookings) + 1
        start = BASE + timedelta(days=10 + number)
        return BookingSnapshot(
            uri=f"{API}/scheduled_events/E{number}", name="Discovery call", status="active",
            start_at=start, end_at=start + timedelta(minutes=30), created_at=self.now, updated_at=self.now,
            event_type_uri=f"{API}/event_types/T1", invitees_total=1, invitees_active=1, invitees_limit=limit,
            hosts=(HostSnapshot(uri=f"{API}/users/U1", name="Hanna Host", email="hanna@calsync.example"),),
        )  # fmt: skip

    def _tick(self) -> None:
        self.now += timedelta(seconds=7)


def silent(snapshot: MeetingSnapshot) -> MeetingSnapshot:
    """Return the snapshot with a body that does not speak of no-shows, as official examples have it."""
    invitees = tuple(replace(invitee, no_show=UNSET) for invitee in snapshot.invitees)
    return replace(snapshot, invitees=invitees)
