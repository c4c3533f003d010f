"""Drift: our own writes read back, what was changed over there shown field by field, and written again by choice.

A run goes through a connection's records in batches; each is compared and written down with how far the run came, so
that a crash costs one batch. Nothing is open in the database while the provider is asked.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from integrations import accounts, allowance, breaker, outbox
from integrations.connectors.base import Difference, Record, connector_class
from integrations.errors import (
    ConfigurationError,
    IntegrationError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import Connection, Delivery, DriftFinding, DriftRun, RemoteRecord
from integrations.schedule import last_night

logger = logging.getLogger(__name__)

State = DriftRun.State
Found = DriftFinding.State

_LEASE = timedelta(minutes=3)
_WAIT = timedelta(minutes=5)
_UNFINISHED = (State.WAITING, State.RUNNING)


def comparable() -> list[str]:
    """Return the providers whose records can be compared."""
    return [name for name in settings.CONNECTORS if connector_class(name).compares]


def start(connection: Connection, *, now: datetime, requested_by: str = "") -> DriftRun:
    """Ask for a comparison, or return the one that is under way; a worker has to be nudged."""
    under_way = DriftRun.objects.filter(connection=connection, state__in=_UNFINISHED)
    try:
        with transaction.atomic():
            return under_way.first() or DriftRun.objects.create(
                connection=connection, requested_by=requested_by, created_at=now
            )
    except IntegrityError:
        return under_way.get()


def start_nightly(*, now: datetime) -> list[DriftRun]:
    """Ask for tonight's comparison of every connection that wants one and has had none."""
    tonight = last_night(now)
    rows = Connection.objects.filter(provider__in=comparable(), created_at__lt=tonight)
    rows = rows.exclude(state=Connection.State.PAUSED).exclude(drift_runs__created_at__gte=tonight)
    return [start(row, now=now) for row in rows if _policy(row) != "off"]


def due(*, now: datetime) -> QuerySet[DriftRun]:
    """Return the runs that can be worked on now; one whose worker died is among them."""
    waiting = Q(state=State.WAITING) & (Q(not_before=None) | Q(not_before__lte=now))
    left = Q(state=State.RUNNING, lease_expires_at__lte=now)
    rows = DriftRun.objects.filter(waiting | left).exclude(
        connection__state=Connection.State.PAUSED
    )
    return rows.select_related("connection").order_by("id")


def drain(connection_id: int, *, until: datetime, clock: Callable[[], datetime]) -> bool:
    """Work on the connection's run until it ends, has to wait or the time is up; tell whether anything is to be sent."""
    run = due(now=clock()).filter(connection_id=connection_id).first()
    token = _claim(run, now=clock()) if run else None
    if run is None or token is None:
        return False
    try:
        return _work(run, token=token, until=until, clock=clock)
    except ThrottledError as error:
        wait = timedelta(seconds=error.retry_after or 60)
        _release(run, token=token, not_before=clock() + wait, error=error)
    except TemporaryError as error:
        _release(run, token=token, not_before=clock() + _WAIT, error=error)
    except ConfigurationError as error:
        breaker.pause(run.connection, now=clock(), reason=str(error), hint=error.hint)
        _finish(run, token=token, state=State.FAILED, now=clock(), error=error)
    except IntegrationError as error:
        _finish(run, token=token, state=State.FAILED, now=clock(), error=error)
    return False


def repair(findings: Iterable[DriftFinding], *, now: datetime, by: str) -> int:
    """Have the meetings behind these findings written again; return of how many."""
    return sum(_repair(finding, now=now, by=by) for finding in findings)


def accept(findings: Iterable[DriftFinding], *, by: str) -> int:
    """Take what stands over there for right, until the meeting changes; return how many."""
    return sum(_accept(finding, by=by) for finding in findings)


# --- a run ---


def _policy(connection: Connection) -> str:
    try:
        return accounts.connector(connection).drift_policy
    except ConfigurationError:
        return "off"  # its deliveries tell what is wrong with it


def _claim(run: DriftRun, *, now: datetime) -> uuid.UUID | None:
    token = uuid.uuid4()
    claimed = (
        due(now=now)
        .order_by()
        .filter(pk=run.pk)
        .update(
            state=State.RUNNING, lease_token=token, lease_expires_at=now + _LEASE, not_before=None,
            started_at=Coalesce(F("started_at"), now), error="", hint="",
        )
    )  # fmt: skip
    run.refresh_from_db()
    return token if claimed else None


