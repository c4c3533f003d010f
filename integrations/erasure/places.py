"""Erase some of a person's places with all that the road made of them, in the caller's transaction.

The place itself goes last, so that whoever finds it again after a crash finds the rest through it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q
from django.utils import timezone

from bookings import searching
from bookings.erasure import PLACES_OF_INVITEE, RESULTS_WITHOUT_PERSON
from bookings.models import Booking, EventType, Invitee, RefetchRequest, RoutingSubmission
from bookings.personal import ERASED, Wording
from integrations import holds
from integrations.erasure.subject import Circle
from integrations.models import (
    BulkOperation,
    Delivery,
    DeliveryAttempt,
    DriftFinding,
    InboundWebhook,
    Notification,
    RemoteRecord,
    SimulationResult,
)

#: Facts of an event's changes that are always the invitee's own.
_PERSONAL_CHANGES = frozenset(Invitee.PERSONAL)
#: What a delivery may hold of an error that names the person, and the digest of their address.
_SAID_OF_DELIVERY = ("result", "error", "hint", "cause", "acknowledged_reason", "serial_key")
#: What a notification may.
_TOLD = ("content", "exchanges", "steps", "result", "error", "hint")


def skip_waiting(circle: Circle, *, reason: str, now: datetime) -> int:
    """Settle what waits to be sent for chains that nobody carries on; from then on no worker takes it."""
    holds.lock(circle.deliveries().only("pk"))
    waiting = Delivery.objects.filter(chain__in=circle.ended_chains, state=Delivery.State.WAITING)
    return waiting.update(
        state=Delivery.State.SKIPPED, result=reason, error="", hint="", settled_at=now
    )


def chains_being_sent(circle: Circle) -> set[int]:
    """Return the chains of which a delivery is on its way: what it writes down afterwards must be erased too."""
    sending = circle.deliveries().filter(state=Delivery.State.SENDING)
    return set(sending.values_list("chain_id", flat=True))


def erase(circle: Circle, *, reason: str, now: datetime) -> Counter[str]:
    """Erase the circle's rows and return how many of each; `reason` is written where a text is expected."""
    found = Counter(
        events=_erase_events(circle),
        deliveries=_erase_deliveries(circle, reason=reason),
        attempts=_erase_attempts(circle),
        match_reviews=_forget_reviews(circle),
        webhooks=_erase_webhooks(circle, reason=reason),
        routing_submissions=erase_submissions(circle.submissions(), now=now),
        admin_log=_erase_log(circle),
    )
    scrub_records(circle.records(), circle.wording)
    _scrub_notifications(circle)
    _scrub_operations(circle)
    DriftFinding.objects.filter(chain__in=circle.chains).delete()
    SimulationResult.objects.filter(chain__in=circle.chains).delete()
    _scrub_refetches(circle)
    _scrub_event_types(circle)
    found["bookings"] = _erase_bookings(circle, now=now)
    found["invitees"] = _erase_invitees(circle, now=now)
    searching.refresh(circle.booking_ids)
    return found


def _erase_invitees(circle: Circle, *, now: datetime) -> int:
    unsaved = Invitee()
    blank = {name: getattr(unsaved, name) for name in Invitee.PERSONAL}
    rows = Invitee.objects.filter(pk__in=circle.pks)
    return rows.update(**blank, raw={}, content_hash="", erased_at=now, mirrored_at=timezone.now())


def _erase_bookings(circle: Circle, *, now: datetime) -> int:
    bookings = list(circle.bookings())
    for booking in bookings:
        changed = _scrubbed(booking, circle.wording)
        if booking.pk not in circle.shared_bookings:
            changed |= {"raw": {}, "cancel_reason": "", "canceled_by": "", "erased_at": now}
            if booking.location_type in PLACES_OF_INVITEE:
                changed["location_text"] = ""
        Booking.objects.filter(pk=booking.pk).update(
            **changed, content_hash="", mirrored_at=timezone.now()
        )
    return len(bookings)


def _scrubbed(booking: Booking, wording: Wording) -> dict[str, Any]:
    texts = ("name", "location_text", "cancel_reason", "canceled_by", "raw")
    guests = [guest for guest in booking.guests if not wording.is_in(guest)]
    return {name: wording.scrub(getattr(booking, name)) for name in texts} | {"guests": guests}


def _erase_events(circle: Circle) -> int:
    events = list(circle.events())
    for event in events:
        event.changes = {
            name: _scrub_change(name, pair, circle.wording) for name, pair in event.changes.items()
        }
    circle.events().model.objects.bulk_update(events, ["changes"])
    return len(events)


def _scrub_change(name: str, pair: Any, wording: Wording) -> Any:
    if name in _PERSONAL_CHANGES and isinstance(pair, list):
        return [ERASED if side else side for side in pair]
    return wording.scrub(pair)


def _erase_deliveries(circle: Circle, *, reason: str) -> int:
    """Erase what the deliveries say, and the digest of the address that kept the person's apart."""
    deliveries = list(circle.deliveries())
    for row in deliveries:
        row.result = row.result if row.result == reason else _erased(row.result)
        row.error, row.hint = _erased(row.error), _erased(row.hint)
        row.cause = _erased(row.cause)
        row.acknowledged_reason = _erased(row.acknowledged_reason)
        row.serial_key = f"chain {row.chain_id}"
    Delivery.objects.bulk_update(deliveries, _SAID_OF_DELIVERY)
    return len(deliveries)


