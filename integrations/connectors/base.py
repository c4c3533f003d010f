"""What a connector is: a class that plans from facts and applies over HTTP. And where to find one.

A connector is one folder and one line in `settings.CONNECTORS`. The core calls, in this order, `plan` (pure:
no clock, no network, no database) and `apply` (the only network call), and settles the delivery by what they
return or raise. Everything a connector may know comes in as values.
"""

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from django.utils.module_loading import import_string

from bookings.meeting import Meeting
from integrations.connectors.values import Facts, Reading, Source
from integrations.errors import Candidate
from integrations.granting import OAuth, Profile
from integrations.http import Recorder
from integrations.models import Account, MailTemplate, MappedField
from integrations.options import Options
from integrations.sessions import MemorySessions, Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Say what exists over there for this chain; `key` tells apart several of one type."""

    object_type: str
    remote_id: str
    key: str = ""
    url: str = ""
    content_hash: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Say what a person answered when the invitee could not be told apart; see `MatchReview.Verdict`.

    `record` is what to use; None for `create` and `nobody`. `refused` are the ids of the candidates where a new
    record was asked for: the invitee is none of them. `review_id` names the review that was answered.
    """

    verdict: str
    record: Record | None = None
    refused: tuple[str, ...] = ()
    review_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Lead a person to what exists for the meeting at another connection: the Salesforce Event, say."""

    label: str
    url: str
    provider: str = ""
    object_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeLine:
    """Say one thing: what, where it leads, when it is (UTC), and what to do about it.

    `acknowledges` are the deliveries whose failure a person may say they have seen.
    """

    text: str
    url: str = ""
    at: datetime | None = None
    detail: str = ""
    acknowledges: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSection:
    """Group lines under a heading."""

    heading: str
    lines: tuple[NoticeLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Hold what is told to a channel and belongs to no meeting: a digest, an alert.

    `key` names it for ever, so that a second try is no second message. `url` leads to where there is more.
    """

    key: str
    title: str
    sections: tuple[NoticeSection, ...] = ()
    url: str = ""


#: Stores a record at once, in a transaction of its own, so that what was written is known even if the next call fails.
Remember = Callable[[Record], None]
#: Forgets a record (by object type and key) that is gone over there.
Forget = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Hold everything one delivery is decided from.

    `kind` and `changes` are the event's (`{"start_at": [before, after]}`); `meeting` is the present state, which
    may be newer. `look_first` is set when an earlier attempt may have written something without an answer.
    `choice` is what a person answered about this invitee before; `can_wait` says that nobody waits for it.
    `rule_id` tells the rules of one action apart; 0 where the rule is deleted. `occurred_at` is when the event happened.
    `links` lead to what the other connections hold of this meeting, for a connector that `shows_links`.
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
    choice: Choice | None = None
    can_wait: bool = False
    booking_url: str = ""
    rule_id: int = 0
    occurred_at: datetime | None = None
    links: tuple[Link, ...] = ()

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
    """Say what was done, in a sentence and in steps; `changed` is False when it was equal already.

    `fields` are those that were written, before and after: `{"Event 00U...": {"Subject": (before, after)}}`.
    `profile` is who we are there, where a check found out.
    """

    summary: str
    steps: tuple[Step, ...] = ()
    changed: bool = True
    fields: Mapping[str, Mapping[str, tuple[Any, Any]]] = field(default_factory=dict)
    profile: Profile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """Say whether the account over there has one thing that our settings need, and how to add it where it lacks."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Say how much of a provider's request allowance is used, as the provider last told."""

    used: int
    limit: int

    @property
    def share(self) -> float:
        """Return the used share, 1.0 when nothing is left."""
        return self.used / self.limit if self.limit > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Hold one delivery of a batch: what was decided for it, and how to keep what then exists.

    `recorder` takes what was exchanged for this delivery: of a call for many, its own part.
    """

    task: Task
    decision: Send
    recorder: Recorder
    remember: Remember
    forget: Forget


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Say what is not as we wrote it: `gone`, or the fields that differ, `{"Subject": (ours, theirs)}`."""

    record: Record
    gone: bool = False
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


