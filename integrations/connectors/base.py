"""What a connector is: a class that plans from facts and applies over HTTP. And where to find one.

A connector is one folder and one line in `settings.CONNECTORS`. The core calls, in this order, `plan` (pure:
no clock, no network, no database) and `apply` (the only network call), and settles the delivery by what they
return or raise. Everything a connector may know comes in as values.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from django.utils.module_loading import import_string
from pydantic import BaseModel, ConfigDict

from bookings.meeting import Meeting
from integrations.http import Recorder
from integrations.models import Account


class Options(BaseModel):
    """Base of typed settings and rule options: unknown keys are refused, so that a typing mistake is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Say what exists over there for this chain; `key` tells apart several of one type."""

    object_type: str
    remote_id: str
    key: str = ""
    url: str = ""
    content_hash: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


#: Stores a record at once, in a transaction of its own, so that what was written is known even if the next call fails.
Remember = Callable[[Record], None]
#: Forgets a record (by object type and key) that is gone over there.
Forget = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Hold everything one delivery is decided from.

    `kind` and `changes` are the event's (`{"start_at": [before, after]}`); `meeting` is the present state, which
    may be newer. `look_first` is set when an earlier attempt may have written something without an answer.
    """

    delivery_id: int
    event_id: int
    kind: str
    changes: Mapping[str, Any]
    meeting: Meeting
    action: str
    options: Mapping[str, Any]
    records: tuple[Record, ...] = ()
    look_first: bool = False
    booking_url: str = ""

    def record(self, object_type: str, key: str = "") -> Record | None:
        """Return what exists of this type and key, if anything does."""
        matches = (
            item for item in self.records if (item.object_type, item.key) == (object_type, key)
        )
        return next(matches, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Say one thing that was decided or done, in words for staff."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Decide to do nothing, with the reason."""

    reason: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Decide to write; `payload` is the connector's own and means something to its `apply` alone."""

    summary: str
    payload: Any
    steps: tuple[Step, ...] = ()


Decision = Skip | Send


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """Say what was done, in a sentence and in steps; `changed` is False when it was equal already."""

    summary: str
    steps: tuple[Step, ...] = ()
    changed: bool = True


class Connector(ABC):
    """Carry meetings to one kind of system. Subclasses implement `plan`, `apply` and `check`."""

    #: What it is called for people, and the actions a rule can choose: `{"name": "label"}`.
    label: ClassVar[str]
    actions: ClassVar[Mapping[str, str]]
    #: Typed shape of `Connection.settings`, of the rule options, and the names of its secrets with help texts.
    settings_model: ClassVar[type[Options]]
    options_model: ClassVar[type[Options]]
    secret_fields: ClassVar[Mapping[str, str]]

    def __init__(self, account: Account, *, recorder: Recorder) -> None:
        self.account = account
        self.recorder = recorder

    @abstractmethod
    def plan(self, task: Task) -> Decision:
        """Return what to do, without clock, network or database.

        Raises:
            PermanentError, RuleError: it can never be done, with a hint.
            ConfigurationError: the connection's settings are wrong.
        """

    @abstractmethod
    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Write what was decided, calling `remember` for each thing that now exists; safe to repeat.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `integrations.errors`.
        """

    @abstractmethod
    def check(self) -> Applied:
        """Call the provider harmlessly and say who we are there; raises like `apply`."""


@cache
def connector_class(provider: str) -> type[Connector]:
    """Return the connector of a provider, found by its dotted path in `settings.CONNECTORS`.

    Raises:
        KeyError: no connector is installed for it.
    """
    found: type[Connector] = import_string(settings.CONNECTORS[provider])
    return found
