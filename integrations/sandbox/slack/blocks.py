"""The rules that blocks must keep.

Source: https://docs.slack.dev/reference/block-kit/blocks
"""

import json
from typing import Any

from integrations.sandbox.slack.errors import SlackError
from integrations.sandbox.web import Json

MAX_BLOCKS = 50
MAX_TOTAL = 13_200
TYPES = frozenset(
    {
        "actions",
        "context",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "rich_text",
        "section",
        "video",
    }
)


def checked(blocks: Any) -> list[Json]:
    """Return the blocks, parsed if they came as text. Raises SlackError."""
    if isinstance(blocks, str):
        blocks = _parsed(blocks)
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    problems = [] if len(blocks) <= MAX_BLOCKS else [f"no more than {MAX_BLOCKS} items allowed"]
    for number, block in enumerate(blocks):
        problems += [f"{problem} [json-pointer:/blocks/{number}]" for problem in _problems(block)]
    if problems:
        raise SlackError("invalid_blocks", details=problems)
    if sum(_text_length(block) for block in blocks) > MAX_TOTAL:
        raise SlackError("msg_blocks_too_long")
    return blocks


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise SlackError("invalid_blocks_format") from error


def _problems(block: Json) -> list[str]:
    kind = block.get("type")
    if kind not in TYPES:
        return [f"unsupported type: {kind}"]
    problems = [] if len(str(block.get("block_id", ""))) <= 255 else ["block_id is too long"]
    if kind == "section":
        return problems + _section(block)
    if kind == "header":
        return problems + _text(block.get("text"), most=150, kinds=("plain_text",))
    if kind == "context":
        return problems + _count(block.get("elements"), most=10)
    if kind == "actions":
        return problems + _actions(block)
    if kind == "markdown" and len(str(block.get("text", ""))) > 12_000:
        return [*problems, "must be less than 12001 characters"]
    return problems


def _section(block: Json) -> list[str]:
    text, fields = block.get("text"), block.get("fields")
    if text is None and not fields:
        return ["missing required field: text or fields"]
    problems = [] if text is None else _text(text, most=3000)
    if fields is not None:
        problems += _count(fields, most=10)
        for item in fields if isinstance(fields, list) else []:
            problems += _text(item, most=2000)
    return problems


def _actions(block: Json) -> list[str]:
    elements = block.get("elements")
    problems = _count(elements, most=25)
    named = [e["action_id"] for e in elements or () if isinstance(e, dict) and e.get("action_id")]
    problems += ["action_id already exists"] if len(named) > len(set(named)) else []
    for element in elements if isinstance(elements, list) else []:
        if isinstance(element, dict) and element.get("type") == "button":
            problems += _text(element.get("text"), most=75, kinds=("plain_text",))
            problems += _confirm(element.get("confirm"))
            limits = (("value", 2000), ("url", 3000), ("action_id", 255))
            problems += [
                f"{name} must be less than {most + 1} characters"
                for name, most in limits
                if len(str(element.get(name) or "")) > most
            ]
    return problems


def _confirm(confirm: Any) -> list[str]:
    """Source: https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object."""
    if confirm is None:
        return []
    if not isinstance(confirm, dict):
        return ["must be an object"]
    limits = (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30))
    return [
        problem
        for name, most in limits
        for problem in _text(confirm.get(name), most=most, kinds=("plain_text",))
    ]


def _count(items: Any, *, most: int) -> list[str]:
    if not isinstance(items, list) or not items:
        return ["must provide at least one item"]
    return [] if len(items) <= most else [f"no more than {most} items allowed"]


def _text(text: Any, *, most: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> list[str]:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return [f"must be one of: {', '.join(kinds)}"]
    content = text.get("text")
    if not isinstance(content, str) or not content:
        return ["must be more than 0 characters"]
    return [] if len(content) <= most else [f"must be less than {most + 1} characters"]


def _text_length(item: Any) -> int:
    if isinstance(item, dict):
        own = len(item["text"]) if isinstance(item.get("text"), str) else 0
        return own + sum(_text_length(value) for value in item.values())
    return sum(_text_length(value) for value in item) if isinstance(item, list) else 0
