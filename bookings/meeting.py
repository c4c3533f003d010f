"""A chain as it stands now: what every action is written against."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from bookings.models import Booking, Invitee
from bookings.snapshots import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Name a host of the meeting."""

    name: str
    email: str
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Hold the present state of one reschedule chain, of which the newest invitee is the truth.

    A cancel counts once it is announced: one that may be half of a reschedule does not cancel the meeting.

    `key` names the chain for ever: the last segment of its first invitee's URI. `timezone` is the invitee's
    IANA name or empty. `teams` are the names of the Calendly groups that its hosts belong to. `is_erased`: the invitee's data was erased, so there is nothing to carry on. `reschedule_count` is how often it moved. Times are aware, UTC.
    """

    key: str
    chain_id: int
    booking_id: int
    booking_uri: str
    invitee_uri: str
    is_canceled: bool
    is_no_show: bool
    name: str
    start_at: datetime
    end_at: datetime
    previous_start_at: datetime | None
    reschedule_count: int
    location_type: str
    location_status: str
    location_text: str
    join_url: str
    hosts: tuple[Person, ...]
    guests: tuple[str, ...]
    invitee_name: str
    first_name: str
    last_name: str
    email: str
    timezone: str
    text_reminder_number: str
    answers: tuple[Answer, ...]
    tracking: Mapping[str, str]
    canceled_by: str
    cancel_reason: str
    canceler_type: str
    cancel_url: str
    reschedule_url: str
    event_type_uri: str = ""
    event_type_name: str = ""
    event_type_slug: str = ""
    teams: tuple[str, ...] = ()
    is_erased: bool = False


def load_meeting(chain_id: int) -> Meeting:
    """Return the chain's present state.

    Raises:
        Invitee.DoesNotExist: no invitee belongs to the chain (it was erased).
    """
    found = load_meetings([chain_id])
    if not found:
        raise Invitee.DoesNotExist(f"No invitee belongs to chain {chain_id}.")
    return found[chain_id]


def load_meetings(chain_ids: Collection[int]) -> dict[int, Meeting]:
    """Return the present state of each chain that has an invitee, in a handful of queries for all."""
    members = (
        Invitee.objects.of_chains(chain_ids)
        .select_related("booking__event_type", "chain")
        .prefetch_related("booking__booking_hosts__host__memberships__groups")
    )
    chains: dict[int, list[Invitee]] = defaultdict(list)
    for member in members:
        chains[cast("int", member.chain_id)].append(member)
    return {chain_id: _meeting(found) for chain_id, found in chains.items()}


def chain_key(root_uri: str) -> str:
    """Return the name of the chain that begins with the invitee of this URI."""
    return root_uri.rstrip("/").rsplit("/", 1)[-1]


def _meeting(members: list[Invitee]) -> Meeting:
    head, booking = members[-1], members[-1].booking
    return Meeting(
        key=chain_key(head.chain.uri if head.chain else head.uri),
        chain_id=head.chain_id or head.pk,
        booking_id=booking.pk,
        booking_uri=booking.uri,
        invitee_uri=head.uri,
        is_canceled=head.cancel_announced_at is not None,
        is_no_show=head.is_no_show,
        name=booking.name,
        start_at=booking.start_at,
        end_at=booking.end_at,
        previous_start_at=members[-2].booking.start_at if len(members) > 1 else None,
        reschedule_count=len(members) - 1,
        location_type=booking.location_type,
        location_status=booking.location_status,
        location_text=booking.location_text,
        join_url=booking.join_url,
        hosts=_hosts(booking),
        guests=tuple(booking.guests),
        invitee_name=head.name,
        first_name=head.first_name,
        last_name=head.last_name,
        email=head.email,
        timezone=head.timezone,
        text_reminder_number=head.text_reminder_number,
        answers=tuple(Answer(**answer) for answer in head.answers),
        tracking=head.tracking,
        canceled_by=head.canceled_by or booking.canceled_by,
        cancel_reason=head.cancel_reason or booking.cancel_reason,
        canceler_type=head.canceler_type or booking.canceler_type,
        cancel_url=head.cancel_url,
        reschedule_url=head.reschedule_url,
        event_type_uri=booking.event_type.uri if booking.event_type else "",
        event_type_name=booking.event_type.name if booking.event_type else "",
        event_type_slug=booking.event_type.slug if booking.event_type else "",
        teams=_teams(booking),
        is_erased=head.erased_at is not None,
    )


def _teams(booking: Booking) -> tuple[str, ...]:
    names = {
        group.name
        for row in booking.booking_hosts.all()
        for membership in row.host.memberships.all()
        for group in membership.groups.all()
        if group.vanished_at is None and membership.vanished_at is None and group.name
    }
    return tuple(sorted(names))


def _hosts(booking: Booking) -> tuple[Person, ...]:
    hosts = [row.host for row in booking.booking_hosts.all()]
    return tuple(Person(name=host.name, email=host.email, timezone=host.timezone) for host in hosts)
