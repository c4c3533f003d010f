"""What an answer of Calendly's API means by its status, and what its headers tell of the request budget."""

import requests
from django.utils import timezone

from integrations.budget import Told
from integrations.errors import TemporaryError, ThrottledError
from integrations.http import retry_after_seconds
from integrations.sources.calendly.payloads.reading import Fields, UnreadableError, load
from integrations.sources.calendly.refusals import refuse, said

#: Seconds to wait when a 429 does not say; budgets are counted by the minute.
DEFAULT_WAIT = 60.0
_LONGEST_WAIT = 3600.0
#: Statuses below 500 that say nothing against the request itself: a time-out, and "too early".
_PASSING = frozenset({408, 425})
LASTING = "Nothing to do: it is tried again. If it lasts, see https://www.calendlystatus.com."


def read(response: requests.Response, *, what: str) -> Fields:
    """Return the answer's object, an empty one where there is no content, or raise what its status means.

    `what` is the request, such as `POST /webhook_subscriptions`.
    """
    status = response.status_code
    if status == 429:
        raise ThrottledError(
            "Calendly asks to slow down.",
            hint="Nothing to do: it goes on when the request budget is refilled.",
            retry_after=wait_of(response),
        )
    if status == 204:
        return Fields({})
    body = _json(response)
    if body is None or status >= 500 or status in _PASSING:
        words = said(body) if body else "no JSON object."
        raise TemporaryError(
            f"Calendly answered {status}: {words}",
            hint=LASTING,
            retry_after=_asked(response),
            ambiguous=not what.startswith("GET "),
        )
    if status >= 300:
        refuse(status, body, what=what)
    return body


def told(response: requests.Response) -> Told | None:
    """Return what the headers tell of the request budget: the reset is in seconds from now.

    Source: https://developer.calendly.com/api-docs/overview/rate-limits
    """
    limit, remaining, reset = (_number(response, name) for name in ("Limit", "Remaining", "Reset"))
    if response.status_code == 429:
        return Told(limit=limit or 0, remaining=0, resets_in=wait_of(response), refused=True)
    if not limit or remaining is None or reset is None:
        return None
    return Told(limit=limit, remaining=remaining, resets_in=min(reset, _LONGEST_WAIT))


def wait_of(response: requests.Response) -> float:
    """Return how many seconds a 429 asks to wait: until the reset, else `Retry-After`, else a minute."""
    reset = _number(response, "Reset")
    if reset is not None:
        return min(float(reset), _LONGEST_WAIT)
    asked = _asked(response)
    return DEFAULT_WAIT if asked is None else asked


def _asked(response: requests.Response) -> float | None:
    asked = retry_after_seconds(response.headers, now=timezone.now())
    return None if asked is None else min(asked, _LONGEST_WAIT)


def _number(response: requests.Response, name: str) -> int | None:
    value = response.headers.get(f"X-RateLimit-{name}", "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else None


def _json(response: requests.Response) -> Fields | None:
    try:
        value = load(response.content)
    except UnreadableError:
        return None
    return Fields(value) if isinstance(value, dict) else None
