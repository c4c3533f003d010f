"""Ask the source again where the mirror noted that it must, and end every waiting half of a reschedule."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from bookings.models import BookingEvent, RefetchRequest
from bookings.origin import Origin
from bookings.reconcile import Reconciled, announce_again, reconcile, stop_waiting
from bookings.snapshots import MeetingSnapshot
from integrations import breaker, rules
from integrations.errors import ConfigurationError, IntegrationError, TemporaryError
from integrations.models import Connection
from integrations.sources.base import get_source

logger = logging.getLogger(__name__)

Reason = RefetchRequest.Reason
_HALVES = (Reason.PREDECESSOR, Reason.SUCCESSOR)

#: Waits between tries while the provider does not answer, and while a conference link is being made.
_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200))
_LINK_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300))
_CLAIM = timedelta(seconds=120)


def has_due(*, now: datetime) -> bool:
    """Tell whether a booking is due to be read again."""
    return RefetchRequest.objects.filter(due_at__lte=now).exists()


def drain(*, until: datetime, clock: Callable[[], datetime]) -> set[int]:
    """Settle the notes that are due, oldest first; return the connections that have deliveries to send."""
    connections: set[int] = set()
    while (now := clock()) < until:
        request = RefetchRequest.objects.filter(due_at__lte=now).order_by("due_at", "id").first()
        if request is None:
            break
        if _claim(request, now=now):
            connections |= refetch(request, now=now)
    return connections


def ask_now(booking_uri: str, *, account: str, now: datetime) -> None:
    """Note that a person wants a booking read again."""
    RefetchRequest.objects.update_or_create(
        booking_uri=booking_uri, reason=Reason.OPERATOR, subject_uri=booking_uri,
        defaults={"account": account, "due_at": now, "attempts": 0, "last_error": "", "created_at": now},
    )  # fmt: skip


def refetch(request: RefetchRequest, *, now: datetime) -> set[int]:
    """Ask the source about one booking, write what it says, and end the wait; return the connections to wake."""
    connections = _announce(request, now=now)
    if not RefetchRequest.objects.filter(pk=request.pk).exists():
        return connections
    try:
        snapshot = _fetch(request)
    except TemporaryError as error:
        return connections | _try_later(request, error, now=now)
    except IntegrationError as error:
        if isinstance(error, ConfigurationError):
            _pause(request, error, now=now)
        return connections | _give_up(request, f"{error} {error.hint}".strip(), now=now)
    return connections | _apply(request, snapshot, now=now)


@transaction.atomic
def _announce(request: RefetchRequest, *, now: datetime) -> set[int]:
    """Make what the partner's arrival made due meanwhile; it may be all that was missing."""
    return _write([announce_again(request.subject_uri, origin=_origin(request, now=now))], now=now)


def _claim(request: RefetchRequest, *, now: datetime) -> bool:
    claimed = RefetchRequest.objects.filter(pk=request.pk, due_at=request.due_at).update(
        due_at=now + _CLAIM, attempts=F("attempts") + 1
    )
    request.attempts += claimed
    return bool(claimed)


def check_connection(connection: Connection) -> str:
    """Call the source of the connection harmlessly and say who we are there.

    Raises:
        IntegrationError: it does not answer, or refuses us; the hint says what to do.
    """
    return get_source(connection.provider).check(connection.open_account())


def _fetch(request: RefetchRequest) -> MeetingSnapshot | None:
    connection = _connection(request)
    if connection is None or not request.booking_uri:
        return None
    if connection.state == Connection.State.PAUSED:
        raise ConfigurationError(connection.state_reason, hint=connection.state_hint)
    source = get_source(connection.provider)
    return source.fetch_booking(connection.open_account(), booking_uri=request.booking_uri)


def _connection(request: RefetchRequest) -> Connection | None:
    _, _, connection_id = request.account.partition(":")
    return Connection.objects.filter(pk=int(connection_id or 0)).first()


def _pause(request: RefetchRequest, error: ConfigurationError, *, now: datetime) -> None:
    """Stop asking a source that refuses us, until a person mends the connection."""
    connection = _connection(request)
    if connection is not None:
        breaker.pause(connection, now=now, reason=str(error), hint=error.hint)


@transaction.atomic
def _apply(request: RefetchRequest, snapshot: MeetingSnapshot | None, *, now: datetime) -> set[int]:
    if snapshot is None:
        return _give_up(request, "Calendly does not know this booking.", now=now)
    origin = _origin(request, now=now)
    results = [
        reconcile(snapshot, origin=origin),
        announce_again(request.subject_uri, origin=origin),
    ]
    connections = _write(results, now=now)
    if not RefetchRequest.objects.filter(pk=request.pk).exists():
        return connections
    return connections | _still_open(request, now=now)


def _still_open(request: RefetchRequest, *, now: datetime) -> set[int]:
    """Decide about a note that the answer did not settle."""
    if request.reason == Reason.CONFERENCE_LINK and request.attempts <= len(_LINK_RETRIES):
        _postpone(
            request,
            _LINK_RETRIES[request.attempts - 1],
            now=now,
            error="The link is still being made.",
        )
        return set()
    if request.reason == Reason.DETAILS:
        return _give_up(request, "Calendly's answer does not hold this invitee.", now=now)
    newer = RefetchRequest.objects.filter(reason=request.reason, subject_uri=request.subject_uri)
    if request.reason in _HALVES and not newer.exclude(pk=request.pk).exists():
        return _give_up(request, "Calendly's answer does not hold the other half.", now=now)
    request.delete()
    return set()


def _try_later(request: RefetchRequest, error: TemporaryError, *, now: datetime) -> set[int]:
    if request.attempts > len(_RETRIES):
        return _give_up(request, str(error), now=now)
    wait = max(_RETRIES[request.attempts - 1], timedelta(seconds=error.retry_after or 0))
    _postpone(request, wait, now=now, error=str(error))
    return set()


def _postpone(request: RefetchRequest, wait: timedelta, *, now: datetime, error: str) -> None:
    RefetchRequest.objects.filter(pk=request.pk).update(due_at=now + wait, last_error=error)


@transaction.atomic
def _give_up(request: RefetchRequest, error: str, *, now: datetime) -> set[int]:
    """End the wait without the source: a half is announced alone, what a person should know of stays as a note."""
    logger.warning("Refetch given up: request=%s reason=%s", request.pk, request.reason)
    if request.reason in _HALVES:
        connections = _write(
            [stop_waiting(request.subject_uri, origin=_origin(request, now=now))], now=now
        )
        RefetchRequest.objects.filter(pk=request.pk).delete()
        return connections
    if request.reason in {Reason.DETAILS, Reason.OPERATOR}:
        RefetchRequest.objects.filter(pk=request.pk).update(due_at=None, last_error=error)
    else:
        RefetchRequest.objects.filter(pk=request.pk).delete()
    return set()


def _write(results: list[Reconciled], *, now: datetime) -> set[int]:
    return rules.plan([event for result in results for event in result.events], now=now)


def _origin(request: RefetchRequest, *, now: datetime) -> Origin:
    return Origin(
        cause=BookingEvent.Cause.REFETCH, cause_id=request.pk, now=now, account=request.account,
        hold=timedelta(seconds=settings.RESCHEDULE_HOLD_SECONDS),
    )  # fmt: skip
