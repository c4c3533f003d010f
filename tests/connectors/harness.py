"""Drive a connector against the sandbox the way the core does, and look at what is there afterwards.

A new connector gets one module in `harnesses/`, and the contract suite runs over it. A connector that works in two ways has
a second one, under a name of its own.
"""

import importlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from bookings.meeting import Meeting
from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Skip,
    Task,
    connector_class,
)
from integrations.http import Recorder
from integrations.models import Account, MailTemplate, MappedField
from integrations.sandbox import SandboxServer
from integrations.sandbox.config import SandboxConfig
from integrations.sessions import MemorySessions
from tests.connectors.builders import Memory, make_meeting, make_task

_connection_ids = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Harness:
    """What the contract suite has to know of one connector.

    `write` matches the request that makes the remote object; `objects` returns those that are there. `settings` are the
    connection's, and `point_at` the names of the application's settings that lead to the sandbox, with their paths.
    `provider` is the connector's name where the harness has another. What `tells` has no object that is kept true: each
    event is an object of its own. `finds` says that a repeat after a lost answer makes no second.
    """

    action: str
    write: Mapping[str, str]
    secrets: Callable[[SandboxConfig], Mapping[str, str]]
    objects: Callable[[SandboxServer], list[Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Callable[[SandboxServer], Mapping[str, Any]] = lambda server: {}
    point_at: Mapping[str, str] = field(default_factory=dict)
    #: The time-outs of its client, short enough for a test.
    timeout: Any
    heals_expired_token: bool
    #: Whether a "slow down" says for how long, and whether what exists can be opened at a web address.
    tells_how_long: bool = True
    has_links: bool = True
    #: Answers that mean a fault over there, and whether the write may have taken effect all the same.
    failures: tuple[Mapping[str, Any], ...] = (
        {"status": 500, "body": "json"},
        {"status": 503, "body": "html"},
        {"status": 502, "body": "html"},
    )
    failure_is_ambiguous: bool = True
    #: Statuses of exchanges that went well.
    good: frozenset[int] = frozenset({200, 201})
    #: What of the connection's own settings makes it ask where nobody answers; beside `point_at`.
    nowhere: Mapping[str, Any] = field(default_factory=dict)
    #: Where a channel of staff's may be, and every notice that was told, as what the far side reads for links and marks.
    notice_options: Mapping[str, Any] = field(default_factory=dict)
    notices: Callable[[SandboxServer], list[str]] = lambda server: []
    tells: bool = False
    finds: bool = True
    provider: str = ""
    secrets_at: Callable[[SandboxServer], Mapping[str, str]] = lambda server: {}


def harnesses() -> list[str]:
    """The name of each connector, and of each other way in which one works."""
    found = (Path(__file__).parent / "harnesses").glob("*.py")
    return sorted({*settings.CONNECTORS, *(path.stem for path in found if path.stem != "__init__")})


def harness_of(provider: str) -> Harness:
    """The harness of a connector: `HARNESS` in the module of its name in `tests/connectors/harnesses/`."""
    path = Path(__file__).parent / "harnesses" / f"{provider}.py"
    assert path.is_file(), f"Describe the connector to the contract suite: write {path}."
    module = importlib.import_module(f"tests.connectors.harnesses.{provider}")
    found: Harness = module.HARNESS
    return found


class Driver:
    """Deliver events of one chain through a connector, and remember what it remembers."""

    def __init__(self, provider: str, server: SandboxServer, *, action: str = "") -> None:
        self.harness = harness_of(provider)
        self.provider = self.harness.provider or provider
        self.server = server
        self.action = action or self.harness.action
        self.memory = Memory()
        self.secrets = {
            **self.harness.secrets(server.state.config),
            **self.harness.secrets_at(server),
        }
        self.settings: dict[str, Any] = dict(self.harness.settings(server))
        self.options = dict(self.harness.options)
        self.mappings: tuple[MappedField, ...] = ()
        self.templates: dict[str, MailTemplate] = {}
        self.recorder = Recorder()
        self.sessions = MemorySessions(self.secrets)
        self.is_held_up = False
        self._connection_id = next(_connection_ids)

    def connector(self, *, dry_run: bool = False) -> Connector:
        found = connector_class(self.provider)
        # Short where something is held up on purpose; elsewhere a busy machine may take its time.
        short = {"timeout": self.harness.timeout} if self.is_held_up else {}
        quick = type(found.__name__, (found,), short)
        account = Account(
            connection_id=self._connection_id,
            name=self.provider,
            settings=self.settings,
            secrets=self.secrets,
            mappings=self.mappings,
            templates=self.templates,
        )
        self.sessions.secrets = {**self.secrets}
        connector: Connector = quick(
            account, recorder=self.recorder, sessions=self.sessions, dry_run=dry_run
        )
        return connector

    def settings_elsewhere(self, url: str) -> dict[str, Any]:
        """The connection's settings with another address in the sandbox's place."""
        found: dict[str, Any] = json.loads(json.dumps(self.settings).replace(self.server.url, url))
        return found

    def task(self, meeting: Meeting | None = None, **more: Any) -> Task:
        given = {
            "action": self.action,
            "options": self.options,
            "records": self.memory.records,
            **more,
        }
        return make_task(meeting or make_meeting(), **given)

    def plan(self, meeting: Meeting | None = None, **more: Any) -> Decision:
        return self.connector().plan(self.task(meeting, **more))

    def deliver(self, meeting: Meeting | None = None, **more: Any) -> Applied | Skip:
        task, connector = self.task(meeting, **more), self.connector()
        decision = connector.plan(task)
        if isinstance(decision, Skip):
            return decision
        return connector.apply(
            task, decision, remember=self.memory.remember, forget=self.memory.forget
        )

    def break_write(self, kind: str, *, times: int = 1, **params: Any) -> None:
        self.break_request(kind, match=self.harness.write, times=times, **params)

    def break_request(
        self, kind: str, *, match: Mapping[str, str], times: int = 1, **params: Any
    ) -> None:
        self.is_held_up |= kind in {"timeout", "latency"}
        self.server.state.faults.add(
            service=self.provider, kind=kind, times=times, match=dict(match), params=params
        )

    def lead_nowhere(self, settings: Any) -> None:
        """Have nobody listen where the connector calls."""
        for name, path in self.harness.point_at.items():
            setattr(settings, name, f"http://127.0.0.1:9{path}")
        nobody = "http://127.0.0.1:9"
        self.settings = {**self.settings_elsewhere(nobody), **self.harness.nowhere}
        self.secrets = {
            name: value.replace(self.server.url, nobody) for name, value in self.secrets.items()
        }

    def objects(self) -> list[Any]:
        return self.harness.objects(self.server)

    def requests(self) -> list[str]:
        """The requests so far, as `METHOD path`."""
        found = self.server.requests(service=self.provider)
        return [f"{entry.method} {entry.path}" for entry in found]