def _work(
    run: DriftRun, *, token: uuid.UUID, until: datetime, clock: Callable[[], datetime]
) -> bool:
    connector, woken = accounts.connector(run.connection), False
    while clock() < until:
        if allowance.is_held(run.connection, now=clock()):
            raise ThrottledError(
                "The provider's request allowance is short.",
                hint="Nothing to do: it goes on when there is more.",
                retry_after=900,
            )
        rows = _next_rows(run, size=connector.compares_at_once)
        if not rows:
            _finish(run, token=token, state=State.DONE, now=clock())
            return woken
        latest = _latest(rows)
        differences = connector.read_back([_record(row) for row in latest]) if latest else []
        allowance.note(run.connection, connector.usage, now=clock())
        findings = _write_down(run, rows, latest, differences, token=token, now=clock())
        if connector.drift_policy == "repair":
            new = [finding for finding in findings if not _came_back(finding)]
            woken = repair(new, now=clock(), by="the connection's settings") > 0 or woken
    _release(run, token=token)
    return woken


def _next_rows(run: DriftRun, *, size: int) -> list[RemoteRecord]:
    """Return the next records of which we keep something true."""
    rows = RemoteRecord.objects.filter(connection_id=run.connection_id, pk__gt=run.checkpoint)
    return list(rows.filter(data__has_key="kept").order_by("pk")[:size])


def _latest(rows: Sequence[RemoteRecord]) -> list[RemoteRecord]:
    """Return the rows without those whose record another meeting wrote later: what that one wrote is what holds."""
    shared = RemoteRecord.objects.filter(
        connection_id__in={row.connection_id for row in rows},
        remote_id__in={row.remote_id for row in rows}, data__has_key="kept",
    )  # fmt: skip
    last = {
        (object_type, remote_id): pk
        for pk, object_type, remote_id in shared.order_by("updated_at", "pk").values_list(
            "pk", "object_type", "remote_id"
        )
    }
    return [row for row in rows if last.get((row.object_type, row.remote_id)) == row.pk]


def _record(row: RemoteRecord) -> Record:
    return Record(
        object_type=row.object_type, remote_id=row.remote_id, key=row.key, url=row.url,
        content_hash=row.content_hash, data=row.data,
    )  # fmt: skip


@transaction.atomic
def _write_down(
    run: DriftRun,
    rows: Sequence[RemoteRecord],
    latest: Sequence[RemoteRecord],
    differences: Sequence[Difference],
    *,
    token: uuid.UUID,
    now: datetime,
) -> list[DriftFinding]:
    """Keep what differs and how far the run came; a worker that lost its lease writes nothing."""
    differences = _still_kept(latest, differences)
    gone = sum(difference.gone for difference in differences)
    written = DriftRun.objects.filter(pk=run.pk, lease_token=token).update(
        checkpoint=rows[-1].pk, lease_expires_at=now + _LEASE, compared=F("compared") + len(rows),
        differing=F("differing") + len(differences) - gone, missing=F("missing") + gone,
    )  # fmt: skip
    if not written:
        raise TemporaryError("Another worker goes on with this comparison.")
    run.checkpoint = rows[-1].pk
    return DriftFinding.objects.bulk_create(_findings(run, latest, differences, now=now))


def _still_kept(
    rows: Sequence[RemoteRecord], differences: Sequence[Difference]
) -> list[Difference]:
    """Keep what differs from what is kept true still: an erasure or a delivery may have come meanwhile.

    The rows are locked, so that an erasure that comes now waits, and finds what is written down here.
    """
    differing = {difference.record.remote_id for difference in differences}
    compared = {row.pk: row for row in rows if row.remote_id in differing}
    locked = RemoteRecord.objects.select_for_update().filter(pk__in=compared).order_by("pk")
    same = {
        (row.object_type, row.key, row.remote_id)
        for row in locked
        if row.data.get("kept") == compared[row.pk].data["kept"]
    }
    return [
        difference
        for difference in differences
        if (difference.record.object_type, difference.record.key, difference.record.remote_id)
        in same
    ]


