"""What the REST interfaces hold, table by table, and who may ask."""

import itertools
import threading
from typing import Any

from integrations.sandbox.clock import Clock
from integrations.sandbox.config import SandboxConfig
from integrations.sandbox.faults import FaultBoard
from integrations.sandbox.web import Json

TABLES = (
    "things",
    "contacts",
    "events",
    "accounts",
    "users",
    "notes",
    "opportunities",
    "lever_notes",
)
LISTS = {2: "After a demo", 7: "Newsletter"}
INVITEE = "ida@customer.example"


class RestRefusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


class RestWorld:
    """Hold the tables. Callers hold the lock."""

    tables: dict[str, dict[str, Json]]
    tokens: dict[str, float]
    #: What was answered to a request with an idempotency key, where keys are honoured.
    answered: dict[str, tuple[int, Any]]

    def __init__(self, *, config: SandboxConfig, clock: Clock, faults: FaultBoard) -> None:
        self.config = config
        self.clock = clock
        self.faults = faults
        self.lock = threading.RLock()
        self.refuses_next = False
        self.reset()

    def reset(self) -> None:
        """Bring back the seeds and forget everything else."""
        with self.lock:
            self.tables = {name: {} for name in TABLES}
            self.tokens, self.answered, self.refuses_next = {}, {}, False
            self._numbers = itertools.count(1)
            self.table("accounts")["acc-1"] = {"id": "acc-1", "name": "Customer Ltd"}
            self.table("users")["usr-1"] = _user("usr-1", INVITEE, "acc-1")
            self.table("opportunities")["opp-1"] = _opportunity("opp-1", INVITEE)

    def table(self, name: str) -> dict[str, Json]:
        """Return a table. Raises KeyError."""
        return self.tables[name]

    def number(self) -> int:
        """Return a number that nothing else has."""
        return next(self._numbers)

    def as_dict(self) -> Json:
        """Return every table with its rows."""
        return {name: list(rows.values()) for name, rows in self.tables.items()}


def _user(key: str, email: str, account: str) -> Json:
    return {"id": key, "email": email, "name": "", "accountIds": [account], "organizationIds": []}


def _opportunity(key: str, email: str) -> Json:
    return {
        "id": key, "name": "Ida Invitee", "emails": [email], "archived": None, "stage": "lead-new",
        "urls": {"show": f"https://hire.lever.co/candidates/{key}"},
    }  # fmt: skip
