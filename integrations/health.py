"""Whether this installation is well: what the load balancer and staff are told."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError

from integrations.models import Heartbeat

_BROKER_PATIENCE_SECONDS = 1.0
#: Sweeps that may be missed before beat or the workers count as gone.
_MISSED_SWEEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Say of each part "ok" or what is wrong with it.

    Ready means that webhooks can be stored; without broker or sweep they still are, and wait.
    """

    database: str
    broker: str
    sweep: str

    @property
    def ready(self) -> bool:
        """Tell whether the web process can do its duty."""
        return self.database == "ok"


def swept(*, now: datetime) -> None:
    """Note that the sweep ran."""
    Heartbeat.objects.update_or_create(name=Heartbeat.Name.SWEEP, defaults={"at": now})


def look(*, now: datetime) -> Health:
    """Ask the database, the broker and the last heartbeat."""
    broker = _broker()
    try:
        beat = Heartbeat.objects.filter(name=Heartbeat.Name.SWEEP).first()
    except DatabaseError:
        return Health(database="does not answer", broker=broker, sweep="unknown")
    return Health(database="ok", broker=broker, sweep=_sweep(beat, now=now))


def _broker() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=_BROKER_PATIENCE_SECONDS,
        socket_connect_timeout=_BROKER_PATIENCE_SECONDS,
    )
    try:
        client.ping()
    except redis.RedisError:
        return "does not answer: rows wait for it, nothing is lost"
    finally:
        client.close()
    return "ok"


def _sweep(beat: Heartbeat | None, *, now: datetime) -> str:
    if beat is None:
        return "never ran: start beat and a worker"
    late = now - beat.at > timedelta(seconds=settings.SWEEP_INTERVAL_SECONDS * _MISSED_SWEEPS)
    return (
        f"last ran at {beat.at:%Y-%m-%d %H:%M:%S} UTC: beat or the workers are gone"
        if late
        else "ok"
    )
