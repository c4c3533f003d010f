"""Ask the source again where the mirror noted that it must, and end every waiting half of a reschedule."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from bookings.directory import mark_vanished
from bookings.models import BookingEvent, RefetchRequest
from bookings.origin import Origin
from bookings.reconcile import announce_again, reconcile, stop_waiting
from bookings.reconciled import Reconciled
from bookings.snapshots import Snapshot
from integrations import breaker, rules
from integrations.budget import Priority
from integrations.errors import (
    AccessError,
    ConfigurationError,
    IntegrationError,
    PermanentError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Connection
from integrations.sources.base import get_source

logger = logging.getLogger(__name__)

Reason = RefetchRequest.Reason
_HALVES = (Reason.PREDECESSOR, Reason.SUCCESSOR)

#: Waits between tries while the provider does not answer, and while a conference link is being made.
_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200))
_LINK_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 300))
_CLAIM = timedelta(seconds=120)
#: How long to leave an account alone whose provider asks to slow down and does not say for how long.
_THROTTLED = timedelta(seconds=60)
#: How soon a connection that is paused is looked at again, to see whether a person has mended it; nobody is asked for it.
_PAUSED = timedelta(seconds=60)


def has_due(*, now: datetime) -> bool:
    """Tell whether something is due to be read again."""
    return RefetchRequest.objects.filter(due_at__lte=now).exists()


def drain(*, until: datetime, clock: Callable[[], datetime]) -> set[int]:
    """Settle the notes that are due, oldest first, a backfill's last; return the connections that have deliveries to send."""
    connections: set[int] = set()
    while (now := clock()) < until:
        due = RefetchRequest.objects.filter(due_at__lte=now)
        request = due.order_by("silent", "due_at", "id").first()
        if request is None:
            break
        if _claim(request, now=now):
            connections |= refetch(request, now=now)
    return connections


def ask_now(uri: str, *, account: str, now: datetime) -> None:
    """Note that a person wants a booking, a host or an event type read again."""
    RefetchRequest.objects.update_or_create(
        object_uri=uri, reason=Reason.OPERATOR, subject_uri=uri,
        defaults={
            "account": account, "due_at": now, "attempts": 0, "last_error": "", "silent": False, "created_at": now,
        },
    )  # fmt: skip


def refetch(request: RefetchRequest, *, now: datetime) -> set[int]:
    """Ask the source about one object, write what it says, and end the wait; return the connections to wake."""
    connections = _announce(request, now=now)
    if not RefetchRequest.objects.filter(pk=request.pk).exists():
        return connections
    try:
        snapshot = _fetch(request)
    except ThrottledError as error:
        _leave_alone(request, error, now=now)
        return connections
    except TemporaryError as error:
        return connections | _try_later(request, error, now=now)
    except IntegrationError as error:
        _note_refusal(request, error, now=now)
        if _waits_for_a_person(request, error):
            _wait_for_a_person(request, error, now=now)
            return connections
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


def _fetch(request: RefetchRequest) -> Snapshot | None:
    """Return what the source says of the object; None when the source itself says that there is none."""
    connection = _connection(request)
    if connection is None:
        raise PermanentError(
            "The connection that told of it is no longer there.",
            hint="Connect the account again; a backfill then reads everything it holds.",
        )
    if connection.state == Connection.State.PAUSED:
        raise ConfigurationError(connection.state_reason, hint=connection.state_hint)
    source = get_source(connection.provider)
    priority = Priority.BACKGROUND if request.silent else Priority.LIVE
    return source.fetch(connection.open_account(), uri=request.object_uri, priority=priority)


def _connection(request: RefetchRequest) -> Connection | None:
    return Connection.objects.of_account(request.account).first()


