"""Post one card per meeting and channel, keep it up to date, and tell each change in its thread."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

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
from integrations.connectors.slack.card import Message, draw_card
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.options import SlackOptions, SlackSettings
from integrations.connectors.slack.posting import Channel
from integrations.connectors.slack.thread import draw_reply
from integrations.errors import RuleError


@dataclass(frozen=True, slots=True, kw_only=True)
class CardWrite:
    """Hold what is to be in the channel: the card, and the thread's line if one is due.

    `known` is the card that we remember; `look_first` says that there may be one that we do not.
    """

    channel: str
    card: Message
    reply: Message | None
    known: Record | None
    chain: str
    event_id: int
    look_first: bool

    def payload(self, part: str) -> dict[str, str | int]:
        """Return the metadata by which a message is found again."""
        return {"chain": self.chain, "event_id": self.event_id, "part": part}


class SlackConnector(Connector):
    """Keep one card per meeting and channel true, with a thread of what changed."""

    label: ClassVar[str] = "Slack"
    actions: ClassVar[Mapping[str, str]] = {
        "post_card": "Post and keep up to date one card per meeting",
    }
    settings_model: ClassVar[type[Options]] = SlackSettings
    options_model: ClassVar[type[Options]] = SlackOptions
    secret_fields: ClassVar[Mapping[str, str]] = {
        "bot_token": "Bot User OAuth Token of the app, which begins with xoxb-.",
    }
    #: Seconds to wait for an answer.
    timeout: ClassVar[int] = 10

    def plan(self, task: Task) -> Decision:
        """Return the card as it should be and the line that is due, or that both are there already.

        Raises:
            RuleError: the rule's options are wrong.
        """
        options = self._options(task)
        known = task.record("message", options.channel)
        write = CardWrite(
            channel=options.channel,
            card=draw_card(task.meeting, options=options, booking_url=task.booking_url),
            reply=_due_reply(task, options, known),
            known=known,
            chain=task.meeting.key,
            event_id=task.event_id,
            look_first=task.look_first,
        )
        if known and known.content_hash == write.card.content_hash and write.reply is None:
            return Skip(reason="already equal")
        return Send(summary=_summary(write), payload=write)

    def apply(self, task: Task, decision: Send, *, remember: Remember, forget: Forget) -> Applied:
        """Update the card or post it, then the thread's line; after a lost answer, look before posting again.

        Raises:
            TemporaryError, PermanentError, ConfigurationError: see `errors`.
        """
        del task, forget  # the decision holds all; a card that is gone is replaced, not forgotten
        write: CardWrite = decision.payload
        known_id = str(write.known.data.get("channel", "")) if write.known else ""
        channel = Channel(self._client(), name=write.channel, channel_id=known_id)
        card, steps = _write_card(channel, write, remember)
        if write.reply:
            steps = (*steps, _write_reply(channel, write, write.reply, card, remember))
        return Applied(summary=f"The card in {write.channel} is up to date.", steps=steps)

    def check(self) -> Applied:
        """Ask Slack who we are.

        Raises:
            ConfigurationError, TemporaryError: what is wrong, with a hint.
        """
        body = self._client().read("auth.test").require()
        return Applied(
            summary=f"Connected to {body.get('team')} as {body.get('user')}.",
            steps=(Step(name="workspace", detail=str(body.get("url", ""))),),
            changed=False,
        )

    def _client(self) -> SlackClient:
        token = self.account.secrets.get("bot_token", "")
        return SlackClient(token=token, recorder=self.recorder, timeout=self.timeout)

    def _options(self, task: Task) -> SlackOptions:
        if task.action not in self.actions:
            raise RuleError(
                f"Slack has no action {task.action!r}.", hint="Choose one of the actions."
            )
        try:
            return SlackOptions(**task.options)
        except ValidationError as error:
            first: Any = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise RuleError(
                f"The rule's option {name} is wrong: {first['msg']}.",
                hint="Open the rule and correct its options.",
            ) from error


def _reply_key(channel: str, event_id: int) -> str:
    return f"{channel}:{event_id}"


def _due_reply(task: Task, options: SlackOptions, known: Record | None) -> Message | None:
    """Return the thread's line unless it is there, or the card itself was this event's news."""
    if known is None or known.data.get("event_id") == task.event_id:
        return None
    if task.record("reply", _reply_key(options.channel, task.event_id)):
        return None
    return draw_reply(task, options=options)


def _summary(write: CardWrite) -> str:
    verb = "Update" if write.known else "Post"
    line = f" and add to its thread: {write.reply.text}" if write.reply else ""
    return f"{verb} the card in {write.channel}{line}."


def _write_card(
    channel: Channel, write: CardWrite, remember: Remember
) -> tuple[Record, tuple[Step, ...]]:
    if write.known and write.known.content_hash == write.card.content_hash:
        return write.known, (Step(name="card", detail="Already equal."),)
    payload = write.payload("card")
    for ts in _candidates(channel, write):
        if channel.update(write.card, payload=payload, ts=ts):
            card = _card_record(write, channel.channel_id, ts)
            remember(card)
            return card, (Step(name="card", detail=f"Message {ts} updated."),)
    return _post_card(channel, write, remember)


def _candidates(channel: Channel, write: CardWrite) -> Iterator[str]:
    """Yield the card that we remember, then one whose answer was lost."""
    remembered = write.known.remote_id if write.known else ""
    if remembered:
        yield remembered
    if write.look_first:
        lost = channel.find(wanted={"chain": write.chain, "part": "card"}, but=remembered)
        if lost:
            yield lost


def _post_card(
    channel: Channel, write: CardWrite, remember: Remember
) -> tuple[Record, tuple[Step, ...]]:
    ts = channel.post(write.card, payload=write.payload("card"))
    card = _card_record(write, channel.channel_id, ts)
    remember(card)
    link = channel.permalink(ts)
    if link:
        card = _card_record(write, channel.channel_id, ts, url=link)
        remember(card)
    why = "the old one is gone" if write.known else "the first in this channel"
    return card, (Step(name="card", detail=f"Message {ts} posted: {why}."),)


def _card_record(write: CardWrite, channel_id: str, ts: str, *, url: str = "") -> Record:
    known = write.known
    same = known is not None and known.remote_id == ts
    first = known.data.get("event_id", write.event_id) if known else write.event_id
    return Record(
        object_type="message",
        remote_id=ts,
        key=write.channel,
        url=known.url if known and same else url,
        content_hash=write.card.content_hash,
        data={"channel": channel_id, "ts": ts, "event_id": first},
    )


def _write_reply(
    channel: Channel, write: CardWrite, reply: Message, card: Record, remember: Remember
) -> Step:
    payload, found = write.payload("reply"), ""
    if write.look_first:
        found = channel.find(wanted=payload, thread_ts=card.remote_id)
    ts = found or channel.post(reply, payload=payload, thread_ts=card.remote_id)
    key = _reply_key(write.channel, write.event_id)
    data = {"channel": channel.channel_id, "ts": ts}
    remember(Record(object_type="reply", remote_id=ts, key=key, data=data))
    return Step(name="thread", detail=f"Message {ts} {'found' if found else 'posted'}.")
