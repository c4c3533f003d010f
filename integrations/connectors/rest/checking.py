"""Look at what a rule's requests say before any is sent: each mistake with its place, such as `create.body.person.name`."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from integrations.connectors import templating, values
from integrations.connectors.rest.settings import PLACEHOLDER

if TYPE_CHECKING:
    from integrations.connectors.rest.options import Request, RestOptions

Problem = tuple[str, str]

#: The one key that makes an object of a body a value of a source.
VALUE = "$value"
#: How a moment may be written.
FORMS = ("iso", "date", "unix", "unix_ms", "text")
_VALUE_KEYS = {VALUE, "argument", "as"}
#: Names of the rest of a rule's templates; what comes after the dot is the provider's, or is remembered.
OWN = ("meeting", "event", "record", "found", "response")

_SECRET_NAME = re.compile(
    r"token|secret|passw|authorization|api[-_]?key|signature|^key$", re.IGNORECASE
)
_RESERVED = frozenset(
    {"authorization", "connection", "content-length", "content-type", "cookie", "host", "transfer-encoding"}
)  # fmt: skip
_HEADER = re.compile(r"^[A-Za-z][A-Za-z0-9-]*$")
_DOTS = re.compile(r"(^|/)\.\.?(/|$)")


class Anything(dict[str, Any]):
    """Stand for something whose shape is the provider's: every name is in it."""

    def __missing__(self, key: str) -> "Anything":
        return Anything()

    def __str__(self) -> str:
        return "x"


def problems(options: "RestOptions") -> Iterator[Problem]:
    """Yield each mistake in the templates of a rule, with its place."""
    if options.each == "event" and (options.update or options.cancel):
        yield (
            "each",
            "With an object for each event, nothing is updated or canceled: leave both out.",
        )
    for name, request in options.requests:
        names = _names(options, record=name in {"update", "cancel"}, found=name != "lookup")
        yield from _request_problems(name, request, names=names, options=options)
    if options.idempotency_header.lower() in _RESERVED:
        yield "idempotency_header", "This header means something else: choose another name."
    everything = _names(options, record=True, found=True) | {"response": Anything()}
    for name, text in options.keep.items():
        yield from _text_problems(f"keep.{name}", text, names=everything)
    for name in ("id", "link"):
        yield from _text_problems(name, getattr(options, name), names=everything)


def is_template(text: str) -> bool:
    """Tell whether a text has anything to fill in."""
    return "{{" in text or "{%" in text


def _names(options: "RestOptions", *, record: bool, found: bool) -> dict[str, Any]:
    names: dict[str, Any] = {
        **values.EXAMPLE,
        "meeting": {"key": "x"},
        "event": {"kind": "booked", "id": 1},
    }
    if record:
        names["record"] = {"id": "x", **dict.fromkeys(options.keep, "x")}
    if found and options.lookup:
        names["found"] = Anything()
    return names


def _request_problems(
    name: str, request: "Request", *, names: Mapping[str, Any], options: "RestOptions"
) -> Iterator[Problem]:
    yield from _path_problems(f"{name}.path", request.path, names=names)
    for key, text in request.query.items():
        if _SECRET_NAME.search(key) and not is_template(text):
            yield (
                f"{name}.query.{key}",
                "A secret in an address is seen by others on its way: use the connection's auth.",
            )
        yield from _text_problems(f"{name}.query.{key}", text, names=names)
    for key, text in request.headers.items():
        yield from _header_problems(f"{name}.headers.{key}", key, text, names=names)
    yield from _body_problems(f"{name}.body", request.body, names=names)
    if options.encoding == "form" and not _is_flat(request.body):
        yield (
            f"{name}.body",
            "A form holds names with texts and numbers, nothing inside one another.",
        )
    where = getattr(request, "where", None)
    if where:
        yield from _text_problems(f"{name}.where.contains", where.contains, names=names)
        if isinstance(where.equals, str):
            yield from _text_problems(f"{name}.where.equals", where.equals, names=names)


def _path_problems(place: str, path: str, *, names: Mapping[str, Any]) -> Iterator[Problem]:
    literal = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "x", path)
    if "?" in literal or "#" in literal:
        yield place, "Write what follows the ? into query."
    if "//" in literal or _DOTS.search(literal) or re.search(r"\s", literal):
        yield place, "Write it without blanks, dots between slashes and double slashes."
    yield from _text_problems(place, path, names=names)


def _header_problems(
    place: str, key: str, text: str, *, names: Mapping[str, Any]
) -> Iterator[Problem]:
    if not _HEADER.match(key):
        yield place, "This is no name of a header."
    elif key.lower() in _RESERVED or _SECRET_NAME.search(key):
        yield (
            place,
            "This header is not a rule's to set: secrets belong into the connection, the rest comes by itself.",
        )
    yield from _text_problems(place, text, names=names)


def _body_problems(place: str, body: object, *, names: Mapping[str, Any]) -> Iterator[Problem]:
    match body:
        case dict() if VALUE in body:
            yield from _value_problems(place, body, names=names)
        case dict():
            for key, item in body.items():
                if is_template(str(key)):
                    yield f"{place}.{key}", "A name cannot be a template."
                yield from _body_problems(f"{place}.{key}", item, names=names)
        case list():
            for index, item in enumerate(body):
                yield from _body_problems(f"{place}.{index}", item, names=names)
        case str():
            yield from _text_problems(place, body, names=names)


def _value_problems(
    place: str, body: Mapping[Any, Any], *, names: Mapping[str, Any]
) -> Iterator[Problem]:
    source = body[VALUE]
    if unknown := set(map(str, body)) - _VALUE_KEYS:
        yield place, f"Beside {VALUE} there may be argument and as, not {min(unknown)}."
    if "as" in body and body["as"] not in FORMS:
        yield f"{place}.as", f"Choose one of {', '.join(FORMS)}."
    own, _, rest = str(source).partition(".")
    if own in OWN:
        if own not in names or not rest:
            yield place, f"There is no value called {str(source)!r} here."
        return
    if told := values.problem(str(source), str(body.get("argument", ""))):
        yield place, told


def _text_problems(place: str, text: str, *, names: Mapping[str, Any]) -> Iterator[Problem]:
    if PLACEHOLDER in text:
        yield place, f"Put your own value in place of {PLACEHOLDER}."
    elif is_template(text) and (told := templating.problem(text, names=names)):
        yield place, told


def _is_flat(body: object) -> bool:
    if body is None:
        return True
    return isinstance(body, dict) and all(
        not isinstance(item, dict | list) or VALUE in item for item in body.values()
    )
