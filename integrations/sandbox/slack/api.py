"""The door of the workspace: Web API methods, incoming webhooks, and installing the app."""

import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from integrations.sandbox.slack import blocks, directory, messages
from integrations.sandbox.slack.errors import RateLimited, SlackError
from integrations.sandbox.slack.workspace import SlackWorkspace
from integrations.sandbox.web import Json, bearer, read_json, reply, text

METHODS: dict[str, Callable[[SlackWorkspace, Json], Json]] = {
    "api.test": lambda workspace, args: {"args": args},
    "auth.test": directory.auth_test,
    "chat.delete": messages.delete,
    "chat.getPermalink": messages.permalink,
    "chat.postMessage": messages.post,
    "chat.update": messages.update,
    "conversations.history": messages.history,
    "conversations.info": directory.channel,
    "conversations.join": directory.join,
    "conversations.list": directory.channels,
    "conversations.open": directory.open_direct,
    "conversations.replies": messages.replies,
    "oauth.v2.access": directory.access,
    "users.info": directory.user,
    "users.list": directory.users,
    "users.lookupByEmail": directory.user_by_email,
}
OPEN_METHODS = frozenset({"api.test", "oauth.v2.access"})
WEBHOOK_STATUSES = {"no_service": 404, "channel_is_archived": 410}
FALLBACK_CODES = {401: "invalid_auth", 503: "service_unavailable"}


class SlackApi:
    """Serve the Web API and incoming webhooks under one prefix."""

    def __init__(self, workspace: SlackWorkspace) -> None:
        self._workspace = workspace
        self._expired = False
        self.lock = workspace.lock

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Answer a call. The caller holds the lock."""
        if path.startswith("/services/"):
            return self._webhook(request, path.removeprefix("/services/"))
        if path == "/oauth/v2/authorize":
            return self._authorize(request)
        try:
            name = path.removeprefix("/api/").strip("/")
            return reply({"ok": True, **self._method(request, name)})
        except SlackError as error:
            return reply(error.body())
        except RateLimited as error:
            return self.rate_limited(path=path, retry_after=error.retry_after)

    def _method(self, request: Request, name: str) -> Json:
        args = arguments(request)
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method")
        if name not in OPEN_METHODS:
            self._check_token(bearer(request) or args.pop("token", None))
        return method(self._workspace, args)

    def _check_token(self, token: str | None) -> None:
        expired, self._expired = self._expired, False
        if token is None:
            raise SlackError("not_authed")
        if self._workspace.faults.standing(service="slack", kind="token_revoked"):
            raise SlackError("token_revoked")
        if expired:
            raise SlackError("token_expired")
        if token not in self._workspace.tokens:
            raise SlackError("invalid_auth")

    def _webhook(self, request: Request, secret: str) -> Response:
        """Take a message for an incoming webhook.

        Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
        """
        try:
            self._post_by_hook(secret, _payload(request))
        except SlackError as error:
            return text(error.code, status=WEBHOOK_STATUSES.get(error.code, 400))
        except RateLimited as error:
            return self.rate_limited(path="/services/", retry_after=error.retry_after)
        return text("ok")

    def _post_by_hook(self, secret: str, payload: Json) -> None:
        channel = self._workspace.hooks.get(secret.strip("/"))
        if channel is None:
            raise SlackError("no_service")
        if self._workspace.channels[channel]["is_archived"]:
            raise SlackError("channel_is_archived")
        said = messages.content(payload)
        self._workspace.pace(channel)
        author = {"subtype": "bot_message", "bot_id": secret.split("/")[1]}
        self._workspace.post(channel, author | said, thread_ts=payload.get("thread_ts"))

    def _authorize(self, request: Request) -> Response:
        state = {"state": request.args["state"]} if "state" in request.args else {}
        target = request.args.get("redirect_uri", "")
        if not target.startswith(("http://", "https://")):
            return text("bad_redirect_uri", status=400)
        code = f"sandbox-code-{secrets.token_hex(8)}"
        return redirect(f"{target}?{urlencode({'code': code, **state})}", code=302)

    def rate_limited(self, *, path: str, retry_after: float | None) -> Response:
        """Return a 429."""
        webhook = path.startswith("/services/")
        response = text("rate_limited") if webhook else reply(SlackError("ratelimited").body())
        response.status_code = 429
        if retry_after is not None:
            response.headers["Retry-After"] = str(int(retry_after))
        return response

    def error(self, *, path: str, status: int) -> Response:
        """Return an error body for a status."""
        code = FALLBACK_CODES.get(status, "internal_error")
        if path.startswith("/services/"):
            return text(code, status=status)
        return reply(SlackError(code).body(), status=status)

    def injected(self, params: Json) -> Response:
        """Return an error with a chosen code."""
        code = str(params.get("code", "internal_error"))
        return reply(SlackError(code).body(), status=int(params.get("status", 200)))

    def expire_tokens(self, request: Request) -> Response | None:
        """Refuse this one request with token_expired: bot tokens here do not rotate."""
        with self.lock:
            self._expired = True
        return None


def arguments(request: Request) -> Json:
    """Return a method's arguments from query, form and JSON. Raises SlackError."""
    args: Json = {**request.args.to_dict(), **request.form.to_dict()}
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        args |= {"client_id": basic.username, "client_secret": basic.password}
    if request.mimetype != "application/json":
        return args
    try:
        data = read_json(request)
    except ValueError as error:
        raise SlackError("invalid_json") from error
    if data is not None and not isinstance(data, dict):
        raise SlackError("json_not_object")
    return args | (data or {})


def _payload(request: Request) -> Json:
    try:
        data = read_json(request)
    except ValueError as error:
        raise SlackError("invalid_payload") from error
    if not isinstance(data, dict):
        raise SlackError("invalid_payload")
    if data.get("blocks"):
        _check_hook_blocks(data)
    return data


def _check_hook_blocks(data: Json) -> None:
    try:
        blocks.checked(data["blocks"])
    except SlackError as error:
        raise SlackError("invalid_blocks") from error
