"""What a rule would be asked about: the newest event of a meeting that it asks for, and its moments of the clock."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.db.models import Max

from bookings.models import BookingEvent, Invitee
from integrations import clock
from integrations.models import Rule
from integrations.models.rule import ANCHORS

#: How many of the newest events, or places, are looked through for those that a rule asks for.
LOOKS_THROUGH = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Hold an event, stored or one that the clock would bring, and the rule that would carry it out.

    `left` is why the clock would leave it, `told` why it would act otherwise than at its moment. What only a backfill told of
    (`is_backfilled`) is taken as if a webhook had told of it.
    """

    chain_id: int
    event: BookingEvent
    by: Rule
    left: str = ""
    told: str = ""
    is_backfilled: bool = False


def newest(rule: Rule, *, most: int) -> list[int]:
    """Return the chains to which something happened that the rule asks for, the newest first.

    That is by when it happened, for the clock by when the meeting was booked, whenever it was heard of.
    """
    found: dict[int, datetime] = {}
    for chain_id, at in [*_newest_events(rule, most=most), *_newest_places(rule, most=most)]:
        found[chain_id] = max(at, found.get(chain_id, at))
    return sorted(found, key=lambda chain_id: (found[chain_id], chain_id), reverse=True)[:most]


def find(rule: Rule, chains: Collection[int], *, now: datetime) -> list[Occasion]:
    """Return what the rule would be asked about these chains, in their order; in a handful of queries for all."""
    found = [*_of_events(rule, chains), *_of_clock(rule, chains, now=now)]
    return sorted(found, key=lambda occasion: occasion.chain_id)


def _stored_kinds(rule: Rule) -> list[str]:
    return [kind for kind in rule.kinds if kind not in ANCHORS]


def _newest_events(rule: Rule, *, most: int) -> Iterable[tuple[int, datetime]]:
    if not (kinds := _stored_kinds(rule)):
        return []
    last = BookingEvent.objects.order_by("-id").values_list("id", flat=True).first() or 0
    rows = BookingEvent.objects.filter(
        id__gt=last - LOOKS_THROUGH, kind__in=kinds, chain__isnull=False
    )
    newest = rows.order_by().values("chain_id").annotate(at=Max("occurred_at"))
    return newest.order_by("-at", "-chain_id").values_list("chain_id", "at")[:most]


def _newest_places(rule: Rule, *, most: int) -> Iterable[tuple[int, datetime]]:
    if not rule.clock_kinds:
        return []
    last = Invitee.objects.order_by("-id").values_list("id", flat=True).first() or 0
    rows = clock.active().filter(pk__gt=last - LOOKS_THROUGH).order_by("-created_at", "-id")
    return rows.values_list("chain_id", "created_at")[:most]


def _of_events(rule: Rule, chains: Collection[int]) -> Iterator[Occasion]:
    rows = (
        BookingEvent.objects.filter(chain__in=chains, kind__in=_stored_kinds(rule))
        .select_related("booking", "invitee")
        .defer("booking__raw", "invitee__raw")
    )
    last = {cast("int", event.chain_id): event for event in rows.order_by("id")}
    for chain_id, event in last.items():
        is_backfilled, event.silent = event.silent, False
        yield Occasion(chain_id=chain_id, event=event, by=rule, is_backfilled=is_backfilled)


def _of_clock(rule: Rule, chains: Collection[int], *, now: datetime) -> Iterator[Occasion]:
    if not rule.clock_kinds:
        return
    rows = clock.active().filter(chain__in=chains).select_related("booking")
    invitees = list(rows.defer("raw", "booking__raw").order_by("pk"))
    for kind in rule.clock_kinds:
        yield from _moments(rule, kind, invitees, now=now)


def _moments(
    rule: Rule, kind: str, invitees: Sequence[Invitee], *, now: datetime
) -> Iterator[Occasion]:
    """Yield each meeting's moment, judged as if the clock had been looked at in time."""
    for invitee, moment in zip(invitees, clock.moments_of(kind, invitees), strict=True):
        event = clock.event_of(rule, moment, invitee, now=now)
        verdict = clock.judge(moment, rule, now=max(event.occurred_at, moment.set_at))
        yield Occasion(
            chain_id=cast("int", invitee.chain_id), event=event, by=verdict.by or rule,
            left="" if verdict.acts else verdict.reason, told=verdict.reason if verdict.acts else "",
        )  # fmt: skip
