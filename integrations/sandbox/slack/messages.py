"""Methods of the Web API for messages.

Source: https://docs.slack.dev/reference/methods/chat.postMessage
"""

import json
import re
from typing import Any

from integrations.sandbox.slack import blocks
from integrations.sandbox.slack.errors import SlackError
from integrations.sandbox.slack.workspace import APP, BOT, BOT_USER, SlackWorkspace
from integrations.sandbox.web import Json

MAX_TEXT = 40_000
TS = re.compile(r"\d{1,12}\.\d{6}")
AUTHOR = {"user": BOT_USER, "bot_id": BOT, "app_id": APP}


def content(args: Json) -> Json:
    """Return what a message says: text, blocks, attachments, metadata. Raises SlackError."""
    text = str(args.get("text") or "")
    if len(text) > MAX_TEXT:
        raise SlackError("msg_too_long")
    said: Json = {"text": text}
    if args.get("blocks"):
        said["blocks"] = blocks.checked(args["blocks"])
    if args.get("attachments"):
        said["attachments"] = _parsed(args["attachments"], "invalid_attachments")
    if args.get("metadata"):
        said["metadata"] = _metadata(args["metadata"])
    if not text and not said.get("blocks") and not said.get("attachments"):
        raise SlackError("no_text")
    return said


def _parsed(value: Any, error: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as failure:
        raise SlackError(error) from failure


def _metadata(value: Any) -> Json:
    metadata = _parsed(value, "invalid_metadata_format")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata.get("event_payload"), dict):
        raise SlackError("invalid_metadata_format")
    return metadata


def post(workspace: SlackWorkspace, args: Json) -> Json:
    """Post a message, in a thread if `thread_ts` is given."""
    channel = workspace.destination(str(args.get("channel") or ""))["id"]
    said, thread_ts = content(args), args.get("thread_ts")
    if thread_ts and not TS.fullmatch(str(thread_ts)):
        raise SlackError("invalid_thread_ts")
    workspace.pace(channel)
    if thread_ts and is_true(args.get("reply_broadcast")):
        said["subtype"] = "thread_broadcast"
    message = workspace.post(channel, AUTHOR | said, thread_ts=thread_ts)
    return {"channel": channel, "ts": message["ts"], "message": message}


def post_ephemeral(workspace: SlackWorkspace, args: Json) -> Json:
    """Post a message that one member of a channel sees."""
    channel = workspace.destination(str(args.get("channel") or ""))["id"]
    user, said = str(args.get("user") or ""), content(args)
    if user not in workspace.users:
        raise SlackError("user_not_in_channel")
    shown = workspace.whisper(
        channel=channel, user=user, text=said["text"], via="chat.postEphemeral"
    )
    return {"message_ts": shown["ts"]}


def update(workspace: SlackWorkspace, args: Json) -> Json:
    """Change a message of the bot's own."""
    channel, message = _own(workspace, args, error="cant_update_message")
    said = content({"text": message["text"], **args})
    if "text" in args and "blocks" not in args:
        message.pop("blocks", None)
    message |= said
    message["edited"] = {"user": BOT_USER, "ts": workspace.new_ts()}
    answer = {"channel": channel, "ts": message["ts"], "text": message["text"]}
    return answer | {"message": message}


def delete(workspace: SlackWorkspace, args: Json) -> Json:
    """Delete a message of the bot's own."""
    channel, message = _own(workspace, args, error="cant_delete_message")
    workspace.messages[channel].remove(message)
    return {"channel": channel, "ts": message["ts"]}


def _own(workspace: SlackWorkspace, args: Json, *, error: str) -> tuple[str, Json]:
    channel = workspace.channel(str(args.get("channel") or ""))
    if channel["is_archived"]:
        raise SlackError("is_archived")
    message = workspace.message(channel["id"], str(args.get("ts") or ""))
    if message is None:
        raise SlackError("message_not_found")
    if message.get("bot_id") != BOT or message.get("subtype") == "bot_message":
        raise SlackError(error)
    return channel["id"], message


def permalink(workspace: SlackWorkspace, args: Json) -> Json:
    """Return the address of a message."""
    channel = workspace.channel(str(args.get("channel") or ""))["id"]
    ts = str(args.get("message_ts") or "")
    if workspace.message(channel, ts) is None:
        raise SlackError("message_not_found")
    link = f"https://harbor.slack.example/archives/{channel}/p{ts.replace('.', '')}"
    return {"channel": channel, "permalink": link}


def is_true(value: Any) -> bool:
    """Tell whether an argument means yes, sent as JSON or as a form."""
    return value is True or str(value).lower() in {"true", "1"}


def history(workspace: SlackWorkspace, args: Json) -> Json:
    """Return a channel's messages, newest first, without replies."""
    channel = _readable(workspace, args)
    rows = [
        row
        for row in reversed(workspace.messages[channel])
        if row.get("thread_ts", row["ts"]) == row["ts"] or row.get("subtype") == "thread_broadcast"
    ]
    return _page(_in_range(rows, args), args)


def replies(workspace: SlackWorkspace, args: Json) -> Json:
    """Return a thread: its parent and the replies, oldest first."""
    channel, ts = _readable(workspace, args), str(args.get("ts") or "")
    rows = [row for row in workspace.messages[channel] if ts in (row["ts"], row.get("thread_ts"))]
    if not rows:
        raise SlackError("thread_not_found")
    return _page(_in_range(rows, args), args)


def _readable(workspace: SlackWorkspace, args: Json) -> str:
    channel = workspace.channel(str(args.get("channel") or ""))
    if not channel["is_member"]:
        raise SlackError("not_in_channel")
    return str(channel["id"])


def _in_range(rows: list[Json], args: Json) -> list[Json]:
    oldest, latest = _split(args.get("oldest") or "0"), _split(args.get("latest") or "9" * 12)
    if is_true(args.get("inclusive")):
        return [row for row in rows if oldest <= _split(row["ts"]) <= latest]
    return [row for row in rows if oldest < _split(row["ts"]) < latest]


def _split(ts: Any) -> tuple[int, int]:
    seconds, _, rest = str(ts).partition(".")
    try:
        return int(seconds), int((rest or "0").ljust(6, "0")[:6])
    except ValueError as error:
        raise SlackError("invalid_ts_oldest") from error


def _page(rows: list[Json], args: Json) -> Json:
    shown, cursor = cut(rows, args, default=100)
    if not is_true(args.get("include_all_metadata")):
        shown = [
            {name: value for name, value in row.items() if name != "metadata"} for row in shown
        ]
    answer: Json = {"messages": shown, "has_more": bool(cursor)}
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def cut(rows: list[Json], args: Json, *, default: int) -> tuple[list[Json], str]:
    """Return one page of rows and the cursor of the next, empty at the end."""
    limit, cursor = str(args.get("limit") or default), str(args.get("cursor") or "at:0")
    name, _, offset = cursor.partition(":")
    if name != "at" or not offset.isdigit():
        raise SlackError("invalid_cursor")
    if not limit.isdigit() or not 1 <= int(limit) <= 1000:
        raise SlackError("invalid_limit")
    end = int(offset) + int(limit)
    return rows[int(offset) : end], f"at:{end}" if end < len(rows) else ""
