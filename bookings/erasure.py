"""Whom the mirror has forgotten for good, and how what a source says of them is made fit to be mirrored.

A tombstone (`ErasedAddress`) keeps a digest of the e-mail address and a time: what was made at the source before it
is mirrored without the person, what the person makes afterwards is mirrored as usual.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from bookings.models import ErasedAddress
from bookings.personal import Wording, addresses_in, folded
from bookings.snapshots import (
    Answer,
    BookingSnapshot,
    Cancellation,
    DirectorySnapshot,
    HostSnapshot,
    InviteeSnapshot,
    MeetingSnapshot,
    MembershipSnapshot,
    NoShowSnapshot,
    RoutingSubmissionSnapshot,
    Snapshot,
)

#: Folded address -> when it was erased; only addresses that were.
Erased = Mapping[str, datetime]
AnySnapshot = TypeVar("AnySnapshot", bound=Snapshot)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_PREFIX = "calsync erased address: "
#: Kinds of place whose text the invitee gave: their telephone number, their address.
PLACES_OF_INVITEE = frozenset({"outbound_call", "ask_invitee"})
#: Kinds of a routing form's result whose value is none of the person's own.
RESULTS_WITHOUT_PERSON = frozenset({"event_type"})


def digest(email: str) -> str:
    """Return the hex SHA-256 of a fixed prefix and the folded address.

    It is no secret: who holds the database can test whether an address they guess was erased. They learn nothing
    else from it, and cannot list the addresses.
    """
    return hashlib.sha256(f"{_PREFIX}{folded(email)}".encode()).hexdigest()


def erased_before(emails: Iterable[str]) -> dict[str, datetime]:
    """Return digest -> when it was erased, for those of the addresses that were; one query, none for no address."""
    digests = {digest(email) for email in emails if email.strip()}
    if not digests:
        return {}
    found = ErasedAddress.objects.filter(digest__in=digests)
    return dict(found.values_list("digest", "erased_at"))


def without_erased(snapshot: AnySnapshot) -> AnySnapshot:
    """Return one snapshot without what belongs to erased people; the same object where nothing does."""
    match snapshot:
        case MeetingSnapshot():
            return cast("AnySnapshot", forget_erased([snapshot])[0])
        case RoutingSubmissionSnapshot():
            return cast("AnySnapshot", forget_erased_submissions([snapshot])[0])
        case NoShowSnapshot():
            return snapshot
    return cast("AnySnapshot", _directory(snapshot))


def forget_erased(meetings: Sequence[MeetingSnapshot]) -> list[MeetingSnapshot]:
    """Return the meetings without what belongs to erased people, in one query for all of them.

    An erased invitee keeps its URI, status, times and links, so that counters and reschedule chains hold.
    """
    erased = _erased(address for meeting in meetings for address in _addresses_of(meeting))
    return [_meeting(meeting, erased) for meeting in meetings] if erased else list(meetings)


def forget_erased_submissions(
    submissions: Sequence[RoutingSubmissionSnapshot],
) -> list[RoutingSubmissionSnapshot]:
    """Return the submissions, emptied where they name an erased person, in one query for all of them."""
    named = [set(addresses_in(_content_of(submission))) for submission in submissions]
    erased = _erased(address for addresses in named for address in addresses)
    return [
        _emptied(submission) if _since(erased, submission.created_at, among=addresses) else submission
        for submission, addresses in zip(submissions, named, strict=True)
    ]  # fmt: skip


def _directory(snapshot: DirectorySnapshot) -> DirectorySnapshot:
    """Return a host without what is theirs, anything else without the address where its JSON names it.

    What was changed at the source since the erasure is a new beginning here, too.
    """
    told = [dict(snapshot.raw), getattr(snapshot, "email", "")]
    if isinstance(snapshot, MembershipSnapshot):
        told += [dict(snapshot.host.raw), snapshot.host.email]
    named = set(addresses_in(told))
    addresses = _since(_erased(named), snapshot.updated_at or _LONG_AGO, among=named)
    if not addresses:
        return snapshot
    match snapshot:
        case HostSnapshot():
            return _host(snapshot)
        case MembershipSnapshot() if folded(snapshot.host.email) in addresses:
            return replace(snapshot, host=_host(snapshot.host), raw={})
    return replace(snapshot, raw=Wording(addresses).scrub(dict(snapshot.raw)))


def _host(host: HostSnapshot) -> HostSnapshot:
    return replace(host, name="", email="", raw={}, forgotten=True)


def _erased(addresses: Iterable[str]) -> Erased:
    asked = {address: digest(address) for address in addresses if address}
    found = erased_before(asked)
    return {address: found[key] for address, key in asked.items() if key in found}


def _since(erased: Erased, created_at: datetime, *, among: Iterable[str]) -> frozenset[str]:
    """Return which of the addresses were erased after something was made."""
    return frozenset(a for a in among if a in erased and created_at < erased[a])


def _addresses_of(meeting: MeetingSnapshot) -> Iterator[str]:
    booking = meeting.booking
    if booking:
        yield from map(folded, booking.guests)
        yield from (folded(host.email) for host in booking.hosts)
        yield from addresses_in(dict(booking.raw))
    for invitee in meeting.invitees:
        yield folded(invitee.email)
        yield from addresses_in([asdict(answer) for answer in invitee.answers])
        yield from addresses_in([dict(invitee.tracking), dict(invitee.raw)])


def _meeting(meeting: MeetingSnapshot, erased: Erased) -> MeetingSnapshot:
    gone = [i for i in meeting.invitees if _is_erased(i, erased)]
    booking = meeting.booking
    return replace(
        meeting,
        booking=_booking(meeting, booking, erased, gone=gone) if booking else None,
        invitees=tuple(_invitee(invitee, erased) for invitee in meeting.invitees),
    )


def names_of(person: Any) -> frozenset[str]:
    """Return how an invitee or a host is named: the whole name, and its parts where they are known."""
    first, last = getattr(person, "first_name", ""), getattr(person, "last_name", "")
    return frozenset({person.name, first, last, f"{first} {last}".strip()} - {""})


def _is_erased(invitee: InviteeSnapshot, erased: Erased) -> bool:
    return bool(_since(erased, invitee.created_at, among=[folded(invitee.email)]))


def _invitee(invitee: InviteeSnapshot, erased: Erased) -> InviteeSnapshot:
    if _is_erased(invitee, erased):
        return _anonymous(invitee)
    addresses = _since(erased, invitee.created_at, among=erased)
    if not addresses:
        return invitee
    wording = Wording(addresses)
    return replace(
        invitee,
        answers=tuple(_answer(answer, wording) for answer in invitee.answers),
        tracking=wording.scrub(dict(invitee.tracking)),
        raw=wording.scrub(dict(invitee.raw)),
    )


def _answer(answer: Answer, wording: Wording) -> Answer:
    return replace(answer, answer=wording.scrub(answer.answer))


def _anonymous(invitee: InviteeSnapshot) -> InviteeSnapshot:
    canceled = invitee.cancellation and replace(invitee.cancellation, canceled_by="", reason="")
    return replace(
        invitee, email="", name="", first_name="", last_name="", text_reminder_number="", answers=(), tracking={},
        cancel_url="", reschedule_url="", cancellation=canceled, forgotten=True, raw={},
    )  # fmt: skip


def _booking(
    meeting: MeetingSnapshot,
    booking: BookingSnapshot,
    erased: Erased,
    *,
    gone: Sequence[InviteeSnapshot],
) -> BookingSnapshot:
    addresses = _since(erased, booking.created_at, among=erased)
    if not addresses and not gone:
        return booking
    hosts = [host.name for host in booking.hosts if folded(host.email) in addresses and host.name]
    wording = Wording(addresses, frozenset([*hosts, *(n for i in gone for n in names_of(i))]))
    cancellation, place = booking.cancellation, booking.location
    theirs = bool(gone) and place.type in PLACES_OF_INVITEE
    return replace(
        booking,
        name=wording.scrub(booking.name),
        location=replace(place, text="" if theirs else wording.scrub(place.text)),
        hosts=_hosts(booking.hosts, addresses),
        guests=tuple(guest for guest in booking.guests if folded(guest) not in addresses),
        cancellation=_cancellation(cancellation, wording, theirs=bool(gone))
        if cancellation
        else None,
        forgotten=bool(gone) and (booking.invitees_limit or 1) <= 1,
        raw={} if gone else wording.scrub(dict(booking.raw)),
    )


def _cancellation(cancellation: Cancellation, wording: Wording, *, theirs: bool) -> Cancellation:
    """Leave out who canceled and why where it may be the person's: a reason is free text."""
    if theirs:
        return replace(cancellation, canceled_by="", reason="")
    by, reason = wording.scrub(cancellation.canceled_by), wording.scrub(cancellation.reason)
    return replace(cancellation, canceled_by=by, reason=reason)


def _hosts(hosts: tuple[HostSnapshot, ...], addresses: frozenset[str]) -> tuple[HostSnapshot, ...]:
    """Leave hosts in their place without their names; one that only an address names goes."""
    named = [
        h for h in hosts if folded(h.email) not in addresses or not h.uri.startswith("mailto:")
    ]
    return tuple(_host(host) if folded(host.email) in addresses else host for host in named)


def _content_of(submission: RoutingSubmissionSnapshot) -> list[Any]:
    answers = [asdict(answer) for answer in submission.answers]
    return [answers, dict(submission.tracking), submission.result_value, dict(submission.raw)]


def _emptied(submission: RoutingSubmissionSnapshot) -> RoutingSubmissionSnapshot:
    keeps = submission.result_type in RESULTS_WITHOUT_PERSON
    value = submission.result_value if keeps else ""
    return replace(submission, answers=(), tracking={}, result_value=value, raw={})
