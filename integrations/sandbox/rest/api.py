"""The door of the REST interfaces: one prefix, and below it the store, its tokens, Brevo, Vitally and Lever."""

from urllib.parse import unquote, urlsplit

from werkzeug.wrappers import Request, Response

from integrations.sandbox.rest import brevo, doors, lever, store, vitally
from integrations.sandbox.rest.world import RestRefusal, RestWorld
from integrations.sandbox.web import Json, bearer, reply


class RestApi:
    """Serve every interface under one prefix."""

    def __init__(self, world: RestWorld) -> None:
        self._world = world
        self.lock = world.lock

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Answer a request. The caller holds the lock."""
        try:
            return self._answer(request, _parts(request), base=base)
        except RestRefusal as refusal:
            return reply(refusal.body, status=refusal.status)

    def _answer(self, request: Request, parts: list[str], *, base: str) -> Response:
        world = self._world
        match parts:
            case ["oauth", "token"] if request.method == "POST":
                return doors.give_token(world, request)
            case ["api", *rest]:
                return store.serve(world, request, rest, base=f"{base}/rest/api")
            case ["brevo", "v3", *rest]:
                return brevo.serve(world, request, rest)
            case ["vitally", "resources", *rest]:
                return vitally.serve(world, request, rest)
            case ["lever", "v1", *rest]:
                return lever.serve(world, request, rest)
        raise RestRefusal(404, {"message": "There is no such interface."})

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return a 429; Brevo tells the wait in a header of its own."""
        response = reply({"code": "too_many_requests", "message": "Too many requests."}, status=429)
        if retry_after is not None:
            name = "x-sib-ratelimit-reset" if path.startswith("/brevo/") else "Retry-After"
            response.headers[name] = str(int(retry_after))
        return response

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return an error body for a status."""
        return reply({"code": "error", "message": "The server could not answer."}, status=status)

    def injected(self, request: Request, params: Json) -> Response:
        """Return an answer with a chosen body."""
        return reply(params.get("body", {}), status=int(params.get("status", 400)))

    def expire_tokens(self, request: Request) -> Response | None:
        """End every access token; a key that does not expire is refused this once."""
        with self.lock:
            if bearer(request) in self._world.tokens:
                self._world.tokens.clear()
            else:
                self._world.refuses_next = True
        return None


def _parts(request: Request) -> list[str]:
    """Return the path's segments below the prefix as they were sent: an encoded slash belongs to its segment."""
    raw = urlsplit(str(request.environ.get("REQUEST_URI", request.path))).path
    return [unquote(part) for part in raw.strip("/").split("/")[1:]]
