"""Write each meeting to Salesforce: the person as Lead or Contact, and one Event that follows every change."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Difference,
    Forget,
    Job,
    MappingProblem,
    Record,
    Remember,
    Requirement,
    Send,
    Skip,
    Step,
    TargetField,
    Task,
)
from integrations.connectors.salesforce import (
    batching,
    checking,
    coercion,
    comparing,
    defaults,
    guests,
    owners,
    people,
    profile,
    schema,
    setup,
)
from integrations.connectors.salesforce.actions import ACTIONS, Given, Work
from integrations.connectors.salesforce.client import SalesforceClient
from integrations.connectors.salesforce.guests import Guests
from integrations.connectors.salesforce.identifiers import object_of, record_id
from integrations.connectors.salesforce.limits import read_usage
from integrations.connectors.salesforce.line import Line
from integrations.connectors.salesforce.mapping import MeetingWrite, meeting_write
from integrations.connectors.salesforce.oauth import SalesforceOAuth
from integrations.connectors.salesforce.options import SalesforceOptions, SalesforceSettings
from integrations.connectors.salesforce.owners import Owners
from integrations.connectors.salesforce.people import Invitee
from integrations.connectors.salesforce.private_key import read_private_key
from integrations.connectors.salesforce.schema import Schema
from integrations.connectors.salesforce.syncing import Sync, is_removed, is_written
from integrations.connectors.salesforce.writing import Writer
from integrations.connectors.values import Facts, Reading, Source, problem, read
from integrations.errors import Candidate, ConfigurationError, RuleError
from integrations.granting import OAuth, Profile
from integrations.http import TIMEOUT, Recorder
from integrations.models import Account, MappedField
from integrations.options import Options, read_options, read_settings
from integrations.sessions import Sessions

#: How much longer than for one record an answer to a call for many is waited for.
_BATCH_PATIENCE = 2.0


@dataclass(slots=True)
class _Known:
    """Hold what was read already, for all who are written together: what objects look like, and the hosts' users."""

    schemas: dict[str, Schema] = field(default_factory=dict)
    hosts: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class SalesforceConnector(Connector):
    """Keep one Event, and the person it belongs to, true to each meeting."""

    label: ClassVar[str] = "Salesforce"
    purpose: ClassVar[str] = (
        "Finds or creates the person (Lead or Contact) and keeps one Event for each meeting; tasks, cases and campaigns beside."
    )
    needs: ClassVar[Sequence[str]] = (
        "an admin of the Salesforce organization, to make an External Client App with the scopes api and refresh_token",
        "its consumer key and secret, and your My Domain address",
        "a user for Calsync with rights on Leads, Contacts and Events, or somebody who presses Connect",
    )
    guide: ClassVar[str] = (
        "https://help.salesforce.com/s/articleView?id=xcloud.external_client_apps.htm"
    )
    actions: ClassVar[Mapping[str, str]] = {
        "sync_meeting": "Write the meeting: person and event",
        **{name: action.label for name, action in ACTIONS.items()},
    }
    passing_actions: ClassVar[frozenset[str]] = frozenset(ACTIONS)
    coalescing_actions: ClassVar[frozenset[str]] = frozenset({"sync_meeting"})
    settings_model: ClassVar[type[Options]] = SalesforceSettings
    options_model: ClassVar[type[Options]] = SalesforceOptions
    secret_fields: ClassVar[Mapping[str, str]] = {
        "client_id": "Consumer key of the External Client App.",
        "client_secret": "Consumer secret of the External Client App. Not used by the login jwt.",
        "private_key": "With the login jwt: the private key (PEM) of the certificate that the app was given.",
    }
    secret_hosts: ClassVar[Mapping[str, frozenset[str]]] = {
        "login_url": frozenset({"client_secret", "access_token", "refresh_token"})
    }
    long_secrets: ClassVar[frozenset[str]] = frozenset({"private_key"})
    #: Seconds to connect and to wait for bytes.
    timeout: ClassVar[tuple[float, float]] = TIMEOUT
    compares: ClassVar[bool] = True
    mapped_objects: ClassVar[Mapping[str, str]] = defaults.MAPPED_OBJECTS
    own_sources: ClassVar[Mapping[str, Source]] = defaults.SOURCES
    batch_size: ClassVar[int] = 200

    def __init__(
        self,
        account: Account,
        *,
        recorder: Recorder,
        sessions: Sessions | None = None,
        dry_run: bool = False,
    ) -> None:
        super().__init__(account, recorder=recorder, sessions=sessions, dry_run=dry_run)
        self._schemas: dict[str, Schema] = {}

    def plan(self, task: Task) -> Decision:
        """Return the Event as it should be, or that it is so already.

        Raises:
            RuleError: the rule asks for something that this connector does not do.
            ConfigurationError: the connection's settings are wrong.
        """
        if task.action not in self.actions:
            raise RuleError(
                f"Salesforce has no action {task.action!r}.", hint="Choose one of the actions."
            )
        options = self._options(task)
        write = meeting_write(
            task, lead_source=self._settings.lead_source, mappings=self.account.mappings,
            link_opportunity=getattr(options, "link_opportunity", "off"),
            watched=(
                *owners.watched(self._settings, task.meeting), *guests.watched(self._settings, task.meeting)
            ),
            removes=task.meeting.is_canceled and self._settings.when_canceled == "delete",
        )  # fmt: skip
        if action := ACTIONS.get(task.action):
            given = Given(
                task=task,
                options=options,
                settings=self._settings,
                write=write,
                person=self._invitee(task, write).known(),
            )
            decision = action.plan(given)
            if isinstance(decision, Skip):
                return decision
            return replace(decision, payload=(given, decision.payload))
        if write.removes:
            return _removal(task, write)
        if is_written(task, write, self._invitee(task, write)):
            return Skip(reason="already equal")
        verb = "Update" if task.record("Event") else "Write"
        return Send(summary=f"{verb} the Event '{write.subject}'.", payload=write)

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Write person and Event; safe to repeat.

        Raises:
            ReviewError: a person has to choose who the invitee is.
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        job = Job(
            task=task, decision=decision, recorder=self.recorder, remember=remember, forget=forget
        )
        with self._client() as client:
            return self._write(client, job, known=_Known())

    def apply_many(self, jobs: Sequence[Job]) -> list[Applied | Exception]:
        """Write persons and Events of many meetings in a few calls, each as `apply` would."""
        self.recorder = Recorder()
        known, settings = _Known(), self._settings
        # Of two who look for one unknown guest at the same moment, both would create one.
        shared = guests.shared(settings, [job.task.meeting for job in jobs])

        def alone(job: Job) -> bool:
            if self.dry_run or job.task.action != "sync_meeting":
                return True
            return not shared.isdisjoint(guests.addresses(settings, job.task.meeting))

        with self._client(patience=_BATCH_PATIENCE) as client:
            return batching.carry_out(
                Line(client=client, recorder=self.recorder),
                jobs,
                lambda its_client, job: self._write(its_client, job, known=known),
                alone=alone,
            )

    def _write(self, client: SalesforceClient, job: Job, *, known: _Known) -> Applied:
        """Carry out one decision."""
        if action := ACTIONS.get(job.task.action):
            given, wanted = job.decision.payload
            sync = self._sync(client, job, given.write, known=known)
            with sync.explaining():
                applied = action.apply(Work(given=given, sync=sync), wanted)
            return replace(applied, steps=(*applied.steps, *_limits(client)))
        write: MeetingWrite = job.decision.payload
        sync = self._sync(client, job, write, known=known)
        sync.run()
        return Applied(
            summary=f"Event '{write.subject}' is {'deleted' if write.removes else 'up to date'}.",
            steps=(*sync.writer.steps, *_limits(client)),
            fields=sync.writer.written,
        )

    @property
    def drift_policy(self) -> str:
        """Return what the settings say of changes made in Salesforce."""
        return self._settings.drift

    @property
    def compares_at_once(self) -> int:
        """Return how many records a look takes."""
        return comparing.AT_ONCE

    def read_back(self, records: Sequence[Record]) -> list[Difference]:
        """Return which records are not as we wrote them, as Salesforce holds them now."""
        with self._client() as client:
            return comparing.Comparison(
                client=client, scope=self._scope, mappings=self.account.mappings
            ).differences(records)

    def find(self, remote_id: str) -> Candidate | None:
        """Return the Lead or Contact that an id, or the address of its page, names, or what became of it.

        Raises:
            IntegrationError: Salesforce cannot be asked.
        """
        identifier = record_id(remote_id)
        if not object_of(identifier):
            return None
        with self._client() as client:
            return people.find(client, identifier, person_accounts=self._settings.person_accounts)

    def check_mappings(self, mappings: Sequence[MappedField]) -> list[MappingProblem]:
        """Return why mapped fields cannot be written, as Salesforce describes them at this moment."""
        wanted = {row.object_type for row in mappings} & self.mapped_objects.keys()
        schemas = {name: self._schema(name, at_once=True) for name in sorted(wanted)}
        return checking.problems(mappings, schemas, reserved=self._reserved)

    def default_mappings(self) -> Sequence[MappedField]:
        """Return what is written where staff have mapped nothing."""
        return defaults.default_rows(lead_source=self._settings.lead_source)

    def describe_fields(self, object_type: str) -> Sequence[TargetField]:
        """Return the fields of an object that staff may fill."""
        return checking.targets(self._schema(object_type), reserved=self._reserved)

    def preview(self, mappings: Sequence[MappedField], facts: Facts) -> list[Reading]:
        """Return what each row would bring, as the field takes it where the field is known by now."""
        zone = facts.meeting.hosts[0].timezone if facts.meeting.hosts else ""
        return [self._previewed(row, facts, zone=zone) for row in mappings]

    def check(self) -> Applied:
        """Log in, and see that the API version is offered and that the organisation has what the settings need.

        Raises:
            ConfigurationError, TemporaryError: what is wrong, with a hint.
        """
        with self._client() as client:
            client.log_in()
            found = profile.describe(client, api_version=self._settings.api_version)
            limits = _limits(client)
        lacking = [item for item in self.set_up() if not item.ok]
        if lacking:
            told = " ".join(f"{item.name}: {item.detail}" for item in lacking)
            raise ConfigurationError(told, hint=lacking[0].hint)
        who = f" as {found.user_email}" if found.user_email else ""
        where = f" at {found.organization_name}" if found.organization_name else ""
        return Applied(
            summary=f"Salesforce accepts the log-in{who}{where}, and has what the settings need.",
            steps=limits,
            changed=False,
            profile=found,
        )

    def set_up(self) -> Sequence[Requirement]:
        """Return what the settings need of the organisation, as it is described at this moment."""
        settings = self._settings
        schemas = {name: self._schema(name, at_once=True) for name in setup.objects(settings)}
        self.requirements = setup.requirements(settings, schemas)
        return self.requirements

    def describe(self) -> Profile:
        """Ask Salesforce who we are, and whether it offers our API version."""
        with self._client() as client:
            return profile.describe(client, api_version=self._settings.api_version)

    @property
    def oauth(self) -> OAuth | None:
        """Return how a person grants access, where the settings choose that."""
        settings = self._settings
        if settings.login != "oauth":
            return None
        return SalesforceOAuth(settings=settings, secrets=self.account.secrets)

    @property
    def lacks(self) -> Sequence[str]:
        """Return the secrets that the chosen log-in cannot do without."""
        login = self.account.settings.get("login", "client_credentials")
        names = {
            "jwt": ("client_id", "private_key"),
            "client_credentials": ("client_id", "client_secret"),
        }
        return [
            f"the {name.replace('_', ' ')}"
            for name in names.get(str(login), ())
            if not self.account.secrets.get(name)
        ]

    @classmethod
    def in_words(cls, action: str, options: Mapping[str, Any]) -> str:
        """Return what becomes of the person and the meeting."""
        if action == "sync_meeting":
            return "create or update the person and the Event in Salesforce"
        return f"{super().in_words(action, options)} in Salesforce"

    @classmethod
    def options_for(cls, action: str) -> type[Options]:
        """Return the options of the action's rules."""
        return ACTIONS[action].options if action in ACTIONS else cls.options_model

    @classmethod
    def check_secret(cls, name: str, value: str) -> str:
        """Return why a private key cannot sign."""
        try:
            if name == "private_key":
                read_private_key(value)
        except ValueError as error:
            return str(error)
        return ""

    @property
    def _settings(self) -> SalesforceSettings:
        return read_settings(SalesforceSettings, self.account.settings)

    def _options(self, task: Task) -> Options:
        return read_options(self.options_for(task.action), task.options)

    def _sync(
        self, client: SalesforceClient, job: Job, write: MeetingWrite, *, known: _Known
    ) -> Sync:
        task = job.task
        writer = Writer(client=client, scope=self._scope, zone=write.zone, known=known.schemas)
        return Sync(
            client=client, writer=writer, task=task, write=write, invitee=self._invitee(task, write),
            external_id_field=self._settings.event_external_id_field, remember=job.remember, forget=job.forget,
            owners=Owners(
                client=client, task=task, settings=self._settings, scope=self._scope, steps=writer.steps,
                known=known.hosts,
            ),
            guests=Guests(
                client=client, task=task, settings=self._settings, scope=self._scope, steps=writer.steps
            ),
        )  # fmt: skip

    @contextmanager
    def _client(self, *, patience: float = 1.0) -> Iterator[SalesforceClient]:
        """Lend a client, and keep what its last answer told of the request allowance."""
        to_connect, to_answer = self.timeout
        with SalesforceClient(
            account=self.account,
            settings=self._settings,
            sessions=self.sessions,
            recorder=self.recorder,
            timeout=(to_connect, to_answer * patience),
            dry_run=self.dry_run,
        ) as client:
            try:
                yield client
            finally:
                self.usage = read_usage(client.limits) or self.usage

    @property
    def _scope(self) -> str:
        """Return what tells this organisation, as its user sees it, from every other."""
        settings = self._settings
        return f"{self.account.connection_id}|{settings.login_url}|{settings.api_version}"

    @property
    def _reserved(self) -> tuple[str, ...]:
        return ("WhoId", *filter(None, [self._settings.event_external_id_field]))

    def _schema(self, object_type: str, *, at_once: bool = False) -> Schema:
        with self._client() as client:
            found = schema.load(client, object_type, scope=self._scope, at_once=at_once)
        self._schemas[object_type] = found
        return found

    def _previewed(self, row: MappedField, facts: Facts, *, zone: str) -> Reading:
        if problem(row.source, row.argument, more=defaults.SOURCES):
            return Reading(value=None)
        reading = read(row.source, row.argument, facts, more=defaults.SOURCES)
        known = self._schemas.get(row.object_type)
        kind = known.find(row.field) if known else None
        if kind is None or reading.value is None:
            return reading
        fit = coercion.fit(reading.value, kind, zone=zone)
        return Reading(value=fit.value, notes=(*reading.notes, *fit.notes))

    def _invitee(self, task: Task, write: MeetingWrite) -> Invitee:
        return people.invitee_of(task, self._settings, email=write.email)


def _removal(task: Task, write: MeetingWrite) -> Decision:
    """Return that the canceled meeting's Event is to be deleted, or that none is left."""
    if is_removed(task, write):
        return Skip(reason="canceled, and no Event is left")
    return Send(summary=f"Delete the Event '{write.subject}'.", payload=write)


def _limits(client: SalesforceClient) -> tuple[Step, ...]:
    return (Step(name="API requests", detail=client.limits),) if client.limits else ()
