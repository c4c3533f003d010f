"""The meetings in the order of their start, so that a page of ten thousand is cut, not sorted."""

import itertools
import math
from bisect import bisect_left


class Timetable:
    """Keep identifiers by start time, those of one start in the order of their making.

    Times are text as Calendly writes it, in UTC with microseconds, which sorts like the instants.
    """

    def __init__(self) -> None:
        self._order: list[tuple[str, float]] = []
        self._keys: list[str] = []
        self._numbers = itertools.count()

    def add(self, key: str, *, start: str) -> None:
        """Enter a meeting."""
        entry = (start, next(self._numbers))
        position = bisect_left(self._order, entry)
        self._order.insert(position, entry)
        self._keys.insert(position, key)

    def remove(self, key: str, *, start: str) -> None:
        """Strike a meeting out."""
        position = self._keys.index(key, bisect_left(self._order, (start,)))
        del self._order[position], self._keys[position]

    def between(self, first: str | None, last: str | None) -> list[str]:
        """Return the meetings that start in a window, both ends included; None is open."""
        low = bisect_left(self._order, (first,)) if first else 0
        high = bisect_left(self._order, (last, math.inf)) if last else len(self._order)
        return self._keys[low:high]

    def at(self, start: str) -> list[str]:
        """Return the meetings that start at a moment."""
        return self.between(start, start)
