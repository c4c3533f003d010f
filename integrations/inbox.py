"""Webhooks as they came: stored by the view, read by workers, and never lost in between."""

import hashlib
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from bookings.erasure import erased_before
from bookings.models import BookingEvent
from bookings.origin import Origin
from bookings.personal import addresses_in
from bookings.reconcile import reconcile
from bookings.reconciled import Reconciled
from integrations import rules
from integrations.models import InboundWebhook, SignatureTally, WebhookSubscription
from integrations.sources.base import NotUnderstood, Understood, Verification, get_source

logger = logging.getLogger(__name__)

State = InboundWebhook.State

#: Headers worth keeping; the others say nothing about the delivery or may carry secrets of a proxy.
_KEPT_HEADERS = ("Content-Type", "User-Agent", "Calendly-Webhook-Signature", "X-Request-Id")
#: PostgreSQL's code for a row that refers to none.
_NO_SUCH_ROW = "23503"


@dataclass(slots=True)
class Drained:
    """Count what a drain did, and name the connections that have deliveries to send."""

    processed: int = 0
    connections: set[int] = field(default_factory=set)
    more: bool = False


def receive(
    subscription: WebhookSubscription,
    *,
    body: bytes,
    headers: Mapping[str, str],
    verification: Verification,
    now: datetime,
) -> bool:
    """Store a verified delivery in one INSERT; return False when the same bytes are there already.

    A repeat of a delivery only counts up: what it says is known, whatever became of it.
    """
    digest = hashlib.sha256(body).hexdigest()
    try:
        InboundWebhook.objects.create(
            subscription=subscription, body=body, body_sha256=digest, verified_by=verification.key_name,
            headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
            signed_at=verification.signed_at or now, received_at=now, last_seen_at=now,
        )  # fmt: skip
    except IntegrityError:
        seen = InboundWebhook.objects.filter(subscription=subscription, body_sha256=digest)
        if not seen.update(times_seen=F("times_seen") + 1, last_seen_at=now):
            raise
        return False
    return True


def tally(subscription: WebhookSubscription, outcome: str, *, now: datetime) -> None:
    """Count a delivery that was refused, or taken although late; nothing else of it is kept."""
    row = {"subscription": subscription, "outcome": outcome}
    if not SignatureTally.objects.filter(**row).update(count=F("count") + 1, last_at=now):
        SignatureTally.objects.bulk_create(
            [SignatureTally(**row, last_at=now)], ignore_conflicts=True
        )
        SignatureTally.objects.filter(**row).update(count=F("count") + 1)


def drain(*, until: datetime, clock: Callable[[], datetime]) -> Drained:
    """Process received webhooks, oldest first, until none is left or the time is up."""
    drained = Drained()
    while (now := clock()) < until:
        connections = process_next(now=now)
        if connections is None:
            return drained
        drained.processed += 1
        drained.connections |= connections
    drained.more = has_received()
    return drained


def has_received() -> bool:
    """Tell whether a webhook waits to be processed."""
    return InboundWebhook.objects.filter(state=State.RECEIVED).exists()


def process_next(*, now: datetime, is_second: bool = False) -> set[int] | None:
    """Process the oldest received webhook that no other worker holds; return the connections to wake, or None.

    The mirror, the events, the deliveries and the webhook's own state commit together. A webhook that breaks us is
    marked failed and holds up no other. `is_second` is the try after one that met a rule which was deleted meanwhile.
    """
    picked: int | None = None
    try:
        with transaction.atomic():
            webhook = _pick()
            if webhook is None:
                return None
            picked = webhook.pk
            return _process(webhook, now=now)
    except DatabaseError as error:
        if picked is None or _is_outage(error):
            raise
        if _names_what_is_gone(error) and not is_second:
            return process_next(now=now, is_second=True)
        return _fail(picked, now=now)
    except Exception:
        if picked is None:
            raise
        return _fail(picked, now=now)


def replay(webhooks: QuerySet[InboundWebhook], *, now: datetime) -> int:
    """Make settled webhooks received again, to be processed as if they had just come; return how many.

    One whose body was erased has nothing left to process.
    """
    count = (
        webhooks.exclude(state=State.RECEIVED)
        .exclude(body=b"")
        .update(state=State.RECEIVED, error="", outcome="", processed_at=None)
    )
    logger.info("Webhooks replayed: count=%s at=%s", count, now.isoformat())
    return count


def _pick() -> InboundWebhook | None:
    waiting = InboundWebhook.objects.filter(state=State.RECEIVED).select_related(
        "subscription__connection"
    )
    return waiting.select_for_update(skip_locked=True, of=("self",)).order_by("id").first()


