"""Fault switches: which requests or webhooks shall go wrong, how, and how often."""

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REQUEST_KINDS = frozenset(
    {
        "latency",
        "rate_limited",
        "error",
        "timeout",
        "drop_before",
        "drop_after",
        "token_expired",
        "token_revoked",
        "broken_json",
    }
)
WEBHOOK_KINDS = frozenset(
    {
        "duplicate",
        "delay",
        "reorder",
        "drop",
        "bad_signature",
        "stale_signature",
        "disabled_subscription",
    }
)
KINDS = {
    "calendly": REQUEST_KINDS | {"calendly_error", "broken_object", "page_token_expired"},
    "calendly_auth": REQUEST_KINDS,
    "rest": REQUEST_KINDS | {"rest_error"},
    "salesforce": REQUEST_KINDS | {"salesforce_error"},
    "email": (REQUEST_KINDS - {"broken_json"}),
    "slack": REQUEST_KINDS | {"slack_error"},
    "webhook": REQUEST_KINDS,
    "webhooks": WEBHOOK_KINDS,
}
MATCHERS = frozenset({"method", "path_contains", "query_contains", "body_contains"})
#: What a kind waits for if nothing else is said.
USUAL_MATCH = {"page_token_expired": {"query_contains": "page_token="}}
STANDING = frozenset({"token_revoked"})


class UnknownFault(ValueError):
    """A fault that the named service does not know."""


@dataclass
class Fault:
    """Describe one switch. `remaining` is None while it acts until cleared."""

    id: int
    service: str
    kind: str
    remaining: int | None
    match: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    hits: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the switch as plain JSON types."""
        return dict(vars(self))

    def matches(self, *, method: str, path: str, query: str, body: str) -> bool:
        """Tell whether a request is one this switch waits for."""
        wanted = self.match
        return (
            wanted.get("method", method).upper() == method.upper()
            and wanted.get("path_contains", "") in path
            and wanted.get("query_contains", "") in query
            and wanted.get("body_contains", "") in body
        )

    def use(self) -> None:
        """Count one use."""
        self.hits += 1
        if self.remaining is not None:
            self.remaining -= 1


class FaultBoard:
    """Hold the switches that are set, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)
        self._kinds = dict(KINDS)

    def know(self, service: str) -> None:
        """Take switches for the requests of a further service."""
        self._kinds.setdefault(service, REQUEST_KINDS)

    def add(
        self,
        *,
        service: str,
        kind: str,
        times: int = 1,
        match: dict[str, str] | None = None,
        params: dict[str, Any] | None = None,
    ) -> Fault:
        """Set a switch that acts `times` times, 0 for until cleared. Raises UnknownFault."""
        _check(self._kinds, service=service, kind=kind, match=match or {})
        forever = times == 0 or kind in STANDING
        remaining = None if forever else times
        wanted = USUAL_MATCH.get(kind, {}) | (match or {})
        with self._lock:
            fault = Fault(next(self._numbers), service, kind, remaining, wanted, dict(params or {}))
            self._faults.append(fault)
        return fault

    def take(
        self, *, service: str, method: str, path: str, body: str, query: str = ""
    ) -> list[Fault]:
        """Use up and return the faults for a request: every latency, and one other kind."""
        taken: list[Fault] = []
        with self._lock:
            for fault in self._live(service):
                other_taken = any(one.kind != "latency" for one in taken)
                if fault.kind in STANDING or (other_taken and fault.kind != "latency"):
                    continue
                if fault.matches(method=method, path=path, query=query, body=body):
                    fault.use()
                    taken.append(fault)
        return taken

    def standing(self, *, service: str, kind: str) -> bool:
        """Tell whether a lasting fault of this kind is set."""
        with self._lock:
            return any(fault.kind == kind for fault in self._live(service))

    def _live(self, service: str) -> list[Fault]:
        return [
            fault for fault in self._faults if fault.service == service and fault.remaining != 0
        ]

    def all(self) -> list[Fault]:
        """Return every switch that still acts."""
        with self._lock:
            return [fault for fault in self._faults if fault.remaining != 0]

    def clear(self, *, service: str | None = None, fault_id: int | None = None) -> None:
        """Remove the switches of a service, one switch, or all."""
        with self._lock:
            self._faults = [
                fault
                for fault in self._faults
                if (service is not None and fault.service != service)
                or (fault_id is not None and fault.id != fault_id)
            ]


def _check(
    kinds: Mapping[str, frozenset[str]], *, service: str, kind: str, match: dict[str, str]
) -> None:
    if service not in kinds:
        raise UnknownFault(f"there is no service {service!r}; use one of {sorted(kinds)}")
    if kind not in kinds[service]:
        raise UnknownFault(
            f"{service} knows no fault {kind!r}; use one of {sorted(kinds[service])}"
        )
    if unknown := set(match) - MATCHERS:
        raise UnknownFault(f"cannot match by {sorted(unknown)}; use {sorted(MATCHERS)}")
