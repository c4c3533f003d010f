"""Say where bookings stand at every destination now: the latest delivery of a chain, connection and rule decides.

Reads only, in bulk: the list of bookings asks for a page of them at once, in three queries.
"""

import enum
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

from bookings.filters import of_chains
from bookings.models import Booking, Invitee
from integrations.models import Connection, Delivery, RemoteRecord
from integrations.outbox import latest_deliveries


class Standing(enum.StrEnum):
    """How a destination stands, the most pressing first."""

    FAILED = "failed"
    PAUSED = "paused"
    RETRYING = "retrying"
    WAITING = "waiting"
    SYNCED = "synced"
    SKIPPED = "nothing to do"


#: Sent messages cannot be opened, and there may be many.
_FEW = 3
#: Of which bookings "nothing sent" is asked: those booked since.
UNSENT_SINCE = timedelta(days=14)
_PAUSED = Q(connection__state=Connection.State.PAUSED) | Q(rule__paused_at__isnull=False)
_URGENCY = {standing: place for place, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Hold how one connection stands for one meeting; `records` exist over there, the newest written first."""

    connection: Connection
    invitee: Invitee
    delivery: Delivery
    standing: Standing
    records: tuple[RemoteRecord, ...]

    @property
    def state(self) -> str:
        """Return the standing's word."""
        return self.standing.value

    @property
    def linked_records(self) -> tuple[RemoteRecord, ...]:
        """Return the records that a person can open, or the newest few where none can be."""
        return tuple(record for record in self.records if record.url) or self.records[:_FEW]

    @property
    def url(self) -> str:
        """Return the link to what was written last, if it has one."""
        return next((record.url for record in self.records if record.url), "")

    @property
    def error(self) -> str:
        """Return what went wrong: the delivery's error, or why its connection or its rule is paused."""
        if self.standing == Standing.PAUSED:
            return self._paused[0]
        return self.delivery.error if self.is_troubled else ""

    @property
    def hint(self) -> str:
        """Return what a person can do about it."""
        if self.standing == Standing.PAUSED:
            what = "connection" if self._is_connection_paused else "rule"
            return self._paused[1] or f"Mend the {what}, then resume it: all that waits is sent."
        return self.delivery.hint if self.is_troubled else ""

    @property
    def _is_connection_paused(self) -> bool:
        return self.connection.state == Connection.State.PAUSED

    @property
    def _paused(self) -> tuple[str, str]:
        rule = self.delivery.rule
        if self._is_connection_paused or rule is None:
            return self.connection.state_reason, self.connection.state_hint
        return rule.paused_reason, rule.paused_hint

    @property
    def is_troubled(self) -> bool:
        """Tell whether a person may have to look."""
        return self.standing in {Standing.FAILED, Standing.PAUSED, Standing.RETRYING}

    @property
    def can_retry(self) -> bool:
        """Tell whether an operator may send it again."""
        return self.standing in {Standing.FAILED, Standing.SKIPPED}


def failed_chains() -> QuerySet[Delivery, int]:
    """Return the ids of chains that failed somewhere and were not repaired by a later delivery."""
    failed = latest_deliveries().filter(state=Delivery.State.FAILED)
    return failed.order_by().values_list("chain_id", flat=True)


class Sync(models.TextChoices):
    """What staff ask of bookings as to their destinations."""

    FAILED = "failed", "Failed somewhere"
    PAUSED = "paused", "Paused"
    BEHIND = "behind", "Waiting to be sent"
    SYNCED = "synced", "All synced"
    UNSENT = "unsent", "Nothing sent (booked in the last 14 days)"


def with_sync(bookings: QuerySet[Booking], sync: str, *, now: datetime) -> QuerySet[Booking]:
    """Keep the bookings that stand so; all for a word that is none.

    What is wrong somewhere is few rows with indexes of their own, so the questions begin there. Nothing sent leaves no row to begin at: it is asked of a span
    of time.
    """
    match sync:
        case Sync.FAILED:
            return of_chains(bookings, failed_chains())
        case Sync.PAUSED:
            return of_chains(bookings, _unsettled().filter(_PAUSED).values("chain"))
        case Sync.BEHIND:
            return of_chains(bookings, _unsettled().exclude(_PAUSED).values("chain"))
        case Sync.SYNCED:
            sent = _of_outer(Delivery.objects.filter(state=Delivery.State.DELIVERED))
            failed = _of_outer(latest_deliveries().filter(state=Delivery.State.FAILED))
            return bookings.filter(Exists(sent), ~Exists(_of_outer(_unsettled())), ~Exists(failed))
        case Sync.UNSENT:
            tried = Delivery.objects.exclude(state=Delivery.State.SKIPPED)
            recent = bookings.filter(created_at__gte=now - UNSENT_SINCE)
            return recent.filter(~Exists(_of_outer(tried)))
    return bookings


def _unsettled() -> QuerySet[Delivery]:
    return Delivery.objects.filter(state__in=Delivery.UNSETTLED).order_by()


def _of_outer(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Keep the deliveries for the booking of the query around it."""
    return deliveries.filter(chain__chain_members__booking=OuterRef("pk")).order_by()


def destinations(bookings: Collection[Booking]) -> dict[int, list[Destination]]:
    """Return each booking's destinations by its id, one a connection: the most pressing of its meetings."""
    found = every_destination(bookings)
    return {pk: list(by_urgency(rows).values()) for pk, rows in found.items()}


def every_destination(bookings: Collection[Booking]) -> dict[int, list[Destination]]:
    """Return each booking's destinations by its id, one for every meeting, connection and rule."""
    invitees = Invitee.objects.filter(booking__in=bookings, chain__isnull=False)
    chains = list(invitees.order_by("id").values_list("booking_id", "chain_id"))
    standing = _by_chain({chain_id for _, chain_id in chains})
    found: dict[int, list[Destination]] = {booking.pk: [] for booking in bookings}
    for booking_id, chain_id in chains:
        found[booking_id] += standing.get(chain_id, [])
    return found


def _by_chain(chains: set[int]) -> dict[int, list[Destination]]:
    records: dict[tuple[int, int], list[RemoteRecord]] = defaultdict(list)
    for record in RemoteRecord.objects.filter(chain_id__in=chains).order_by("-updated_at", "-id"):
        records[record.chain_id, record.connection_id].append(record)
    found: dict[int, list[Destination]] = defaultdict(list)
    rows = (
        latest_deliveries()
        .filter(chain_id__in=chains)
        .select_related("connection", "chain", "rule", "waits_for")
    )
    for delivery in rows.defer("chain__raw").order_by("connection__name", "id"):
        there = tuple(records[delivery.chain_id, delivery.connection_id])
        destination = Destination(
            connection=delivery.connection,
            invitee=delivery.chain,
            delivery=delivery,
            standing=_standing(delivery, is_there=bool(there)),
            records=there,
        )
        found[delivery.chain_id].append(destination)
    return found


def _standing(delivery: Delivery, *, is_there: bool) -> Standing:
    """Return how a delivery stands; nothing to do where something is there means that it is true already."""
    match delivery.state:
        case Delivery.State.DELIVERED:
            return Standing.SYNCED
        case Delivery.State.SKIPPED:
            return Standing.SYNCED if is_there else Standing.SKIPPED
        case Delivery.State.FAILED:
            return Standing.FAILED
    if delivery.connection.state == Connection.State.PAUSED or _is_rule_paused(delivery):
        return Standing.PAUSED
    return Standing.RETRYING if delivery.attempt_count > 1 or delivery.error else Standing.WAITING


def _is_rule_paused(delivery: Delivery) -> bool:
    return delivery.rule is not None and delivery.rule.paused_at is not None


def by_urgency(found: Iterable[Destination]) -> dict[int, Destination]:
    """Return the most pressing destination of each connection, by the connection's id."""
    worst: dict[int, Destination] = {}
    for destination in found:
        known = worst.setdefault(destination.connection.pk, destination)
        if _URGENCY[destination.standing] < _URGENCY[known.standing]:
            worst[destination.connection.pk] = destination
    return worst
