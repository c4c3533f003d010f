"""Wake a worker, at most once for many rows: the message only says "look", the rows are the truth.

`SET nudge:<queue> NX PX` decides who sends the Celery message; the task deletes the key before it looks, so a row
committed while the key exists is always seen. Without Redis nothing is lost: the sweep finds the row.
"""

import logging
import time
from functools import cache
from typing import Any

import redis
from celery import Task
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError

logger = logging.getLogger(__name__)

#: How long a key may outlive a lost message, and how long a dead broker is left alone.
_KEY_MILLISECONDS = 10_000
_PATIENCE_SECONDS = 0.25
_REST_SECONDS = 2.0
#: Broker URL -> monotonic time until which this process does not try it: a dead broker must not slow every request.
_resting: dict[str, float] = {}


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=_PATIENCE_SECONDS
    )


def nudge(queue: str, task: Task[Any, Any], *args: int, after: float = 0.0) -> bool:
    """Send the task unless one is on its way; return False when the broker could not be reached.

    `after` so many seconds it is carried out. No thread waits for it, and its key ends by itself then.
    """
    url = settings.REDIS_URL
    if time.monotonic() < _resting.get(url, 0.0):
        return False
    try:
        lasts = round(after * 1000) or _KEY_MILLISECONDS
        if _client(url).set(_key(queue), 1, nx=True, px=lasts):
            _send(queue, task, *args, after=after)
    except (redis.RedisError, BrokerError, OSError) as error:
        logger.warning(
            "No broker, the sweep will find the row: queue=%s error=%s", queue, type(error).__name__
        )
        _resting[url] = time.monotonic() + _REST_SECONDS
        return False
    return True


def answer(queue: str) -> None:
    """Delete the queue's key, so that what is committed from now on nudges again."""
    try:
        _client(settings.REDIS_URL).delete(_key(queue))
    except (redis.RedisError, OSError) as error:
        logger.warning("Nudge key not deleted: queue=%s error=%s", queue, type(error).__name__)


def _send(queue: str, task: Task[Any, Any], *args: int, after: float) -> None:
    try:
        task.apply_async(args=args, retry=False, countdown=after)
    except (BrokerError, OSError):
        answer(queue)
        raise


def _key(queue: str) -> str:
    return f"calsync:nudge:{queue}"
