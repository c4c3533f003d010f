"""The queue of webhooks: in order for each subscription, retries beside it."""

import heapq
import itertools
import threading
import time
from collections import defaultdict, deque

from integrations.sandbox.calendly.deliveries import Message

LANE_PATIENCE = 0.5


class MessageQueue:
    """Give out messages when they are due.

    First attempts for one subscription go one after the other, so that tests see an order; one
    that takes longer than LANE_PATIENCE seconds no longer holds the next. Retries and delayed
    messages are due on their own.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._closed = False
        self._generation = 0
        self._empty()

    def _empty(self) -> None:
        self._lanes: dict[str, deque[Message]] = defaultdict(deque)
        self._busy: dict[str, tuple[int, float]] = {}
        self._timed: list[tuple[float, int, Message]] = []
        self._running: dict[int, Message] = {}

    def put(self, message: Message) -> None:
        """Queue a message behind the others of its subscription."""
        with self._changed:
            self._lanes[message.subscription].append(message)
            self._changed.notify_all()

    def put_later(self, message: Message, *, seconds: float) -> None:
        """Queue a message that is due after some seconds."""
        with self._changed:
            due = time.monotonic() + seconds
            heapq.heappush(self._timed, (due, next(self._numbers), message))
            self._changed.notify_all()

    def take(self) -> tuple[int, Message] | None:
        """Wait for the next message that is due; return it with the queue's generation.

        Returns None once the queue is closed.
        """
        with self._changed:
            while not self._closed:
                message, wait = self._next(time.monotonic())
                if message is not None:
                    self._running[message.id] = message
                    return self._generation, message
                self._changed.wait(wait)
        return None

    def _next(self, now: float) -> tuple[Message | None, float | None]:
        if self._timed and self._timed[0][0] <= now:
            return heapq.heappop(self._timed)[2], None
        waits = [self._timed[0][0] - now] if self._timed else []
        for name, lane in self._lanes.items():
            free_at = self._busy.get(name, (0, 0.0))[1]
            if lane and free_at <= now:
                message = lane.popleft()
                self._busy[name] = (message.id, now + LANE_PATIENCE)
                return message, None
            if lane:
                waits.append(free_at - now)
        return None, min(waits, default=None)

    def done(
        self, message: Message, *, generation: int, retry: tuple[Message, float] | None = None
    ) -> None:
        """Note that an attempt has ended, and queue what follows it in the same step."""
        with self._changed:
            if generation == self._generation:
                self._running.pop(message.id, None)
                if self._busy.get(message.subscription, (None, 0))[0] == message.id:
                    del self._busy[message.subscription]
                if retry is not None:
                    due = time.monotonic() + retry[1]
                    heapq.heappush(self._timed, (due, next(self._numbers), retry[0]))
            self._changed.notify_all()

    def wait_idle(self, *, seconds: float, ignore_retries: bool = False) -> bool:
        """Wait until nothing is queued or under way; tell whether that came true."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle(ignore_retries), timeout=seconds)

    def _idle(self, ignore_retries: bool) -> bool:
        timed = [
            message for _, _, message in self._timed if not (ignore_retries and message.attempt > 1)
        ]
        return not (timed or self._running or any(self._lanes.values()))

    def hurry(self) -> None:
        """Make every waiting message due now."""
        with self._changed:
            self._timed = [(0.0, number, message) for _, number, message in self._timed]
            heapq.heapify(self._timed)
            self._changed.notify_all()

    def failing_besides(self, message: Message) -> bool:
        """Tell whether another message of the same subscription waits for a retry or is in one."""
        with self._changed:
            others = [item[2] for item in self._timed] + list(self._running.values())
            return any(
                other.subscription == message.subscription
                and other.attempt > 1
                and other is not message
                for other in others
            )

    def remove(self, subscription: str) -> list[Message]:
        """Take out everything that is queued for a subscription."""
        with self._changed:
            removed = list(self._lanes.pop(subscription, ()))
            removed += [item[2] for item in self._timed if item[2].subscription == subscription]
            self._timed = [item for item in self._timed if item[2].subscription != subscription]
            heapq.heapify(self._timed)
            self._changed.notify_all()
        return removed

    def size(self) -> int:
        """Return how many messages are queued or under way."""
        with self._changed:
            lanes = sum(len(lane) for lane in self._lanes.values())
            return lanes + len(self._timed) + len(self._running)

    def clear(self) -> None:
        """Forget every message; those under way come to nothing."""
        with self._changed:
            self._generation += 1
            self._empty()
            self._changed.notify_all()

    def close(self) -> None:
        """Let every waiting worker end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