class PressAction(enum.StrEnum):
    """What a button can ask for, and what its `ids` are."""

    MARK_NO_SHOW = "mark_no_show"  # a chain
    UNMARK_NO_SHOW = "unmark_no_show"  # a chain
    ACKNOWLEDGE = "acknowledge"  # failed deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """Say which button a person pressed; nothing in it is to be trusted but that the provider sent it.

    `key` names the press for ever, so that a repeat is known: 64 characters at most. `action` may be one that is not
    known (any more). `organization` is where it was pressed, as in `Profile.organization_uri`. `reply` is what
    `respond` needs, and kept sealed.
    """

    key: str
    action: str
    ids: tuple[int, ...]
    organization: str
    user_id: str
    user_name: str = ""
    reply: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Presser:
    """Say who a person is over there; `email` is empty where the provider does not vouch for one."""

    name: str
    email: str
    organizations: frozenset[str]


class UnsignedError(Exception):
    """The provider did not sign this request, or did so too long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingProblem:
    """Say in words for staff why a mapped field cannot be written; `place` is the index of the row."""

    place: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetField:
    """Describe a field over there that staff may fill, in words for them."""

    name: str
    label: str
    type: str
    is_required: bool = False


class Connector(ABC):
    """Carry meetings to one kind of system. Subclasses implement `plan`, `apply` and `check`."""

    #: What it is called for people, and the actions a rule can choose: `{"name": "label"}`.
    label: ClassVar[str]
    actions: ClassVar[Mapping[str, str]]
    #: For who sets it up: what it is for in a sentence, what has to be at hand, and the provider's page to begin at.
    purpose: ClassVar[str] = ""
    needs: ClassVar[Sequence[str]] = ()
    guide: ClassVar[str] = ""
    #: What each scope of its tokens is for, in the words of what staff would miss without it.
    scope_purposes: ClassVar[Mapping[str, str]] = {}
    #: Typed shape of `Connection.settings`, of the rule options, and the names of its secrets with help texts.
    settings_model: ClassVar[type[Options]]
    options_model: ClassVar[type[Options]]
    secret_fields: ClassVar[Mapping[str, str]]
    #: The secrets that have several lines.
    long_secrets: ClassVar[frozenset[str]] = frozenset()
    #: The settings that say where secrets are sent, with these secrets: stored ones never go to another host, where such
    #: a setting changes they have to be entered again. What a token was granted for belongs here as well.
    secret_hosts: ClassVar[Mapping[str, frozenset[str]]] = {}
    #: How many deliveries `apply_many` takes at once; 1 where the provider has no such call.
    batch_size: ClassVar[int] = 1
    #: Whether it can read back what it wrote.
    compares: ClassVar[bool] = False
    #: The actions that make something and keep no record true: what was changed over there is not theirs to mend.
    passing_actions: ClassVar[frozenset[str]] = frozenset()
    #: The actions that write the meeting as it is, whatever the event: of several that wait, the last does all that is due.
    coalescing_actions: ClassVar[frozenset[str]] = frozenset()
    #: The objects over there whose fields staff may map, `{"Lead": "label"}`; none where nothing can be mapped.
    mapped_objects: ClassVar[Mapping[str, str]] = {}
    #: Whether it can tell a channel what belongs to no meeting, and the typed shape of where and how.
    notifies: ClassVar[bool] = False
    notice_options_model: ClassVar[type[Options]] = Options
    #: Whether it shows what other connections hold of a meeting: its tasks then carry their links.
    shows_links: ClassVar[bool] = False
    #: Whether it makes messages from templates that staff write: its account then holds theirs.
    uses_templates: ClassVar[bool] = False
    #: The secret that tells a press of a button from a forgery; empty where there are no buttons.
    pressing_secret: ClassVar[str] = ""
    #: Values that this connector alone offers to a mapping, beside `values.SOURCES`.
    own_sources: ClassVar[Mapping[str, Source]] = {}

    def __init__(
        self,
        account: Account,
        *,
        recorder: Recorder,
        sessions: Sessions | None = None,
        dry_run: bool = False,
    ) -> None:
        self.account = account
        self.recorder = recorder
        #: Where a log-in's session is kept, by those that log in.
        self.sessions = sessions or MemorySessions(account.secrets)
        #: What only reads is asked as ever; what would write is recorded as not sent, and its answer made up.
        self.dry_run = dry_run
        #: The request allowance as the last answer told it; None where the provider does not tell.
        self.usage: Usage | None = None
        #: What the account over there must have, as the last check found it; empty where nothing was looked at.
        self.requirements: tuple[Requirement, ...] = ()

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

    def apply_many(self, jobs: Sequence[Job]) -> list[Applied | Exception]:
        """Write two to `batch_size` decisions together; return an outcome for each, in order.

        What went wrong with one is returned, not raised, and stops no other. Called where `batch_size` is above 1.
        """
        raise NotImplementedError

    @property
    def drift_policy(self) -> str:
        """Return what becomes of our own writes that were changed over there: `off`, `report` or `repair`."""
        return "off"

    @property
    def compares_at_once(self) -> int:
        """Return how many records `read_back` takes at once."""
        return self.batch_size

    def read_back(self, records: Sequence[Record]) -> list[Difference]:
        """Return which of up to `compares_at_once` records are not as we wrote them; raises like `apply`.

        What we keep true of a record stands in its `data["kept"]`, by field; what a comparison found there instead, until
        it is written again, in its `data["found"]`.
        """
        raise NotImplementedError

    def check_mappings(self, mappings: Sequence[MappedField]) -> list[MappingProblem]:
        """Return why mapped fields cannot be written as the provider describes them now; raises like `apply`."""
        return []

    def default_mappings(self) -> Sequence[MappedField]:
        """Return what holds for each mapped object of which staff have mapped nothing."""
        return ()

    def describe_fields(self, object_type: str) -> Sequence[TargetField]:
        """Return the fields of a mapped object that can be written; raises like `apply`."""
        return ()

    def preview(self, mappings: Sequence[MappedField], facts: Facts) -> list[Reading]:
        """Return what each mapped field would get of a meeting, without asking anybody."""
        return []

    def find(self, remote_id: str) -> Candidate | None:
        """Return the record that a person named, to be used for an invitee; None where it is none that can be.

        Raises like `apply`.
        """
        return None

    def notify(self, notice: Notice, *, options: Mapping[str, Any], look_first: bool) -> Record:
        """Tell a channel something that belongs to no meeting, and return what now exists; raises like `apply`.

        `look_first` is set when an earlier try may have told it without an answer. Where it could not be told to
        everybody, the record's `data["refused"]` says to whom not, and why.
        """
        raise NotImplementedError

    @abstractmethod
    def check(self) -> Applied:
        """Call the provider harmlessly and say who we are there; raises like `apply`."""

    def set_up(self) -> Sequence[Requirement]:
        """Return what the account over there must have for our settings, and whether it does; raises like `apply`."""
        return ()

    def describe(self) -> Profile | None:
        """Ask the provider who we are there, None where it does not tell; raises like `apply`."""
        return None

    @property
    def takes_presses(self) -> bool:
        """Tell whether what we show may have buttons: only where a press can be told from a forgery."""
        return bool(self.pressing_secret and self.account.secrets.get(self.pressing_secret))

    def read_interaction(
        self, body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> Press | None:
        """Return which of our buttons was pressed, None where it was none; asks nobody. Needs `takes_presses`.

        Raises:
            UnsignedError: it is not the provider's, or too old; whatever the body and the headers hold.
        """
        raise NotImplementedError

    def identify(self, user_id: str) -> Presser:
        """Ask who pressed a button; raises like `apply`."""
        raise NotImplementedError

    def respond(self, reply: Mapping[str, str], *, text: str) -> None:
        """Tell the person who pressed, and nobody else, what became of it; raises like `apply`."""
        raise NotImplementedError

    @property
    def lacks(self) -> Sequence[str]:
        """Return in words for staff what has to be entered before it can be tested, `the bot token`; asks nobody.

        Settings are read as they are stored, right or wrong; what is wrong with them is told without this.
        """
        return ()

    @property
    def oauth(self) -> OAuth | None:
        """Return how a person grants access; None where secrets are entered instead."""
        return None

    @classmethod
    def options_for(cls, action: str) -> type[Options]:
        """Return the typed shape of an action's rule options, where the actions do not share one."""
        return cls.options_model

    @classmethod
    def check_rule(
        cls, action: str, options: Mapping[str, Any], *, templates: Mapping[str, MailTemplate]
    ) -> Sequence[str]:
        """Return in words for staff why well-formed options of a rule cannot work: they name what there is not.

        `templates` are those that staff wrote, where the connector uses them.
        """
        return ()

    @classmethod
    def in_words(cls, action: str, options: Mapping[str, Any]) -> str:
        """Return what a rule does, to follow "When a booking is made, "; names nobody, and takes any options."""
        label = cls.actions.get(action, action)
        return label[:1].lower() + label[1:]

    @classmethod
    def option_choices(
        cls, action: str, *, templates: Mapping[str, MailTemplate]
    ) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Return what there is to choose for options of a rule, by option: values with labels; asks nobody."""
        return {}

    @classmethod
    def check_secret(cls, name: str, value: str) -> str:
        """Return why a secret that a person enters cannot be used, in words for them; nothing when it may."""
        return ""


@cache
def connector_class(provider: str) -> type[Connector]:
    """Return the connector of a provider, found by its dotted path in `settings.CONNECTORS`.

    Raises:
        KeyError: no connector is installed for it.
    """
    found: type[Connector] = import_string(settings.CONNECTORS[provider])
    return found
