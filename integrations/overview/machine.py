"""How the machine is: database, broker, beat and workers, the queues' ages, and how large the tables have grown."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Model

from bookings.counting import capped_count, counted
from bookings.models import Booking, BookingEvent, Invitee
from integrations import health
from integrations.models import Delivery, DeliveryAttempt, Heartbeat, InboundWebhook
from integrations.overview.words import ago

#: The tables that grow with what happens.
_GROWING: tuple[type[Model], ...] = (
    InboundWebhook, Booking, Invitee, BookingEvent, Delivery, DeliveryAttempt,
)  # fmt: skip
_ESTIMATES = """
    SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY(%s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Say how one part of the machine is; `hint` tells what to do about one that is not well."""

    name: str
    tone: str
    words: str
    hint: str = ""

    @property
    def is_broken(self) -> bool:
        """Tell whether it needs a person."""
        return self.tone == "danger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold about how many rows a table has, None where the database has not counted yet, and its size in bytes."""

    name: str
    rows: int | None
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Hold the parts and the tables; the latter are empty where the database does not tell cheaply."""

    parts: tuple[Part, ...]
    tables: tuple[Table, ...]


def machine(*, now: datetime) -> Machine:
    """Return how the machine is; without a broker it takes the patience with one, a second at most."""
    found = health.look(now=now)
    beats = dict(Heartbeat.objects.values_list("name", "at"))
    parts = (
        _part(f"Database ({connection.display_name})", found.database, hint="Start it."),
        _part("Broker (Redis)", found.broker, hint="Start it; what waits is found by the next sweep."),
        _beat("Beat and workers", found.sweep, beats.get("sweep"), now=now),
        _watch(found, beats.get("watch"), now=now),
        _inbox(now=now),
    )  # fmt: skip
    return Machine(parts=parts, tables=_tables())


def _part(name: str, told: str, *, hint: str) -> Part:
    if told == "ok":
        return Part(name=name, tone="success", words="answers")
    return Part(name=name, tone="danger", words=told, hint=hint)


def _beat(name: str, told: str, at: datetime | None, *, now: datetime) -> Part:
    if told == "ok" and at:
        return Part(name=name, tone="success", words=f"last seen {ago(at, now=now)}")
    hint = "Start beat and at least one worker; nothing is lost meanwhile, it waits."
    return Part(name=name, tone="danger", words=told, hint=hint)


def _watch(found: health.Health, at: datetime | None, *, now: datetime) -> Part:
    """Say no more than it is of a watch that is still to come, or cannot be as long as beat or the workers are gone."""
    name = "Watch over subscriptions"
    if found.watch != "ok" and (found.sweep != "ok" or at is None):
        return Part(name=name, tone="info", words=found.watch)
    return _beat(name, found.watch, at, now=now)


def _inbox(*, now: datetime) -> Part:
    """Tell how old the oldest webhook is that was stored and not read."""
    received = InboundWebhook.objects.filter(state=InboundWebhook.State.RECEIVED)
    oldest = received.order_by("id").values_list("received_at", flat=True).first()
    if oldest is None:
        return Part(name="Inbox", tone="success", words="empty: every webhook was read")
    words = f"{counted(capped_count(received))} to read, the oldest came {ago(oldest, now=now)}"
    return Part(name="Inbox", tone="info", words=words)


def _tables() -> tuple[Table, ...]:
    """Return PostgreSQL's own estimates; SQLite could only count."""
    if connection.vendor != "postgresql":
        return ()
    names = {model._meta.db_table: str(model._meta.verbose_name_plural) for model in _GROWING}  # noqa: SLF001  # Django's documented API
    with connection.cursor() as cursor:
        cursor.execute(_ESTIMATES, [list(names)])
        told = {name: (rows, size) for name, rows, size in cursor.fetchall()}
    return tuple(
        Table(
            name=names[name], rows=None if told[name][0] < 0 else told[name][0], size=told[name][1]
        )
        for name in names
        if name in told
    )
