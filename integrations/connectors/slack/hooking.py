"""Tell a meeting's events through an incoming webhook: one message an event, for nothing can be changed afterwards."""

from dataclasses import dataclass

from integrations.connectors.base import (
    Applied,
    Decision,
    Forget,
    Record,
    Remember,
    Send,
    Skip,
    Step,
    Task,
)
from integrations.connectors.slack.card import Message, draw_card
from integrations.connectors.slack.hook import HookClient
from integrations.connectors.slack.options import HOST, SlackOptions
from integrations.connectors.slack.text import marked
from integrations.connectors.slack.thread import draw_reply
from integrations.errors import IntegrationError, RuleError, TemporaryError

RECORD = "webhook message"
REMARK = "Slack did not answer an earlier try: this message may be here twice."


@dataclass(frozen=True, slots=True, kw_only=True)
class HookWrite:
    """Hold the message of one event; `told` is what the card says, by which the next one is compared.

    `is_repeat`: an earlier try got no answer, so that it may be there already.
    """

    message: Message
    told: str
    key: str
    event_id: int
    is_repeat: bool


def plan_message(task: Task, *, options: SlackOptions) -> Decision:
    """Return the message of the task's event, or why none is due.

    Raises:
        RuleError: the rule wants what a webhook cannot do.
    """
    _require_simple(options)
    key = f"event:{task.event_id}"
    before = task.record(RECORD, key)
    if before and before.data.get("answered"):
        return Skip(reason="already equal")
    card = draw_card(task.meeting, options=options, booking_url=task.booking_url, links=task.links)
    told = draw_card(task.meeting, options=options, booking_url=task.booking_url).content_hash
    line = draw_reply(task, options=options) if _told_before(task) else None
    if line is None and told == _last_told(task):
        return Skip(reason="already equal")
    again = before is not None
    message = _message(card, line, again=again)
    write = HookWrite(message=message, told=told, key=key, event_id=task.event_id, is_repeat=again)
    return Send(
        summary=f"Post through the webhook: {message.text}.", payload=write, steps=_steps(options)
    )


def post_message(
    client: HookClient, write: HookWrite, *, remember: Remember, forget: Forget
) -> Applied:
    """Post the message once; what may have been posted without an answer is remembered as such before.

    Raises:
        IntegrationError: see `hook_errors`.
    """
    remember(_record(write, answered=False))
    try:
        client.post(text=write.message.text, blocks=list(write.message.blocks))
    except IntegrationError as error:
        maybe = isinstance(error, TemporaryError) and error.ambiguous
        if not (maybe or write.is_repeat):
            forget(RECORD, write.key)
        raise
    remember(_record(write, answered=True))
    return Applied(
        summary="The message is posted through the webhook.",
        steps=(Step(name="message", detail="Posted to the webhook's own channel."),),
    )


def _require_simple(options: SlackOptions) -> None:
    if options.routes or options.channel == HOST:
        raise RuleError(
            "An incoming webhook writes to its own channel alone, but the rule has routes or @host.",
            hint="Open the rule and name the webhook's channel alone, or enter a bot token at the connection.",
        )


def _steps(options: SlackOptions) -> tuple[Step, ...]:
    idle = [name for name in ("mention_host", "broadcast") if getattr(options, name)]
    if not idle:
        return ()
    told = "An incoming webhook knows neither people nor threads"
    return (Step(name="options", detail=f"{told}: {' and '.join(idle)} change nothing."),)


def _told_before(task: Task) -> bool:
    return any(item.object_type == RECORD and item.data.get("answered") for item in task.records)


def _last_told(task: Task) -> str:
    """Return what the newest message of the meeting said."""
    told = [item for item in task.records if item.object_type == RECORD and item.data.get("answered")]  # fmt: skip
    newest = max(told, key=lambda item: int(item.data["event_id"]), default=None)
    return newest.content_hash if newest else ""


def _message(card: Message, line: Message | None, *, again: bool) -> Message:
    """Return the card with what changed right below its title."""
    title, *rest = card.blocks
    text = f"{line.text.rstrip('.')}. {card.text}" if line else card.text
    remark = [{"type": "context", "elements": [marked(REMARK)]}] if again else []
    return Message(text=text, blocks=(title, *(line.blocks if line else ()), *rest, *remark))


def _record(write: HookWrite, *, answered: bool) -> Record:
    return Record(
        object_type=RECORD, remote_id=str(write.event_id), key=write.key, content_hash=write.told,
        data={"event_id": write.event_id, "answered": answered},
    )  # fmt: skip