def _process(webhook: InboundWebhook, *, now: datetime) -> set[int]:
    source = get_source(webhook.subscription.connection.provider)
    parsed = source.parse(bytes(webhook.body), received_at=webhook.received_at)
    if isinstance(parsed, NotUnderstood):
        webhook.kind = parsed.kind
        outcome = parsed.reason
        if _names_erased(bytes(webhook.body)):
            outcome = _without_body(webhook, outcome)
        _settle(webhook, State.IGNORED, outcome=outcome, now=now)
        return set()
    return _reconcile(webhook, parsed, now=now)


def _reconcile(webhook: InboundWebhook, parsed: Understood, *, now: datetime) -> set[int]:
    origin = Origin(
        cause=BookingEvent.Cause.WEBHOOK, cause_id=webhook.pk, now=now,
        account=webhook.subscription.connection.account,
        hold=timedelta(seconds=settings.RESCHEDULE_HOLD_SECONDS),
    )  # fmt: skip
    results = [reconcile(snapshot, origin=origin) for snapshot in parsed.snapshots]
    events = [event for result in results for event in result.events]
    connections = rules.plan(events, now=now)
    webhook.kind, webhook.delivery_key = parsed.kind, parsed.delivery_key
    webhook.booking = next((result.booking for result in results if result.booking), None)
    state, outcome = _outcome(webhook, results, events)
    if any(result.forgotten for result in results):
        outcome = _without_body(webhook, outcome)
    _settle(webhook, state, outcome=outcome, now=now)
    return connections


def _names_erased(body: bytes) -> bool:
    """Tell whether a body that nothing is read from names somebody erased: then nothing is lost with it."""
    return bool(erased_before(addresses_in(body.decode("utf-8", errors="replace"))))


def _without_body(webhook: InboundWebhook, outcome: str) -> str:
    """Empty the body and return the outcome, which says so."""
    InboundWebhook.objects.filter(pk=webhook.pk).update(body=b"")
    return f"{outcome} Its body was erased: it tells of an erased person."


def _outcome(
    webhook: InboundWebhook, results: list[Reconciled], events: list[BookingEvent]
) -> tuple[InboundWebhook.State, str]:
    said = [", ".join(event.get_kind_display() for event in events)] if events else []
    said += [result.note for result in results if result.note]
    if any(result.changed for result in results) or events:
        return State.PROCESSED, ": ".join(said) or "The mirror was updated; nothing to announce."
    earlier = _same_delivery(webhook)
    if earlier is not None:
        return State.DUPLICATE, f"The same delivery as #{earlier}."
    asked = [result.note for result in results if result.booking is None and result.note]
    return State.PROCESSED, " ".join(
        asked
    ) or "Nothing new: the mirror holds this state or a newer one."


def _same_delivery(webhook: InboundWebhook) -> int | None:
    same = InboundWebhook.objects.filter(
        ~Q(delivery_key=""), delivery_key=webhook.delivery_key, state=State.PROCESSED
    )
    return same.exclude(pk=webhook.pk).values_list("pk", flat=True).first()


def _settle(
    webhook: InboundWebhook, state: InboundWebhook.State, *, outcome: str, now: datetime
) -> None:
    webhook.state, webhook.outcome, webhook.error, webhook.processed_at = state, outcome, "", now
    webhook.save(
        update_fields=[
            "state",
            "outcome",
            "error",
            "processed_at",
            "kind",
            "delivery_key",
            "booking",
        ]
    )
    logger.info("Webhook processed: webhook=%s kind=%s state=%s", webhook.pk, webhook.kind, state)


def _fail(webhook_id: int, *, now: datetime) -> set[int]:
    logger.error("Webhook failed: webhook=%s", webhook_id, exc_info=True)  # noqa: LOG014  # called in one
    InboundWebhook.objects.filter(pk=webhook_id, state=State.RECEIVED).update(
        state=State.FAILED, error=traceback.format_exc(limit=-8), processed_at=now,
        outcome="A fault in Calsync; nothing was changed. Report it, then process it again.",
    )  # fmt: skip
    return set()


def _names_what_is_gone(error: DatabaseError) -> bool:
    """Tell whether the database refused to refer to a row that somebody has deleted meanwhile."""
    return getattr(error.__cause__, "sqlstate", None) == _NO_SUCH_ROW


def _is_outage(error: DatabaseError) -> bool:
    """Tell a database that is away, locked or asks for another try from one that refuses this row."""
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return (
        state.startswith(("40", "57", "08", "53"))
        or "locked" in str(error)
        or not connection.is_usable()
    )
