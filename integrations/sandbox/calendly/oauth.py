"""Calendly's OAuth host: authorize, token, introspect, revoke.

Source: https://developer.calendly.com/api-docs/calendly-o-auth and
https://developer.calendly.com/refresh-token-rotation-guide (single-use refresh tokens).
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from integrations.sandbox.calendly.seeds import seed_id
from integrations.sandbox.calendly.tokens import SCOPES, Code, Grant, Token
from integrations.sandbox.calendly.world import CalendlyWorld
from integrations.sandbox.web import Json, bearer, read_object, reply

Form = dict[str, str]


class OAuthError(Exception):
    """An answer in the shape of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(error)
        self.status = status
        self.body: Json = {"error": error, "error_description": description}


class CalendlyAuth:
    """Serve the OAuth endpoints under one prefix."""

    def __init__(self, world: CalendlyWorld) -> None:
        self._world = world
        self.lock = world.lock
        self._routes: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/oauth/authorize"): self._authorize,
            ("POST", "/oauth/token"): self._token,
            ("POST", "/oauth/introspect"): self._introspect,
            ("POST", "/oauth/revoke"): self._revoke,
        }

    def handle(self, request: Request, *, path: str, base: str) -> Response:
        """Answer a call. The caller holds the lock."""
        route = self._routes.get((request.method, path.rstrip("/")))
        if route is None:
            return self.error(request, path=path, status=404)
        try:
            return route(request)
        except OAuthError as error:
            return reply(error.body, status=error.status)

    def _authorize(self, request: Request) -> Response:
        """Approve at once as the seeded owner, or as `?user=admin|user`."""
        query = request.args
        target = query.get("redirect_uri", "")
        if query.get("client_id") != self._world.config.calendly_client_id:
            raise OAuthError("invalid_client", "Client authentication failed.", status=401)
        if urlsplit(target).scheme not in {"http", "https"}:
            raise OAuthError("invalid_redirect_uri", "The redirect URI is not valid.")
        state = {"state": query["state"]} if "state" in query else {}
        if problem := _problem(query.to_dict()):
            return _back(target, {"error": problem, **state})
        return _back(target, {"code": self._new_code(query.to_dict()), **state})

    def _new_code(self, query: Form) -> str:
        grant = Grant(
            client=query["client_id"],
            user=seed_id(query.get("user", "owner")),
            scopes=frozenset(query.get("scope", "").split()),
        )
        code = secrets.token_urlsafe(24)
        expires_at = time.time() + self._world.config.calendly_code_seconds
        self._world.tokens.codes[code] = Code(
            grant, query["redirect_uri"], query.get("code_challenge"), expires_at
        )
        return code

    def _token(self, request: Request) -> Response:
        form = _form(request)
        client, public = self._client(request, form)
        kind = form.get("grant_type")
        if kind == "authorization_code":
            grant = replace(self._grant_of_code(form, client=client), public=public)
        elif kind == "refresh_token":
            grant = self._grant_of_refresh(form, client=client)
        else:
            raise OAuthError("unsupported_grant_type", "The grant type is not supported.")
        token, refresh = self._world.tokens.issue(
            grant, seconds=self._world.config.calendly_access_token_seconds
        )
        return reply(self._pair(token, refresh), headers={"Cache-Control": "no-store"})

    def _client(self, request: Request, form: Form) -> tuple[str, bool]:
        """Return the client's id, and whether it is a public one, which has no secret."""
        config, basic = self._world.config, request.authorization
        has_basic = basic is not None and basic.type == "basic"
        name = (basic.username if basic and has_basic else form.get("client_id")) or ""
        secret = (basic.password if basic and has_basic else form.get("client_secret")) or ""
        public = not has_basic and not secret and self._is_public(form)
        right_secret = hmac.compare_digest(secret.encode(), config.calendly_client_secret.encode())
        if name != config.calendly_client_id or not (right_secret or public):
            raise OAuthError("invalid_client", "Client authentication failed.", status=401)
        return name, public

    def _is_public(self, form: Form) -> bool:
        grant = self._world.tokens.refresh.get(form.get("refresh_token", ""))
        return "code_verifier" in form or (grant is not None and grant.public)

    def _grant_of_code(self, form: Form, *, client: str) -> Grant:
        code = self._world.tokens.codes.get(form.get("code", ""))
        if (
            code is None
            or time.time() >= code.expires_at
            or code.grant.client != client
            or code.redirect_uri != form.get("redirect_uri")
            or not _verified(code.challenge, form.get("code_verifier"))
        ):
            raise _invalid_grant()
        self._spend(code.grant)
        del self._world.tokens.codes[form["code"]]
        return code.grant

    def _grant_of_refresh(self, form: Form, *, client: str) -> Grant:
        value = form.get("refresh_token", "")
        grant = self._world.tokens.refresh.get(value)
        revoked = any(
            self._world.faults.standing(service=service, kind="token_revoked")
            for service in ("calendly", "calendly_auth")
        )
        if grant is None or grant.client != client or revoked:
            raise _invalid_grant()
        self._spend(grant)
        del self._world.tokens.refresh[value]
        return grant

    def _spend(self, grant: Grant) -> None:
        used, _ = self._world.budget.spend(f"tokens:{grant.user}")
        if used > self._world.config.calendly_tokens_per_minute:
            raise OAuthError("rate_limited", "Too many tokens in a minute.", status=429)

    def _pair(self, token: Token, refresh: str) -> Json:
        return {
            "token_type": "Bearer",
            "access_token": token.value,
            "refresh_token": refresh,
            "expires_in": int(self._world.config.calendly_access_token_seconds),
            "created_at": int(token.issued_at),
            "scope": " ".join(sorted(token.scopes or ())),
            "owner": self._world.uri("users", token.user),
            "organization": self._world.organization["uri"],
        }

    def _introspect(self, request: Request) -> Response:
        form = _form(request)
        client, _ = self._client(request, form)
        token = self._world.tokens.find(form.get("token"))
        if token is None or token.client != client:
            return reply({"active": False})
        pair = self._pair(token, "")
        shown = {name: pair[name] for name in ("token_type", "scope", "owner", "organization")}
        times = {"iat": int(token.issued_at), "exp": int(token.expires_at or 0)}
        return reply({"active": True, "client_id": client, **shown, **times})

    def _revoke(self, request: Request) -> Response:
        form = _form(request)
        self._client(request, form)
        self._world.tokens.revoke(form.get("token", ""))
        return reply({})

    def rate_limited(self, request: Request, *, path: str, retry_after: float | None) -> Response:
        """Return a 429."""
        error = OAuthError("rate_limited", "Too many requests.", status=429)
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        return reply(error.body, status=429, headers=headers)

    def error(self, request: Request, *, path: str, status: int) -> Response:
        """Return an error body for a status."""
        names = {400: "invalid_request", 401: "invalid_client", 404: "not_found"}
        error = OAuthError(names.get(status, "server_error"), "The request failed.")
        return reply(error.body, status=status)

    def injected(self, request: Request, params: Json) -> Response:
        """Return an error chosen by a fault switch."""
        return self.error(request, path="", status=int(params.get("status", 400)))

    def expire_tokens(self, request: Request) -> Response | None:
        """End every OAuth access token; the request itself is then answered as usual."""
        with self.lock:
            self._world.tokens.expire()
            token = self._world.tokens.find(bearer(request))
        return self.error(request, path="", status=401) if token else None


def _problem(query: Form) -> str | None:
    if query.get("response_type") != "code":
        return "unsupported_response_type"
    if query.get("code_challenge") and query.get("code_challenge_method") != "S256":
        return "invalid_request"
    if not set(query.get("scope", "").split()) <= SCOPES:
        return "invalid_scope"
    return None if query.get("user", "owner") in {"owner", "admin", "user"} else "access_denied"


def _back(target: str, values: Form) -> Response:
    joint = "&" if urlsplit(target).query else "?"
    return redirect(f"{target}{joint}{urlencode(values)}", code=302)


def _form(request: Request) -> Form:
    if request.mimetype != "application/json":
        return request.form.to_dict()
    try:
        return {name: str(value) for name, value in read_object(request).items()}
    except ValueError as error:
        raise OAuthError("invalid_request", "The body cannot be read.") from error


def _verified(challenge: str | None, verifier: str | None) -> bool:
    """Check a PKCE verifier. Source: RFC 7636, section 4.6."""
    if challenge is None:
        return True
    digest = hashlib.sha256((verifier or "").encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)


def _invalid_grant() -> OAuthError:
    return OAuthError(
        "invalid_grant",
        "The provided authorization grant is invalid, expired or revoked.",
    )
