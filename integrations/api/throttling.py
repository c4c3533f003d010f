"""How often one token, or one person who is signed in, may ask: counted in Redis by all processes together."""

import math
from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from integrations import scripts
from integrations.models import ApiToken

_WINDOW_MS = 60_000
# The window begins with its first request -> requests in it, milliseconds until it ends.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


class RateThrottle(BaseThrottle):
    """Refuse more than `API_REQUESTS_PER_MINUTE`; without Redis nobody is refused."""

    _wait: float | None = None

    def allow_request(self, request: Request, view: object) -> bool:
        """Count the request, and tell whether it may go on."""
        counted = scripts.run(_COUNT, keys=[_key(request)], arguments=[_WINDOW_MS], without="the API is not throttled")  # fmt: skip
        if counted is None:
            return True
        count, left_ms = counted
        self._wait = math.ceil(max(left_ms, 1) / 1000)
        return bool(count <= settings.API_REQUESTS_PER_MINUTE)

    def wait(self) -> float | None:
        """Return the seconds until the next request may go on, for `Retry-After`."""
        return self._wait


def _key(request: Request) -> str:
    auth: Any = request.auth
    who = f"token:{auth.pk}" if isinstance(auth, ApiToken) else f"user:{request.user.pk}"
    return f"calsync:api:{who}"
