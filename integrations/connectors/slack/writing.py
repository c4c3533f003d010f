"""Bring one place in Slack to what was decided: its card, and the thread's line. Safe to repeat."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from integrations.connectors.base import Forget, Record, Remember, Step
from integrations.connectors.slack.card import Message
from integrations.connectors.slack.client import SlackClient
from integrations.connectors.slack.people import open_direct
from integrations.connectors.slack.posting import Channel
from integrations.connectors.slack.routing import Place
from integrations.errors import RuleError


@dataclass(frozen=True, slots=True, kw_only=True)
class CardWrite:
    """Hold what is to be in one place: the card, and the thread's line if one is due.

    `known` is the card that we remember; `look_first` says that there may be one that we do not. `people` are the hosts'
    users that the card mentions. `told` is what the planned card is recognised by, whoever it mentions.
    """

    place: Place
    card: Message
    told: str
    reply: Message | None
    known: Record | None
    chain: str
    event_id: int
    rule_id: int
    look_first: bool
    broadcast: bool = False
    people: tuple[tuple[str, str], ...] = ()

    @property
    def is_card_due(self) -> bool:
        """Tell whether the card has to be written."""
        return self.known is None or self.known.content_hash != self.told

    @property
    def summary(self) -> str:
        """Return what will be done, in a sentence."""
        verb = "Update" if self.known else "Post"
        line = f" and add to its thread: {self.reply.text}" if self.reply else ""
        return f"{verb} the card in {self.place.label}{line}."

    def payload(self, part: str) -> dict[str, str | int]:
        """Return the metadata by which a message is found again."""
        return {"chain": self.chain, "event_id": self.event_id, "part": part}


def reply_key(place: Place, event_id: int) -> str:
    """Return what the line of an event in a place is remembered by."""
    return f"{place.key}:{event_id}"


def write_place(
    client: SlackClient, write: CardWrite, *, remember: Remember, forget: Forget
) -> tuple[Step, ...]:
    """Update the card or post it, then the thread's line; after a lost answer, look before posting again.

    Where nothing leads any more, a card that can no longer be changed is forgotten.

    Raises:
        IntegrationError: see `errors`.
    """
    try:
        return _write(_open(client, write), write, remember=remember, forget=forget)
    except RuleError as error:
        if not write.place.is_former:
            raise
        return (_forget(write, forget, because=str(error)),)


def _write(
    channel: Channel, write: CardWrite, *, remember: Remember, forget: Forget
) -> tuple[Step, ...]:
    card, steps = _write_card(channel, write, remember)
    if card is None:
        return (_forget(write, forget, because="it was deleted in Slack"),)
    if write.reply:
        steps = (*steps, _write_reply(channel, write, write.reply, card, remember))
    return steps


def _open(client: SlackClient, write: CardWrite) -> Channel:
    """Return the channel, by the id that an earlier message told where there is one."""
    place = write.place
    known = str(write.known.data.get("channel", "")) if write.known else ""
    if place.email and not known:
        known = open_direct(client, email=place.email)
    return Channel(client, name=place.key, channel_id=known)


def _forget(write: CardWrite, forget: Forget, *, because: str) -> Step:
    forget("message", write.place.key)
    detail = f"The card in {write.place.label} is left as it is: {because.rstrip('.')}."
    return Step(name="card", detail=detail)


def _write_card(
    channel: Channel, write: CardWrite, remember: Remember
) -> tuple[Record | None, tuple[Step, ...]]:
    """Return the card as it is now; None where it is gone and needs no other in its place."""
    if write.known and not write.is_card_due:
        return write.known, (_step(write, "is equal already"),)
    payload = write.payload("card")
    for ts in _candidates(channel, write):
        if channel.update(write.card, payload=payload, ts=ts):
            card = _card_record(write, channel.channel_id, ts)
            remember(card)
            return card, (_step(write, f"is message {ts}, updated"),)
    return (None, ()) if write.place.is_former else _post_card(channel, write, remember)


def _candidates(channel: Channel, write: CardWrite) -> Iterator[str]:
    """Yield the card that we remember, then one whose answer was lost."""
    remembered = write.known.remote_id if write.known else ""
    if remembered:
        yield remembered
    if write.look_first and not write.place.is_former:
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
    why = "the old one is gone" if write.known else "the first there"
    return card, (_step(write, f"is message {ts}, posted: {why}"),)


def _step(write: CardWrite, said: str) -> Step:
    return Step(name="card", detail=f"The card in {write.place.label} {said}.")


def _card_record(write: CardWrite, channel_id: str, ts: str, *, url: str = "") -> Record:
    known = write.known
    same = known is not None and known.remote_id == ts
    before: Mapping[str, object] = known.data if known else {}
    data = {
        "channel": channel_id,
        "ts": ts,
        "event_id": before.get("event_id", write.event_id),
        "rule": before.get("rule", write.rule_id),
    }
    if write.place.label != write.place.key:
        data["label"] = write.place.label
    if write.people:
        data["people"] = dict(write.people)
    return Record(
        object_type="message",
        remote_id=ts,
        key=write.place.key,
        url=known.url if known and same else url,
        content_hash=write.told,
        data=data,
    )


def _write_reply(
    channel: Channel, write: CardWrite, reply: Message, card: Record, remember: Remember
) -> Step:
    payload, found = write.payload("reply"), ""
    if write.look_first:
        found = channel.find(wanted=payload, thread_ts=card.remote_id)
    ts = found or channel.post(
        reply, payload=payload, thread_ts=card.remote_id, broadcast=write.broadcast
    )
    data = {"channel": channel.channel_id, "ts": ts}
    key = reply_key(write.place, write.event_id)
    remember(Record(object_type="reply", remote_id=ts, key=key, data=data))
    return Step(name="thread", detail=f"Message {ts} {'found' if found else 'posted'} in the thread in {write.place.label}.")  # fmt: skip
