"""Drive a connector against the sandbox the way the core does, and look at what is there afterwards.

A new connector gets one entry in `HARNESSES`, and the contract suite runs over it.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
from integrations.models import Account
from integrations.sandbox import SandboxServer
from integrations.sandbox.config import SandboxConfig
from tests.connectors.builders import Memory, make_meeting, make_task

CHANNEL = "#sales"
CHANNEL_ID = "C0SALES01"
_connection_ids = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Harness:
    """What the contract suite has to know of one connector.

    `write` matches the request that makes the remote object; `objects` returns those that are there.
    """

    action: str
    write: Mapping[str, str]
    secrets: Callable[[SandboxConfig], Mapping[str, str]]
    objects: Callable[[SandboxServer], list[Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    #: The time-outs of its client, short enough for a test.
    timeout: Any
    heals_expired_token: bool


def salesforce_events(server: SandboxServer) -> list[Any]:
    return list(server.state.salesforce.records["Event"].values())


def slack_messages(server: SandboxServer, channel: str = CHANNEL_ID) -> list[Any]:
    return list(server.state.slack.messages[channel])


def slack_cards(server: SandboxServer) -> list[Any]:
    return [row for row in slack_messages(server) if row.get("thread_ts", row["ts"]) == row["ts"]]


def slack_replies(server: SandboxServer) -> list[Any]:
    return [row for row in slack_messages(server) if row.get("thread_ts", row["ts"]) != row["ts"]]


HARNESSES: Mapping[str, Harness] = {
    "salesforce": Harness(
        action="sync_meeting",
        write={"method": "PATCH", "path_contains": "/sobjects/Event/"},
        secrets=lambda config: {
            "client_id": config.salesforce_client_id,
            "client_secret": config.salesforce_client_secret,
        },
        objects=salesforce_events,
        timeout=(1.0, 0.5),
        heals_expired_token=True,
    ),
    "slack": Harness(
        action="post_card",
        write={"path_contains": "/chat.postMessage"},
        secrets=lambda config: {"bot_token": config.slack_bot_token},
        objects=slack_cards,
        options={"channel": CHANNEL},
        timeout=1,
        heals_expired_token=False,
    ),
}


class Driver:
    """Deliver events of one chain through a connector, and remember what it remembers."""

    def __init__(self, provider: str, server: SandboxServer) -> None:
        self.provider = provider
        self.server = server
        self.harness = HARNESSES[provider]
        self.memory = Memory()
        self.secrets = dict(self.harness.secrets(server.state.config))
        self.settings: dict[str, Any] = {}
        self.options = dict(self.harness.options)
        self.recorder = Recorder()
        self._connection_id = next(_connection_ids)

    def connector(self) -> Connector:
        found = connector_class(self.provider)
        quick = type(found.__name__, (found,), {"timeout": self.harness.timeout})
        account = Account(
            connection_id=self._connection_id,
            name=self.provider,
            settings=self.settings,
            secrets=self.secrets,
        )
        connector: Connector = quick(account, recorder=self.recorder)
        return connector

    def task(self, meeting: Meeting | None = None, **more: Any) -> Task:
        given = {"options": self.options, "records": self.memory.records, **more}
        return make_task(meeting or make_meeting(), action=self.harness.action, **given)

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
        self.server.state.faults.add(
            service=self.provider, kind=kind, times=times, match=dict(match), params=params
        )

    def objects(self) -> list[Any]:
        return self.harness.objects(self.server)

    def requests(self) -> list[str]:
        """The requests so far, as `METHOD path`."""
        found = self.server.requests(service=self.provider)
        return [f"{entry.method} {entry.path}" for entry in found]
