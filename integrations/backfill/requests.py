"""Backfills as rows: asked for, stopped, resumed, claimed by one worker at a time, and how far they are."""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Coalesce
from pydantic import ValidationError

from bookings.models import EventType, Host
from integrations import grants
from integrations.backfill.directory import MENTIONS
from integrations.backfill.ledger import Lease, lease
from integrations.models import BackfillRun, Connection
from integrations.schedule import last_night
from integrations.sources.base import SourceSettings, get_source

logger = logging.getLogger(__name__)

State = BackfillRun.State
Trigger = BackfillRun.Trigger

_LONGEST = timedelta(days=366 * 15)
#: Runs that start by themselves; one that waits already is enough.
_AUTOMATIC = (Trigger.NIGHTLY, Trigger.GAP)
_DAY = timedelta(days=1)
#: In the progress shown, days further ahead than this count for less, and the directory for so much.
_NEAR, _FAR = timedelta(days=30), 0.05
_DIRECTORY_SHARE = 0.05


BOOKINGS = "bookings"
_PHASE_WORDS = {
    "": "waiting to begin",
    "organization_memberships": "users and memberships",
    "group_relationships": "members of groups",
    BOOKINGS: "bookings",
    MENTIONS: "retired event types and former hosts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Say how far a run is: a share of 1 by start time, seconds left, and what is being read, in words."""

    fraction: float | None
    seconds_left: float | None
    phase: str


def start(
    connection: Connection,
    *,
    window_from: datetime,
    window_to: datetime,
    trigger: str,
    now: datetime,
    requested_by: str = "",
    host: Host | None = None,
    event_type: EventType | None = None,
    dry_run: bool = False,
    invitees: str = BackfillRun.Invitees.CHANGED,
) -> BackfillRun:
    """Ask for a backfill of the bookings that start in the window (UTC); a worker has to be nudged.

    After a gap no-shows are looked for, too: nothing else tells of those that were marked meanwhile.

    Raises:
        ValueError: the connection is no source or not connected, or the window makes no sense; the message is for staff.
    """
    if connection.provider not in settings.SOURCES:
        raise ValueError(f"“{connection}” is not a calendar: nothing can be read from it.")
    if not grants.has_token(connection):
        raise ValueError(f"“{connection}” is not connected: connect the account, then backfill.")
    if window_from >= window_to:
        raise ValueError("The window ends before it begins: choose a later end.")
    if window_to - window_from > _LONGEST:
        raise ValueError("The window is longer than fifteen years: choose a shorter one.")
    waiting = BackfillRun.objects.filter(
        connection=connection, trigger=trigger, state=State.WAITING, phase=""
    )
    if trigger in _AUTOMATIC and (run := _widened(waiting, window_from=window_from)):
        return run
    run = BackfillRun.objects.create(
        connection=connection, trigger=trigger, requested_by=requested_by, window_from=window_from,
        window_to=window_to, host=host, event_type=event_type, dry_run=dry_run, created_at=now,
        invitees=BackfillRun.Invitees.PAST if trigger == Trigger.GAP else invitees,
    )  # fmt: skip
    logger.info("Backfill asked for: run=%s connection=%s", run.pk, connection.pk)
    return run


def start_usual(
    connection: Connection, *, trigger: str, now: datetime, since: datetime | None = None
) -> BackfillRun:
    """Ask for a backfill of the days that the connection's settings say, counted back from `since` if that is earlier."""
    first, _ = usual_window(connection, now=min(now, since or now))
    _, last = usual_window(connection, now=now)
    return start(connection, window_from=first, window_to=last, trigger=trigger, now=now)


def _widened(waiting: QuerySet[BackfillRun], *, window_from: datetime) -> BackfillRun | None:
    """Return a run that has not begun, made to reach back as far; None without one."""
    run = waiting.first()
    if run is None or run.window_from <= window_from:
        return run
    widened = waiting.filter(pk=run.pk).update(window_from=window_from)
    run.window_from = window_from
    return run if widened else None


def usual_window(connection: Connection, *, now: datetime) -> tuple[datetime, datetime]:
    """Return from when to when (UTC) bookings start that the connection's settings say to read."""
    usual = _settings(connection)
    ahead = timedelta(days=usual.backfill_days_ahead, seconds=1)
    return now - timedelta(days=usual.backfill_days_back), now + ahead


def start_nightly(*, now: datetime) -> list[BackfillRun]:
    """Ask for tonight's run of every connection that has had none; a night without beat is caught up with."""
    tonight = last_night(now)
    sources = Connection.objects.filter(provider__in=list(settings.SOURCES))
    asked = (_start_tonight(connection, tonight=tonight, now=now) for connection in sources)
    return [run for run in asked if run]


@transaction.atomic
def _start_tonight(
    connection: Connection, *, tonight: datetime, now: datetime
) -> BackfillRun | None:
    locked = Connection.objects.select_for_update().get(pk=connection.pk)
    had = BackfillRun.objects.filter(
        connection=locked, trigger=Trigger.NIGHTLY, created_at__gte=tonight
    )
    is_out = locked.state == Connection.State.PAUSED or not locked.sealed_secrets
    if is_out or locked.created_at >= tonight or had.exists():
        return None
    if not _settings(locked).nightly_backfill:
        return None
    return start_usual(locked, trigger=Trigger.NIGHTLY, now=now)


def _settings(connection: Connection) -> SourceSettings:
    model = get_source(connection.provider).settings_model
    try:
        return model.model_validate(connection.settings)
    except ValidationError:
        logger.warning("Settings not understood: connection=%s", connection.pk)
        return model.model_construct()


def request_stop(run: BackfillRun, *, now: datetime) -> bool:
    """Stop a run: at once if it waits, else within seconds; return False if it has ended."""
    rows = BackfillRun.objects.filter(pk=run.pk)
    asked = rows.filter(state__in=BackfillRun.UNFINISHED).update(stop_requested_at=now)
    stop_waiting(run, now=now)
    return bool(asked)


def stop_waiting(run: BackfillRun, *, now: datetime) -> None:
    """End a run that somebody asked to stop while it waits, however long it would."""
    BackfillRun.objects.filter(
        pk=run.pk, state=State.WAITING, stop_requested_at__isnull=False
    ).update(state=State.STOPPED, finished_at=now, not_before=None)


def resume(run: BackfillRun, *, now: datetime) -> bool:
    """Let a stopped or failed run go on where it was; return False if it is neither."""
    resumed = BackfillRun.objects.filter(pk=run.pk, state__in=[State.STOPPED, State.FAILED]).update(
        state=State.WAITING, stop_requested_at=None, finished_at=None, not_before=None, attempts=0,
        error="", hint="",
    )  # fmt: skip
    if resumed:
        logger.info("Backfill resumed: run=%s at=%s", run.pk, now.isoformat())
    return bool(resumed)


def due(*, now: datetime) -> QuerySet[BackfillRun]:
    """Return the runs that can be worked on now, the oldest first; before them one whose worker died.

    A connection has one running run: while a dead worker's is not taken over, no other can begin.
    """
    return (
        BackfillRun.objects.filter(_workable(now))
        .exclude(connection__state=Connection.State.PAUSED)
        .select_related("connection", "host", "event_type")
        .order_by(Case(When(state=State.RUNNING, then=0), default=1), "id")
    )


def _workable(now: datetime) -> Q:
    waiting = Q(state=State.WAITING) & (Q(not_before=None) | Q(not_before__lte=now))
    return waiting | Q(state=State.RUNNING, lease_expires_at__lte=now)


def claim(run: BackfillRun, *, now: datetime) -> Lease | None:
    """Take a run that is due; None when another worker has it, or has another of the connection."""
    if Connection.objects.filter(pk=run.connection_id, state=Connection.State.PAUSED).exists():
        return None
    token = uuid.uuid4()
    # The row's own columns alone: PostgreSQL looks at them again after waiting for another worker's claim, but not
    # into the subquery that a join would become.
    rows = BackfillRun.objects.filter(_workable(now), pk=run.pk)
    try:
        with transaction.atomic():
            claimed = rows.update(
                state=State.RUNNING, lease_token=token, lease_expires_at=now + lease(),
                not_before=None, started_at=Coalesce(F("started_at"), now),
            )  # fmt: skip
    except IntegrityError:
        return None
    if not claimed:
        return None
    run.refresh_from_db()
    return Lease(run_id=run.pk, token=token)


def progress(run: BackfillRun, *, now: datetime) -> Progress:
    """Say how far a run is, by the start time that it has reached in its window; an estimate."""
    fraction = _fraction(run)
    seconds = None
    is_moving = run.state != State.WAITING  # waiting for the budget, the time left would only grow
    if is_moving and fraction and fraction > _DIRECTORY_SHARE and run.started_at:
        spent = ((run.finished_at or now) - run.started_at).total_seconds()
        seconds = spent * (1 - fraction) / fraction
    words = _PHASE_WORDS.get(run.phase, run.phase.replace("_", " "))
    return Progress(fraction=fraction, seconds_left=seconds, phase=words)


def _fraction(run: BackfillRun) -> float | None:
    if run.state in {State.DONE, State.PARTIAL}:
        return 1.0
    if not run.phase:
        return 0.0
    reached = run.checkpoint.get("boundary")
    if run.phase == MENTIONS:
        return 0.99
    if run.phase != BOOKINGS or not reached:
        return _DIRECTORY_SHARE if run.phase == BOOKINGS else None
    done = _weight(run, datetime.fromisoformat(reached)) / _weight(run, run.window_to)
    return _DIRECTORY_SHARE + (0.99 - _DIRECTORY_SHARE) * min(max(done, 0.0), 1.0)


def _weight(run: BackfillRun, moment: datetime) -> float:
    """Return how much of the window lies before a moment, in days; far ahead there are few bookings."""
    near = max(min(moment, run.created_at + _NEAR), run.window_from)
    return (near - run.window_from) / _DAY + max(moment - near, timedelta(0)) / _DAY * _FAR
