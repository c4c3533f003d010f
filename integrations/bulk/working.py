"""Work on operations, slice by slice: what a slice does, and how far that is, commit together or not at all.

Whoever is killed leaves an operation that goes on where it was. Two workers that both believe they hold it take turns
at its row, and the one without the lease's token finds it gone.
"""

import logging
import traceback
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from integrations.bulk.kinds import KINDS, Asked, Did, Kind, UnfitError
from integrations.models import BulkOperation

logger = logging.getLogger(__name__)

State = BulkOperation.State

#: Rows of one transaction.
SLICE = 200
#: How long a worker may be silent before another takes over.
LEASE = timedelta(seconds=60)

#: Called with what each slice did, after it is committed.
Wake = Callable[[Did], None]


def due(*, now: datetime) -> QuerySet[BulkOperation]:
    """Return what nobody works on, the oldest first."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    return BulkOperation.objects.filter(free, state__in=BulkOperation.UNFINISHED).order_by("id")


def has_due(*, now: datetime) -> bool:
    """Tell whether there is something to work on."""
    return due(now=now).exists()


def drain(*, until: datetime, clock: Callable[[], datetime], wake: Wake) -> None:
    """Work on what is due until nothing is, or the time is up."""
    while (now := clock()) < until and (operation := due(now=now).first()):
        work_on(operation, until=until, clock=clock, wake=wake)


def work_on(
    operation: BulkOperation, *, until: datetime, clock: Callable[[], datetime], wake: Wake
) -> bool:
    """Claim an operation and work on it until it ends or the time is up; False when another has it."""
    token = _claim(operation, now=clock())
    if token is None:
        return False
    try:
        while (now := clock()) < until:
            did = step(operation.pk, token=token, now=now, asked=_ask(operation.pk, token, clock))
            if did is None:
                return True
            wake(did)
    except OperationalError:
        # The database is away or busy: the lease runs out, and somebody goes on.
        logger.warning("Bulk operation interrupted: operation=%s", operation.pk, exc_info=True)
    except UnfitError as error:
        _mine(operation.pk, token).update(**_ended(State.FAILED, now=clock()), error=str(error))
    except Exception as error:
        logger.exception("Bulk operation failed: operation=%s", operation.pk)
        said = traceback.format_exception_only(error)[-1].strip()
        _mine(operation.pk, token).update(**_ended(State.FAILED, now=clock()), error=said)
    else:
        _mine(operation.pk, token).update(lease_token=None, lease_expires_at=None)
    return True


@transaction.atomic
def step(
    operation_id: int, *, token: uuid.UUID, now: datetime, asked: Asked | None = None
) -> Did | None:
    """Do the next slice; None when it was the last, somebody asked to stop, or another has the operation.

    What was `asked` for it is written down instead. None, too, where a provider is to be left alone: until then nobody takes
    the operation.
    """
    mine = _mine(operation_id, token)
    operation = mine.select_for_update().first()
    if operation is None:
        return None
    if operation.state == State.STOPPING:
        mine.update(**_ended(State.STOPPED, now=now))
        return None
    kind = KINDS[operation.kind]
    pks = list(asked.pks) if asked else _next(kind, operation)
    if not pks and not (asked and asked.wait):
        mine.update(**_ended(State.DONE, now=now))
        return None
    did = Did()
    if pks:
        did = asked.write() if asked else _carry_out(kind, pks, operation, now=now)
        mine.update(
            cursor=pks[-1], done=F("done") + len(pks), changed=F("changed") + did.changed,
            errors=F("errors") + did.errors, lease_expires_at=now + LEASE,
        )  # fmt: skip
    if asked and asked.wait:
        mine.update(lease_token=None, lease_expires_at=now + timedelta(seconds=asked.wait))
        return None
    return did


def _ask(operation_id: int, token: uuid.UUID, clock: Callable[[], datetime]) -> Asked | None:
    """Ask for the next rows of a kind that asks, in no transaction; None where there is nothing to ask."""
    operation = _mine(operation_id, token).exclude(state=State.STOPPING).first()
    kind = KINDS[operation.kind] if operation else None
    if operation is None or kind is None or kind.ask is None:
        return None
    pks = _next(kind, operation)
    return kind.ask(pks, operation, clock) if pks else None


def _claim(operation: BulkOperation, *, now: datetime) -> uuid.UUID | None:
    token = uuid.uuid4()
    state = Case(When(state=State.STOPPING, then=Value(State.STOPPING)), default=Value(State.RUNNING))  # fmt: skip
    taken = due(now=now).filter(pk=operation.pk).order_by().update(
        state=state, lease_token=token, lease_expires_at=now + LEASE, started_at=Coalesce("started_at", now),
    )  # fmt: skip
    return token if taken else None


def _mine(operation_id: int, token: uuid.UUID) -> QuerySet[BulkOperation]:
    return BulkOperation.objects.filter(pk=operation_id, lease_token=token).order_by()


def _ended(state: BulkOperation.State, *, now: datetime) -> dict[str, object]:
    return {"state": state, "finished_at": now, "lease_token": None, "lease_expires_at": None}


def _next(kind: Kind, operation: BulkOperation) -> list[int]:
    rows = kind.frozen(operation.choice, at=operation.created_at)
    rows = rows.filter(pk__gt=operation.cursor, pk__lte=operation.upto).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:SLICE])


def _carry_out(kind: Kind, pks: list[int], operation: BulkOperation, *, now: datetime) -> Did:
    """Do it to the rows together; where that breaks us, to each alone, so that one cannot keep the others from it."""
    rows = kind.model.objects.filter(pk__in=pks)
    try:
        with transaction.atomic():
            return kind.carry_out(rows, operation.requested_by, operation.options, now)
    except OperationalError:
        raise
    except Exception:
        logger.exception(
            "Bulk: rows could not be done: operation=%s rows=%s", operation.pk, len(pks)
        )
    if len(pks) == 1:
        return Did(errors=1)
    return _together([_carry_out(kind, [pk], operation, now=now) for pk in pks])


def _together(parts: list[Did]) -> Did:
    whole = Did()
    for part in parts:
        whole = replace(
            whole, changed=whole.changed + part.changed, errors=whole.errors + part.errors,
            connections=whole.connections | part.connections, inbox=whole.inbox or part.inbox,
        )  # fmt: skip
    return whole
