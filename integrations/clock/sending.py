"""Whether what the clock brought is still to be sent, when its turn has come."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from bookings.meeting import Meeting
from bookings.models import BookingEvent, Invitee, Status
from integrations.clock import moments
from integrations.clock.moments import STARTING
from integrations.models import ClockEntry, Delivery, DeliveryAttempt

Kind = BookingEvent.Kind

#: How an attempt ends that only a person follows by another one.
_ENDED = (DeliveryAttempt.Outcome.SKIPPED, DeliveryAttempt.Outcome.FAILED)


def outdated(
    deliveries: Collection[Delivery], meetings: Mapping[int, Meeting], *, now: datetime
) -> dict[int, str]:
    """Return why what the clock brought is not to be sent any more, by delivery; only those of which that is so.

    A person who asks for another try is not told that it is too late, unless the meeting has begun. What was sent
    before is written again to mend a record, and is never too late. A moment that is only tried out has no event.
    """
    clock = BookingEvent.Cause.CLOCK
    brought = {d.event_id: d for d in deliveries if d.event_id and d.event.cause == clock}
    if not brought:
        return {}
    entries = ClockEntry.objects.filter(event__in=brought).select_related("rule")
    known = {entry.event_id: entry for entry in entries}
    asked = _with_attempt(brought.values(), *_ENDED)
    sent = _with_attempt(brought.values(), DeliveryAttempt.Outcome.DELIVERED)
    gone = _not_taking_place(meetings.values())
    found = {
        delivery.pk: _outdated(
            known.get(event_id), delivery, meetings.get(delivery.chain_id), gone=gone,
            asked=delivery.pk in asked, now=now,
        )
        for event_id, delivery in brought.items()
        if delivery.pk not in sent
    }  # fmt: skip
    return {pk: reason for pk, reason in found.items() if reason}


def _with_attempt(deliveries: Collection[Delivery], *outcomes: DeliveryAttempt.Outcome) -> set[int]:
    """Return which of the deliveries have an attempt that ended so."""
    attempts = DeliveryAttempt.objects.filter(delivery__in=deliveries, outcome__in=outcomes)
    return set(attempts.values_list("delivery_id", flat=True))


def _not_taking_place(meetings: Iterable[Meeting]) -> set[str]:
    """Return the URIs of invitees whose place is canceled or gone, announced or not: it may be moved just now."""
    uris = [meeting.invitee_uri for meeting in meetings]
    gone = Q(status=Status.CANCELED) | Q(booking__status=Status.CANCELED)
    gone |= Q(vanished_at__isnull=False) | Q(booking__vanished_at__isnull=False)
    return set(Invitee.objects.filter(gone, uri__in=uris).values_list("uri", flat=True))


def _outdated(
    entry: ClockEntry | None, delivery: Delivery, meeting: Meeting | None, *, gone: Collection[str],
    asked: bool, now: datetime,
) -> str:  # fmt: skip
    kind = delivery.event.kind
    if meeting is None:
        return ""
    if entry is None or entry.rule is None:
        return "The rule that asked the clock was deleted meanwhile."
    if meeting.is_canceled or meeting.invitee_uri in gone:
        return "The meeting was canceled, or is being moved, meanwhile."
    if getattr(meeting, moments.anchor_of(kind)) != entry.anchor_at:
        return "The meeting was moved meanwhile: it has another moment now."
    if kind == STARTING and meeting.start_at <= now:
        return "The meeting has begun meanwhile."
    if kind == Kind.ENDED and meeting.is_no_show:
        return "The invitee did not come."
    late = now - (entry.created_at if entry.reason else entry.due_at)
    grace = timedelta(minutes=entry.rule.grace_minutes)
    if late > grace and not asked:
        most = moments.span(entry.rule.grace_minutes)
        return f"Its moment was {moments.about(late)} ago, and {most} may pass at most. Retry it to send it all the same."
    return ""
