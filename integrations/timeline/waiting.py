"""What a story waits for: questions to the source, and halves of reschedules."""

from collections.abc import Collection, Iterator

from django.db.models import Q

from bookings.models import Booking, Invitee, RefetchRequest
from integrations.timeline.entries import WaitingEntry


def waiting_entries(booking: Booking, members: Collection[Invitee]) -> Iterator[WaitingEntry]:
    """Yield what is to be asked, what was given up, and whose other half is missing."""
    uris = {booking.uri} | {member.booking.uri for member in members}
    subjects = {member.uri for member in members}
    asked = Q(object_uri__in=uris) | Q(subject_uri__in=subjects)
    requests = list(RefetchRequest.objects.filter(asked))
    yield from (_request_entry(request) for request in requests)
    explained = {request.subject_uri for request in requests}
    for member in members:
        reason = _partner_missing(member, members)
        if reason and member.uri not in explained:
            at = member.observed_at or member.created_at
            yield WaitingEntry(at=at, reason=reason, invitee=member)


def _request_entry(request: RefetchRequest) -> WaitingEntry:
    return WaitingEntry(
        at=request.created_at,
        reason=request.get_reason_display(),
        due_at=request.due_at,
        attempts=request.attempts,
        error=request.last_error,
        given_up=request.due_at is None,
    )


def _partner_missing(invitee: Invitee, members: Collection[Invitee]) -> str:
    if invitee.announced_at is None:
        return "waits for the booking it was rescheduled from"
    moved = invitee.is_canceled and (invitee.rescheduled or invitee.new_invitee_uri)
    settled = invitee.cancel_announced_at or invitee.unpaired_at
    if moved and not settled and not any(m.old_invitee_uri == invitee.uri for m in members):
        return "waits for the booking it was rescheduled to"
    return ""
