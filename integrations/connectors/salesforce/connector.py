"""Write each meeting to Salesforce: the person as Lead or Contact, and one Event that follows every change."""

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import ValidationError

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Options,
    Record,
    Remember,
    Send,
    Skip,
    Step,
    Task,
)
from integrations.connectors.salesforce import people
from integrations.connectors.salesforce.client import Reply, SalesforceClient
from integrations.connectors.salesforce.errors import PERSON_GONE
from integrations.connectors.salesforce.mapping import (
    MeetingWrite,
    content_hash,
    meeting_write,
    with_person,
)
from integrations.connectors.salesforce.options import SalesforceOptions, SalesforceSettings
from integrations.errors import ConfigurationError, RuleError
from integrations.http import TIMEOUT

_ADD_FIELD = (
    "In Setup > Object Manager > Activity > Fields, add a text field of 255 characters with External ID and "
    "Unique ticked, and let the integration user edit it."
)


class SalesforceConnector(Connector):
    """Keep one Event, and the person it belongs to, true to each meeting."""

    label: ClassVar[str] = "Salesforce"
    actions: ClassVar[Mapping[str, str]] = {
        "sync_meeting": "Write the meeting: person and event",
    }
    settings_model: ClassVar[type[Options]] = SalesforceSettings
    options_model: ClassVar[type[Options]] = SalesforceOptions
    secret_fields: ClassVar[Mapping[str, str]] = {
        "client_id": "Consumer key of the External Client App.",
        "client_secret": "Consumer secret of the External Client App.",
    }
    #: Seconds to connect and to wait for bytes.
    timeout: ClassVar[tuple[float, float]] = TIMEOUT

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
        write = meeting_write(task, lead_source=self._settings.lead_source)
        known = task.record("Event")
        if known and known.content_hash == content_hash(with_person(write.event, write.person)):
            return Skip(reason="already equal")
        verb = "Update" if known else "Write"
        return Send(summary=f"{verb} the Event '{write.event['Subject']}'.", payload=write)

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Write person and Event; safe to repeat, for the Event is upserted and a Lead is found by e-mail.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        write: MeetingWrite = decision.payload
        with self._client() as client:
            person, steps = self._person(client, write, remember)
            reply = self._upsert(client, write, person)
            if write.person and reply.code in PERSON_GONE:
                forget(write.person.object_type, write.person.key)
                person, found = self._found_person(client, write, remember)
                steps = (*steps, _gone(write.person), *found)
                reply = self._upsert(client, write, person)
            event = self._event(client, task, reply, with_person(write.event, person))
            remember(event)
            limits = _limits(client)
        done = Step(name="event", detail=f"Event {event.remote_id} written.")
        return Applied(
            summary=f"Event '{write.event['Subject']}' is up to date.",
            steps=(*steps, done, *limits),
        )

    def check(self) -> Applied:
        """Log in, and see that the API version and the external id field are there.

        Raises:
            ConfigurationError, TemporaryError: what is wrong, with a hint.
        """
        with self._client() as client:
            client.log_in()
            self._check_version(client.send("GET", "/services/data/").require())
            path = f"{client.data_path}/sobjects/Event/describe"
            self._check_field(client.send("GET", path).require())
            limits = _limits(client)
        return Applied(
            summary=f"Salesforce accepts the log-in; Event has {self._settings.event_external_id_field}.",
            steps=limits,
            changed=False,
        )

    @property
    def _settings(self) -> SalesforceSettings:
        try:
            return SalesforceSettings(**self.account.settings)
        except ValidationError as error:
            raise ConfigurationError(
                f"The settings of {self.account.name} are wrong: {error.errors()[0]['msg']}.",
                hint="Open the connection and correct its settings.",
            ) from error

    def _client(self) -> SalesforceClient:
        return SalesforceClient(
            account=self.account,
            settings=self._settings,
            recorder=self.recorder,
            timeout=self.timeout,
        )

    def _person(
        self, client: SalesforceClient, write: MeetingWrite, remember: Remember
    ) -> tuple[Record | None, tuple[Step, ...]]:
        if write.person:
            known = f"{write.person.object_type} {write.person.remote_id}, as before."
            return write.person, (Step(name="person", detail=known),)
        return self._found_person(client, write, remember)

    def _found_person(
        self, client: SalesforceClient, write: MeetingWrite, remember: Remember
    ) -> tuple[Record | None, tuple[Step, ...]]:
        if not write.lead:
            nobody = "No e-mail address that Salesforce could store: the Event stands alone."
            return None, (Step(name="person", detail=nobody),)
        person, steps = people.find_or_create(client, write.lead)
        remember(person)
        return person, steps

    def _path(self, client: SalesforceClient, external_id: str) -> str:
        field = self._settings.event_external_id_field
        return f"{client.data_path}/sobjects/Event/{field}/{quote(external_id, safe='')}"

    def _upsert(
        self, client: SalesforceClient, write: MeetingWrite, person: Record | None
    ) -> Reply:
        """Upsert by external id, which is never repeated in the body.

        Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_upsert.htm
        """
        return client.send(
            "PATCH",
            self._path(client, write.external_id),
            json_body=with_person(write.event, person),
            headers={"Sforce-Auto-Assign": "FALSE"},
        )

    def _event(
        self, client: SalesforceClient, task: Task, reply: Reply, fields: Mapping[str, str]
    ) -> Record:
        event_id = (reply.require() or {}).get("id") or self._known_id(client, task)
        return Record(
            object_type="Event",
            remote_id=event_id,
            url=client.link("Event", event_id),
            content_hash=content_hash(fields),
        )

    def _known_id(self, client: SalesforceClient, task: Task) -> str:
        """Return the Event's id when the answer to the upsert had no body (204)."""
        known = task.record("Event")
        if known:
            return known.remote_id
        return str(client.send("GET", self._path(client, task.meeting.key)).require()["Id"])

    def _check_version(self, versions: Any) -> None:
        offered = [item.get("version") for item in versions]
        if self._settings.api_version not in offered:
            raise ConfigurationError(
                f"Salesforce does not offer API version {self._settings.api_version}.",
                hint=f"Set api_version to {offered[-1] if offered else 'one that is offered'}.",
            )

    def _check_field(self, describe: Any) -> None:
        name = self._settings.event_external_id_field
        field = next((item for item in describe["fields"] if item["name"] == name), None)
        if field is None:
            raise ConfigurationError(f"Event has no field {name}.", hint=_ADD_FIELD)
        if not (field.get("externalId") and field.get("unique")):
            raise ConfigurationError(
                f"The field {name} of Event is not an External ID that is unique.", hint=_ADD_FIELD
            )


def _gone(person: Record) -> Step:
    return Step(
        name="person",
        detail=f"{person.object_type} {person.remote_id} is gone in Salesforce; looked for the person again.",
    )


def _limits(client: SalesforceClient) -> tuple[Step, ...]:
    return (Step(name="API requests", detail=client.limits),) if client.limits else ()
