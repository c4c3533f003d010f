"""The watchdog: reads what the provider says of our subscriptions, and replaces what it has given up."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from integrations import breaker
from integrations.errors import (
    AccessError,
    ConfigurationError,
    IntegrationError,
    PermanentError,
    TemporaryError,
)
from integrations.models import BackfillRun, Connection, WebhookSubscription
from integrations.subscriptions.lasting import rest_of
from integrations.subscriptions.lease import BusyError, alone
from integrations.subscriptions.look import Look
from integrations.subscriptions.making import end_strays, make, outdated, retire_and_end

logger = logging.getLogger(__name__)

#: How long nothing need be said of a provider that does not answer.
_UNSEEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Count what a look led to; `problem` says why it could not be taken."""

    made: int = 0
    retired: int = 0
    strays: int = 0
    backfill: BackfillRun | None = None
    problem: str = ""


def due(*, now: datetime) -> list[int]:
    """Return the connections whose subscriptions should be looked at; those where nobody subscribed are left alone."""
    recently = now - timedelta(seconds=settings.CALSYNC_WATCH_INTERVAL_SECONDS / 2)
    unseen = Q(checked_at=None) | Q(checked_at__lte=recently)
    rows = WebhookSubscription.objects.filter(
        unseen, managed=True, retired_at=None, connection__in=Connection.objects.open_at(now)
    )
    return sorted(set(rows.values_list("connection_id", flat=True)))


def refresh(connection: Connection, *, now: datetime) -> list[WebhookSubscription]:
    """Note what the provider says of each row that is not retired, and change nothing there; return the rows.

    Raises:
        IntegrationError: it does not answer, or refuses us.
    """
    rows = connection.subscriptions.filter(retired_at=None).select_related("connection")
    found = list(rows)
    if found:
        Look.at(connection, now=now).note_all(found)
    return found


def watch(connection: Connection, *, now: datetime) -> Watched:
    """Look once, and mend what is broken.

    A token that is refused pauses the connection; anything else is noted and waits for the next watch.
    """
    try:
        with alone(connection, now=now):
            watched = _watch(connection, now=now)
    except BusyError as error:
        return Watched(problem=str(error))
    except AccessError as error:
        _made(connection).update(problem=f"{error} {error.hint}".strip(), checked_at=now)
        return _not_watched(connection, error, now=now)
    except ConfigurationError as error:
        breaker.pause(connection, now=now, reason=str(error), hint=error.hint)
        return Watched(problem=str(error))
    except IntegrationError as error:
        unseen = _made(connection).filter(checked_at__lte=now - _UNSEEN)
        unseen.update(problem=f"It could not be looked at for an hour and longer: {error}")
        return _not_watched(connection, error, now=now)
    if watched.problem:
        _note_error(connection, watched.problem, now=now)
    return watched


def _made(connection: Connection) -> QuerySet[WebhookSubscription]:
    """Return the rows that were made; one with a problem and no name would count as refused."""
    return connection.subscriptions.filter(managed=True, retired_at=None).exclude(uri="")


def _not_watched(connection: Connection, error: IntegrationError, *, now: datetime) -> Watched:
    logger.warning("Not watched: connection=%s error=%s", connection.pk, type(error).__name__)
    _note_error(connection, str(error), now=now)
    return Watched(problem=str(error))


def _note_error(connection: Connection, error: str, *, now: datetime) -> None:
    Connection.objects.filter(pk=connection.pk).update(last_error_at=now, last_error=error)


def _watch(connection: Connection, *, now: datetime) -> Watched:
    look = Look.at(connection, now=now)
    managed = look.rows()
    look.note_all([*managed, *_entered_by_hand(connection)])
    look.note_gone()
    made: list[WebhookSubscription] = []
    replaced: list[WebhookSubscription] = []
    problem = ""
    for purpose in WebhookSubscription.Purpose:
        group = [row for row in managed if row.purpose == purpose]
        keep = next(filter(look.is_healthy, group), None)
        if not group or (keep is None and (_is_for_a_person(look, group) or _rests(look, group))):
            continue
        if keep is None:
            try:
                keep = _replace(look, group)
            except (AccessError, PermanentError) as error:  # told at its row; the others go on
                problem = f"{error} {error.hint}".strip()
                continue
            except (
                TemporaryError
            ):  # the next look goes on; what was replaced by now has its gap read at once
                retire_and_end(look, replaced)
                raise
            made += [keep] if keep else []
        replaced += outdated(look, group, keep=keep)
    run = retire_and_end(look, replaced)
    strays = end_strays(look, managed)
    return Watched(
        made=len(made), retired=len(replaced), strays=strays, backfill=run, problem=problem
    )


def _entered_by_hand(connection: Connection) -> list[WebhookSubscription]:
    rows = connection.subscriptions.filter(managed=False, retired_at=None)
    return list(rows.select_related("connection"))


def _is_for_a_person(look: Look, rows: list[WebhookSubscription]) -> bool:
    return all(map(look.is_refused, rows)) or any(map(look.is_elsewhere, rows))


def _rests(look: Look, rows: list[WebhookSubscription]) -> bool:
    """Tell whether the next one has to wait, because those before it did not last."""
    rest = rest_of(rows[0], now=look.now)
    if rest is None or rest.until > look.now:
        return rest is not None
    logger.error("Subscriptions do not last: connection=%s died=%s", look.connection.pk, rest.died + 1)  # fmt: skip
    return False


def _replace(look: Look, rows: list[WebhookSubscription]) -> WebhookSubscription | None:
    """Make what takes the place of the dead rows, unless the connection should have no such subscription any longer."""
    wanted = [item for item in look.port.wanted(look.account) if item.purpose == rows[0].purpose]
    return make(look, wanted[0], unfinished=rows) if wanted else None
