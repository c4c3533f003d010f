"""Who may come in: bearer, basic and header credentials, and tokens that are given for client id and secret."""

import secrets
import time

from werkzeug.wrappers import Request, Response

from integrations.sandbox.rest.world import RestRefusal, RestWorld
from integrations.sandbox.web import bearer, reply


def require_any(world: RestWorld, request: Request) -> str:
    """Return how a caller of the store said who it is. Raises RestRefusal."""
    _require_standing(world)
    config, given = world.config, request.authorization
    if (token := bearer(request)) is not None:
        if token == config.rest_token:
            return "bearer"
        if world.tokens.get(token, 0) > time.monotonic():
            return "oauth"
    elif given is not None and given.type == "basic":
        if (given.username, given.password) == (config.rest_username, config.rest_password):
            return "basic"
    elif request.headers.get("X-Api-Key") == config.rest_api_key:
        return "header"
    raise RestRefusal(401, {"message": "The credentials are not accepted."})


def require_key(world: RestWorld, request: Request, *, key: str, refusal: RestRefusal) -> None:
    """Check an API key that takes the user's place in Basic authentication. Raises the refusal."""
    _require_standing(world, refusal=refusal)
    given = request.authorization
    if given is None or given.type != "basic" or (given.username, given.password) != (key, ""):
        raise refusal


def require_header(
    world: RestWorld, request: Request, *, name: str, key: str, refusal: RestRefusal
) -> None:
    """Check an API key in a header of its own. Raises the refusal."""
    _require_standing(world, refusal=refusal)
    if request.headers.get(name) != key:
        raise refusal


def give_token(world: RestWorld, request: Request) -> Response:
    """Answer a request for a token.

    Source: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
    """
    config, form, given = world.config, request.form, request.authorization
    basic = given is not None and given.type == "basic"
    pair = (given.username, given.password) if given is not None and basic else (form.get("client_id"), form.get("client_secret"))  # fmt: skip
    revoked = world.faults.standing(service="rest", kind="token_revoked")
    if revoked or pair != (config.rest_client_id, config.rest_client_secret):
        return reply(
            {"error": "invalid_client", "error_description": "The client is not known."}, status=401
        )
    if form.get("grant_type") != "client_credentials":
        return reply({"error": "unsupported_grant_type"}, status=400)
    if "refused" in form.get("scope", ""):
        return reply({"error": "invalid_scope"}, status=400)
    token = f"rest-{secrets.token_hex(12)}"
    world.tokens[token] = time.monotonic() + config.rest_token_seconds
    return reply(
        {"access_token": token, "token_type": "bearer", "expires_in": config.rest_token_seconds}
    )


def _require_standing(world: RestWorld, *, refusal: RestRefusal | None = None) -> None:
    refused, world.refuses_next = world.refuses_next, False
    if refused or world.faults.standing(service="rest", kind="token_revoked"):
        raise refusal or RestRefusal(401, {"message": "The credentials are not accepted any more."})
