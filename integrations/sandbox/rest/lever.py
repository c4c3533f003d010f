"""A part of Lever: opportunities by e-mail address, and their notes, which cannot be changed.

Sources: https://hire.lever.co/developer/documentation https://hire.lever.co/developer/support
"""

from werkzeug.wrappers import Request, Response

from integrations.sandbox.rest import doors
from integrations.sandbox.rest.world import RestRefusal, RestWorld
from integrations.sandbox.web import Json, read_object, reply


def serve(world: RestWorld, request: Request, parts: list[str]) -> Response:
    """Answer a request below /rest/lever/v1. Raises RestRefusal."""
    missing = _refusal(401, "Unauthorized", "The API key is not valid.")
    doors.require_key(world, request, key=world.config.rest_lever_key, refusal=missing)
    match request.method, parts:
        case "GET", ["users"]:
            return reply({"data": [{"id": "user-1", "name": "Olivia Owens"}], "hasNext": False})
        case "GET", ["opportunities"]:
            return reply({"data": _opportunities(world, request), "hasNext": False})
        case "GET", ["opportunities", key, "notes"]:
            return reply({"data": _notes(world, _opportunity(world, key)), "hasNext": False})
        case "POST", ["opportunities", key, "notes"]:
            return _add(world, _opportunity(world, key), request)
        case "DELETE", ["opportunities", key, "notes", note]:
            _opportunity(world, key)
            if world.table("lever_notes").pop(note, None) is None:
                raise _refusal(404, "ResourceNotFound", "Note was not found")
            return Response(status=204)
    raise _refusal(404, "ResourceNotFound", "There is no such resource")


def _opportunities(world: RestWorld, request: Request) -> list[Json]:
    email = request.args.get("email", "").lower()
    return [
        row
        for row in world.table("opportunities").values()
        if not email or email in map(str.lower, row["emails"])
    ]


def _opportunity(world: RestWorld, key: str) -> str:
    if key not in world.table("opportunities"):
        raise _refusal(404, "ResourceNotFound", "Opportunity was not found")
    return key


def _notes(world: RestWorld, opportunity: str) -> list[Json]:
    rows = world.table("lever_notes").values()
    return [_shown(row) for row in rows if row["opportunity"] == opportunity]


def _add(world: RestWorld, opportunity: str, request: Request) -> Response:
    try:
        body = read_object(request)
    except ValueError as error:
        raise _refusal(400, "BadRequest", "The body is not a JSON object") from error
    text = body.get("value")
    if not isinstance(text, str) or not text:
        raise _refusal(400, "BadRequest", "value is required")
    key, now = f"lever-note-{world.number()}", int(world.clock.now().timestamp() * 1000)
    note = {
        "id": key, "opportunity": opportunity, "text": text, "user": request.args.get("perform_as"),
        "fields": [{"type": "note", "text": "Notes", "value": text}], "secret": bool(body.get("secret")),
        "createdAt": body.get("createdAt", now), "completedAt": now, "deletedAt": None,
    }  # fmt: skip
    world.table("lever_notes")[key] = note
    return reply({"data": _shown(note)}, status=201)


def _shown(note: Json) -> Json:
    return {name: value for name, value in note.items() if name != "opportunity"}


def _refusal(status: int, code: str, message: str) -> RestRefusal:
    return RestRefusal(status, {"code": code, "message": message})
