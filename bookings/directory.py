"""Write what surrounds the bookings: hosts, memberships, groups, event types, routing forms and submissions.

None of it is announced, but for a routing form submission that is seen for the first time. A row that another one
names before it is told of is made as a stub, which any full snapshot fills.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from bookings.erasure import without_erased
from bookings.mirror import answers_as_json
from bookings.models import (
    Booking,
    BookingEvent,
    EventType,
    Group,
    GroupRelationship,
    Host,
    MirrorRow,
    OrganizationMembership,
    RoutingForm,
    RoutingSubmission,
    SourceObject,
)
from bookings.origin import Origin
from bookings.reconciled import Reconciled
from bookings.snapshots import (
    DirectorySnapshot,
    EventTypeSnapshot,
    GroupRelationshipSnapshot,
    GroupSnapshot,
    HostSnapshot,
    MembershipSnapshot,
    RoutingFormSnapshot,
    RoutingSubmissionSnapshot,
    content_hash,
)
from bookings.versions import Changes, write

_MODELS: Mapping[type[DirectorySnapshot], type[MirrorRow]] = {
    HostSnapshot: Host,
    MembershipSnapshot: OrganizationMembership,
    GroupSnapshot: Group,
    GroupRelationshipSnapshot: GroupRelationship,
    EventTypeSnapshot: EventType,
    RoutingFormSnapshot: RoutingForm,
    RoutingSubmissionSnapshot: RoutingSubmission,
}
_SOURCE_OBJECTS: tuple[type[SourceObject], ...] = (
    Booking, Host, EventType, OrganizationMembership, Group, GroupRelationship, RoutingForm,
)  # fmt: skip
_VERSION = ("content_hash", "source_updated_at", "vanished_at", "account")

#: URI -> the row's version columns, by model.
_Known = Mapping[type[MirrorRow], Mapping[str, Mapping[str, Any]]]


def reconcile_directory(snapshot: DirectorySnapshot, *, origin: Origin) -> Reconciled:
    """Write one snapshot, in the caller's transaction; the same again changes nothing. What is erased is left out."""
    fit = without_erased(snapshot)
    return replace(_reconcile(fit, origin=origin), forgotten=fit is not snapshot)


def _reconcile(snapshot: DirectorySnapshot, *, origin: Origin) -> Reconciled:
    match snapshot:
        case HostSnapshot():
            return reconcile_host(snapshot, origin=origin)
        case MembershipSnapshot():
            return reconcile_membership(snapshot, origin=origin)
        case GroupSnapshot():
            return reconcile_group(snapshot, origin=origin)
        case GroupRelationshipSnapshot():
            return reconcile_group_relationship(snapshot, origin=origin)
        case EventTypeSnapshot():
            return reconcile_event_type(snapshot, origin=origin)
        case RoutingFormSnapshot():
            return reconcile_routing_form(snapshot, origin=origin)
        case RoutingSubmissionSnapshot():
            return reconcile_routing_submission(snapshot, origin=origin)


def reconcile_directory_page(
    snapshots: Collection[DirectorySnapshot], *, origin: Origin
) -> list[Reconciled]:
    """Write a page of snapshots, each in a transaction of its own; return what those became that told something new.

    What the mirror holds already costs no statement but its share of one query a model.
    """
    known = _known(snapshots)
    told = [s for s in snapshots if any(_is_new(part, known, origin) for part in _parts(s))]
    return [_reconcile_alone(snapshot, origin=origin) for snapshot in told]


@transaction.atomic
def _reconcile_alone(snapshot: DirectorySnapshot, *, origin: Origin) -> Reconciled:
    return reconcile_directory(snapshot, origin=origin)


def _parts(snapshot: DirectorySnapshot) -> Iterator[DirectorySnapshot]:
    """Yield the snapshot and what is told with it; a mere mention tells nothing."""
    yield snapshot
    if isinstance(snapshot, MembershipSnapshot) and snapshot.host.updated_at:
        yield snapshot.host


