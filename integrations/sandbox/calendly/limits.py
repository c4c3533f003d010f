"""Request budgets and the headers that tell of them.

Source: https://developer.calendly.com/api-docs (rate limits).
"""

import math
import time


class Budget:
    """Count requests per key in windows of one minute."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}

    def spend(self, key: str) -> tuple[int, int]:
        """Count one request; return how many are used and the seconds until the reset."""
        now = time.monotonic()
        started, used = self._windows.get(key, (now, 0))
        if now - started >= 60:
            started, used = now, 0
        self._windows[key] = (started, used + 1)
        return used + 1, math.ceil(60 - (now - started))


def limit_headers(*, limit: int, used: int, reset: int, key: str) -> dict[str, str]:
    """Return the X-RateLimit headers; the reset is in seconds from now."""
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - used)),
        "X-RateLimit-Reset": str(reset),
        "X-RateLimit-Key": key,
        "X-RateLimit-Tier": "standard",
    }
