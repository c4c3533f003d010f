"""Say in the card's thread what changed. Pure: a task in, a message out, or nothing worth a line."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from integrations.connectors.base import Task
from integrations.connectors.slack.card import (
    Message,
    canceled_by,
    date_token,
    hosts,
    in_utc,
    place,
)
from integrations.connectors.slack.options import SlackOptions
from integrations.connectors.slack.text import clean, escape, marked, plain

Line = tuple[str, Mapping[str, Any]]


def draw_reply(task: Task, *, options: SlackOptions) -> Message | None:
    """Return the thread's line for this event, or nothing: a booking is told by the card itself."""
    lines = list(_lines(task, options))
    if not lines:
        return None
    text = escape(clean(". ".join(words for words, _ in lines), limit=1_000))
    return Message(text=text, blocks=tuple(_section(shown) for _, shown in lines))


def _lines(task: Task, options: SlackOptions) -> Iterator[Line]:
    if task.kind == "rescheduled":
        yield _moved(task)
    elif task.kind == "canceled":
        yield _words(f"Canceled by {canceled_by(task.meeting)}")
    elif task.kind == "no_show":
        yield _words("The invitee did not come.")
    elif task.kind == "no_show_removed":
        yield _words("The no-show was taken back.")
    elif task.kind == "updated":
        yield from _updated(task, options)


def _updated(task: Task, options: SlackOptions) -> Iterator[Line]:
    meeting, changed = task.meeting, task.changes.keys()
    if "end_at" in changed:
        shown = marked(f"Ends {date_token(meeting.end_at)} now.")
        yield f"Ends {in_utc(meeting.end_at)} now", shown
    if "hosts" in changed:
        yield _words(f"Host: {hosts(meeting, options=options)}")
    if changed & {"join_url", "location_text"} and (meeting.join_url or meeting.location_text):
        yield "There is a new place or join link", place(meeting)
    if "name" in changed:
        yield _words(f"Now called {clean(meeting.name, limit=150)}")


def _moved(task: Task) -> Line:
    before, after = _start_times(task)
    old = f"from ~{date_token(before)}~ " if before else ""
    return f"Rescheduled to {in_utc(after)}", marked(f"Rescheduled {old}to {date_token(after)}")


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
