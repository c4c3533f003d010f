"""The page where a user allows an app to act for them, and what it sends back.

Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm
"""

from html import escape
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from integrations.sandbox.salesforce.org import RUNNING_USER, SalesforceOrg
from integrations.sandbox.salesforce.tokens import Consent
from integrations.sandbox.web import html

SCOPES = frozenset({"api", "refresh_token", "offline_access", "id", "openid", "web", "full"})
PAGE = """<!doctype html><html lang="en"><title>Allow access?</title>
<body style="font-family:sans-serif;max-width:26rem;margin:4rem auto">
<h1>Allow access?</h1><p>The app is asking to: {scopes}.</p><p>You are Inga Integration at Harbor Consulting.</p>
<p><a role="button" href="{allow}">Allow</a> &nbsp; <a role="button" href="{deny}">Deny</a></p>"""
FAULTY = "<!doctype html><title>OAuth Error</title><h1>error={error}</h1><p>{words}</p>"

Query = dict[str, str]


def authorize(org: SalesforceOrg, request: Request) -> Response:
    """Ask for consent; `consent=allow` or `consent=deny` is what its two buttons add to the address."""
    query = request.args.to_dict()
    target = query.get("redirect_uri", "")
    if query.get("client_id") != org.config.salesforce_client_id:
        return _faulty("invalid_client_id", "client identifier invalid")
    if not _known(target, org.config.salesforce_callback_urls):
        return _faulty("redirect_uri_mismatch", "redirect_uri must match configuration")
    if problem := _problem(query):
        return _back(target, query, error=problem[0], error_description=problem[1])
    match query.get("consent"):
        case "allow":
            return _back(target, query, code=_code(org, query))
        case "deny":
            words = "end-user denied authorization"
            return _back(target, query, error="access_denied", error_description=words)
    return _ask(query)


def _known(target: str, registered: str) -> bool:
    """Tell whether an address may be sent back to; nothing registered takes any."""
    if registered:
        return target in registered.split()
    return urlsplit(target).scheme in {"http", "https"}


def _problem(query: Query) -> tuple[str, str] | None:
    if query.get("response_type") != "code":
        return "unsupported_response_type", "response type not supported"
    if not query.get("code_challenge"):
        return "invalid_request", "missing required code challenge"
    if query.get("code_challenge_method", "S256") != "S256":
        return "invalid_request", "code challenge method not supported"
    if not set(query.get("scope", "").split()) <= SCOPES:
        return "invalid_scope", "the requested scope is invalid, unknown, or malformed"
    return None


def _code(org: SalesforceOrg, query: Query) -> str:
    asked = query.get("scope", "api").split()
    allowed = tuple(scope for scope in asked if scope in org.config.salesforce_scopes.split())
    return org.tokens.code(
        Consent(user=RUNNING_USER, scopes=allowed),
        redirect_uri=query["redirect_uri"],
        challenge=query["code_challenge"],
        seconds=org.config.salesforce_code_seconds,
    )


def _back(target: str, query: Query, **values: str) -> Response:
    state = {"state": query["state"]} if "state" in query else {}
    joint = "&" if urlsplit(target).query else "?"
    return redirect(f"{target}{joint}{urlencode({**values, **state})}", code=302)


def _ask(query: Query) -> Response:
    links = {
        name: escape("?" + urlencode({**query, "consent": name})) for name in ("allow", "deny")
    }
    return html(PAGE.format(scopes=escape(query.get("scope", "api")), **links))


def _faulty(error: str, words: str) -> Response:
    return html(FAULTY.format(error=error, words=words), status=400)
