"""Fill a rule's requests in from a meeting. Pure: what a stranger wrote can change no address, no header and no structure."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from django.template import TemplateSyntaxError

from integrations.connectors import templating, values
from integrations.connectors.base import Record, Task
from integrations.connectors.rest.checking import OWN, VALUE, Anything, is_template
from integrations.connectors.rest.options import Request, RestOptions
from integrations.connectors.values import Facts
from integrations.errors import PermanentError, RuleError

#: What is too long for any interface: a path, and a body (characters of its JSON).
_MOST_PATH = 2_000
_MOST_BODY = 500_000
_MOST_HEADER = 1_000
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))

Names = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Hold a request as it is sent, below the connection's address and without its secrets."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    is_form: bool = False

    @property
    def content_hash(self) -> str:
        """Return what tells two requests apart."""
        content = [self.method, self.path, self.query, self.headers, self.body]
        text = json.dumps(content, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def names_of(
    task: Task, *, record: Record | None = None, found: object = None, response: object = None
) -> dict[str, Any]:
    """Return what the templates of a rule may name for a task; `record`, `found` and `response` where there are any."""
    facts = Facts(meeting=task.meeting, booking_url=task.booking_url)
    names = {
        **values.template_names(facts),
        "facts": facts,
        "meeting": {"key": task.meeting.key},
        "event": {"kind": task.kind, "id": task.event_id},
    }
    if record is not None:
        kept = record.data.get("kept")
        names["record"] = {**(kept if isinstance(kept, dict) else {}), "id": record.remote_id}
    if found is not None:
        names["found"] = found
    if response is not None:
        names["response"] = response
    return names


def render(request: Request, options: RestOptions, *, names: Names) -> Rendered:
    """Return a request filled in.

    Raises:
        RuleError: a template cannot be filled in.
        PermanentError: what comes out can be no address, or is too large.
    """
    query = {key: _text(text, names) for key, text in request.query.items()}
    if options.drop_empty:
        query = {key: text for key, text in query.items() if text}
    return Rendered(
        method=request.method,
        path=_path(request.path, names),
        query=query,
        headers={key: _header(_text(text, names)) for key, text in request.headers.items()},
        body=_body(request, options, names),
        is_form=options.encoding == "form",
    )


def state_hash(request: Request, options: RestOptions, task: Task) -> str:
    """Return what tells whether a request would say anything new; ids that only answers tell are the same in all."""
    placeholder = Record(
        object_type="", remote_id="x", data={"kept": dict.fromkeys(options.keep, "x")}
    )
    names = names_of(task, record=placeholder, found=Anything())
    return render(request, options, names=names).content_hash


def text_of(template: str, *, names: Names) -> str:
    """Return a template filled in as it stands.

    Raises:
        RuleError: it cannot be filled in.
    """
    return _text(template, names)


def address_of(template: str, *, names: Names) -> str:
    """Return a web address for people, or nothing; values in the middle of an address are encoded."""
    if template.startswith(("http://", "https://")):
        return _filled(template, names, encode=True)
    made = _text(template, names).strip()
    return made if made.startswith(("http://", "https://")) else ""


def at_path(data: object, path: str) -> Any:
    """Return what stands at a dotted path of an answer, None where there is nothing."""
    for part in filter(None, path.split(".")):
        if isinstance(data, Mapping):
            data = data.get(part)
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def _path(template: str, names: Names) -> str:
    made = _filled(template, names, encode=True)
    parts = made.split("/")[1:]
    lost_its_end = made.endswith("/") and not template.endswith("/")
    if lost_its_end or "" in parts[:-1] or {".", ".."} & set(parts) or len(made) > _MOST_PATH:
        raise PermanentError(
            f"The path comes out as {made[:200]!r}, which leads elsewhere than the rule means.",
            hint="A value in the path is empty for this meeting, or nothing but dots, or too long. Nothing was sent.",
        )
    return made


def _header(made: str) -> str:
    """Return one line of printable characters; others are percent-encoded, for headers hold nothing else."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", made).split())
    return quote(line, safe=_PRINTABLE)[:_MOST_HEADER]


def _body(request: Request, options: RestOptions, names: Names) -> Any:
    body = _filled_body(request.body, names)
    if options.drop_empty:
        body = _without_empty(body)
    if options.encoding == "form" and isinstance(body, dict):
        body = {key: _form_text(item) for key, item in body.items() if item is not None}
    if len(json.dumps(body)) > _MOST_BODY:
        raise PermanentError(
            "The request comes out larger than any interface takes.",
            hint="Cut long values in the rule's templates: {{ ...|truncatechars:1000 }}.",
        )
    return body


def _filled_body(body: Any, names: Names) -> Any:
    match body:
        case dict() if VALUE in body:
            return _value(body, names)
        case dict():
            return {key: _filled_body(item, names) for key, item in body.items()}
        case list():
            return [_filled_body(item, names) for item in body]
        case str():
            return _text(body, names)
    return body


def _value(body: Mapping[str, Any], names: Names) -> Any:
    """Return a value with its type: numbers stay numbers, moments are written as `as` says."""
    name = str(body[VALUE])
    own, _, rest = name.partition(".")
    if own in OWN:
        return at_path(names.get(own), rest)
    facts: Facts = names["facts"]
    found = values.read(name, str(body.get("argument", "")), facts).value
    return _written(found, str(body.get("as", "iso")))


def _written(value: values.Value, form: str) -> Any:
    if form == "text":
        return values.as_text(value)
    if not isinstance(value, datetime):
        return value
    moment = value.astimezone(UTC)
    match form:
        case "date":
            return f"{moment:%Y-%m-%d}"
        case "unix":
            return int(moment.timestamp())
        case "unix_ms":
            return int(moment.timestamp()) * 1000
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _without_empty(body: Any) -> Any:
    if isinstance(body, dict):
        kept = {key: _without_empty(item) for key, item in body.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", {}, [])}
    if isinstance(body, list):
        return [item for item in map(_without_empty, body) if item not in (None, "", {}, [])]
    return body


def _form_text(item: object) -> str:
    return str(item).lower() if isinstance(item, bool) else str(item)


def _text(template: str, names: Names) -> str:
    return _filled(template, names, encode=False) if is_template(template) else template


def _filled(template: str, names: Names, *, encode: bool) -> str:
    try:
        made, _ = templating.render(template, names=names, encode=_segment if encode else None)
    except TemplateSyntaxError as error:
        raise RuleError(
            f"The template {template[:100]!r} cannot be filled in: {error}.",
            hint="Open the rule and correct the template.",
        ) from error
    return made


def _segment(made: str) -> str:
    return quote(made.strip(), safe="")
