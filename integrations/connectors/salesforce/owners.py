"""Whose a meeting's Event is, and a new person: the host's, where exactly one active user has the host's address.

The user is asked for when the Event is new and when the host has changed, together with the look-ups of matching; what
was found is remembered with the Event. Whom staff made the owner by hand is left, unless the settings say otherwise.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bookings.meeting import Meeting
from integrations.connectors.base import Step, Task
from integrations.connectors.salesforce import schema
from integrations.connectors.salesforce.client import SalesforceClient
from integrations.connectors.salesforce.findings import Findings, Hit
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.people import Invitee

#: What was looked up: the id (empty where none is to be used), and why.
Picked = tuple[str, str]
#: Seconds for which what was found serves other meetings of the host that need no look-up.
_CACHED_SECONDS = 3600


def host_of(meeting: Meeting) -> str:
    """Return the address of the meeting's first host, as it is compared."""
    return meeting.hosts[0].email.strip().casefold() if meeting.hosts else ""


def watched(settings: SalesforceSettings, meeting: Meeting) -> tuple[str, ...]:
    """Return what makes an Event be written again when its fields stay the same: another host."""
    return () if settings.event_owner == "integration_user" else (f"host {host_of(meeting)}",)


def pick(users: Sequence[Hit]) -> Picked:
    """Return the one active user of those that have the host's address, or why none is used."""
    active = [user for user in users if not user.ended]
    if len(active) == 1:
        return active[0].id, f"User {active[0].id} has the host's e-mail address."
    if active:
        return "", f"{len(active)} active users have the host's e-mail address."
    if users:
        return "", f"User {users[0].id} has the host's e-mail address and is not active."
    return "", "No user has the host's e-mail address."


@dataclass(slots=True, kw_only=True)
class Owners:
    """Decide the owners of one delivery's records; `scope` names the organisation."""

    client: SalesforceClient
    task: Task
    settings: SalesforceSettings
    scope: str
    steps: list[Step] = field(default_factory=list)
    #: What the cache told of hosts before: it may tell otherwise while many are written, and no write may change then.
    known: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _heard: bool = False
    _user: str = ""
    _event_owner: str = ""

    def ask(self, invitee: Invitee) -> Invitee:
        """Return the invitee with what else has to be looked up, once a delivery.

        Where nothing else has to be, what was found within the hour does.
        """
        nothing = replace(invitee, host="", event_id="")
        if self._heard or not self._host or not (self._moves or self._may_create(invitee)):
            return nothing
        known = self.task.record("Event")
        if known is None and invitee.known() is not None:
            kept = self.known.get(self._cache_key) or schema.cached(self._cache_key)
            if kept:
                self.known[self._cache_key] = kept
                self._hear((kept["id"], f"{kept['why']} So it was within the hour."))
                return nothing
        return replace(
            invitee, host=self._host, event_id=known.remote_id if known and self._moves else ""
        )

    def hear(self, invitee: Invitee) -> None:
        """Take what the look-up brought."""
        if not invitee.host:
            return
        user, why = pick(invitee.findings.users)
        schema.keep(self._cache_key, {"id": user, "why": why}, seconds=_CACHED_SECONDS)
        self._hear((user, why), invitee.findings)

    def of_person(self) -> Mapping[str, Any]:
        """Return the owner of a person who is created, where the settings give it to the host."""
        return {"OwnerId": self._user} if self._user and self._gives_people else {}

    def of_event(self, *, is_new: bool) -> Mapping[str, Any]:
        """Return the owner that is written with the Event; `is_new` says that nobody owns it yet."""
        if self._moves:
            owner = self._user if is_new else self._event_owner
        else:
            owner = self._remembered.get("id", "") if is_new or self._always else ""
        return {"OwnerId": owner} if owner and self._gives_events else {}

    def kept(self) -> Mapping[str, Any]:
        """Return the owner that is kept true of the Event."""
        return self.of_event(is_new=False) if self._always else {}

    def data(self, *, refused: bool) -> Mapping[str, Any]:
        """Return what is remembered with the Event; a user who was refused is none."""
        if not self._moves:
            return {"owner": dict(self._remembered)} if self._remembered else {}
        return {"owner": {"host": self._host, "id": "" if refused else self._user}}

    def _hear(self, picked: Picked, findings: Findings | None = None) -> None:
        self._heard = True
        self._user, why = picked
        if self._moves:
            self._event_owner, stays = self._decide(findings or Findings())
            why = f"{why} {stays}".strip()
        self.steps.append(Step(name="owner", detail=why))

    @property
    def _cache_key(self) -> str:
        named = f"{self.scope}|{self._host}".encode()
        return f"host:{hashlib.sha256(named).hexdigest()}"

    @property
    def _host(self) -> str:
        return host_of(self.task.meeting)

    @property
    def _gives_events(self) -> bool:
        return self.settings.event_owner != "integration_user"

    @property
    def _gives_people(self) -> bool:
        return self.settings.person_owner == "host_on_create"

    @property
    def _always(self) -> bool:
        return self.settings.event_owner == "host_always"

    @property
    def _remembered(self) -> Mapping[str, str]:
        known = self.task.record("Event")
        return known.data.get("owner") or {} if known else {}

    @property
    def _moves(self) -> bool:
        """Tell whether the Event is new, or its host is another than it was written for."""
        return (
            self._gives_events and bool(self._host) and (self._remembered.get("host") != self._host)
        )

    def _may_create(self, invitee: Invitee) -> bool:
        return self._gives_people and invitee.known() is None

    def _decide(self, findings: Findings) -> Picked:
        """Return the new owner of the Event, and what there is to tell of it; nothing where it stays."""
        me = self.client.identity.rpartition("/")[2]
        now = findings.event[0].owner if findings.event else ""
        before = self._remembered.get("id", "")
        if not now:
            return self._user, "" if self._user else "The integration user owns the Event."
        if not self._always and now[:15] not in {me[:15], before[:15]}:
            return "", f"User {now} was made the owner of the Event by hand, and stays it."
        if self._user:
            return self._user, ""
        return me if before else "", "The integration user owns the Event."
