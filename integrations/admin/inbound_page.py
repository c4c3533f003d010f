"""What the page of a webhook shows: how it came, what it became, and its body for who may see it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from bookings.discretion import Discretion
from bookings.models import Booking, BookingEvent
from integrations.admin.words import duration
from integrations.models import InboundWebhook

State = InboundWebhook.State

#: Bytes of a body that the page shows; all of it can be downloaded.
SHOWN = 64 * 1024

_KEYS: Mapping[str, str] = {
    "current": "with the current signing key",
    "previous": "with the previous signing key, which is accepted while a rotation lasts",
}
#: What a state means for whoever wonders why nothing was sent.
_MEANINGS: Mapping[str, str] = {
    State.RECEIVED: "It is stored and waits for a worker.",
    State.PROCESSED: "The mirror was brought up to date; what was new to it became the events below.",
    State.DUPLICATE: "An earlier webhook told the same, so nothing was changed and nothing was sent.",
    State.IGNORED: "Calsync has no use for it, so nothing was changed and nothing was sent.",
    State.FAILED: "A fault in Calsync: nothing was changed and nothing was sent. Report it, then process it again.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Hold a body as a page shows it; `readable` is empty where it is no JSON, or too long to be laid out."""

    raw: str
    readable: str
    size: int
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Hold an event that a webhook became, with its booking's page."""

    kind: str
    who: str
    url: str
    deliveries: int


def page(webhook: InboundWebhook, *, discretion: Discretion) -> dict[str, Any]:
    """Return the template context of a webhook's page."""
    age = (webhook.received_at - webhook.signed_at).total_seconds()
    body = bytes(webhook.body)
    return {
        "webhook": webhook, "verified": _KEYS.get(webhook.verified_by, f"with the key “{webhook.verified_by}”"),
        "signed": f"{duration(age)} before it arrived" if age >= 1 else "as it arrived",
        "meaning": _MEANINGS[State(webhook.state)], "became": discretion.text(webhook.outcome),
        "fault": discretion.text(webhook.error), "events": list(_events(webhook, discretion)),
        "booking_name": booking_name(webhook.booking, discretion), "is_erased": not body,
        "sees_body": discretion.is_clear, "body": shown(body) if body and discretion.is_clear else None,
    }  # fmt: skip


def shown(body: bytes) -> Body:
    """Return a body for a page: as it came, and laid out where it is JSON; only the beginning of a long one."""
    is_cut = len(body) > SHOWN
    raw = body[:SHOWN].decode("utf-8", errors="backslashreplace")
    return Body(raw=raw, readable="" if is_cut else _readable(raw), size=len(body), is_cut=is_cut)


def booking_name(booking: Booking | None, discretion: Discretion) -> str:
    """Return what a booking is called; its name may name the invitee."""
    if booking is None:
        return ""
    return str(booking) if discretion.is_clear else f"booking #{booking.pk}"


def _readable(raw: str) -> str:
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _events(webhook: InboundWebhook, discretion: Discretion) -> Iterator[EventRow]:
    rows = BookingEvent.objects.filter(cause=BookingEvent.Cause.WEBHOOK, cause_id=webhook.pk)
    related = rows.select_related("invitee").prefetch_related("deliveries").order_by("id")
    for row in related.defer("invitee__raw"):
        url = reverse("admin:bookings_booking_change", args=[row.booking_id]) if row.booking_id else ""  # fmt: skip
        who = discretion.name(str(row.invitee)) if row.invitee else ""
        yield EventRow(kind=row.get_kind_display(), who=who, url=url, deliveries=len(row.deliveries.all()))  # fmt: skip
