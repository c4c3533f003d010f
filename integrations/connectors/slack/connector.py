"""Post one card per meeting and place, keep it up to date, and tell each change; or one message an event, by webhook."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from integrations.connectors.base import (
    Applied,
    Connector,
    Decision,
    Forget,
    Notice,
    Press,
    Presser,
    Record,
    Remember,
    Send,
    Step,
    Task,
)
from integrations.connectors.slack import hook, scopes
from integrations.connectors.slack.buttons import acknowledge_button
from integrations.connectors.slack.carrying import carry_out
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.errors import Answer
from integrations.connectors.slack.hook import HookClient
from integrations.connectors.slack.hooking import HookWrite, plan_message, post_message
from integrations.connectors.slack.noticing import post_by_hook, post_notice
from integrations.connectors.slack.oauth import SlackOAuth
from integrations.connectors.slack.options import (
    SlackNoticeOptions,
    SlackOptions,
    SlackSettings,
)
from integrations.connectors.slack.people import find_people
from integrations.connectors.slack.planning import (
    Posting,
    draw,
    known_people,
    plan_posting,
    with_people,
)
from integrations.connectors.slack.pressing import presser_of, read_press, respond, verify
from integrations.connectors.slack.writing import CardWrite, write_place
from integrations.errors import ConfigurationError, RuleError
from integrations.granting import OAuth, Profile
from integrations.options import Options, read_options

OptionsT = TypeVar("OptionsT", bound=Options)


class SlackConnector(Connector):
    """Keep one card per meeting and place true, with a thread of what changed.

    With an incoming webhook instead of a bot token nothing can be kept true: each event becomes a message of its own.
    """

    label: ClassVar[str] = "Slack"
    purpose: ClassVar[str] = (
        "Posts one card for each meeting to a channel and keeps it true; tells staff what is on today and what needs a person."
    )
    needs: ClassVar[Sequence[str]] = (
        "a Slack app of your own, made from scratch, with the scopes chat:write, channels:read, channels:history and channels:join",
        "its bot token (xoxb-...), or its client id and secret to install it from here; or the URL of an incoming webhook, which can do less",
    )
    guide: ClassVar[str] = "https://api.slack.com/apps"
    scope_purposes: ClassVar[Mapping[str, str]] = {**scopes.NEEDED, **scopes.FOR_SOME}
    actions: ClassVar[Mapping[str, str]] = {
        "post_card": "Post and keep up to date one card per meeting",
    }
    coalescing_actions: ClassVar[frozenset[str]] = frozenset({"post_card"})
    settings_model: ClassVar[type[Options]] = SlackSettings
    options_model: ClassVar[type[Options]] = SlackOptions
    notifies: ClassVar[bool] = True
    shows_links: ClassVar[bool] = True
    notice_options_model: ClassVar[type[Options]] = SlackNoticeOptions
    secret_fields: ClassVar[Mapping[str, str]] = {
        "bot_token": "Bot User OAuth Token of the app, which begins with xoxb-. Not needed where the app is installed with the button Connect.",
        "client_id": "Client ID of the app, to install it with the button Connect.",
        "client_secret": "Client secret of the app, to install it with the button Connect.",
        "signing_secret": "Signing secret of the app: without it, cards have no buttons.",
        "webhook_url": "Only where there is no bot token: the URL of an incoming webhook. It posts to its own channel and "
        "can change nothing afterwards.",
    }
    pressing_secret: ClassVar[str] = "signing_secret"  # noqa: S105  # the name of a field
    #: Seconds to wait for an answer.
    timeout: ClassVar[int] = 10

    def plan(self, task: Task) -> Decision:
        """Return the cards as they should be and the lines that are due, or that all are there already.

        Raises:
            RuleError: the rule's options are wrong, or want what a webhook cannot do.
        """
        options = self._options(task)
        if self._by_webhook:
            return plan_message(task, options=options)
        return plan_posting(task, options=options, buttons=self.takes_presses)

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Write to every place; after a lost answer, look before posting again.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`; the worst, after all places were tried.
        """
        payload: Posting | HookWrite = decision.payload
        if isinstance(payload, HookWrite):
            return post_message(self._hook(), payload, remember=remember, forget=forget)
        client = self._client()
        writes, found = _introduce(client, task, payload)
        before = (*decision.steps, *found)
        steps = carry_out(
            writes,
            lambda write: write_place(client, write, remember=remember, forget=forget),
            before=before,
        )
        places = ", ".join(write.place.label for write in writes)
        told = f"The card{'s' if len(writes) > 1 else ''} in {places}"
        verb = "are" if len(writes) > 1 else "is"
        return Applied(summary=f"{told} {verb} up to date.", steps=steps[len(decision.steps) :])

    def notify(self, notice: Notice, *, options: Mapping[str, Any], look_first: bool) -> Record:
        """Post the notice, or return the one that a lost answer left; by webhook it is posted again, with a remark.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        told = read_options(SlackNoticeOptions, options, whose="channel")
        if self._by_webhook:
            return post_by_hook(self._hook(), notice, channel=told.channel, look_first=look_first)
        return post_notice(
            self._client(),
            notice,
            channel=told.channel,
            look_first=look_first,
            button=acknowledge_button if self.takes_presses else None,
        )

    def check(self) -> Applied:
        """Ask Slack who we are and what we may do; of a webhook, whether it is alive.

        Raises:
            ConfigurationError, TemporaryError: what is wrong, with a hint.
        """
        return self._check_hook() if self._by_webhook else self._check_bot()

    @classmethod
    def check_secret(cls, name: str, value: str) -> str:
        """Return why a token is no bot's, or an address no webhook's."""
        if name == "webhook_url":
            return hook.problem(value)
        if name == "bot_token" and not value.strip().startswith(("xoxb-", "xoxe.xoxb-")):
            return "A bot token begins with xoxb-. Copy the Bot User OAuth Token from OAuth & Permissions."
        return ""

    def _check_bot(self) -> Applied:
        answer, body = self._introduce_bot()
        self.requirements = scopes.requirements(answer.scopes, buttons=self.takes_presses)
        lacking = scopes.lacking(answer.scopes, buttons=self.takes_presses)
        if "chat:write" in lacking:
            raise ConfigurationError(
                f"The bot {body.get('user')} of {body.get('team')} may not post: it lacks {', '.join(lacking)}.",
                hint=next(item.hint for item in self.requirements if not item.ok),
            )
        return Applied(
            summary=f"Connected to {body.get('team')} as {body.get('user')}."
            + (f" It lacks the scopes {', '.join(lacking)}." if lacking else ""),
            steps=(Step(name="workspace", detail=str(body.get("url", ""))),),
            changed=False,
            profile=scopes.profile(body, granted=answer.scopes, buttons=self.takes_presses),
        )

    def _check_hook(self) -> Applied:
        client = self._hook()
        client.check()
        return Applied(
            summary=f"The incoming webhook {client.bot} of workspace {client.team} takes messages.",
            steps=(Step(name="workspace", detail=f"{client.team}; Slack tells no names here."),),
            changed=False,
            profile=Profile(
                user_uri=client.bot, user_name=f"incoming webhook {client.bot}", user_email="",
                organization_uri=client.team,
            ),
        )  # fmt: skip

    def describe(self) -> Profile:
        """Ask Slack who the bot is, and which scopes its token has; raises like `check`."""
        answer, body = self._introduce_bot()
        return scopes.profile(body, granted=answer.scopes, buttons=self.takes_presses)

    def _introduce_bot(self) -> tuple[Answer, Mapping[str, Any]]:
        answer = self._client().read("auth.test")
        return answer, answer.require()

    @property
    def lacks(self) -> Sequence[str]:
        """Return that there is neither token nor webhook."""
        known = ("bot_token", "access_token", "webhook_url")
        has_one = any(self.account.secrets.get(name) for name in known)
        return () if has_one else ("a bot token, or the URL of an incoming webhook",)

    @classmethod
    def in_words(cls, action: str, options: Mapping[str, Any]) -> str:
        """Return where cards go."""
        channel = options.get("channel")
        places = [channel] if isinstance(channel, str) and channel else []
        places += ["the places of its routes"] if options.get("routes") else []
        where = " and ".join(places) or "a channel"
        where = where.replace("@host", "the host in person")
        return f"post a card to {where} in Slack, and keep it up to date"

    @property
    def oauth(self) -> OAuth:
        """Return how an admin installs the app."""
        return SlackOAuth(secrets=self.account.secrets)

    def read_interaction(
        self, body: bytes, headers: Mapping[str, str], *, now: datetime
    ) -> Press | None:
        """Return which of our buttons was pressed, None where it was none.

        Raises:
            UnsignedError: it is not Slack's, or older than five minutes.
        """
        verify(body, headers, secret=self.account.secrets[self.pressing_secret], now=now)
        return read_press(body)

    def identify(self, user_id: str) -> Presser:
        """Ask who pressed a button; raises like `check`."""
        return presser_of(self._client().read("users.info", user=user_id).require())

    def respond(self, reply: Mapping[str, str], *, text: str) -> None:
        """Show the person who pressed a line that nobody else sees; raises like `check`."""
        respond(self._client(), reply, text=text)

    @property
    def _by_webhook(self) -> bool:
        return bool(self.account.secrets.get("webhook_url")) and not self._token

    @property
    def _token(self) -> str:
        """Return the token of the installed app, else the one that was entered."""
        held = self.account.secrets
        return held.get("access_token") or held.get("bot_token", "")

    def _client(self) -> SlackClient:
        return SlackClient(
            token=self._token, recorder=self.recorder, timeout=self.timeout,
            connection_id=self.account.connection_id, dry_run=self.dry_run,
        )  # fmt: skip

    def _hook(self) -> HookClient:
        return HookClient(
            url=self.account.secrets["webhook_url"], recorder=self.recorder, timeout=self.timeout,
            connection_id=self.account.connection_id, dry_run=self.dry_run,
        )  # fmt: skip

    def _options(self, task: Task) -> SlackOptions:
        if task.action not in self.actions:
            raise RuleError(
                f"Slack has no action {task.action!r}.", hint="Choose one of the actions."
            )
        return read_options(SlackOptions, task.options)


def _introduce(
    client: SlackClient, task: Task, posting: Posting
) -> tuple[tuple[CardWrite, ...], tuple[Step, ...]]:
    """Find the hosts that the cards mention, where the rule wants them mentioned and a card is written at all."""
    writes = posting.writes
    if not posting.options.mention_host or not any(write.is_card_due for write in writes):
        return writes, ()
    people, steps = find_people(client, task.meeting.hosts, known=known_people(task.records))
    card = draw(task, options=posting.options, mentions=people, buttons=posting.buttons)
    return tuple(with_people(write, card, people) for write in writes), steps
