"""What a rule says of its requests, as typed data; `checking` looks at the templates in it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from integrations.connectors.rest import checking
from integrations.options import Options

Scalar = str | int | float | bool | None

#: Methods that mean the same however often they are sent. PATCH counts as one: it sets values in nearly every interface.
_REPEATABLE = frozenset({"GET", "PUT", "PATCH", "DELETE"})


class Success(Options):
    """Which answers count as success."""

    statuses: tuple[int, ...] = Field(
        default=(), description="Statuses that are a success; left out, every 2xx"
    )
    path: str = Field(default="", description="Dotted path of a value in the answer, such as ok")
    equals: Scalar = Field(default=True, description="What that value is on success")

    @field_validator("statuses")
    @classmethod
    def _are_statuses(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 200 <= status < 500 for status in value):
            raise ValueError("name statuses from 200 to 499")
        return value


class Request(Options):
    """One request; every text in it is a template."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str = Field(pattern=r"^/[^\n\r]*$")
    query: Mapping[str, str] = Field(default_factory=dict)
    headers: Mapping[str, str] = Field(default_factory=dict)
    body: Any = None
    repeatable: bool | None = None

    @property
    def may_repeat(self) -> bool:
        """Tell whether sending it twice is as good as once."""
        return self.method in _REPEATABLE if self.repeatable is None else self.repeatable

    def names(self, name: str) -> bool:
        """Tell whether anything in it names something of `record` or `found`."""
        return re.search(rf"\b{name}\.", repr(self)) is not None


class Where(Options):
    """Which of the things found is meant."""

    path: str = Field(default="", description="Dotted path in the thing; left out, anywhere in it")
    contains: str = ""
    equals: Scalar = None

    @model_validator(mode="after")
    def _says_something(self) -> "Where":
        if not self.contains and not self.path:
            raise ValueError("say what it contains, or a path and what it equals")
        return self


class Search(Request):
    """A request that reads, and how to find one thing in what it answers."""

    method: Literal["GET", "POST"] = "GET"
    items: str = Field(default="", description="Dotted path of the list in the answer")
    id: str = Field(default="id", description="Dotted path of a thing's id")
    where: Where | None = None
    several: Literal["fail", "first"] = "fail"
    more: str = Field(
        default="",
        description="Dotted path that says whether there is another page, such as hasNext",
    )


_EXAMPLE = {
    "method": "POST",
    "path": "/activities",
    "body": {"title": "{{ event_type.name }}", "starts": {"$value": "booking.start_at"}},
}


class RestOptions(Options):
    """Options of a rule that calls a REST interface."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {
        "Requests": ("create", "update", "cancel"),
        "Finding": ("lookup", "find"),
        "Answers": ("id", "keep", "link", "success"),
        "How requests are sent": ("encoding", "drop_empty", "idempotency_header", "recreate"),
    }
    choice_labels: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "each": {"meeting": "One object for each meeting", "event": "One for each event: a note, a log entry"},
        "encoding": {"json": "JSON", "form": "Form"},
    }  # fmt: skip

    object: str = Field(
        default="object",
        pattern=r"^[\w -]{1,40}$",
        description="What is made, in a word for people, such as contact",
    )
    each: Literal["meeting", "event"] = Field(
        default="meeting",
        description="Keep one object for each meeting, or make one for each event (a note, a log entry)",
    )
    create: Request = Field(
        examples=[_EXAMPLE],
        description="The request that makes the object: method, path, query, headers, body, repeatable",
    )
    update: Request | None = Field(
        default=None,
        examples=[
            {"method": "PATCH", "path": "/activities/{{ record.id }}", "body": {"done": False}}
        ],
        description="The request that changes it; record.id is its id",
    )
    cancel: Request | None = Field(
        default=None,
        examples=[{"method": "DELETE", "path": "/activities/{{ record.id }}"}],
        description="The request for a canceled meeting; left out, update's",
    )
    lookup: Search | None = Field(
        default=None,
        examples=[
            {"path": "/accounts", "query": {"email": "{{ invitee.email }}"}, "items": "data"}
        ],
        title="Look up first",
        description="A request made before: what it finds is called found, such as found.id; nobody found: nothing is sent",
    )
    find: Search | None = Field(
        default=None,
        title="Find again",
        examples=[
            {"path": "/activities", "query": {"key": "calsync-{{ meeting.key }}"}, "items": "data"}
        ],
        description="How to find the object again after an answer was lost",
    )
    id: str = Field(
        default="id",
        max_length=1_000,
        description="Dotted path of the new object's id in the answer, or a template",
    )
    keep: Mapping[str, str] = Field(
        default_factory=dict,
        description="More to remember, as templates over response and found: later named as part of record",
    )
    link: str = Field(
        default="",
        description="Template of the object's address for people; may name record and response",
    )
    success: Success = Field(
        default_factory=Success,
        examples=[{"statuses": [200, 201], "path": "ok", "equals": True}],
        description="What counts as success: statuses, path, equals",
    )
    encoding: Literal["json", "form"] = Field(default="json", description="How bodies are written")
    drop_empty: bool = Field(
        default=False, description="Leave out what is null or empty in a body or query"
    )
    idempotency_header: str = Field(
        default="Idempotency-Key",
        pattern=r"^([A-Za-z][A-Za-z0-9-]{0,60})?$",
        description="Header that carries a key that stays the same when a request is repeated; empty for none",
    )
    recreate: bool = Field(
        default=True, description="Make the object anew where an update says that it is gone"
    )

    @property
    def requests(self) -> Iterator[tuple[str, Request]]:
        """Yield each request that is given, with its name."""
        for name in ("create", "update", "cancel", "lookup", "find"):
            request = getattr(self, name)
            if request is not None:
                yield name, request

    @property
    def needs_id(self) -> bool:
        """Tell whether a later request names something of the record."""
        return any(request and request.names("record") for request in (self.update, self.cancel))

    @model_validator(mode="after")
    def _templates_can_be_used(self) -> "RestOptions":
        found = list(checking.problems(self))
        if found:
            told = " ".join(f"{place}: {message}" for place, message in found[:5])
            # Not a ValueError: its places stand in the sentences, and braces in them are no format.
            raise PydanticCustomError("templates", "{told}", {"told": told.removesuffix(".")})
        return self
