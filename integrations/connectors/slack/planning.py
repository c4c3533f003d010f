"""Decide what the bot writes where: a card in each place, and the line that is due. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bookings.meeting import Meeting
from integrations.connectors.base import Decision, Record, Send, Skip, Step, Task
from integrations.connectors.slack.card import Message, draw_card
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.routing import Place, digest, former, route
from integrations.connectors.slack.thread import LOUD, draw_reply
from integrations.connectors.slack.wording import SOMEBODY
from integrations.connectors.slack.writing import CardWrite, reply_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """Hold what one delivery writes, and how its cards are drawn."""

    writes: tuple[CardWrite, ...]
    options: SlackOptions
    buttons: bool = False


def plan_posting(task: Task, *, options: SlackOptions, buttons: bool = False) -> Decision:
    """Return the cards as they should be and the lines that are due, or why there is nothing to do."""
    routing = route(task.meeting, options=options)
    left = former(task.records, places=routing.places, rule_id=task.rule_id)
    steps = tuple(place.step for place in (*routing.places, *left))
    card = draw(task, options=options, mentions=_somebody(task.meeting, options), buttons=buttons)
    writes = [_write(task, options, place, card) for place in (*routing.places, *left)]
    due = [write for write in writes if write.is_card_due or write.reply]
    if not due:
        return Skip(reason="already equal" if routing.places else routing.reason)
    if routing.reason:
        steps = (*steps, Step(name="route", detail=routing.reason))
    posting = Posting(writes=tuple(due), options=options, buttons=buttons)
    return Send(summary=" ".join(write.summary for write in due), payload=posting, steps=steps)


def draw(
    task: Task, *, options: SlackOptions, mentions: Mapping[str, str], buttons: bool
) -> Message:
    """Return the task's card with these Slack users mentioned."""
    return draw_card(
        task.meeting, options=options, booking_url=task.booking_url, links=task.links, mentions=mentions,
        buttons=buttons,
    )  # fmt: skip


def with_people(write: CardWrite, card: Message, people: Mapping[str, str]) -> CardWrite:
    """Return what is written once it is known who is mentioned."""
    return replace(write, card=card, people=tuple(sorted(people.items())))


def known_people(records: Sequence[Record]) -> dict[str, str]:
    """Return the Slack users that earlier cards of the meeting mention, by the digest of their addresses."""
    return {key: user for item in records for key, user in item.data.get("people", {}).items()}


def _somebody(meeting: Meeting, options: SlackOptions) -> dict[str, str]:
    """Return who a planned card mentions, where nobody may be asked yet."""
    return {digest(host.email): SOMEBODY for host in meeting.hosts} if options.mention_host else {}


def _write(task: Task, options: SlackOptions, place: Place, card: Message) -> CardWrite:
    known = task.record("message", place.key)
    return CardWrite(
        place=place, card=card, told=card.content_hash, known=known,
        reply=_due_reply(task, options, place, known), chain=task.meeting.key, event_id=task.event_id,
        rule_id=task.rule_id, look_first=task.look_first,
        broadcast=options.broadcast and task.kind in LOUD,
    )  # fmt: skip


def _due_reply(
    task: Task, options: SlackOptions, place: Place, known: Record | None
) -> Message | None:
    """Return the thread's line unless it is there, or the card itself was this event's news."""
    if known is None or known.data.get("event_id") == task.event_id:
        return None
    if task.record("reply", reply_key(place, task.event_id)):
        return None
    return draw_reply(task, options=options)
