"""How a source is read page by page: the directory first, then the bookings of a window.

A reader lives for one slice of work and one account. A cursor is JSON and opaque to who keeps it: the empty one
starts, None ends. A cursor may have grown too old for the provider: StaleCursorError says to start the phase again.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from bookings.snapshots import MeetingSnapshot, Snapshot
from integrations.errors import PermanentError

Cursor = Mapping[str, str]


class StaleCursorError(PermanentError):
    """The provider no longer knows the page that the cursor names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Say which bookings to read: those that start from `start` on and before `end` (UTC), of one host or of all."""

    start: datetime
    end: datetime
    host_uri: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Say which object of a page could not be read, and why."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Hold one page; `cursor` is None on the last one."""

    snapshots: tuple[Snapshot, ...]
    unreadable: tuple[Unreadable, ...] = ()
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingPage:
    """Hold one page of bookings without their invitees, by start; `cursor` is None on the last one."""

    meetings: tuple[MeetingSnapshot, ...]
    unreadable: tuple[Unreadable, ...] = ()
    cursor: Cursor | None = None


class Reader(ABC):
    """Read one account; its calls leave the provider's reserve to live traffic.

    Raises TemporaryError, PermanentError or ConfigurationError; a ThrottledError says how long to wait.
    """

    @property
    @abstractmethod
    def phases(self) -> tuple[str, ...]:
        """Return what can be read besides bookings, in the order of what refers to what."""

    @property
    @abstractmethod
    def requests(self) -> int:
        """Return how many requests were sent so far."""

    @property
    @abstractmethod
    def host_uri(self) -> str:
        """Return whose bookings alone this account lists; an empty text for everybody's."""

    @abstractmethod
    def read(self, phase: str, *, cursor: Cursor) -> Page:
        """Return a page of one of the phases."""

    @abstractmethod
    def read_bookings(self, window: Window, *, cursor: Cursor) -> BookingPage:
        """Return a page of bookings, the earliest start first."""

    @abstractmethod
    def read_invitees(self, meeting: MeetingSnapshot) -> MeetingSnapshot:
        """Return the meeting with all its invitees."""

    @abstractmethod
    def fetch(self, uri: str) -> Snapshot | None:
        """Return one object, or None when it does not exist there."""

    @abstractmethod
    def close(self) -> None:
        """Give the connections back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
