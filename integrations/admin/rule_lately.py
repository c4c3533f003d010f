"""What a rule did lately: the newest events that it acted on or left alone. No more is read than is shown, and a window behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from bookings.browsing import label
from bookings.discretion import Discretion
from bookings.models import BookingEvent
from integrations.models import ClockEntry, Delivery, EventPlan, Rule

#: How many are shown, and how many of the newest events that any rule left alone are looked at.
MOST, WINDOW = 10, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Say what a rule did about one event: its state, its words, and where more of it stands."""

    at: datetime
    kind: str
    state: str
    words: str
    reason: str
    booking: str
    booking_url: str
    delivery_url: str = ""


def lately(rule: Rule, request: HttpRequest) -> list[Deed]:
    """Return the newest things that the rule did or left, the newest first."""
    found = [*_acted(rule, request), *_withheld(rule, request), *_at_the_clock(rule, request)]
    return sorted(found, key=lambda deed: deed.at, reverse=True)[:MOST]


def _acted(rule: Rule, request: HttpRequest) -> Iterator[Deed]:
    discretion = Discretion.of(request.user)
    rows = Delivery.objects.filter(rule=rule).select_related("event__booking", "event__chain")
    for row in rows.defer("event__booking__raw", "event__chain__raw").order_by("-id")[:MOST]:
        told = row.error if row.state == Delivery.State.FAILED else row.result
        is_told = row.state in {Delivery.State.FAILED, Delivery.State.SKIPPED}
        yield _deed(
            row.event, request, at=row.created_at, state=row.state, words=f"acted: {row.get_state_display()}",
            reason=discretion.text(told) if is_told else "",
            delivery_url=reverse("admin:integrations_delivery_change", args=[row.pk]),
        )  # fmt: skip


def _withheld(rule: Rule, request: HttpRequest) -> Iterator[Deed]:
    newest = EventPlan.objects.order_by("-event_id").values_list("event_id", "withheld")[:WINDOW]
    said = {
        event_id: entry["reason"]
        for event_id, entries in newest
        for entry in entries
        if entry.get("rule") == rule.pk
    }
    events = BookingEvent.objects.filter(pk__in=sorted(said, reverse=True)[:MOST])
    events = events.select_related("booking", "chain").defer("booking__raw", "chain__raw")
    for event in events:
        yield _deed(event, request, at=event.created_at, state="skipped", words="left alone", reason=said[event.pk])  # fmt: skip


def _at_the_clock(rule: Rule, request: HttpRequest) -> Iterator[Deed]:
    """Yield the moments that the rule left alone, or that another rule acted at in its place."""
    rows = ClockEntry.objects.filter(rule=rule).exclude(reason="").select_related("chain__booking")
    entries = list(rows.order_by("-id")[:MOST])
    deliveries = Delivery.objects.filter(event__in=[row.event_id for row in entries])
    others = deliveries.exclude(rule=rule).values_list("event_id", flat=True)
    words = {None: "left alone"} | dict.fromkeys(others, "left to another rule")
    for row in entries:
        if row.event_id not in words:
            continue
        event = BookingEvent(kind=row.kind, booking=row.chain.booking, chain=row.chain)
        yield _deed(event, request, at=row.created_at, state="skipped", words=words[row.event_id], reason=row.reason)  # fmt: skip


def _deed(
    event: BookingEvent, request: HttpRequest, *, at: datetime, state: str, words: str, reason: str, delivery_url: str = ""
) -> Deed:  # fmt: skip
    page = "admin:bookings_booking_change"
    return Deed(
        at=at, kind=event.get_kind_display(), state=state, words=words, reason=reason,
        booking=label(event.chain, request) if event.chain else "",
        booking_url=reverse(page, args=[event.booking_id]) if event.booking_id else "",
        delivery_url=delivery_url,
    )  # fmt: skip
