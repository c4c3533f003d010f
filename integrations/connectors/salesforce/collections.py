"""Send the same kind of request for many meetings in one call, and give each its own answer.

A single request travels as it would anyway. What Salesforce refuses as a whole wrote nothing, for the sake perhaps of
one record: it is sent again in halves, so that one meeting stops no other.

Sources: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any
from urllib.parse import unquote

from integrations.connectors.salesforce.client import Reply
from integrations.connectors.salesforce.errors import read_problem
from integrations.connectors.salesforce.looking import Inquiry
from integrations.errors import TemporaryError

MAX_RECORDS = 200
MAX_SUBREQUESTS = 25

_PATH = re.compile(r"(?P<root>/services/data/v[\d.]+)/sobjects/(?P<rest>[^?]+)(?P<query>\?.*)?")
_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


class Kind(IntEnum):
    """What a request does, in the order in which a meeting needs it."""

    LOOK_UP = 1
    READ = 2
    CREATE = 3
    UPSERT = 4
    UPDATE = 5
    OTHER = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold a request that one meeting needs; `inquiry` is what a look-up asks for."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: bool = False
    inquiry: Inquiry | None = None

    @property
    def key(self) -> str:
        """Return what tells it from every other request."""
        return json.dumps([self.method, self.path, self.body, dict(self.headers)], sort_keys=True)

    @property
    def kind(self) -> Kind:
        """Return what it does."""
        if self.inquiry is not None:
            return Kind.LOOK_UP
        parts, has_query = self.parts, "?" in self.path
        names_record = len(parts) == 3 or (len(parts) == 2 and bool(_ID.fullmatch(parts[1])))
        if self.method == "GET" and names_record and not self.headers:
            return Kind.READ
        if self.method == "POST" and len(parts) == 1 and not has_query:
            return Kind.CREATE
        if self.method == "PATCH" and names_record and not has_query:
            return Kind.UPSERT if len(parts) == 3 else Kind.UPDATE
        return Kind.OTHER

    @property
    def record(self) -> str:
        """Return the id of the one record that it reads or changes, if it names one by that."""
        by_id = self.kind in {Kind.READ, Kind.UPDATE} and len(self.parts) == 2
        return self.parts[1] if by_id else ""

    @property
    def parts(self) -> tuple[str, ...]:
        """Return what it names of an object's records: `("Event", "Key__c", "1")`, or nothing."""
        match = _PATH.fullmatch(self.path)
        return tuple(match["rest"].split("/")) if match else ()

    @property
    def root(self) -> str:
        """Return where the API version begins."""
        match = _PATH.fullmatch(self.path)
        return match["root"] if match else self.path.removesuffix("/composite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold one call for many: what is sent, and what is each one's own part of it, in order."""

    method: str
    path: str
    headers: Mapping[str, str]
    holder: str
    parts: tuple[Any, ...]
    reads: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        return {"allOrNone": False, self.holder: list(self.parts)}

    def own_body(self, place: int) -> dict[str, Any]:
        """Return one's own part, and how many others travelled."""
        return {
            "allOrNone": False,
            self.holder: [self.parts[place]],
            "others in this call": len(self.parts) - 1,
        }


def groups(requests: Sequence[Request]) -> list[list[int]]:
    """Return which requests travel together, as places in the list: the same kind, object, field and headers.

    Only those that come first in a meeting are named; the others wait until these are answered, so that they travel
    with what needs the same then.
    """
    first = min((request.kind for request in requests), default=Kind.OTHER)
    found: dict[object, list[int]] = {}
    for place, request in enumerate(requests):
        if request.kind == first:
            found.setdefault(_together(request, place), []).append(place)
    most = MAX_SUBREQUESTS if first == Kind.READ else MAX_RECORDS
    return [
        places[at : at + most] for places in found.values() for at in range(0, len(places), most)
    ]


def _together(request: Request, place: int) -> object:
    """Return what those share that can travel in one call."""
    headers = tuple(sorted(request.headers.items()))
    match request.kind:
        case Kind.LOOK_UP | Kind.READ:
            return ()
        case Kind.CREATE | Kind.UPDATE:
            return request.parts[0], headers
        case Kind.UPSERT:
            return request.parts[:2], headers
    # What many ask in the same words, such as what fields an object has, is asked once.
    return request.key if request.method == "GET" else place


def call_of(requests: Sequence[Request]) -> Call:
    """Return the one call that does what requests of one group ask for."""
    first, headers = requests[0], dict(requests[0].headers)
    match first.kind:
        case Kind.READ:
            parts = tuple(_subrequest(one, place) for place, one in enumerate(requests))
            return Call(method="POST", path=f"{first.root}/composite", headers={}, holder="compositeRequest",
                        parts=parts, reads=True)  # fmt: skip
        case Kind.CREATE:
            method, where = "POST", ""
        case Kind.UPDATE:
            method, where = "PATCH", ""
        case _:
            method, where = "PATCH", f"/{first.parts[0]}/{first.parts[1]}"
    path = f"{first.root}/composite/sobjects{where}"
    parts = tuple(map(_record, requests))
    return Call(method=method, path=path, headers=headers, holder="records", parts=parts)


def _subrequest(request: Request, place: int) -> dict[str, Any]:
    return {"method": "GET", "url": request.path, "referenceId": f"record{place}"}


def _record(request: Request) -> dict[str, Any]:
    """Return a record as a collection takes it: with its type, and what it is found by."""
    found_by = {}
    if request.kind == Kind.UPDATE:
        found_by = {"id": request.parts[1]}
    if request.kind == Kind.UPSERT:
        found_by = {request.parts[1]: unquote(request.parts[2])}
    return {"attributes": {"type": request.parts[0]}, **found_by, **request.body}


def replies_of(call: Call, reply: Reply) -> list[Reply | None]:
    """Return each one's own answer; None for one that has to be asked alone to be understood.

    HTTP 200 wraps failures: each item tells its own.

    Raises:
        TemporaryError: it is no such answer; what was to be written may be.
    """
    try:
        if call.reads:
            return [_part(item) for item in _in_order(call, reply.body["compositeResponse"])]
        if len(reply.body) != len(call.parts):
            raise ValueError(len(reply.body))
        return [_item(item) for item in reply.body]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TemporaryError(
            "Salesforce answered a call for many in an unknown shape.",
            hint="Nothing to do: it is tried again, and looked for first.",
            ambiguous=not call.reads,
        ) from error


def _in_order(call: Call, answers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    by_reference = {answer["referenceId"]: answer for answer in answers}
    return [by_reference[part["referenceId"]] for part in call.parts]


def _part(answer: Mapping[str, Any]) -> Reply:
    status, body = int(answer["httpStatusCode"]), answer["body"]
    problem = None if status in {200, 204} else read_problem(status=status, body=body)
    return Reply(status=status, body=body, problem=problem)


def _item(item: Mapping[str, Any]) -> Reply | None:
    """Return an item's answer as a single write has it, whose error has `errorCode` for `statusCode`."""
    if item["success"]:
        return Reply(status=201 if item.get("created", True) else 200, body=item)
    error = {"errorCode": item["errors"][0]["statusCode"], **item["errors"][0]}
    if error["errorCode"] == "DUPLICATES_DETECTED" and not _names_duplicates(error):
        return None
    return Reply(
        status=400, body=[error], problem=read_problem(status=400, body=[error], write=True)
    )


def _names_duplicates(error: Mapping[str, Any]) -> bool:
    """Tell whether it says which records are the duplicates; a refusal that does not is asked for alone."""
    return bool(error.get("duplicateResut") or error.get("duplicateResult"))
