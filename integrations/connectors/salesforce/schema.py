"""Ask Salesforce what fields an object has, at most once an hour for all processes together.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from django.core.cache import cache

from integrations.connectors.salesforce.client import SalesforceClient
from integrations.errors import TemporaryError

logger = logging.getLogger(__name__)

#: Seconds for which an answer is taken as it is; afterwards Salesforce is asked whether it changed (304).
FRESH_SECONDS = 3600
_KEPT_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """Hold what is known of one field. `choices` are the active values of a picklist, with their labels."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    createable: bool = True
    updateable: bool = True
    nillable: bool = True
    defaulted: bool = False
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    refers_to: tuple[str, ...] = ()

    @property
    def is_required(self) -> bool:
        """Tell whether a new record must bring it."""
        return self.createable and not self.nillable and not self.defaulted

    @property
    def in_words(self) -> str:
        """Return its type as staff read it: "text, up to 40"."""
        words = _WORDS.get(self.type, self.type)
        if self.type in {"picklist", "multipicklist"}:
            return f"{words}, {'only its values' if self.restricted else 'its values and others'}"
        if self.type == "reference":
            return f"id of {' or '.join(self.refers_to)}" if self.refers_to else words
        return f"{words}, up to {self.length}" if self.length else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Hold an object's fields; they are found in any spelling of case, as Salesforce does."""

    object_type: str
    fields: Mapping[str, FieldType] = field(default_factory=dict)

    def find(self, name: str) -> FieldType | None:
        """Return a field, if the object has it and we may see it."""
        return self.fields.get(name.lower())


_WORDS: Mapping[str, str] = {
    "boolean": "yes or no",
    "combobox": "text",
    "currency": "amount",
    "datetime": "date and time",
    "double": "number",
    "email": "e-mail address",
    "int": "whole number",
    "multipicklist": "several of a list",
    "percent": "percentage",
    "picklist": "one of a list",
    "reference": "id",
    "string": "text",
    "textarea": "long text",
}


def make_schema(object_type: str, *fields: FieldType) -> Schema:
    """Return a schema with these fields."""
    return Schema(object_type=object_type, fields={item.name.lower(): item for item in fields})


def read_schema(object_type: str, body: Any) -> Schema:
    """Return the schema that a describe answer tells of.

    Raises:
        TemporaryError: it is no describe answer.
    """
    try:
        return make_schema(object_type, *_fields(body["fields"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TemporaryError(
            f"Salesforce described {object_type} in an unknown shape.",
            hint="Nothing to do: it is tried again.",
        ) from error


def load(
    client: SalesforceClient, object_type: str, *, scope: str, at_once: bool = False
) -> Schema:
    """Return an object's schema; `scope` names the organisation and the user who asks.

    `at_once` asks for all of it anew: that a user lost the right to a field changes no object's date.

    Raises:
        IntegrationError: Salesforce does not answer, or hides the object.
    """
    key = _key(scope, object_type)
    known = None if at_once else cached(key)
    if known and time.time() - known["asked_at"] < FRESH_SECONDS:
        return read_schema(object_type, known["body"])
    headers = {"If-Modified-Since": known["modified"]} if known and known["modified"] else None
    path = f"{client.data_path}/sobjects/{object_type}/describe"
    reply = client.send("GET", path, headers=headers)
    if known and reply.status == 304:
        body, modified = known["body"], known["modified"]
    else:
        body, modified = _kept_part(reply.require()), reply.modified
    schema = read_schema(object_type, body)
    keep(key, {"body": body, "modified": modified, "asked_at": time.time()})
    return schema


def _fields(items: Any) -> Iterator[FieldType]:
    for item in items:
        yield FieldType(
            name=str(item["name"]),
            type=str(item.get("type") or "string").lower(),
            label=str(item.get("label") or item["name"]),
            length=int(item.get("length") or 0),
            precision=int(item.get("precision") or item.get("digits") or 0),
            scale=int(item.get("scale") or 0),
            createable=bool(item.get("createable")),
            updateable=bool(item.get("updateable")),
            nillable=bool(item.get("nillable", True)),
            defaulted=bool(item.get("defaultedOnCreate")),
            restricted=bool(item.get("restrictedPicklist")),
            external_id=bool(item.get("externalId")),
            unique=bool(item.get("unique")),
            choices=tuple(
                (str(choice["value"]), str(choice.get("label") or choice["value"]))
                for choice in item.get("picklistValues") or ()
                if choice.get("active")
            ),
            refers_to=tuple(map(str, item.get("referenceTo") or ())),
        )


_PARTS = (
    "name", "type", "label", "length", "precision", "digits", "scale", "createable", "updateable", "nillable",
    "defaultedOnCreate", "restrictedPicklist", "externalId", "unique", "picklistValues", "referenceTo",
)  # fmt: skip


def _kept_part(body: Any) -> Any:
    """Return of an answer what is read: a describe can be half a megabyte."""
    if not isinstance(body, Mapping) or not isinstance(body.get("fields"), list):
        return body
    return {
        "fields": [
            {name: item[name] for name in _PARTS if name in item}
            for item in body["fields"]
            if isinstance(item, Mapping)
        ]
    }


def _key(scope: str, object_type: str) -> str:
    return f"describe:{hashlib.sha256(f'{scope}|{object_type}'.encode()).hexdigest()}"


def cached(key: str) -> dict[str, Any] | None:
    """Return what is kept; a cache that is away only means that Salesforce is asked."""
    try:
        found: dict[str, Any] | None = cache.get(key)
    except (redis.RedisError, OSError) as error:
        logger.warning("No cache, Salesforce is asked: error=%s", type(error).__name__)
        return None
    return found


def keep(key: str, entry: Mapping[str, Any], *, seconds: int = _KEPT_SECONDS) -> None:
    """Keep what Salesforce answered for all processes; a cache that is away only means that it is asked again."""
    try:
        cache.set(key, dict(entry), timeout=seconds)
    except (redis.RedisError, OSError) as error:
        logger.warning("An answer was not cached: error=%s", type(error).__name__)