def _findings(
    run: DriftRun,
    rows: Sequence[RemoteRecord],
    differences: Sequence[Difference],
    *,
    now: datetime,
) -> Iterator[DriftFinding]:
    chains = {(row.object_type, row.key, row.remote_id): row.chain_id for row in rows}
    # Told already: a meeting of the same person was written while the run went on.
    seen = set(
        run.findings.filter(
            remote_id__in=[difference.record.remote_id for difference in differences]
        ).values_list("object_type", "remote_id")
    )
    for difference in differences:
        record = difference.record
        if (record.object_type, record.remote_id) in seen:
            continue
        seen.add((record.object_type, record.remote_id))
        yield DriftFinding(
            run=run, chain_id=chains[record.object_type, record.key, record.remote_id],
            object_type=record.object_type, key=record.key, remote_id=record.remote_id, url=record.url,
            gone=difference.gone, created_at=now,
            fields={name: list(pair) for name, pair in difference.fields.items()},
        )  # fmt: skip


def _came_back(finding: DriftFinding) -> bool:
    """Tell whether it is what was written again last time: something over there changes it, and would each night."""
    before = DriftFinding.objects.filter(
        run__connection_id=finding.run.connection_id, object_type=finding.object_type,
        remote_id=finding.remote_id, pk__lt=finding.pk,
    ).order_by("-pk").first()  # fmt: skip
    return before is not None and before.state == Found.REPAIR and before.fields == finding.fields


def _release(
    run: DriftRun,
    *,
    token: uuid.UUID,
    not_before: datetime | None = None,
    error: IntegrationError | None = None,
) -> None:
    """Give the run back; it goes on where it is."""
    DriftRun.objects.filter(pk=run.pk, lease_token=token).update(
        state=State.WAITING, lease_token=None, lease_expires_at=None, not_before=not_before,
        error=str(error or ""), hint=error.hint if error else "",
    )  # fmt: skip


def _finish(
    run: DriftRun,
    *,
    token: uuid.UUID,
    state: DriftRun.State,
    now: datetime,
    error: IntegrationError | None = None,
) -> None:
    DriftRun.objects.filter(pk=run.pk, lease_token=token).update(
        state=state, lease_token=None, lease_expires_at=None, finished_at=now,
        error=str(error or ""), hint=error.hint if error else "",
    )  # fmt: skip
    logger.info("Drift compared: run=%s state=%s", run.pk, state)


# --- what becomes of a finding ---


@transaction.atomic
def _repair(finding: DriftFinding, *, now: datetime, by: str) -> int:
    """Forget what we believed of the record, and send again the newest delivery that keeps the meeting's records."""
    decided = DriftFinding.objects.filter(pk=finding.pk, state=Found.FOUND)
    connection = finding.run.connection
    delivery = (
        Delivery.objects.filter(connection_id=connection.pk, chain_id=finding.chain_id)
        .exclude(action__in=connector_class(connection.provider).passing_actions)
        .order_by("-id")
        .first()
    )
    if delivery is None or not decided.update(state=Found.REPAIR, decided_by=by, delivery=delivery):
        return 0
    if finding.gone:
        _row(finding).delete()
    else:
        for row in _row(finding).select_for_update():
            theirs = {name: pair[1] for name, pair in finding.fields.items()}
            data = {**row.data, "found": theirs}
            RemoteRecord.objects.filter(pk=row.pk).update(content_hash="", data=data)
    outbox.repeat(
        delivery, now=now, reason=f"Written again: it was changed over there. Asked by {by}."
    )
    return 1


@transaction.atomic
def _accept(finding: DriftFinding, *, by: str) -> int:
    decided = DriftFinding.objects.filter(pk=finding.pk, state=Found.FOUND)
    if not decided.update(state=Found.ACCEPTED, decided_by=by):
        return 0
    for row in _row(finding).select_for_update():
        kept = dict(row.data.get("kept", {}))
        kept |= {name: theirs for name, (_, theirs) in finding.fields.items()}
        data = {**row.data, "kept": kept}
        if finding.gone:
            data.pop("kept")
        RemoteRecord.objects.filter(pk=row.pk).update(data=data)
    return 1


def _row(finding: DriftFinding) -> QuerySet[RemoteRecord]:
    return RemoteRecord.objects.filter(
        connection_id=finding.run.connection_id, chain_id=finding.chain_id,
        object_type=finding.object_type, key=finding.key, remote_id=finding.remote_id,
    )  # fmt: skip