def _erase_attempts(circle: Circle) -> int:
    return erase_attempts(circle.attempts())


def erase_attempts(rows: Iterable[DeliveryAttempt]) -> int:
    """Erase what was said at these attempts; how they went, and when, stays."""
    attempts = list(rows)
    for row in attempts:
        row.steps = [{**step, "detail": _erased(step.get("detail"))} for step in row.steps]
        row.exchanges = [_erase_exchange(exchange) for exchange in row.exchanges]
        row.error, row.hint, row.changes = _erased(row.error), _erased(row.hint), {}
    fields = ["steps", "exchanges", "changes", "error", "hint"]
    DeliveryAttempt.objects.bulk_update(attempts, fields)
    return len(attempts)


def _forget_reviews(circle: Circle) -> int:
    """Delete the reviews: the candidates are the person, and an answer would know them again."""
    count, _ = circle.reviews().delete()
    return count


def _erase_exchange(exchange: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: _erased(exchange.get(name)) for name in ("request", "response", "error")}
    return {**exchange, **said, "url": str(exchange.get("url", "")).partition("?")[0]}


def _erased(value: Any) -> Any:
    return ERASED if value else value


def _erase_webhooks(circle: Circle, *, reason: str) -> int:
    """Empty the bodies about the person: in a group event, only those that name them."""
    gone = [
        row.pk
        for row in circle.webhooks().only("pk", "body", "booking_id")
        if row.booking_id not in circle.shared_bookings or _is_about(circle, bytes(row.body))
    ]
    return empty_bodies(gone, reason=reason)


def _is_about(circle: Circle, body: bytes) -> bool:
    named = any(invitee.uri.encode() in body for invitee in circle.invitees)
    return named or circle.wording.is_in_body(body)


def empty_bodies(pks: Iterable[int], *, reason: str) -> int:
    """Empty these webhooks' bodies; the row, its hash and its delivery key stay, so that a repeat is known."""
    settled = InboundWebhook.objects.exclude(state=InboundWebhook.State.RECEIVED)
    return settled.filter(pk__in=list(pks)).update(body=b"", outcome=reason, error="")


def erase_submissions(rows: Iterable[RoutingSubmission], *, now: datetime) -> int:
    """Empty routing form submissions, keeping which form it was and which event type it led to."""
    submissions = list(rows)
    for row in submissions:
        keeps = row.result_type in RESULTS_WITHOUT_PERSON
        RoutingSubmission.objects.filter(pk=row.pk).update(
            answers=[], tracking={}, raw={}, result_value=row.result_value if keeps else "",
            content_hash="", erased_at=now,
        )  # fmt: skip
    return len(submissions)


def scrub_records(records: Iterable[RemoteRecord], wording: Wording) -> None:
    """Keep which record it is; nothing is kept true of it any more, so that nothing of it is compared."""
    for record in records:
        data = {name: value for name, value in record.data.items() if name not in RemoteRecord.HELD}
        RemoteRecord.objects.filter(pk=record.pk).update(data=wording.scrub(data))


def _scrub_notifications(circle: Circle) -> None:
    """Take the person out of what was told of failures; an agenda's words are not kept."""
    since = min((invitee.created_at for invitee in circle.invitees), default=None)
    rows = (
        Notification.objects.filter(created_at__gte=since) if since else Notification.objects.none()
    )
    for row in rows.order_by().iterator():
        told = {name: getattr(row, name) for name in _TOLD}
        scrubbed = {name: circle.wording.scrub(value) for name, value in told.items()}
        if scrubbed != told:
            Notification.objects.filter(pk=row.pk).update(**scrubbed)


def _scrub_operations(circle: Circle) -> None:
    """Take the person out of the causes by which failures were chosen, and of the reasons staff gave."""
    for row in BulkOperation.objects.order_by().iterator():
        told = {"choice": row.choice, "options": row.options, "error": row.error}
        scrubbed = {name: circle.wording.scrub(value) for name, value in told.items()}
        if scrubbed != told:
            BulkOperation.objects.filter(pk=row.pk).update(**scrubbed)


def _scrub_refetches(circle: Circle) -> None:
    whose = Q(object_uri__in=circle.uris) | Q(subject_uri__in=circle.uris)
    RefetchRequest.objects.filter(whose).exclude(last_error="").update(last_error=ERASED)


def _scrub_event_types(circle: Circle) -> None:
    """Take the person out of event types that are known by their bookings' names alone."""
    mentioned = EventType.objects.filter(source_updated_at=None, bookings__in=circle.booking_ids)
    for row in mentioned.distinct():
        EventType.objects.filter(pk=row.pk).update(name=circle.wording.scrub(row.name))


def _erase_log(circle: Circle) -> int:
    """Take the names out of the admin's log about these rows."""
    places = scrub_log(Invitee, circle.pks, circle.wording)
    return places + scrub_log(Booking, circle.booking_ids, circle.wording)


def scrub_log(model: type[Model], pks: Iterable[int], wording: Wording) -> int:
    """Take the person out of the admin's log about these rows; return how many entries there are."""
    content_type = ContentType.objects.get_for_model(model)
    rows = LogEntry.objects.filter(content_type=content_type, object_id__in=map(str, pks))
    return sum(
        LogEntry.objects.filter(pk=row.pk).update(
            object_repr=wording.scrub(row.object_repr),
            change_message=wording.scrub(row.change_message),
        )
        for row in rows
    )
