"""What a body would become, in words for staff."""

from datetime import datetime

from bookings.snapshots import (
    BookingSnapshot,
    Cancellation,
    EventTypeSnapshot,
    GroupRelationshipSnapshot,
    GroupSnapshot,
    HostSnapshot,
    InviteeSnapshot,
    MeetingSnapshot,
    MembershipSnapshot,
    NoShow,
    NoShowSnapshot,
    RoutingFormSnapshot,
    RoutingSubmissionSnapshot,
    Snapshot,
)
from integrations.sources.base import NotUnderstood, Parsed
from integrations.sources.calendly.payloads import parse_api, parse_webhook
from integrations.sources.calendly.payloads.reading import Fields, UnreadableError, load

Surroundings = (
    HostSnapshot
    | MembershipSnapshot
    | GroupSnapshot
    | GroupRelationshipSnapshot
    | RoutingFormSnapshot
)


def read_any(body: bytes, *, now: datetime) -> Parsed:
    """Read a webhook's body or an answer of the API, whichever it is."""
    try:
        top = Fields.of(load(body))
    except UnreadableError as error:
        return NotUnderstood(reason=str(error))
    if "event" in top and "payload" in top:
        return parse_webhook(body, received_at=now)
    return parse_api(body, observed_at=now)


def describe(parsed: Parsed) -> str:
    """Return one line: what was understood, or why nothing was."""
    if isinstance(parsed, NotUnderstood):
        said = f"{parsed.kind}: " if parsed.kind else ""
        return f"not understood: {said}{parsed.reason}"
    count = len(parsed.snapshots)
    facts = " | ".join(map(describe_snapshot, parsed.snapshots))
    return f"{parsed.kind}: {count} snapshot{'' if count == 1 else 's'}: {facts}"


def describe_snapshot(snapshot: Snapshot) -> str:
    """Return a snapshot's facts in words."""
    match snapshot:
        case MeetingSnapshot():
            return "; ".join([_booking(snapshot), *map(_invitee, snapshot.invitees)])
        case NoShowSnapshot():
            return f"{_no_show(snapshot.no_show)}: invitee {_tail(snapshot.invitee_uri)}"
        case EventTypeSnapshot():
            return _event_type(snapshot)
        case RoutingSubmissionSnapshot():
            return _submission(snapshot)
        case _:
            return _surroundings(snapshot)


def _surroundings(snapshot: Surroundings) -> str:
    match snapshot:
        case HostSnapshot():
            return f"host {snapshot.name or snapshot.email or _tail(snapshot.uri)}"
        case MembershipSnapshot():
            role = f" as {snapshot.role}" if snapshot.role else ""
            return f"member{role}: {_surroundings(snapshot.host)}"
        case GroupSnapshot():
            return f"group {_named(snapshot)}"
        case GroupRelationshipSnapshot():
            who = _tail(snapshot.membership_uri) or "somebody invited"
            return f"{snapshot.role or 'member'} of group {_tail(snapshot.group_uri)}: {who}"
        case RoutingFormSnapshot():
            questions = _plural(len(snapshot.questions), "question")
            return f"routing form {_named(snapshot)} {snapshot.status}".rstrip() + f", {questions}"


def _booking(meeting: MeetingSnapshot) -> str:
    booking = meeting.booking
    if booking is None:
        return f"booking {_tail(meeting.invitees[0].booking_uri)} without details (to be fetched)"
    facts = [
        f"booking {_tail(booking.uri)} “{booking.name}” {booking.status}",
        f"{booking.start_at:%Y-%m-%d %H:%M} to {booking.end_at:%H:%M} UTC",
        _location(booking),
        f"{_plural(len(booking.hosts), 'host')}",
    ]
    if booking.guests:
        facts.append(_plural(len(booking.guests), "guest"))
    return ", ".join(filter(None, facts))


def _location(booking: BookingSnapshot) -> str:
    place = booking.location
    if not place.type:
        return "no location"
    return f"{place.type} {place.status}".strip()


def _invitee(invitee: InviteeSnapshot) -> str:
    facts = [f"invitee {invitee.name or invitee.email or _tail(invitee.uri)} {invitee.status}"]
    if invitee.old_invitee_uri:
        facts.append(f"moved here from {_tail(invitee.old_invitee_uri)}")
    if invitee.rescheduled:
        facts.append(f"moved to {_tail(invitee.new_invitee_uri) or 'another time'}")
    elif invitee.cancellation:
        facts.append(_cancellation(invitee.cancellation))
    if isinstance(invitee.no_show, NoShow) or invitee.no_show is None:
        facts.append(_no_show(invitee.no_show))
    if invitee.answers:
        facts.append(_plural(len(invitee.answers), "answer"))
    return ", ".join(facts)


def _cancellation(cancellation: Cancellation) -> str:
    by = f"canceled by {cancellation.canceled_by or cancellation.canceler_type or 'somebody'}"
    return f"{by} (“{cancellation.reason}”)" if cancellation.reason else by


def _no_show(no_show: NoShow | None) -> str:
    return "marked as a no-show" if no_show else "not a no-show"


def _submission(snapshot: RoutingSubmissionSnapshot) -> str:
    answers = _plural(len(snapshot.answers), "answer")
    leads_to = (snapshot.result_type or "nothing").replace("_", " ")
    return f"routing form submission {_tail(snapshot.uri)}, {answers}, leads to: {leads_to}"


def _named(snapshot: GroupSnapshot | RoutingFormSnapshot) -> str:
    return f"“{snapshot.name}”" if snapshot.name else _tail(snapshot.uri)


def _event_type(snapshot: EventTypeSnapshot) -> str:
    state = "deleted" if snapshot.deleted_at else "active" if snapshot.active else "inactive"
    length = f", {snapshot.duration_minutes} minutes" if snapshot.duration_minutes else ""
    return f"event type “{snapshot.name}” {state}{length}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _tail(uri: str) -> str:
    """Return the part of a URI that tells objects of one kind apart, short enough for a line."""
    return uri.rpartition("/")[2].rpartition(":")[2][:36]
