"""The door of the Calendly API: token, budget, scope, then the handler."""

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from integrations.sandbox.calendly import directory, groups, meetings, subscriptions
from integrations.sandbox.calendly.call import Call
from integrations.sandbox.calendly.errors import ApiError
from integrations.sandbox.calendly.limits import limit_headers
from integrations.sandbox.calendly.tokens import Token
from integrations.sandbox.calendly.world import CalendlyWorld
from integrations.sandbox.web import Json, bearer, reply

Handler = Callable[..., Json | None]
ROUTES: list[tuple[str, str, str, Handler]] = [
    ("GET", "/users/me", "users:read", directory.me),
    ("GET", "/users/<key>", "users:read", directory.user),
    ("GET", "/organizations/<key>", "organizations:read", directory.organization),
    ("GET", "/organization_memberships", "organizations:read", directory.memberships),
    ("GET", "/organization_memberships/<key>", "organizations:read", directory.membership),
    (
        "DELETE",
        "/organization_memberships/<key>",
        "organizations:write",
        directory.remove_membership,
    ),
    ("GET", "/event_types", "event_types:read", directory.event_types),
    ("GET", "/event_types/<key>", "event_types:read", directory.event_type),
    ("GET", "/event_type_memberships", "event_types:read", directory.event_type_memberships),
    ("GET", "/groups", "groups:read", groups.listing),
    ("GET", "/groups/<key>", "groups:read", groups.one),
    ("GET", "/group_relationships", "groups:read", groups.relationships),
    ("GET", "/group_relationships/<key>", "groups:read", groups.relationship),
    ("GET", "/routing_forms", "routing_forms:read", directory.routing_forms),
    ("GET", "/routing_forms/<key>", "routing_forms:read", directory.routing_form),
    ("GET", "/routing_form_submissions", "routing_forms:read", directory.submissions),
    ("GET", "/routing_form_submissions/<key>", "routing_forms:read", directory.submission),
    ("GET", "/scheduled_events", "scheduled_events:read", meetings.events),
    ("GET", "/scheduled_events/<key>", "scheduled_events:read", meetings.event),
    ("GET", "/scheduled_events/<key>/invitees", "scheduled_events:read", meetings.invitees),
    (
        "GET",
        "/scheduled_events/<event_key>/invitees/<key>",
        "scheduled_events:read",
        meetings.invitee,
    ),
    ("POST", "/scheduled_events/<key>/cancellation", "scheduled_events:write", meetings.cancel),
    ("POST", "/invitees", "scheduled_events:write", meetings.create_invitee),
    ("POST", "/invitee_no_shows", "scheduled_events:write", meetings.create_no_show),
    ("GET", "/invitee_no_shows/<key>", "scheduled_events:read", meetings.no_show),
    ("DELETE", "/invitee_no_shows/<key>", "scheduled_events:write", meetings.delete_no_show),
    ("GET", "/webhook_subscriptions", "webhooks:read", subscriptions.listing),
    ("POST", "/webhook_subscriptions", "webhooks:write", subscriptions.create),
    ("GET", "/webhook_subscriptions/<key>", "webhooks:read", subscriptions.one),
    ("DELETE", "/webhook_subscriptions/<key>", "webhooks:write", subscriptions.delete),
    ("GET", "/sample_webhook_data", "webhooks:read", subscriptions.sample),
]
SUCCESS = {"GET": 200, "POST": 201, "DELETE": 204}


class CalendlyApi:
    """Serve the API under one prefix."""

    def __init__(self, world: CalendlyWorld) -> None:
        self._world = world
        self.lock = world.lock
        self._scopes = {handler: scope for _, _, scope, handler in ROUTES}
        self._urls = Map(
            [Rule(path, endpoint=handler, methods=[method]) for method, path, _, handler in ROUTES],
            strict_slashes=False,
        ).bind("api.calendly.com")

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Answer a call. The caller holds the lock."""
        self._world.settle()
        if request.method != "GET":
            self._world.listings.clear()
        token = self._token(request)
        headers, over = self._spend(token)
        answer: Json | None
        try:
            if over:
                raise ApiError(429)
            answer = self._called(request, path=path, token=token)
            status = SUCCESS[request.method]
        except ApiError as error:
            answer, status = error.body, error.status
        headers |= {"X-Request-Id": uuid.uuid4().hex}
        if answer is None:
            return Response(status=status, headers=headers)
        response = reply(answer, status=status, headers=headers)
        response.set_etag(hashlib.md5(response.get_data(), usedforsecurity=False).hexdigest())
        return response

    def _token(self, request: Request) -> Token | None:
        if self._world.faults.standing(service="calendly", kind="token_revoked"):
            return None
        return self._world.tokens.find(bearer(request))

    def _spend(self, token: Token | None) -> tuple[dict[str, str], bool]:
        key = token.budget_key if token else "anonymous"
        used, reset = self._world.budget.spend(key)
        limit = self._world.config.calendly_requests_per_minute
        return limit_headers(limit=limit, used=used, reset=reset, key=key), used > limit

    def _called(self, request: Request, *, path: str, token: Token | None) -> Json | None:
        if token is None:
            raise ApiError(401)
        handler, arguments = self._match(path, request.method)
        call = Call(self._world, request, path, token)
        directory.require_scope(call, self._scopes[handler])
        return handler(call, **arguments)

    def _match(self, path: str, method: str) -> tuple[Handler, dict[str, Any]]:
        try:
            handler, arguments = self._urls.match(path, method=method)
        except (NotFound, MethodNotAllowed) as error:
            raise ApiError(404) from error
        found: Handler = handler
        return found, dict(arguments)

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return a 429 whose headers say that the budget is spent."""
        seconds = 1 if retry_after is None else int(retry_after)
        limit, token = self._world.config.calendly_requests_per_minute, self._token(request)
        key = token.budget_key if token else "anonymous"
        headers = limit_headers(limit=limit, used=limit, reset=seconds, key=key)
        if retry_after is not None:
            headers["Retry-After"] = str(seconds)
        return reply(ApiError(429).body, status=429, headers=headers)

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return an error for a status."""
        return self._refused(request, ApiError(status))

    def injected(self, request: Request, params: Json) -> Response:
        """Return an error with a chosen status, title and message."""
        title, message = params.get("title"), params.get("message")
        error = ApiError(int(params.get("status", 400)), title=title, message=message)
        return self._refused(request, error)

    def _refused(self, request: Request, error: ApiError) -> Response:
        with self.lock:
            headers, _ = self._spend(self._token(request))
        return reply(error.body, status=error.status, headers=headers)

    def expire_tokens(self, request: Request) -> Response | None:
        """End every OAuth access token; a personal token is refused for this one request."""
        with self.lock:
            self._world.tokens.expire()
            token = self._world.tokens.find(bearer(request))
        return self.error(request, path="", status=401) if token else None