def _known(snapshots: Iterable[DirectorySnapshot]) -> _Known:
    uris: dict[type[MirrorRow], set[str]] = {}
    for snapshot in snapshots:
        for part in _parts(snapshot):
            uris.setdefault(_MODELS[type(part)], set()).add(part.uri)
    return {model: _versions(model, found) for model, found in uris.items()}


def _versions(model: type[MirrorRow], uris: set[str]) -> dict[str, Mapping[str, Any]]:
    columns = [name for name in _VERSION if hasattr(model, name)]
    rows = model._default_manager.filter(uri__in=uris)  # noqa: SLF001  # Django's documented name
    return {row["uri"]: row for row in rows.values("uri", *columns)}


def _is_new(snapshot: DirectorySnapshot, known: _Known, origin: Origin) -> bool:
    row = known[_MODELS[type(snapshot)]].get(snapshot.uri)
    if row is None or row.get("vanished_at") or (origin.account and row.get("account") == ""):
        return True
    return (row["content_hash"], row["source_updated_at"]) != (_digest(snapshot), snapshot.updated_at)  # fmt: skip


def reconcile_host(snapshot: HostSnapshot, *, origin: Origin) -> Reconciled:
    """Write a host; a mere mention makes a stub where there is none, and overwrites nothing."""
    host, changed = _write_host(snapshot, origin=origin)
    return Reconciled(changed=changed, note=f"Host {host}.")


def _write_host(snapshot: HostSnapshot, *, origin: Origin) -> tuple[Host, bool]:
    values = {"name": snapshot.name, "email": snapshot.email, "timezone": snapshot.timezone}
    if snapshot.updated_at is None:
        erased_at = origin.now if snapshot.forgotten else None
        stub = {**values, "account": origin.account, "erased_at": erased_at}
        return Host.objects.get_or_create(uri=snapshot.uri, defaults=stub)
    host, changes = _write(snapshot, values, origin=origin)
    return host, bool(changes)


def reconcile_membership(snapshot: MembershipSnapshot, *, origin: Origin) -> Reconciled:
    """Write a membership and its host."""
    host, host_changed = _write_host(snapshot.host, origin=origin)
    values = {
        "host": host,
        "organization_uri": snapshot.organization_uri,
        "role": snapshot.role,
    }
    row, changes = _write(snapshot, values, origin=origin)
    return Reconciled(changed=host_changed or bool(changes), note=f"Member {row}.")


def reconcile_group(snapshot: GroupSnapshot, *, origin: Origin) -> Reconciled:
    """Write a group, without its members."""
    values = {"name": snapshot.name, "organization_uri": snapshot.organization_uri}
    row, changes = _write(snapshot, values, origin=origin)
    return Reconciled(changed=bool(changes), note=f"Group {row}.")


def reconcile_group_relationship(
    snapshot: GroupRelationshipSnapshot, *, origin: Origin
) -> Reconciled:
    """Write a place in a group; while its membership is unknown it stays open and is filled when told again."""
    group, _ = Group.objects.get_or_create(
        uri=snapshot.group_uri, defaults={"account": origin.account}
    )
    membership = OrganizationMembership.objects.filter(uri=snapshot.membership_uri).first()
    written = snapshot if membership else replace(snapshot, membership_uri="")
    values = {"group": group, "membership": membership, "role": snapshot.role}
    row, changes = _write(written, values, origin=origin)
    return Reconciled(changed=bool(changes), note=f"{row}.")


