"""Whether this installation is well: what the load balancer and staff are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import DatabaseError

from integrations.models import Heartbeat

_BROKER_PATIENCE_SECONDS = 1.0
#: Beats that may be missed before beat or the workers count as gone.
_MISSED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Say of each part "ok" or what is wrong with it.

    Ready means that webhooks can be stored; without broker or sweep they still are, and wait. `watch` is the look at
    the subscriptions, which also starts the nightly backfills.
    """

    database: str
    broker: str
    sweep: str
    watch: str

    @property
    def ready(self) -> bool:
        """Tell whether the web process can do its duty."""
        return self.database == "ok"


def swept(*, now: datetime) -> None:
    """Note that the sweep ran."""
    Heartbeat.objects.update_or_create(name=Heartbeat.Name.SWEEP, defaults={"at": now})


def watched(*, now: datetime) -> None:
    """Note that the watchdog ran."""
    Heartbeat.objects.update_or_create(name=Heartbeat.Name.WATCH, defaults={"at": now})


def look(*, now: datetime) -> Health:
    """Ask the database, the broker and the last heartbeat."""
    broker = _broker()
    try:
        beats = dict(Heartbeat.objects.values_list("name", "at"))
    except DatabaseError:
        return Health(database="does not answer", broker=broker, sweep="unknown", watch="unknown")
    sweep = _beat(beats, "sweep", every=settings.SWEEP_INTERVAL_SECONDS, now=now)
    every = settings.CALSYNC_WATCH_INTERVAL_SECONDS
    watch = _beat(beats, "watch", every=every, now=now)
    if sweep == "ok" and "watch" not in beats:
        watch = f"has not run yet: beat is there and starts it every {every:.0f} s"
    return Health(database="ok", broker=broker, sweep=sweep, watch=watch)


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


def _beat(beats: Mapping[str, datetime], name: str, *, every: float, now: datetime) -> str:
    at = beats.get(name)
    if at is None:
        return "never ran: start beat and a worker"
    if now - at > timedelta(seconds=every * _MISSED):
        return f"last ran at {at:%Y-%m-%d %H:%M:%S} UTC: beat or the workers are gone"
    return "ok"
