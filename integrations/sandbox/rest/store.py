"""A store for anything: POST, GET, PUT, PATCH and DELETE of things, by id or by what they hold."""

from typing import Any

from werkzeug.wrappers import Request, Response

from integrations.sandbox.rest import doors
from integrations.sandbox.rest.world import RestRefusal, RestWorld
from integrations.sandbox.web import Json, read_json, reply

KEY = "Idempotency-Key"


def serve(world: RestWorld, request: Request, parts: list[str], *, base: str) -> Response:
    """Answer a request below /rest/api. Raises RestRefusal."""
    who = doors.require_any(world, request)
    match request.method, parts:
        case "GET", ["me"]:
            return reply({"data": {"auth": who}})
        case _, ["echo"]:
            return reply({"data": {"headers": dict(request.headers), "body": _body(request)}})
        case "GET", ["things"]:
            return reply({"data": _matching(world, request), "hasMore": False})
        case "POST", ["things"]:
            return _once(world, request, base=base)
        case _, ["things", key]:
            return _one(world, request, key, base=base)
    raise RestRefusal(404, {"message": "There is no such thing."})


def _once(world: RestWorld, request: Request, *, base: str) -> Response:
    """Make a thing, or answer as before where keys are honoured and this one is known."""
    given = request.headers.get(KEY, "")
    if world.config.rest_honours_keys and given in world.answered:
        status, body = world.answered[given]
        return reply(body, status=status)
    key = f"thing-{world.number()}"
    body = {"data": _put(world, key, _object(request), base=base)}
    world.answered[given] = (201, body)
    return reply(body, status=201)


def _one(world: RestWorld, request: Request, key: str, *, base: str) -> Response:
    things = world.table("things")
    if request.method == "PUT":
        status = 200 if key in things else 201
        return reply({"data": _put(world, key, _object(request), base=base)}, status=status)
    if key not in things:
        raise RestRefusal(404, {"message": f"There is no thing {key}."})
    match request.method:
        case "GET":
            return reply({"data": things[key]})
        case "PATCH" | "POST":
            return reply({"data": _put(world, key, things[key] | _object(request), base=base)})
        case "DELETE":
            del things[key]
            return Response(status=204)
    raise RestRefusal(405, {"message": "There is no such method."})


def _put(world: RestWorld, key: str, row: Json, *, base: str) -> Json:
    made = {**row, "id": key, "url": f"{base}/things/{key}"}
    world.table("things")[key] = made
    return made


def _matching(world: RestWorld, request: Request) -> list[Json]:
    wanted = request.args.to_dict()
    return [
        row
        for row in world.table("things").values()
        if all(str(row.get(name)) == value for name, value in wanted.items())
    ]


def _object(request: Request) -> Json:
    body = _body(request)
    if not isinstance(body, dict):
        raise RestRefusal(400, {"message": "The body is not a JSON object."})
    if "refuse" in body:
        raise RestRefusal(422, {"errors": [{"message": f"refuse is {body['refuse']!r}"}]})
    return body


def _body(request: Request) -> Any:
    if "form" in (request.mimetype or ""):
        return request.form.to_dict()
    try:
        return read_json(request)
    except ValueError as error:
        raise RestRefusal(400, {"message": "The body is not JSON."}) from error
