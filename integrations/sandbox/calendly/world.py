"""The state of the sandbox's Calendly: people, event types, meetings, subscriptions."""

import contextlib
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator

from integrations.sandbox.calendly import group_seeds, seeds
from integrations.sandbox.calendly.errors import not_found
from integrations.sandbox.calendly.limits import Budget
from integrations.sandbox.calendly.timetable import Timetable
from integrations.sandbox.calendly.tokens import TokenBook
from integrations.sandbox.calendly.webhooks import WebhookSender
from integrations.sandbox.clock import Clock, micro
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.web import Json


class CalendlyWorld:
    """Hold the objects as the API shows them, by the last part of their URI."""

    users: dict[str, Json]
    organization: Json
    memberships: dict[str, Json]
    groups: dict[str, Json]
    group_relationships: dict[str, Json]
    event_types: dict[str, Json]
    hosts_of: dict[str, list[str]]
    limit_of: dict[str, int]
    events: dict[str, Json]
    timetable: Timetable
    listings: dict[Hashable, list[str]]
    invitees: dict[str, Json]
    invitees_of: dict[str, list[str]]
    no_shows: dict[str, Json]
    forms: dict[str, Json]
    submissions: dict[str, Json]
    subscriptions: dict[str, Json]
    signing_keys: dict[str, str | None]
    tokens: TokenBook
    budget: Budget
    muted: bool
    page_epoch = 0

    def __init__(self, *, config: SandboxConfig, clock: Clock, faults: FaultBoard) -> None:
        self.config = config
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.draw = random.Random()
        self.sender = WebhookSender(self)
        self.reset()

    def reset(self) -> None:
        """Bring back the seeds and forget everything else."""
        with self.lock:
            self.events, self.invitees, self.no_shows = {}, {}, {}
            self.timetable, self.listings, self.muted = Timetable(), {}, False
            self.invitees_of = defaultdict(list)
            self.submissions, self.subscriptions, self.signing_keys = {}, {}, {}
            self.users, self.memberships, self.event_types, self.forms = {}, {}, {}, {}
            self.hosts_of, self.limit_of = {}, {}
            self.groups, self.group_relationships = {}, {}
            self.tokens, self.budget = TokenBook(), Budget()
            self._due: list[tuple[float, Callable[[], None]]] = []
            seeds.plant(self)
            group_seeds.plant(self)
        self.sender.reset()

    def uri(self, *parts: str) -> str:
        """Return an object's URI on the real host."""
        return "/".join([self.config.calendly_uri_base.rstrip("/"), *parts])

    def new_id(self) -> str:
        """Return an identifier for a new object."""
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    @contextlib.contextmanager
    def drawing(self, seed: str) -> Iterator[None]:
        """Take identifiers and choices inside from a seed, so that they come out the same again."""
        before, self.draw = self.draw, random.Random(seed)
        try:
            yield
        finally:
            self.draw = before

    def role(self, user: str) -> str:
        """Return a user's role in the organization: owner, admin or user."""
        uri = self.uri("users", user)
        rows = self.memberships.values()
        return next((str(row["role"]) for row in rows if row["user"]["uri"] == uri), "none")

    def is_admin(self, user: str) -> bool:
        """Tell whether a user may see the whole organization."""
        return self.role(user) in {"owner", "admin"}

    def group_members(
        self, group: str, *, roles: tuple[str, ...] = ("admin", "member")
    ) -> set[str]:
        """Return the users of a group named by URI, those of some roles if given."""
        return {
            tail(self.memberships[tail(row["owner"]["uri"])]["user"]["uri"])
            for row in self.group_relationships.values()
            if tail(row["group"]) == tail(group) and row["role"] in roles
        }

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have an action run at the first request that comes after some seconds."""
        self._due.append((time.monotonic() + seconds, action))

    def expire_page_tokens(self) -> None:
        """Make every page token given out so far a wrong one."""
        with self.lock:
            self.page_epoch += 1

    def settle(self) -> None:
        """Run the actions that are due."""
        if not self._due:
            return
        now = time.monotonic()
        ready = [action for due, action in self._due if due <= now]
        self._due = [item for item in self._due if item[0] > now]
        for action in ready:
            action()

    def stamp(self) -> str:
        """Return the present time as Calendly writes it."""
        return micro(self.clock.now())


def tail(uri: str) -> str:
    """Return the last part of a URI, by which objects are stored."""
    return str(uri).rstrip("/").rsplit("/", 1)[-1]


def fetch(rows: dict[str, Json], key: str) -> Json:
    """Return a stored object. Raises ApiError 404."""
    if key not in rows:
        raise not_found()
    return rows[key]
