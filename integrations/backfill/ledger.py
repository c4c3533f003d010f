"""The row of a claimed run: every step is written with what it found and how far it came, while the lease is ours."""

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import OperationalError, transaction

from bookings.models import BookingEvent
from bookings.origin import Origin
from bookings.reconciled import Reconciled
from integrations import rules
from integrations.backfill import findings
from integrations.backfill.findings import Judge
from integrations.errors import IntegrationError, PermanentError, TemporaryError, ThrottledError
from integrations.models import BackfillFinding, BackfillProblem, BackfillRun

logger = logging.getLogger(__name__)

State = BackfillRun.State
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Looks at a run every other second while it is worked on; True stops it.
Watch = Callable[[BackfillRun], bool]

_CRASHED = "A fault in Calsync: the mirror could not take it. Report it; the log has the details."
#: Failures in a row after which one object is left out: so long, an outage of the provider is waited for.
_PATIENCE = 3
_BREATH = timedelta(seconds=2)
#: Halves of reschedules may stand far apart in the window: they are not asked for one by one before it is read.
_HOLD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Name a run and the token that proves that it is still ours."""

    run_id: int
    token: uuid.UUID


def lease() -> timedelta:
    """Return how long a worker may be silent before another takes its run; renewed while it works."""
    return timedelta(seconds=settings.BACKFILL_LEASE_SECONDS)


class LostLeaseError(Exception):
    """Another worker has the run, or it was deleted."""


class StopRequestedError(Exception):
    """Somebody asked to stop; what was read so far is written."""


class Ledger:
    """Keep one claimed run's row; counts are written as they are here, for nobody else may write them."""

    def __init__(
        self,
        run: BackfillRun,
        *,
        held: Lease,
        requests: Callable[[], int],
        clock: Callable[[], datetime],
        watch: Watch | None = None,
    ) -> None:
        self.run = run
        self._watch = watch
        self.clock = clock
        self.woken: set[int] = set()
        self._lease = held
        self._requests, self._requests_before = requests, run.requests
        self._judge = Judge.of(run.connection, now=clock())
        self._renewed_at = clock()

    @property
    def origin(self) -> Origin:
        """Return what every change is stamped with: this run, and silent."""
        return Origin(
            cause=BookingEvent.Cause.BACKFILL, cause_id=self.run.pk, now=self.clock(),
            account=self.run.connection.account, hold=_HOLD, silent=True,
        )  # fmt: skip

    def apart(self, write: Callable[[], Result]) -> Result:
        """Write to the mirror in a savepoint of its own, which a dry run rolls back."""
        with transaction.atomic():
            result = write()
            if self.run.dry_run:
                transaction.set_rollback(True)
        return result

    def batch(
        self,
        items: Sequence[Item],
        write: Callable[[Sequence[Item]], Iterable[Reconciled]],
        *,
        uri: Callable[[Item], str],
    ) -> list[Reconciled]:
        """Write items together; if one of them breaks us, each alone, so that only that one is recorded and left out."""
        if not items:
            return []
        try:
            return list(self.apart(lambda: write(items)))
        except OperationalError:
            raise
        except Exception:
            logger.exception("Backfill: a batch could not be written: run=%s", self.run.pk)
        if len(items) == 1:
            self.problem(uri(items[0]), PermanentError(_CRASHED))
            return []
        return [result for item in items for result in self.batch([item], write, uri=uri)]

    def keep(
        self, results: Iterable[Reconciled] = (), *, progressed: bool = True, **columns: Any
    ) -> None:
        """Plan what follows from the results, note what was found, and write the columns; in the caller's transaction.

        What has `progressed` begins its count of failures anew.

        Raises:
            LostLeaseError: the lease is not ours any more; the caller's transaction is rolled back.
        """
        events = [event for result in results for event in result.events]
        if events:
            self._note(events)
        now = self.clock()
        self.write(
            **columns, requests=self._requests_before + self._requests(), missed=self.run.missed,
            attempts=0 if progressed else self.run.attempts, error="", lease_expires_at=now + lease(),
        )  # fmt: skip
        self._renewed_at = now

    def _note(self, events: list[BookingEvent]) -> None:
        if not self.run.dry_run:
            self.woken |= rules.plan(events, now=self.clock())
        found = findings.report(self.run, events, judge=self._judge)
        BackfillFinding.objects.bulk_create(found)
        self.run.missed += sum(row.verdict == BackfillFinding.Verdict.MISSED for row in found)

    def breathe(self) -> None:
        """Keep the lease while a step takes long, and look whether to stop; every two seconds at the most.

        Raises:
            LostLeaseError: it is not ours any more.
            StopRequestedError: somebody asked to stop.
        """
        now = self.clock()
        if now - self._renewed_at < _BREATH:
            return
        self.write(
            lease_expires_at=now + lease(), requests=self._requests_before + self._requests()
        )
        self._renewed_at = now
        if self.is_stopped():
            raise StopRequestedError

    def gives_up(self, error: TemporaryError) -> bool:
        """Tell whether an object whose reading failed again and again is to be left out, like one that is refused."""
        return self.run.attempts >= _PATIENCE and not isinstance(error, ThrottledError)

    def is_stopped(self) -> bool:
        """Tell whether somebody asked to stop, who watches or in the row."""
        if self._watch and self._watch(self.run):
            return True
        rows = BackfillRun.objects.filter(pk=self.run.pk).exclude(stop_requested_at=None)
        return rows.exists()

    def problem(self, uri: str, error: IntegrationError) -> None:
        """Record an object that is skipped; the caller keeps the count of errors, in the same transaction."""
        self.run.errors += 1
        BackfillProblem.objects.create(
            run=self.run, uri=uri, error=str(error), hint=error.hint, created_at=self.clock()
        )

    def vanished(self, uri: str) -> None:
        """Note that an object is gone at the source."""
        self.run.vanished += 1
        findings.vanished(self.run, uri, now=self.clock()).save()

    def release(self, **columns: Any) -> None:
        """Give the run back to whoever comes next."""
        self.write(**{
            "state": State.WAITING, "lease_token": None, "lease_expires_at": None,
            "requests": self._requests_before + self._requests(), **columns,
        })  # fmt: skip

    def finish(self, state: BackfillRun.State, **columns: Any) -> None:
        """End the run."""
        self.release(**{"state": state, "finished_at": self.clock(), "not_before": None, **columns})

    def write(self, **columns: Any) -> None:
        """Write columns of the run.

        Raises:
            LostLeaseError: the lease is not ours any more.
        """
        rows = BackfillRun.objects.filter(pk=self.run.pk, lease_token=self._lease.token)
        if not rows.update(**columns):
            raise LostLeaseError
        for name, value in columns.items():
            setattr(self.run, name, value)
