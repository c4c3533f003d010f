"""What surrounds the bookings: users, memberships, groups, event types, routing forms and submissions -> snapshots.

`now` is the fallback for times that the object lacks: when the source said so.
Source: https://developer.calendly.com/api-docs
"""

from datetime import datetime

from bookings.snapshots import (
    EventTypeSnapshot,
    GroupRelationshipSnapshot,
    GroupSnapshot,
    HostSnapshot,
    MembershipSnapshot,
    RoutingFormSnapshot,
    RoutingSubmissionSnapshot,
)
from integrations.sources.calendly.payloads import parts
from integrations.sources.calendly.payloads.reading import Fields

_MEMBERSHIP = "/organization_memberships/"


def read_host(item: Fields, *, now: datetime) -> HostSnapshot | None:
    """Return a user, or None without a URI."""
    if not (uri := item.uri("uri")):
        return None
    return HostSnapshot(
        uri=uri,
        name=item.text("name", 255),
        email=item.text("email", 320),
        timezone=item.text("timezone", 64),
        updated_at=_version(item) or now,
        raw=item.raw,
    )


def read_membership(item: Fields, *, now: datetime) -> MembershipSnapshot | None:
    """Return a user's place in an organization, or None without a URI or a user."""
    uri, host = item.uri("uri"), _host_of(item)
    if not uri or host is None:
        return None
    return MembershipSnapshot(
        uri=uri,
        host=host,
        organization_uri=_named(item, "organization"),
        updated_at=_version(item) or now,
        role=item.text("role", 32),
        raw=item.raw,
    )


def _host_of(membership: Fields) -> HostSnapshot | None:
    """Return the user of a membership: the whole object, or a mere mention where only its URI is given."""
    user = membership.child("user")
    uri = _named(membership, "user")
    if not uri:
        return None
    return HostSnapshot(
        uri=uri,
        name=user.text("name", 255),
        email=user.text("email", 320),
        timezone=user.text("timezone", 64),
        updated_at=_version(user),
        raw=user.raw,
    )


def read_group(item: Fields, *, now: datetime) -> GroupSnapshot | None:
    """Return a group, or None without a URI."""
    if not (uri := item.uri("uri")):
        return None
    return GroupSnapshot(
        uri=uri,
        name=item.text("name", 255),
        updated_at=_version(item) or now,
        organization_uri=_named(item, "organization"),
        raw=item.raw,
    )


def read_group_relationship(item: Fields, *, now: datetime) -> GroupRelationshipSnapshot | None:
    """Return a place in a group, or None without a URI or a group; whose it is may be an invitation's."""
    uri, group_uri = item.uri("uri"), _named(item, "group")
    if not uri or not group_uri:
        return None
    owner = _named(item, "owner")
    return GroupRelationshipSnapshot(
        uri=uri,
        group_uri=group_uri,
        updated_at=_version(item) or now,
        membership_uri=owner if _MEMBERSHIP in owner else "",
        role=item.text("role", 32),
        raw=item.raw,
    )


def read_event_type(item: Fields, *, now: datetime) -> EventTypeSnapshot | None:
    """Return an event type, or None without a URI."""
    if not (uri := item.uri("uri")):
        return None
    return EventTypeSnapshot(
        uri=uri,
        name=item.text("name", 255),
        updated_at=_version(item) or now,
        slug=item.text("slug", 255),
        kind=item.text("kind", 32),
        pooling_type=item.text("pooling_type", 32),
        active=item.flag("active", default=True),
        duration_minutes=item.count("duration"),
        scheduling_url=item.link("scheduling_url", 1024),
        deleted_at=item.moment("deleted_at"),
        raw=item.raw,
    )


def read_routing_form(item: Fields, *, now: datetime) -> RoutingFormSnapshot | None:
    """Return a routing form, or None without a URI."""
    if not (uri := item.uri("uri")):
        return None
    return RoutingFormSnapshot(
        uri=uri,
        name=item.text("name", 255),
        updated_at=_version(item) or now,
        status=item.text("status", 32),
        organization_uri=_named(item, "organization"),
        questions=tuple(question.raw for question in item.children("questions")),
        raw=item.raw,
    )


def read_submission(item: Fields, *, now: datetime) -> RoutingSubmissionSnapshot | None:
    """Return a routing form submission, or None without a URI."""
    if not (uri := item.uri("uri")):
        return None
    created = item.moment("created_at")
    result = item.child("result")
    message = result.child("value")
    return RoutingSubmissionSnapshot(
        uri=uri,
        routing_form_uri=item.uri("routing_form"),
        created_at=created or now,
        updated_at=item.moment("updated_at") or created or now,
        answers=parts.read_answers(item),
        tracking=dict(item.texts("tracking")),
        result_type=result.text("type", 32),
        result_value=result.text("value")
        or f"{message.text('headline')}\n{message.text('body')}".strip(),
        submitter_uri=item.uri("submitter"),
        raw=item.raw,
    )


def _named(item: Fields, key: str) -> str:
    """Return the URI under the key, which may hold an object that has it."""
    return item.uri(key) or item.child(key).uri("uri")


def _version(item: Fields) -> datetime | None:
    return item.moment("updated_at") or item.moment("created_at")
