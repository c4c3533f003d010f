"""Work on a claimed run, page by page, until it ends, has to wait or the time is up.

Nothing is open in the database while the provider is asked. A page that is interrupted keeps what was read of it: the
next try passes over it, as the checkpoint says.
"""

import logging
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import OperationalError

from integrations import breaker, profiles
from integrations.backfill import bookings, directory
from integrations.backfill.directory import MENTIONS
from integrations.backfill.ledger import (
    Lease,
    Ledger,
    LostLeaseError,
    StopRequestedError,
    Watch,
)
from integrations.backfill.requests import BOOKINGS, claim, due, stop_waiting
from integrations.errors import (
    AccessError,
    ConfigurationError,
    IntegrationError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import BackfillRun
from integrations.sources.base import get_source
from integrations.sources.reading import Reader

logger = logging.getLogger(__name__)

State = BackfillRun.State

#: Waits between tries of a page while the provider fails.
_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800))


def drain(connection_id: int, *, until: datetime, clock: Callable[[], datetime]) -> set[int]:
    """Work on the connection's runs that are due until none is or the time is up; return the connections to wake."""
    woken: set[int] = set()
    while (now := clock()) < until:
        run = due(now=now).filter(connection_id=connection_id).first()
        worked = drain_run(run, until=until, clock=clock) if run else None
        if worked is None:
            break
        woken |= worked
    return woken


def drain_run(
    run: BackfillRun, *, until: datetime, clock: Callable[[], datetime], watch: Watch | None = None
) -> set[int] | None:
    """Claim a run and work on it; return the connections to wake, or None when it is not to be had now."""
    lease = claim(run, now=clock())
    return _work(run, lease=lease, until=until, clock=clock, watch=watch) if lease else None


def _work(
    run: BackfillRun,
    *,
    lease: Lease,
    until: datetime,
    clock: Callable[[], datetime],
    watch: Watch | None,
) -> set[int]:
    reader: Reader | None = None
    ledger = Ledger(
        run, held=lease, requests=lambda: reader.requests if reader else 0, clock=clock, watch=watch
    )
    try:
        profiles.introduce(run.connection, now=clock())
        reader = get_source(run.connection.provider).open_reader(run.connection.open_account())
        with reader:
            _step_through(ledger, reader, until=until)
    except Exception as error:  # noqa: BLE001  # whatever it is, the run must say so
        _end_badly(ledger, error)
    stop_waiting(run, now=clock())
    return ledger.woken


def _step_through(ledger: Ledger, reader: Reader, *, until: datetime) -> None:
    """Step until the run is done, somebody stops it, or the time is up."""
    phases = _phases(ledger.run, reader)
    while ledger.clock() < until:
        if ledger.is_stopped():
            ledger.finish(State.STOPPED)
            return
        if not _step(ledger, reader, phases):
            ledger.finish(State.PARTIAL if ledger.run.errors else State.DONE)
            return
    ledger.release()


def _phases(run: BackfillRun, reader: Reader) -> Sequence[str]:
    """Return what is read: the bookings alone where a host or event type was chosen."""
    if run.host_id or run.event_type_id:
        return [BOOKINGS]
    return [*reader.phases, BOOKINGS, MENTIONS]


def _step(ledger: Ledger, reader: Reader, phases: Sequence[str]) -> bool:
    """Do one step; return False when there is none left."""
    run = ledger.run
    if run.checkpoint.get("ask"):
        directory.ask_by_name(ledger, reader)
    elif run.phase not in phases or run.checkpoint.get("last"):
        following = phases[phases.index(run.phase) + 1 :] if run.phase in phases else phases
        if not following:
            return False
        ledger.write(phase=following[0], checkpoint={})
    elif run.phase == BOOKINGS:
        bookings.read_page(ledger, reader)
    elif run.phase == MENTIONS:
        directory.list_mentioned(ledger)
    else:
        directory.read_page(ledger, reader)
    return True


def _end_badly(ledger: Ledger, error: Exception) -> None:
    """Let the run wait or fail, as the error asks."""
    try:
        match error:
            case LostLeaseError():
                raise error
            case StopRequestedError():
                ledger.finish(State.STOPPED)
            case TemporaryError():
                _wait(ledger, error)
            case OperationalError():
                _wait(ledger, TemporaryError(f"The database asked for another try: {error}"))
            case AccessError():
                _fail(ledger, str(error), hint=error.hint)
            case ConfigurationError():
                breaker.pause(
                    ledger.run.connection, now=ledger.clock(), reason=str(error), hint=error.hint
                )
                _fail(ledger, str(error), hint=error.hint)
            case IntegrationError():
                _fail(ledger, str(error), hint=error.hint)
            case _:
                logger.error("Backfill crashed: run=%s", ledger.run.pk, exc_info=error)
                said = traceback.format_exception_only(error)[-1].strip()
                _fail(ledger, f"A fault in Calsync: {said}", hint="Report it, then resume.")
    except LostLeaseError:
        logger.warning("Backfill lost its lease: run=%s", ledger.run.pk)


def _wait(ledger: Ledger, error: TemporaryError) -> None:
    """Let the run wait: for the request budget as long as it takes, else by the schedule of retries."""
    now, attempts = ledger.clock(), ledger.run.attempts
    asked = timedelta(seconds=error.retry_after or 0)
    if isinstance(error, ThrottledError):
        ledger.release(not_before=now + (asked or timedelta(minutes=1)))
    elif attempts >= len(_RETRIES):
        _fail(ledger, str(error), hint=error.hint)
    else:
        wait = max(_RETRIES[attempts], asked)
        ledger.release(not_before=now + wait, error=str(error), attempts=attempts + 1)


def _fail(ledger: Ledger, reason: str, *, hint: str) -> None:
    logger.error("Backfill failed: run=%s", ledger.run.pk)
    ledger.finish(State.FAILED, error=reason, hint=hint)
