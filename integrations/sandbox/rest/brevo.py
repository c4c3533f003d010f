"""A part of Brevo: contacts in lists, and events.

Sources: https://developers.brevo.com/reference/create-contact https://developers.brevo.com/reference/update-contact
https://developers.brevo.com/reference/create-event
"""

import re

from werkzeug.wrappers import Request, Response

from integrations.sandbox.rest import doors
from integrations.sandbox.rest.world import LISTS, RestRefusal, RestWorld
from integrations.sandbox.web import Json, read_object, reply

EVENT_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
PHONE = re.compile(r"(\+|00)?\d{6,20}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def serve(world: RestWorld, request: Request, parts: list[str]) -> Response:
    """Answer a request below /rest/brevo/v3. Raises RestRefusal."""
    missing = refusal("unauthorized", "Key not found", status=401)
    doors.require_header(
        world, request, name="api-key", key=world.config.rest_brevo_key, refusal=missing
    )
    match request.method, parts:
        case "GET", ["account"]:
            return reply({"email": "sandbox@harbor.example", "companyName": "Harbor Consulting"})
        case "POST", ["contacts"]:
            return _create(world, _object(request))
        case "GET", ["contacts", identifier]:
            return reply(_contact(world, identifier))
        case "PUT", ["contacts", identifier]:
            _change(_contact(world, identifier), _object(request))
            return Response(status=204)
        case "POST", ["events"]:
            return _event(world, _object(request))
    raise refusal("not_found", "There is no such route", status=404)


def refusal(code: str, message: str, *, status: int = 400) -> RestRefusal:
    """Return an error in Brevo's form."""
    return RestRefusal(status, {"code": code, "message": message})


def _create(world: RestWorld, body: Json) -> Response:
    email = str(body.get("email") or "").lower()
    if not email:
        raise refusal("missing_parameter", "Missing email, ext_id or SMS")
    if not EMAIL.fullmatch(email):
        raise refusal("invalid_parameter", "Invalid email address")
    known = _by_email(world, email)
    if known and not body.get("updateEnabled"):
        raise refusal("duplicate_parameter", "Contact already exist")
    if known:
        _change(known, body)
        return Response(status=204)
    made: Json = {"id": world.number(), "email": email, "listIds": [], "attributes": {}}
    _change(made, body)
    world.table("contacts")[str(made["id"])] = made
    return reply({"id": made["id"]}, status=201)


def _change(contact: Json, body: Json) -> None:
    added, taken = body.get("listIds") or [], body.get("unlinkListIds") or []
    if any(not isinstance(item, int) for item in (*added, *taken)):
        raise refusal("invalid_parameter", "List ids must be integers")
    if unknown := {*added, *taken} - LISTS.keys():
        raise refusal("invalid_parameter", f"List {min(unknown)} does not exist")
    attributes = body.get("attributes") or {}
    if "SMS" in attributes and not PHONE.fullmatch(str(attributes["SMS"])):
        raise refusal("invalid_parameter", "Invalid phone number")
    contact["attributes"] = {**contact["attributes"], **attributes}
    contact["listIds"] = sorted({*contact["listIds"], *added} - set(taken))


def _event(world: RestWorld, body: Json) -> Response:
    name, identifiers = str(body.get("event_name") or ""), body.get("identifiers")
    if not EVENT_NAME.fullmatch(name):
        raise refusal("invalid_parameter", "event_name is invalid")
    if not isinstance(identifiers, dict) or not identifiers:
        raise refusal("missing_parameter", "identifiers is missing")
    key = str(world.number())
    world.table("events")[key] = {"id": key, **body}
    return Response(status=204)


def _contact(world: RestWorld, identifier: str) -> Json:
    found = world.table("contacts").get(identifier) or _by_email(world, identifier.lower())
    if found is None:
        raise refusal("document_not_found", "Contact does not exist", status=404)
    return found


def _by_email(world: RestWorld, email: str) -> Json | None:
    return next((row for row in world.table("contacts").values() if row["email"] == email), None)


def _object(request: Request) -> Json:
    try:
        return read_object(request)
    except ValueError as error:
        raise refusal("bad_request", "Input must be a valid JSON object") from error
