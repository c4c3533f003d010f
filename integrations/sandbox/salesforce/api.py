"""The door of the org: token, daily limit, version, then the handler."""

from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from integrations.sandbox.salesforce import auth, composite, sobjects
from integrations.sandbox.salesforce.authorize import authorize
from integrations.sandbox.salesforce.call import Call
from integrations.sandbox.salesforce.errors import SalesforceError
from integrations.sandbox.salesforce.org import SalesforceOrg
from integrations.sandbox.web import Json, bearer, reply

Handler = Callable[..., Response]
ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/", sobjects.resources),
    ("GET", "/limits", sobjects.limits),
    ("GET", "/query", sobjects.query),
    ("GET", "/queryAll", sobjects.query_all),
    ("GET", "/query/<locator>-<int:start>", sobjects.query_more),
    ("GET", "/sobjects", sobjects.objects),
    ("POST", "/sobjects/<name>", sobjects.create),
    ("GET", "/sobjects/<name>/describe", sobjects.describe),
    ("GET", "/sobjects/<name>/<key>", sobjects.read),
    ("PATCH", "/sobjects/<name>/<key>", sobjects.update),
    ("DELETE", "/sobjects/<name>/<key>", sobjects.delete),
    ("GET", "/sobjects/<name>/<field>/<path:value>", sobjects.read_external),
    ("PATCH", "/sobjects/<name>/<field>/<path:value>", sobjects.upsert),
    ("DELETE", "/sobjects/<name>/<field>/<path:value>", sobjects.delete_external),
    ("POST", "/composite/sobjects", composite.create_all),
    ("PATCH", "/composite/sobjects", composite.update_all),
    ("PATCH", "/composite/sobjects/<name>/<field>", composite.upsert_all),
    ("POST", "/composite", composite.composite),
]
FALLBACK_CODES = {
    401: "INVALID_SESSION_ID",
    403: "REQUEST_LIMIT_EXCEEDED",
    404: "NOT_FOUND",
    429: "REQUEST_LIMIT_EXCEEDED",
    503: "SERVER_UNAVAILABLE",
}


class SalesforceApi:
    """Serve log-in and instance under one prefix."""

    def __init__(self, org: SalesforceOrg) -> None:
        self._org = org
        self.lock = org.lock
        prefix = "/services/data/<version>"
        self._urls = Map(
            [
                Rule(prefix + path, endpoint=handler, methods=[method])
                for method, path, handler in ROUTES
            ],
            strict_slashes=False,
            merge_slashes=False,
        ).bind("harbor.my.salesforce.com")

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Answer a call. The caller holds the lock."""
        if path.startswith("/services/oauth2/"):
            return self._authorized(request, path=path.rstrip("/"), base=base)
        if path.rstrip("/") == "/services/data":
            return sobjects.versions()
        response = self._checked(request, path)
        used, most = self._org.calls, self._org.config.salesforce_daily_limit
        response.headers["Sforce-Limit-Info"] = f"api-usage={used}/{most}"
        return response

    def _authorized(self, request: Request, *, path: str, base: str) -> Response:
        match request.method, path.rpartition("/")[2]:
            case "POST", "token":
                return auth.token(self._org, request, base=base)
            case "POST", "revoke":
                return auth.revoke(self._org, request)
            case "GET", "authorize":
                return authorize(self._org, request)
        return self.error(request, path=path, status=404)

    def _checked(self, request: Request, path: str) -> Response:
        revoked = self._org.faults.standing(service="salesforce", kind="token_revoked")
        if revoked or bearer(request) not in self._org.tokens:
            return _refused(SalesforceError("INVALID_SESSION_ID"))
        if self._org.calls >= self._org.config.salesforce_daily_limit:
            return _refused(SalesforceError("REQUEST_LIMIT_EXCEEDED"))
        self._org.calls += 1
        return self._performed(request, path)

    def _performed(self, request: Request, path: str) -> Response:
        """Run a handler; a composite call comes back here for each of its parts."""
        try:
            handler, arguments = self._match(path, request.method)
            call = Call(self._org, request, arguments.pop("version"))
            if handler is composite.composite:
                arguments["perform"] = lambda part: self._performed(part, part.path)
            return handler(call, **arguments)
        except SalesforceError as error:
            return _refused(error)

    def _match(self, path: str, method: str) -> tuple[Handler, dict[str, Any]]:
        try:
            handler, arguments = self._urls.match(path, method=method)
        except NotFound as error:
            raise SalesforceError("NOT_FOUND") from error
        except MethodNotAllowed as error:
            message = f"HTTP Method '{method}' not allowed."
            raise SalesforceError("METHOD_NOT_ALLOWED", message, status=405) from error
        known = {f"v{number}" for number, _ in sobjects.VERSIONS}
        if arguments["version"] not in known:
            raise SalesforceError("NOT_FOUND")
        found: Handler = handler
        return found, dict(arguments)

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return a 429."""
        response = self.error(request, path=path, status=429)
        if retry_after is not None:
            response.headers["Retry-After"] = str(int(retry_after))
        return response

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return an error body for a status."""
        if path.startswith("/services/oauth2"):
            body = {"error": "unknown_error", "error_description": "retry your request"}
            return reply(body, status=status)
        code = FALLBACK_CODES.get(status, "UNKNOWN_EXCEPTION")
        return reply(SalesforceError(code).body(), status=status)

    def injected(self, request: Request, params: Json) -> Response:
        """Return an error with a chosen code, message, fields and status."""
        error = SalesforceError(
            str(params.get("errorCode", "UNKNOWN_EXCEPTION")),
            params.get("message"),
            fields=params.get("fields") or (),
            status=params.get("status"),
            more=params.get("more"),
        )
        return _refused(error)

    def expire_tokens(self, request: Request) -> Response | None:
        """End every session; the request itself is then answered as usual."""
        with self.lock:
            self._org.tokens.end_sessions()
        return None


def _refused(error: SalesforceError) -> Response:
    return reply(error.body(), status=error.status)
