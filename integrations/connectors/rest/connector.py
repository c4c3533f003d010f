"""Call a REST interface as rules describe it: one object for each meeting or event, changed and canceled with it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Remember,
    Send,
    Step,
    Task,
)
from integrations.connectors.rest import planning
from integrations.connectors.rest.answers import as_error
from integrations.connectors.rest.calling import Calling
from integrations.connectors.rest.client import RestClient
from integrations.connectors.rest.options import RestOptions
from integrations.connectors.rest.rendering import Rendered
from integrations.connectors.rest.settings import NEEDED_SECRETS, SECRETS, RestSettings
from integrations.errors import RuleError
from integrations.http import TIMEOUT
from integrations.options import Options, read_options, read_settings


class RestConnector(Connector):
    """Send the requests of a rule, filled in from the meeting."""

    label: ClassVar[str] = "REST"
    purpose: ClassVar[str] = (
        "Calls any system with a REST interface: a rule says which requests, filled in from the meeting."
    )
    needs: ClassVar[Sequence[str]] = (
        "the address of the interface, and its manual",
        "an API key, user and password, or client id and secret, as it wants them",
    )
    actions: ClassVar[Mapping[str, str]] = {"call": "Call a REST interface"}
    settings_model: ClassVar[type[Options]] = RestSettings
    options_model: ClassVar[type[Options]] = RestOptions
    secret_fields: ClassVar[Mapping[str, str]] = SECRETS
    secret_hosts: ClassVar[Mapping[str, frozenset[str]]] = {
        "base_url": frozenset(SECRETS),
        "token_url": frozenset({"client_id", "client_secret"}),
    }
    #: Seconds to connect and to wait for bytes.
    timeout: ClassVar[tuple[float, float]] = TIMEOUT

    def plan(self, task: Task) -> Decision:
        """Return the request that is due, or why there is none.

        Raises:
            RuleError, PermanentError: the rule's options are wrong, or cannot be filled in for this meeting.
        """
        return planning.plan(task, self._options(task))

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Send it; after a lost answer, look first, or ask a person.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `answers`.
        """
        with self._client() as client:
            calling = Calling(
                client=client, call=decision.payload, task=task, remember=remember, forget=forget,
                dry_run=self.dry_run,
            )  # fmt: skip
            return calling.carry_out()

    def check(self) -> Applied:
        """Ask for the check path, or fetch a new token.

        Raises:
            ConfigurationError, TemporaryError: what is wrong, with a hint.
        """
        settings = self._settings
        with self._client() as client:
            fetched = client.log_in()
            if settings.check_path:
                answer = client.read(Rendered(method="GET", path=settings.check_path))
                if not 200 <= answer.status < 300:
                    raise as_error(answer)
                return _checked(f"{answer.what} was answered with HTTP {answer.status}.")
        if fetched:
            return _checked("A token was fetched. Set check_path to see that it is accepted, too.")
        return _checked(
            "Nothing was asked: set check_path to a path that can be read without harm."
        )

    @classmethod
    def in_words(cls, action: str, options: Mapping[str, Any]) -> str:
        """Return what is made, in the rule's own word for it."""
        made = options.get("object") or "object"
        if options.get("each") == "event":
            return f"make a new {made} by a REST interface"
        return f"make or change the {made} by a REST interface"

    @property
    def lacks(self) -> Sequence[str]:
        """Return the secrets without which nobody could tell who calls."""
        auth = self.account.settings.get("auth", "bearer")
        names = NEEDED_SECRETS.get(str(auth), ())
        return [
            f"the {name.replace('_', ' ')}" for name in names if not self.account.secrets.get(name)
        ]

    @property
    def _settings(self) -> RestSettings:
        return read_settings(RestSettings, self.account.settings)

    def _options(self, task: Task) -> RestOptions:
        if task.action not in self.actions:
            raise RuleError(
                f"REST has no action {task.action!r}.", hint="Choose one of the actions."
            )
        return read_options(RestOptions, task.options)

    def _client(self) -> RestClient:
        return RestClient(
            account=self.account, settings=self._settings, sessions=self.sessions,
            recorder=self.recorder, timeout=self.timeout, dry_run=self.dry_run,
        )  # fmt: skip


def _checked(summary: str) -> Applied:
    return Applied(summary=summary, steps=(Step(name="check", detail=summary),), changed=False)
