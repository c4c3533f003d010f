"""What a backfill found, and why no webhook had told of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from bookings.models import BookingEvent
from integrations.models import BackfillFinding, BackfillRun, Connection, WebhookSubscription

Kind = BookingEvent.Kind
Verdict = BackfillFinding.Verdict

#: How long a webhook may be on its way before it counts as missed.
ON_ITS_WAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Judge findings by when our first subscription was made; None means that there was none."""

    subscribed_at: datetime | None
    now: datetime

    @classmethod
    def of(cls, connection: Connection, *, now: datetime) -> "Judge":
        """Return the judge for a connection."""
        meetings = WebhookSubscription.objects.filter(
            connection=connection, purpose=WebhookSubscription.Purpose.MEETINGS
        )
        first = meetings.aggregate(first=Min("created_at"))["first"]
        return cls(subscribed_at=first, now=now)

    def verdict(self, event: BookingEvent) -> BackfillFinding.Verdict:
        """Return why no webhook had told of an event."""
        if self.subscribed_at is None or event.occurred_at < self.subscribed_at:
            return Verdict.HISTORY
        if not _is_announced(event):
            return Verdict.UNANNOUNCED
        if event.occurred_at > self.now - ON_ITS_WAY:
            return Verdict.FRESH
        return Verdict.MISSED


def _is_announced(event: BookingEvent) -> bool:
    """Tell whether the source sends a webhook for this kind of change.

    Source: https://developer.calendly.com/api-docs/overview/webhooks (a new host, time or place sends none; a
    reschedule makes a new invitee)
    """
    if event.kind == Kind.RESCHEDULED and event.invitee:
        return bool(event.invitee.old_invitee_uri)
    return event.kind != Kind.UPDATED


def report(
    run: BackfillRun, events: Iterable[BookingEvent], *, judge: Judge
) -> list[BackfillFinding]:
    """Return the rows that tell of these events; those of a dry run name no event, for it is rolled back.

    An event that is not silent is none: a webhook had told of it and waited for what the run brought.
    """
    return [
        BackfillFinding(
            run=run, kind=event.kind, verdict=judge.verdict(event), booking_uri=_uri(event),
            event=None if run.dry_run else event, occurred_at=event.occurred_at,
        )
        for event in events
        if event.silent
    ]  # fmt: skip


def vanished(run: BackfillRun, uri: str, *, now: datetime) -> BackfillFinding:
    """Return the row that tells of an object that is gone at the source."""
    return BackfillFinding(
        run=run, kind="vanished", verdict=Verdict.UNANNOUNCED, booking_uri=uri, occurred_at=now
    )


def _uri(event: BookingEvent) -> str:
    if event.booking:
        return event.booking.uri
    return event.routing_submission.uri if event.routing_submission else ""
