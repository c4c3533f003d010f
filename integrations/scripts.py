"""Run one atomic script in the Redis that all workers share; without Redis nothing runs, and nothing is slowed.

What is kept there may be lost at any time: it paces and counts, and is never the truth.
"""

import logging
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.commands.core import Script

logger = logging.getLogger(__name__)

#: Seconds a dead Redis may cost a call, and for how long it is then left alone.
_PATIENCE = 0.25
_REST_SECONDS = 2.0
_resting: dict[str, float] = {}


def run(script: str, *, keys: Sequence[str], arguments: Sequence[str | float], without: str) -> Any:
    """Return what a script answers; None when Redis could not be reached, and `without` says to the log what follows."""
    url = settings.REDIS_URL
    if time.monotonic() < _resting.get(url, 0.0):
        return None
    try:
        return _loaded(url, script)(keys=keys, args=arguments)
    except (redis.RedisError, OSError) as error:
        logger.warning("No Redis, %s: error=%s", without, type(error).__name__)
        _resting[url] = time.monotonic() + _REST_SECONDS
        return None


def wake() -> None:
    """Try a Redis that did not answer again at once."""
    _resting.clear()


@cache
def _loaded(url: str, script: str) -> Script:
    client = redis.Redis.from_url(url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE)
    return client.register_script(script)
