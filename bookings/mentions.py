"""The hosts and event types that bookings name: each gets a row, and a booking its hosts.

A mere mention never overwrites what a full snapshot said.
"""

from collections.abc import Iterable

from bookings.models import Booking, BookingHost, EventType, Host
from bookings.origin import Origin
from bookings.snapshots import BookingSnapshot, HostSnapshot
from bookings.versions import Changes


def mention_hosts(snapshots: Iterable[BookingSnapshot], *, origin: Origin) -> dict[str, Host]:
    """Return every host that is named, by URI; unknown ones get a row, and a mere mention fills what is empty."""
    named = {host.uri: host for snapshot in snapshots for host in snapshot.hosts}
    known = Host.objects.in_bulk(list(named), field_name="uri") if named else {}
    missing = [named[uri] for uri in sorted(named.keys() - known.keys())]
    if missing:
        Host.objects.bulk_create(
            [
                Host(
                    uri=h.uri,
                    name=h.name,
                    email=h.email,
                    raw=dict(h.raw),
                    account=origin.account,
                    erased_at=origin.now if h.forgotten else None,
                )
                for h in missing
            ],
            ignore_conflicts=True,
        )
        known |= Host.objects.in_bulk([host.uri for host in missing], field_name="uri")
    for uri, mention in sorted(named.items()):  # in one order, as rows are locked
        _fill_host(known[uri], mention)
    return known


def _fill_host(host: Host, mention: HostSnapshot) -> None:
    if host.source_updated_at is not None or host.erased_at is not None:
        return
    empty = {
        name: value
        for name, value in (("name", mention.name), ("email", mention.email))
        if value and not getattr(host, name)
    }
    if empty:
        Host.objects.filter(pk=host.pk).update(**empty)


def mention_event_types(snapshots: Iterable[BookingSnapshot], *, origin: Origin) -> dict[str, int]:
    """Return the row's id of every event type that is named, by URI; a retired one gets a row by its name."""
    named = {s.event_type_uri: s.event_type_name or s.name for s in snapshots if s.event_type_uri}
    known = _event_type_ids(named)
    missing = sorted(named.keys() - known.keys())
    if missing:
        EventType.objects.bulk_create(
            [EventType(uri=uri, name=named[uri], account=origin.account) for uri in missing],
            ignore_conflicts=True,
        )
        known |= _event_type_ids(missing)
    return known


def _event_type_ids(uris: Iterable[str]) -> dict[str, int]:
    wanted = list(uris)
    if not wanted:
        return {}
    return dict(EventType.objects.filter(uri__in=wanted).values_list("uri", "pk"))


def write_hosts(
    written: list[tuple[Booking, Changes]],
    snapshots: list[BookingSnapshot],
    known: dict[str, Host],
) -> None:
    """Give every changed booking its hosts, and note in its changes where they differ."""
    latest = {
        booking.pk: (booking, changes, [known[host.uri] for host in snapshot.hosts])
        for (booking, changes), snapshot in zip(written, snapshots, strict=True)
        if changes
    }
    before = _hosts_by_booking(latest)
    stale, fresh = [], []
    for booking, changes, hosts in latest.values():
        had = before.get(booking.pk, [])
        if [host.pk for host in had] == [host.pk for host in hosts]:
            continue
        changes["hosts"] = [[str(host) for host in had], [str(host) for host in hosts]]
        stale += [booking.pk] if had else []
        fresh += [
            BookingHost(booking=booking, host=host, position=position)
            for position, host in enumerate(hosts)
        ]
    if stale:
        BookingHost.objects.filter(booking_id__in=stale).delete()
    if fresh:
        BookingHost.objects.bulk_create(fresh)


def _hosts_by_booking(booking_ids: Iterable[int]) -> dict[int, list[Host]]:
    rows = BookingHost.objects.filter(booking_id__in=list(booking_ids)).select_related("host")
    found: dict[int, list[Host]] = {}
    for row in rows.order_by("booking_id", "position"):
        found.setdefault(row.booking_id, []).append(row.host)
    return found
