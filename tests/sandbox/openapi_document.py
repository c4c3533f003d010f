"""Calendly's OpenAPI 3.0 document, read so that answers can be checked against it."""

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft7Validator, FormatChecker
from jsonschema.exceptions import ValidationError, best_match

Json = dict[str, Any]
METHODS = ("get", "post", "patch", "put", "delete")
FORMATS = FormatChecker(formats=["email"])


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """A place where the document is behind the live API, how it reads today, and why.

    `at` leads from the root of the document to the value that changes.
    """

    at: tuple[str, ...]
    change: Callable[[Any], Any]
    why: str


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)


class Document:
    """Answer which operations there are, and how an answer differs from what they promise."""

    def __init__(self, raw: Json, amendments: Iterable[Amendment] = ()) -> None:
        self._raw = copy.deepcopy(raw)
        for amendment in amendments:
            _amend(self._raw, amendment)
        self._components = _with_null(self._raw["components"])

    def operations(self) -> list[str]:
        """Return every operation, as `GET /users/{uuid}`."""
        return [
            f"{method.upper()} {path}"
            for path, item in self._raw["paths"].items()
            for method in METHODS
            if method in item
        ]

    def differences(self, operation: str, status: int, body: Any) -> list[str]:
        """Return how an answer differs; the body is None where there is none."""
        method, _, path = operation.partition(" ")
        responses = self._raw["paths"][path][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"the status {status} is not one of {', '.join(responses)}"]
        content = self._followed(responses[str(status)]).get("content")
        if content is None or body is None:
            return (
                []
                if (content is None) is (body is None)
                else ["there is a body too many or too few"]
            )
        schema = content["application/json"].get("schema", {})
        return [_said(error) for error in self._validator(schema).iter_errors(body)]

    def _followed(self, response: Json) -> Json:
        name = response.get("$ref", "").rpartition("/")[-1]
        found: Json = self._raw["components"]["responses"][name] if name else response
        return found

    def _validator(self, schema: Json) -> Draft7Validator:
        root = {"allOf": [_with_null(schema)], "components": self._components}
        return Draft7Validator(root, format_checker=FORMATS)


def read(path: Path) -> Json:
    """Read a document from a YAML or JSON file."""
    document: Json = yaml.safe_load(path.read_text())
    return document


def same_shape(template: str) -> str:
    """Return a path with the names of its parameters left out, so that two can be compared."""
    return re.sub(r"[{<][^}>]*[}>]", "{}", template)


def _amend(raw: Json, amendment: Amendment) -> None:
    *way, last = amendment.at
    place: Any = raw
    for name in way:
        place = place[name]
    place[last] = amendment.change(place.get(last))


def _with_null(node: Any) -> Any:
    """Say `nullable`, which OpenAPI 3.0 has and JSON Schema has not, in JSON Schema's words."""
    if isinstance(node, list):
        return [_with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _with_null(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, plain]} if node.get("nullable") is True else plain


def _said(error: ValidationError) -> str:
    deepest = best_match([error]) or error
    place = "/".join(str(part) for part in deepest.absolute_path) or "the body"
    return f"{place}: {deepest.message[:160]}"
