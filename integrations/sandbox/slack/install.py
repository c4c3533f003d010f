"""Installing the app to the workspace: the page that asks, codes that are good once, tokens and their end.

Source: https://docs.slack.dev/authentication/installing-with-oauth
"""

import secrets
from urllib.parse import urlencode

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from integrations.sandbox.slack.errors import SlackError
from integrations.sandbox.slack.workspace import APP, BOT_USER, TEAM, SlackWorkspace
from integrations.sandbox.web import Json, text


def authorize(workspace: SlackWorkspace, request: Request) -> Response:
    """Send the browser back with a code, as if the person had allowed it; `consent=deny` declines."""
    query = request.args
    target = query.get("redirect_uri", "")
    if query.get("client_id") != workspace.config.slack_client_id:
        return text("invalid_client_id", status=400)
    if not query.get("scope"):
        return text("invalid_scope", status=400)
    if not target.startswith(("http://", "https://")):
        return text("bad_redirect_uri", status=400)
    state = {"state": query["state"]} if "state" in query else {}
    if query.get("consent") == "deny":
        return redirect(f"{target}?{urlencode({'error': 'access_denied', **state})}", code=302)
    code = f"sandbox-code-{secrets.token_hex(8)}"
    workspace.codes[code] = {"scope": query["scope"], "redirect_uri": target}
    return redirect(f"{target}?{urlencode({'code': code, **state})}", code=302)


def access(workspace: SlackWorkspace, args: Json) -> Json:
    """Exchange a code for a bot token; the code is spent."""
    config = workspace.config
    if args.get("client_id") != config.slack_client_id:
        raise SlackError("invalid_client_id")
    if args.get("client_secret") != config.slack_client_secret:
        raise SlackError("bad_client_secret")
    asked = workspace.codes.pop(str(args.get("code")), None)
    if asked is None:
        raise SlackError("invalid_code")
    if args.get("redirect_uri", asked["redirect_uri"]) != asked["redirect_uri"]:
        raise SlackError("bad_redirect_uri")
    token = f"xoxb-{secrets.token_hex(12)}"
    workspace.tokens[token] = asked["scope"]
    rotating = {"refresh_token": f"xoxe-{secrets.token_hex(12)}", "expires_in": 43_200}
    return {
        **(rotating if config.slack_rotate_tokens else {}),
        "app_id": APP,
        "access_token": token,
        "token_type": "bot",
        "scope": asked["scope"],
        "bot_user_id": BOT_USER,
        "team": {"id": TEAM, "name": "Harbor Consulting"},
        "enterprise": None,
        "is_enterprise_install": False,
        "authed_user": {"id": next(iter(workspace.users))},
    }


def revoke(workspace: SlackWorkspace, args: Json) -> Json:
    """End the token that asks."""
    del workspace.tokens[args["token"]]
    return {"revoked": True}
