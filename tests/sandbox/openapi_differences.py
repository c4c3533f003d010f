"""Where Calendly's OpenAPI document of April 2024 is behind the live API, as the sandbox is not."""

from typing import Any

from tests.sandbox.openapi_document import Amendment, Json

NEWER_EVENTS = [
    "invitee_no_show.created",
    "invitee_no_show.deleted",
    "event_type.created",
    "event_type.updated",
    "event_type.deleted",
]


def schema(name: str, *more: str) -> tuple[str, ...]:
    """Return the way to a place in one of the document's schemas."""
    return ("components", "schemas", name, *more)


def nullable(old: Json) -> Json:
    """Return a schema that takes null too."""
    return old | {"nullable": True}


def without(*names: str) -> Any:
    """Return a change that strikes names out of a list."""
    return lambda old: [name for name in old if name not in names]


KNOWN = (
    Amendment(
        at=schema("EventType", "required"),
        change=without("kind_description"),
        why="kind_description is gone: neither live answers nor the document of 2026 have it",
    ),
    Amendment(
        at=schema("EventTypeCustomQuestion", "properties", "answer_choices"),
        change=nullable,
        why="answer_choices is null for questions without choices (document of 2026)",
    ),
    Amendment(
        at=schema("ZoomConference", "properties", "type", "enum"),
        change=lambda old: [*old, "zoom"],
        why="live answers, and the document's own examples, say zoom",
    ),
    Amendment(
        at=schema("ZoomConference", "properties", "data", "properties", "id", "type"),
        change=lambda old: [old, "number"],
        why="live answers have a number",
    ),
    Amendment(
        at=schema("WebhookSubscription", "properties", "events", "items", "enum"),
        change=lambda old: [*old, *NEWER_EVENTS],
        why="fourteen webhook events since October 2026, three in this document",
    ),
    Amendment(
        at=schema("WebhookSubscription", "properties", "scope", "enum"),
        change=lambda old: [*old, "group"],
        why="subscriptions of a group since May 2024",
    ),
)
