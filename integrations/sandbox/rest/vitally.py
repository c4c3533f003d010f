"""A part of Vitally: finding a user by e-mail address, and notes that are one for each external id.

Its documentation shows no body of an error; the ones here are invented.
Sources: https://docs.vitally.io/pushing-data-to-vitally/rest-api https://docs.vitally.io/pushing-data-to-vitally/rest-api/notes
"""

from werkzeug.wrappers import Request, Response

from integrations.sandbox.clock import micro
from integrations.sandbox.rest import doors
from integrations.sandbox.rest.world import RestRefusal, RestWorld
from integrations.sandbox.web import Json, read_object, reply

_FIELDS = ("note", "noteDate", "subject", "authorId", "categoryId", "tags", "traits")
_IDENTIFIERS = ("email", "externalId", "emailSubdomain")


def serve(world: RestWorld, request: Request, parts: list[str]) -> Response:
    """Answer a request below /rest/vitally/resources. Raises RestRefusal."""
    missing = _refusal(401, "Unauthorized")
    doors.require_key(world, request, key=world.config.rest_vitally_key, refusal=missing)
    response = _answer(world, request, parts)
    response.headers["RateLimit-Limit"] = "1000, 1000;window=60"
    response.headers["RateLimit-Remaining"] = "999"
    return response


def _answer(world: RestWorld, request: Request, parts: list[str]) -> Response:
    notes = world.table("notes")
    match request.method, parts:
        case "GET", ["accounts"]:
            return reply({"results": list(world.table("accounts").values()), "next": None})
        case "GET", ["users", "search"]:
            return reply({"results": _users(world, request), "next": None})
        case "POST", ["notes"]:
            return reply(_upsert(world, _object(request)))
        case "PUT", ["notes", key] if key in notes:
            return reply(_change(world, notes[key], _object(request)))
        case "GET", ["notes", key] if key in notes:
            return reply(notes[key])
        case "DELETE", ["notes", key] if key in notes:
            return reply(notes.pop(key))
    raise _refusal(404, "Not found")


def _users(world: RestWorld, request: Request) -> list[Json]:
    given = {name: value for name, value in request.args.items() if name in _IDENTIFIERS}
    if len(given) != 1:
        raise _refusal(400, "Exactly one of externalId, email, emailSubdomain is required")
    ((name, value),) = given.items()
    return [
        row for row in world.table("users").values() if str(row.get(name)).lower() == value.lower()
    ]


def _upsert(world: RestWorld, body: Json) -> Json:
    if not body.get("note") or not body.get("noteDate"):
        raise _refusal(400, "note and noteDate are required")
    if body.get("accountId") not in world.table("accounts"):
        raise _refusal(400, "accountId or organizationId is required")
    wanted = body.get("externalId")
    known = next(
        (row for row in world.table("notes").values() if wanted and row["externalId"] == wanted),
        None,
    )
    if known is None:
        key = f"note-{world.number()}"
        known = {
            "id": key,
            "externalId": wanted,
            "accountId": body["accountId"],
            "archivedAt": None,
        }
        known["createdAt"] = micro(world.clock.now())
        world.table("notes")[key] = known
    return _change(world, known, body)


def _change(world: RestWorld, note: Json, body: Json) -> Json:
    note |= {name: body[name] for name in _FIELDS if name in body}
    note["updatedAt"] = micro(world.clock.now())
    return note


def _object(request: Request) -> Json:
    try:
        return read_object(request)
    except ValueError as error:
        raise _refusal(400, "Bad Request") from error


def _refusal(status: int, message: str) -> RestRefusal:
    return RestRefusal(status, {"message": message})