def _note_refusal(request: RefetchRequest, error: IntegrationError, *, now: datetime) -> None:
    """Stop asking a source that refuses us, until a person mends it; what one object is denied stops nothing."""
    connection = _connection(request)
    if connection is None or not isinstance(error, ConfigurationError):
        return
    if isinstance(error, AccessError):
        said = f"{error} {error.hint}".strip()
        Connection.objects.filter(pk=connection.pk).update(last_error=said, last_error_at=now)
    else:
        breaker.pause(connection, now=now, reason=str(error), hint=error.hint)


def _waits_for_a_person(request: RefetchRequest, error: IntegrationError) -> bool:
    """Tell whether the account has to be mended first; a half of a reschedule is announced rather than held so long."""
    is_account = isinstance(error, ConfigurationError) and not isinstance(error, AccessError)
    return is_account and request.reason not in _HALVES


def _wait_for_a_person(request: RefetchRequest, error: IntegrationError, *, now: datetime) -> None:
    """Postpone all of the account that is due and may wait: its refusal says nothing of the objects, and is no try."""
    RefetchRequest.objects.filter(pk=request.pk).update(attempts=F("attempts") - 1)
    due = Q(pk=request.pk) | Q(due_at__lte=now, account=request.account)
    RefetchRequest.objects.filter(due).exclude(reason__in=_HALVES).update(
        due_at=now + _PAUSED, last_error=f"{error} {error.hint}".strip()
    )


@transaction.atomic
def _apply(request: RefetchRequest, snapshot: Snapshot | None, *, now: datetime) -> set[int]:
    origin = _origin(request, now=now)
    if snapshot is None:
        row = mark_vanished(request.object_uri, origin=origin)
        what = f"this {row._meta.verbose_name} any more" if row else "this booking"  # noqa: SLF001  # Django's documented name
        return _give_up(request, f"Calendly does not know {what}.", now=now)
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
    _as_asked(request).delete()
    return set()


def _try_later(request: RefetchRequest, error: TemporaryError, *, now: datetime) -> set[int]:
    if request.attempts > len(_RETRIES):
        return _give_up(request, str(error), now=now)
    wait = max(_RETRIES[request.attempts - 1], timedelta(seconds=error.retry_after or 0))
    _postpone(request, wait, now=now, error=str(error))
    return set()


def _leave_alone(request: RefetchRequest, error: ThrottledError, *, now: datetime) -> None:
    """Postpone all that is due of the account: being throttled says nothing of the objects, and is no try.

    A backfill's notes leave a reserve of the budget; to have come to that says nothing of what may use it.
    """
    wait = timedelta(seconds=error.retry_after) if error.retry_after else _THROTTLED
    RefetchRequest.objects.filter(pk=request.pk).update(attempts=F("attempts") - 1)
    alike = Q(silent=True) if request.silent else Q()
    due = Q(pk=request.pk) | Q(due_at__lte=now, account=request.account) & alike
    RefetchRequest.objects.filter(due).update(due_at=now + wait, last_error=str(error))


def _postpone(request: RefetchRequest, wait: timedelta, *, now: datetime, error: str) -> None:
    _as_asked(request).update(due_at=now + wait, last_error=error)


def _as_asked(request: RefetchRequest) -> QuerySet[RefetchRequest]:
    """Return the note unless it was asked for anew since: the answer at hand may be older than that wish."""
    return RefetchRequest.objects.filter(pk=request.pk, created_at=request.created_at)


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
        _as_asked(request).update(due_at=None, last_error=error)
    else:
        _as_asked(request).delete()
    return set()


def _write(results: list[Reconciled], *, now: datetime) -> set[int]:
    return rules.plan([event for result in results for event in result.events], now=now)


def _origin(request: RefetchRequest, *, now: datetime) -> Origin:
    return Origin(
        cause=BookingEvent.Cause.REFETCH, cause_id=request.pk, now=now, account=request.account,
        hold=timedelta(seconds=settings.RESCHEDULE_HOLD_SECONDS), silent=request.silent,
    )  # fmt: skip
