"""Frozen facts about one moment at the source: the only language that reconcile understands.

A source's parser turns provider JSON into these; nothing after it sees JSON. Times are aware UTC datetimes.
`raw` is the provider's object as it came and never takes part in a comparison. `forgotten` says that it is of an erased
person (a booking: of nobody else), without what was theirs.
"""

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any, Final

Raw = Mapping[str, Any]


class Unset(enum.Enum):
    """Mark a fact that the snapshot does not speak about, as opposed to one that it denies."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """Say who canceled, why and when."""

    canceled_by: str = ""
    reason: str = ""
    canceler_type: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoShow:
    """Say that an invitee was marked as a no-show; `created_at` does not move the invitee's version."""

    uri: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Say where a booking takes place, with the provider's type names normalised (`zoom_conference` is `zoom`)."""

    type: str = ""
    status: str = ""
    join_url: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one answered question of the booking form."""

    question: str
    answer: str
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """Describe a Calendly user; without `updated_at` it is a mere mention and never overwrites a full one."""

    uri: str
    name: str = ""
    email: str = ""
    timezone: str = ""
    updated_at: datetime | None = None
    forgotten: bool = False
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipSnapshot:
    """Describe a user's place in an organization, with the user."""

    uri: str
    host: HostSnapshot
    organization_uri: str
    updated_at: datetime
    role: str = ""
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSnapshot:
    """Describe a group of an organization's members."""

    uri: str
    name: str
    updated_at: datetime
    organization_uri: str = ""
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRelationshipSnapshot:
    """Describe a place in a group; `membership_uri` is empty for who was invited and has not joined."""

    uri: str
    group_uri: str
    updated_at: datetime
    membership_uri: str = ""
    role: str = ""
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeSnapshot:
    """Describe a Calendly event type (the template that bookings are made from)."""

    uri: str
    name: str
    updated_at: datetime
    slug: str = ""
    kind: str = ""
    pooling_type: str = ""
    active: bool = True
    duration_minutes: int | None = None
    scheduling_url: str = ""
    deleted_at: datetime | None = None
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingSnapshot:
    """Describe a Calendly scheduled event."""

    uri: str
    name: str
    status: str
    start_at: datetime
    end_at: datetime
    created_at: datetime
    updated_at: datetime
    event_type_uri: str = ""
    event_type_name: str = ""
    location: Location = field(default_factory=Location)
    hosts: tuple[HostSnapshot, ...] = ()
    guests: tuple[str, ...] = ()
    invitees_total: int | None = None
    invitees_active: int | None = None
    invitees_limit: int | None = None
    cancellation: Cancellation | None = None
    forgotten: bool = False
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteeSnapshot:
    """Describe one invitee of a booking; in a group event each is a meeting of its own."""

    uri: str
    booking_uri: str
    status: str
    created_at: datetime
    updated_at: datetime
    email: str = ""
    name: str = ""
    first_name: str = ""
    last_name: str = ""
    timezone: str = ""
    text_reminder_number: str = ""
    answers: tuple[Answer, ...] = ()
    tracking: Mapping[str, str] = field(default_factory=dict)
    rescheduled: bool = False
    old_invitee_uri: str = ""
    new_invitee_uri: str = ""
    cancellation: Cancellation | None = None
    no_show: NoShow | Unset | None = UNSET
    cancel_url: str = ""
    reschedule_url: str = ""
    routing_submission_uri: str = ""
    forgotten: bool = False
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeetingSnapshot:
    """Join a booking and the invitees that were seen with it.

    `booking` is None when the body named it by URI alone. `observed_at` is when the source said so: the
    webhook envelope's `created_at`, or the moment of an API answer. `complete` says that there are no other invitees.
    """

    booking: BookingSnapshot | None
    invitees: tuple[InviteeSnapshot, ...]
    observed_at: datetime
    complete: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoShowSnapshot:
    """Say only that an invitee, named by URI, was (or is no longer) marked as a no-show."""

    invitee_uri: str
    booking_uri: str
    no_show: NoShow | None
    observed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingFormSnapshot:
    """Describe a routing form; `questions` are the provider's objects."""

    uri: str
    name: str
    updated_at: datetime
    status: str = ""
    organization_uri: str = ""
    questions: tuple[Raw, ...] = ()
    raw: Raw = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingSubmissionSnapshot:
    """Describe one submission of a Calendly routing form."""

    uri: str
    routing_form_uri: str
    created_at: datetime
    updated_at: datetime
    answers: tuple[Answer, ...] = ()
    tracking: Mapping[str, str] = field(default_factory=dict)
    result_type: str = ""
    result_value: str = ""
    submitter_uri: str = ""
    raw: Raw = field(default_factory=dict, repr=False)


#: What is read beside the bookings.
DirectorySnapshot = (
    HostSnapshot
    | MembershipSnapshot
    | GroupSnapshot
    | GroupRelationshipSnapshot
    | EventTypeSnapshot
    | RoutingFormSnapshot
    | RoutingSubmissionSnapshot
)
Snapshot = DirectorySnapshot | MeetingSnapshot | NoShowSnapshot

#: Left out of the content hash: `raw` and versions are volatile, a no-show has a version of its own.
_VOLATILE = frozenset({"raw", "updated_at", "no_show", "forgotten"})


def content_hash(
    snapshot: DirectorySnapshot | BookingSnapshot | InviteeSnapshot,
) -> str:
    """Return the hex SHA-256 of what the snapshot says, without its volatile fields."""
    # `raw` may be large: it is left out before anything is copied.
    content = {
        f.name: getattr(snapshot, f.name) for f in fields(snapshot) if f.name not in _VOLATILE
    }
    if isinstance(snapshot, BookingSnapshot):
        content["hosts"] = [host.uri for host in snapshot.hosts]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)
