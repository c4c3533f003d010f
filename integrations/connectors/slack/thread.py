"""Say what changed: a line in the card's thread. Pure: a task in, a message out, or nothing worth a line."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from integrations.connectors.base import Task
from integrations.connectors.slack import wording
from integrations.connectors.slack.card import Message
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.text import clean, marked, plain, words
from integrations.connectors.slack.wording import date_token, in_utc

#: The kinds of event whose line is worth the whole channel's attention.
LOUD = frozenset({"rescheduled", "canceled"})

Line = tuple[str, Mapping[str, Any]]


def draw_reply(task: Task, *, options: SlackOptions) -> Message | None:
    """Return the thread's line for this event, or nothing: a booking is told by the card itself."""
    lines = list(_lines(task, options))
    if not lines:
        return None
    text = words(clean(". ".join(said for said, _ in lines), limit=1_000))
    return Message(text=text, blocks=tuple(_section(shown) for _, shown in lines))


def _lines(task: Task, options: SlackOptions) -> Iterator[Line]:
    if task.kind == "rescheduled":
        yield _moved(task)
    elif task.kind == "canceled":
        yield _words(f"Canceled by {wording.canceled_by(task.meeting, options=options)}")
    elif task.kind == "no_show":
        yield _words("The invitee did not come.")
    elif task.kind == "no_show_removed":
        yield _words("The no-show was taken back.")
    elif task.kind == "starting":
        yield _starting(task)
    elif task.kind == "ended":
        yield _words("The meeting is over.")
    elif task.kind == "updated":
        yield from _updated(task, options)


def _updated(task: Task, options: SlackOptions) -> Iterator[Line]:
    meeting, changed = task.meeting, task.changes.keys()
    if "end_at" in changed:
        shown = marked(f"Ends {date_token(meeting.end_at)} now.")
        yield f"Ends {in_utc(meeting.end_at)} now", shown
    if "hosts" in changed:
        yield _words(_reassigned(task, options))
    if changed & {"join_url", "location_text"} and (meeting.join_url or meeting.location_text):
        yield "There is a new place or join link", wording.place(meeting, options=options)
    if "name" in changed:
        yield _words(f"Now called {clean(meeting.name, limit=150)}")


def _reassigned(task: Task, options: SlackOptions) -> str:
    told = task.changes["hosts"]
    before = told[0] if isinstance(told, list | tuple) and told else ()
    names = wording.hosts_before(before, options=options)
    now = wording.hosts(task.meeting, options=options) or "nobody"
    return f"Host: {now} (before: {names})" if names else f"Host: {now}"


def _moved(task: Task) -> Line:
    before, after = _start_times(task)
    old = f"from ~{date_token(before)}~ " if before else ""
    return f"Rescheduled to {in_utc(after)}", marked(f"Rescheduled {old}to {date_token(after)}")


def _starting(task: Task) -> Line:
    start = task.meeting.start_at
    return f"Reminder: starts {in_utc(start)}", marked(f"Reminder: starts {date_token(start)}")


def _start_times(task: Task) -> tuple[datetime | None, datetime]:
    told = task.changes.get("start_at")
    if not isinstance(told, list | tuple) or len(told) != 2:
        return task.meeting.previous_start_at, task.meeting.start_at
    before, after = (datetime.fromisoformat(str(moment)) if moment else None for moment in told)
    return before, after or task.meeting.start_at


def _words(text: str) -> Line:
    return text, plain(text)


def _section(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "section", "text": shown}
