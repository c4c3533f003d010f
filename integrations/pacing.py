"""Turns for what a provider takes only so often: one message a second and channel, shared by all workers.

A turn is taken before the request. What would have to wait too long is told when to come back instead, each at a time
of its own, so that a crowd does not come back at once. Without Redis nobody waits, and the provider's own refusal slows us.
"""

from integrations import scripts

#: Seconds to wait in place for a turn; for longer, a delivery goes back to its row.
PATIENCE = 3.0

# A hash of milliseconds of Redis' own clock: when the next turn is, and when the next of those sent away may come back.
# A turn may be taken ahead of its time by as many as a burst allows.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local every, burst, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[1], 'next', 'back')
local turn = math.max(tonumber(known[1]) or 0, now - (burst - 1) * every)
local wait = math.max(turn - now, 0)
if wait <= patience then
  redis.call('HSET', KEYS[1], 'next', turn + every)
else
  local back = math.max(tonumber(known[2]) or 0, turn)
  redis.call('HSET', KEYS[1], 'back', back + every)
  wait = back - now
end
redis.call('PEXPIRE', KEYS[1], math.max(wait, 0) + burst * every + 60000)
return wait
"""


def take(key: str, every: float = 1.0, *, burst: int = 1, patience: float = PATIENCE) -> float:
    """Return how many seconds to wait for one of the turns that come every so many seconds.

    The turn is taken where that is at most `patience`; else none is, and it says when to come back. `burst` are the
    turns that may be taken at once after a rest.
    """
    wait = scripts.run(
        _TAKE, keys=[f"calsync:pace:{key}"],
        arguments=[round(every * 1000), burst, round(patience * 1000)], without="messages go out unpaced",
    )  # fmt: skip
    return int(wait) / 1000 if wait else 0.0
