"""What an action is: a pure plan, an apply that writes, and the typed options of its rules."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from integrations.connectors.base import Applied, Decision, Record, Task
from integrations.connectors.salesforce.client import SalesforceClient
from integrations.connectors.salesforce.findings import Answer, Use
from integrations.connectors.salesforce.mapping import MeetingWrite
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.syncing import Sync
from integrations.connectors.salesforce.writing import Writer
from integrations.errors import ConfigurationError, RuleError
from integrations.options import Options

#: How Salesforce says that a record is not there any more.
GONE = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})
#: How it says that an object or a field is not there for us.
_HIDDEN = ("NOT_FOUND", "INVALID_TYPE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Hold everything that is decided from; `options` are of the action's own type.

    `person` is who the invitee is, where nobody needs to be asked.
    """

    task: Task
    options: Any
    settings: SalesforceSettings
    write: MeetingWrite
    person: Answer | None = None

    def changed_hands(self, known: Record) -> bool:
        """Tell whether the invitee is somebody else by now than whom a record was made for."""
        return self.who(known) != str(known.data.get("who", ""))

    def who(self, known: Record) -> str:
        """Return the id of whom a record is for by now, as far as we know."""
        return self.person.id if isinstance(self.person, Use) else str(known.data.get("who", ""))

    @property
    def rule_key(self) -> str:
        """Return what tells apart the records that several rules of one action make of a meeting."""
        return f"rule-{self.task.rule_id}"


@dataclass(slots=True, kw_only=True)
class Work:
    """Hold what is written with. `sync` finds the person, as it does for the meeting's Event."""

    given: Given
    sync: Sync

    @property
    def client(self) -> SalesforceClient:
        """Return who speaks to Salesforce."""
        return self.sync.client

    @property
    def writer(self) -> Writer:
        """Return who keeps what was done: its steps, and the fields before and after."""
        return self.sync.writer

    def applied(self, summary: str, *, changed: bool = True) -> Applied:
        """Return how it ended, with all that was done."""
        return Applied(
            summary=summary,
            steps=tuple(self.writer.steps),
            changed=changed,
            fields=self.writer.written,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Describe an action; what `plan` puts into its `Send` is what `apply` is given."""

    label: str
    options: type[Options]
    plan: Callable[[Given], Decision]
    apply: Callable[[Work, Any], Applied]


@contextmanager
def needing(what: str) -> Iterator[None]:
    """Make it the rule's fault where Salesforce hides what one action alone needs: the others go on.

    Raises:
        RuleError: the object or its field is hidden, or not there.
    """
    try:
        yield
    except ConfigurationError as error:
        if not any(code in str(error) for code in _HIDDEN):
            raise
        raise RuleError(
            f"The integration user cannot use {what}: {error}",
            hint=f"Give it access to {what} in Salesforce, or turn the rule off; then retry the delivery.",
        ) from error


def overtaken(task: Task) -> str:
    """Return why what an event asks for is out of date: the meeting did not stay as the event told."""
    meeting = task.meeting
    if meeting.is_canceled and task.kind != "canceled":
        return "The meeting is canceled by now."
    if task.kind == "canceled" and not meeting.is_canceled:
        return "The meeting is no longer canceled."
    if task.kind == "no_show" and not meeting.is_no_show:
        return "The invitee is no longer marked as a no-show."
    return ""