def reconcile_event_type(snapshot: EventTypeSnapshot, *, origin: Origin) -> Reconciled:
    """Write an event type; a deleted one is kept, since old bookings name it."""
    values = {
        "name": snapshot.name,
        "slug": snapshot.slug,
        "kind": snapshot.kind,
        "pooling_type": snapshot.pooling_type,
        "active": snapshot.active,
        "duration_minutes": snapshot.duration_minutes,
        "scheduling_url": snapshot.scheduling_url,
        "deleted_at": snapshot.deleted_at,
    }
    if not snapshot.name:
        del values["name"]  # a body that only names a deleted type takes its name away from nobody
    row, changes = _write(snapshot, values, origin=origin)
    return Reconciled(changed=bool(changes), note=f"Event type {row}.")


def reconcile_routing_form(snapshot: RoutingFormSnapshot, *, origin: Origin) -> Reconciled:
    """Write a routing form with its questions."""
    values = {
        "name": snapshot.name,
        "status": snapshot.status,
        "organization_uri": snapshot.organization_uri,
        "questions": [dict(question) for question in snapshot.questions],
    }
    row, changes = _write(snapshot, values, origin=origin)
    return Reconciled(changed=bool(changes), note=f"Routing form {row}.")


def reconcile_routing_submission(
    snapshot: RoutingSubmissionSnapshot, *, origin: Origin
) -> Reconciled:
    """Write a routing form submission; the first sight of one is an event."""
    values = {
        "routing_form_uri": snapshot.routing_form_uri,
        "created_at": snapshot.created_at,
        "answers": answers_as_json(snapshot.answers),
        "tracking": dict(snapshot.tracking),
        "result_type": snapshot.result_type,
        "result_value": snapshot.result_value,
        "submitter_uri": snapshot.submitter_uri,
    }
    row, changes = _write(snapshot, values, origin=origin)
    events = (_submission_event(row, origin=origin),) if "uri" in changes else ()
    return Reconciled(
        events=events, changed=bool(changes), note="No rule carries routing forms yet."
    )


def _submission_event(row: Any, *, origin: Origin) -> BookingEvent:
    return BookingEvent.objects.create(
        kind=BookingEvent.Kind.ROUTING_FORM_SUBMITTED, routing_submission=row, cause=origin.cause,
        cause_id=origin.cause_id, silent=origin.silent, occurred_at=row.created_at, created_at=origin.now,
    )  # fmt: skip


@transaction.atomic
def mark_vanished(uri: str, *, origin: Origin) -> SourceObject | None:
    """Note that the source does not know an object (any more), and since when; return its row, None without one.

    The row stays as it was last told of. Being told of again takes the mark off.
    """
    for model in _SOURCE_OBJECTS:
        rows = model._default_manager.select_for_update(no_key=True)  # noqa: SLF001  # Django's documented name
        row = rows.filter(uri=uri).first()
        if row is None:
            continue
        if row.vanished_at is None:
            row.vanished_at = origin.now
            row.save(update_fields=["vanished_at", "mirrored_at"])
        return row
    return None


def _write(
    snapshot: DirectorySnapshot, values: Mapping[str, Any], *, origin: Origin
) -> tuple[Any, Changes]:
    """Write a snapshot's row; the account that told of it can be asked about it again."""
    model = _MODELS[type(snapshot)]
    is_asked_by = origin.account and issubclass(model, SourceObject)
    known_by = {"account": origin.account} if is_asked_by else {}
    row, changes = write(
        model, snapshot.uri, {**values, **known_by}, updated_at=snapshot.updated_at, observed_at=origin.now,
        digest=_digest(snapshot), raw=snapshot.raw,
        erased_at=origin.now if getattr(snapshot, "forgotten", False) else None,
    )  # fmt: skip
    if isinstance(row, SourceObject) and known_by and not row.account:
        row.account = origin.account
        row.save(update_fields=["account"])
    return row, changes


def _digest(snapshot: DirectorySnapshot) -> str:
    """Return the hash of what the snapshot says itself: a membership's host has a row and a version of its own."""
    if isinstance(snapshot, MembershipSnapshot):
        snapshot = replace(snapshot, host=HostSnapshot(uri=snapshot.host.uri))
    return content_hash(snapshot)
