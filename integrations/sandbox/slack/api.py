"""The door of the workspace: Web API methods, incoming webhooks, and installing the app."""

from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from integrations.sandbox.slack import blocks, directory, install, messages, presses
from integrations.sandbox.slack.errors import RateLimited, SlackError
from integrations.sandbox.slack.workspace import SlackWorkspace
from integrations.sandbox.web import Json, bearer, read_json, reply, text

METHODS: dict[str, Callable[[SlackWorkspace, Json], Json]] = {
    "api.test": lambda workspace, args: {"args": args},
    "auth.revoke": install.revoke,
    "auth.test": directory.auth_test,
    "chat.delete": messages.delete,
    "chat.getPermalink": messages.permalink,
    "chat.postEphemeral": messages.post_ephemeral,
    "chat.postMessage": messages.post,
    "chat.update": messages.update,
    "conversations.history": messages.history,
    "conversations.info": directory.channel,
    "conversations.join": directory.join,
    "conversations.list": directory.channels,
    "conversations.open": directory.open_direct,
    "conversations.replies": messages.replies,
    "oauth.v2.access": install.access,
    "users.info": directory.user,
    "users.list": directory.users,
    "users.lookupByEmail": directory.user_by_email,
}
OPEN_METHODS = frozenset({"api.test", "oauth.v2.access"})
#: The scope that a method wants, where Calsync's own differ.
SCOPES = dict.fromkeys(("users.info", "users.list", "users.lookupByEmail"), "users:read")
EMAIL_SCOPE = "users:read.email"
WEBHOOK_STATUSES = {
    "no_service": 404,
    "channel_is_archived": 410,
    "channel_not_found": 404,
    "no_active_hooks": 404,
    "invalid_token": 403,
    "action_prohibited": 403,
    "posting_to_general_channel_denied": 403,
}
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
            return install.authorize(self._workspace, request)
        if path.startswith("/actions/"):
            return presses.answer(self._workspace, request, path)
        try:
            name = path.removeprefix("/api/").strip("/")
            answer, scopes = self._method(request, name)
            headers = {"X-OAuth-Scopes": scopes} if scopes else None
            return reply({"ok": True, **answer}, headers=headers)
        except SlackError as error:
            return reply(error.body())
        except RateLimited as error:
            return self.rate_limited(request, path=path, retry_after=error.retry_after)

    def _method(self, request: Request, name: str) -> tuple[Json, str]:
        """Return a method's answer, and the scopes of the token that asked."""
        args = arguments(request)
        method = METHODS.get(name)
        if method is None:
            raise SlackError("unknown_method")
        if name in OPEN_METHODS:
            return method(self._workspace, args), ""
        args["token"] = self._check_token(bearer(request) or args.get("token"))
        scopes = self._workspace.tokens[args["token"]] or self._workspace.config.slack_scopes
        granted = scopes.split(",")
        if (needed := SCOPES.get(name)) and needed not in granted:
            raise SlackError("missing_scope", needed=needed)
        answer = method(self._workspace, args)
        return answer if EMAIL_SCOPE in granted else _without_email(answer), scopes

    def _check_token(self, token: str | None) -> str:
        expired, self._expired = self._expired, False
        if token is None:
            raise SlackError("not_authed")
        if self._workspace.faults.standing(service="slack", kind="token_revoked"):
            raise SlackError("token_revoked")
        if expired:
            raise SlackError("token_expired")
        if token not in self._workspace.tokens:
            raise SlackError("invalid_auth")
        return token

    def _webhook(self, request: Request, secret: str) -> Response:
        """Take a message for an incoming webhook.

        Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
        """
        try:
            self._post_by_hook(secret, _payload(request))
        except SlackError as error:
            return text(error.code, status=WEBHOOK_STATUSES.get(error.code, 400))
        except RateLimited as error:
            return self.rate_limited(request, path="/services/", retry_after=error.retry_after)
        return text("ok")

    def _post_by_hook(self, secret: str, payload: Json) -> None:
        channel = self._workspace.hooks.get(secret.strip("/"))
        expired, self._expired = self._expired, False
        if expired or self._workspace.faults.standing(service="slack", kind="token_revoked"):
            raise SlackError("invalid_token")
        if channel is None:
            raise SlackError("no_service")
        if self._workspace.channels[channel]["is_archived"]:
            raise SlackError("channel_is_archived")
        said = messages.content(payload)
        self._workspace.pace(channel)
        author = {"subtype": "bot_message", "bot_id": secret.split("/")[1]}
        self._workspace.post(channel, author | said, thread_ts=payload.get("thread_ts"))

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return a 429."""
        webhook = path.startswith("/services/")
        response = text("rate_limited") if webhook else reply(SlackError("ratelimited").body())
        response.status_code = 429
        if retry_after is not None:
            response.headers["Retry-After"] = str(int(retry_after))
        return response

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return an error body for a status."""
        code = FALLBACK_CODES.get(status, "internal_error")
        if path.startswith("/services/"):
            return text(code, status=status)
        return reply(SlackError(code).body(), status=status)

    def injected(self, request: Request, params: Json) -> Response:
        """Return an error with a chosen code."""
        code = str(params.get("code", "internal_error"))
        if "/services/" in request.path:
            status = params.get("status") or WEBHOOK_STATUSES.get(code, 400)
            return text(code, status=int(status))
        return reply(SlackError(code).body(), status=int(params.get("status", 200)))

    def expire_tokens(self, request: Request) -> Response | None:
        """Refuse this one request with token_expired: bot tokens here do not rotate."""
        with self.lock:
            self._expired = True
        return None


def _without_email(answer: Json) -> Json:
    """Return an answer about a person without the address, which needs a scope of its own."""
    user = answer.get("user")
    if not isinstance(user, dict):
        return answer
    profile = {name: value for name, value in user["profile"].items() if name != "email"}
    return answer | {"user": user | {"profile": profile}}


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
