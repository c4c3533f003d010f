"""How many requests a connection has left at its provider, counted by all workers together.

Providers say with each answer how much of a window's budget remains; that is kept in Redis, with the requests that are
under way and not in that number yet. Live traffic may use everything, work in the background leaves a reserve. Without
Redis requests go out uncounted, and the provider's own refusal slows us.
"""

import enum
import math
import uuid
from dataclasses import dataclass
from typing import Any

from integrations import scripts
from integrations.errors import ThrottledError

#: What background work leaves to live traffic: a share of the limit, and at least so many requests.
RESERVE_SHARE = 0.2
SMALLEST_RESERVE = 5


class Priority(enum.StrEnum):
    """Who asks: live traffic, or work that can wait."""

    LIVE = "live"
    BACKGROUND = "background"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an answer said: requests in a window, how many remain, and seconds until the next window.

    `refused` says that the request itself was too much; the limit is then 0 where it was not told.
    """

    limit: int
    remaining: int
    resets_in: float
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is known now; `remaining` leaves out what is under way, `resets_in` is in seconds, 0 in a fresh window."""

    limit: int
    remaining: int
    reserve: int
    resets_in: float


# The state is a hash {limit, remaining, ends} and a sorted set of the requests under way by when they began.
# `ends` is in milliseconds of Redis' own clock, so that workers need not agree on theirs. The limit is 0 where a refusal
# told none: nothing goes out until the end, then nothing is known again.
_STATE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HMGET', KEYS[1], 'limit', 'remaining', 'ends')
local limit, remaining, ends = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])
if limit and now >= ends then remaining, ends = limit, 0 end
if limit == 0 and ends == 0 then limit, ends = nil, nil end
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, now - 60000)
local flying = redis.call('ZCARD', KEYS[2])
local function keep(new_limit, new_remaining, new_ends)
  redis.call('HSET', KEYS[1], 'limit', new_limit, 'remaining', new_remaining, 'ends', new_ends)
  redis.call('PEXPIRE', KEYS[1], 86400000)
end
"""
#: ticket, share of the reserve, smallest reserve -> milliseconds to wait, or 0 when the request may go.
_SPEND = f"""{_STATE}
local reserve = 0
if limit and limit > 0 and tonumber(ARGV[2]) > 0 then
  reserve = math.min(math.max(math.ceil(limit * ARGV[2]), tonumber(ARGV[3])), limit - 1)
end
if limit and remaining - flying - reserve < 1 then
  return math.max(ends - now, 1000)
end
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('PEXPIRE', KEYS[2], 120000)
return 0
"""
#: ticket, kind of answer, limit, remaining, milliseconds until the reset. Answers overtake each other: within a window
#: the lowest number holds, and what an older window had left is forgotten. Nobody knows yet when a fresh window ends: what
#: got no answer in it stays under way for its minute, rather than make up an end that hides what later answers tell.
_SETTLE = f"""{_STATE}
local kind, said_limit, said_remaining = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if kind ~= 'none' or ends ~= 0 then redis.call('ZREM', KEYS[2], ARGV[1]) end
local said_ends = now + ARGV[5]
if kind == 'refused' then
  keep(said_limit > 0 and said_limit or limit or 0, 0, said_ends)
elseif kind == 'none' then
  if limit and ends > 0 then keep(limit, math.max(remaining - 1, 0), ends) end
elseif not limit or said_ends > ends + 2000 then
  keep(said_limit, said_remaining, said_ends)
elseif said_ends > ends - 2000 then
  keep(said_limit, math.min(remaining, said_remaining), ends)
end
return 0
"""
_LOOK = f"""{_STATE}
if not limit or limit == 0 then return nil end
return {{limit, remaining - flying, math.max(ends - now, 0)}}
"""


def spend(connection_id: int, *, priority: Priority) -> str:
    """Take one request out of the budget and return a ticket for `settle`.

    Raises:
        ThrottledError: nothing is left for this priority; `retry_after` is when the next window begins.
    """
    ticket = uuid.uuid4().hex
    share = RESERVE_SHARE if priority is Priority.BACKGROUND else 0
    wait = _run(_SPEND, connection_id, ticket, share, SMALLEST_RESERVE)
    if wait:
        raise ThrottledError(
            "The request budget is used up."
            if priority is Priority.LIVE
            else "What is left of the request budget is kept for live traffic.",
            hint="Nothing to do: it goes on when the budget is refilled.",
            retry_after=math.ceil(wait / 1000),
        )
    return ticket


def settle(connection_id: int, ticket: str, *, told: Told | None) -> None:
    """Note that a request has ended and what its answer told; without an answer it counts as one used."""
    if told is None:
        _run(_SETTLE, connection_id, ticket, "none", 0, 0, 0)
        return
    kind = "refused" if told.refused else "told"
    _run(
        _SETTLE, connection_id, ticket,
        kind, told.limit, told.remaining, round(told.resets_in * 1000),
    )  # fmt: skip


def look(connection_id: int) -> Budget | None:
    """Return what is known of a connection's budget; None where nothing was told yet, or Redis is away."""
    found = _run(_LOOK, connection_id)
    if not found:
        return None
    limit, remaining, milliseconds = map(int, found)
    return Budget(
        limit=limit,
        remaining=max(remaining, 0),
        reserve=reserve_of(limit),
        resets_in=milliseconds / 1000,
    )


def reserve_of(limit: int) -> int:
    """Return how many requests of a window are kept for live traffic."""
    return min(max(math.ceil(limit * RESERVE_SHARE), SMALLEST_RESERVE), limit - 1)


def _run(script: str, connection_id: int, *arguments: str | float) -> Any:
    """Run a script on a connection's state; None when Redis could not be reached."""
    key = f"calsync:budget:{connection_id}"
    return scripts.run(
        script, keys=[key, f"{key}:sent"], arguments=arguments, without="requests go out uncounted"
    )
