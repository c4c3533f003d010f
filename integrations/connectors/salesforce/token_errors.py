"""What a refused log-in means, and what a person can do about it in the flow that was used, as data.

Salesforce puts most of it into the description: `invalid_grant` alone means a dozen things.

Sources: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flow_errors.htm
https://www.rfc-editor.org/rfc/rfc6749#section-5.2
"""

from collections.abc import Mapping

from integrations.connectors.salesforce.errors import Problem, sentence
from integrations.errors import (
    ConfigurationError,
    IntegrationError,
    TemporaryError,
    ThrottledError,
)

#: Token errors that pass by themselves; every other refusal of a log-in needs a person.
_PASSING = frozenset({"server_error", "temporarily_unavailable", "unknown_error"})
_LASTING = "Nothing to do: it is tried again. If it lasts, see https://status.salesforce.com."
#: Seconds to wait where a log-in that came too often is not told for how long.
_WAIT = 60.0

_AGAIN = (
    "What was granted has ended or was used up: connect Salesforce again on the connection's page."
)
_BEGIN_AGAIN = "Begin again on the connection's page: a code is good once, and for minutes."
_MY_DOMAIN = (
    "Use the My Domain address (https://<name>.my.salesforce.com) as login_url: this flow does not work at "
    "login.salesforce.com or test.salesforce.com."
)
_RUN_AS = "Choose an active Run As user for the client credentials flow, in the policies of the External Client App."
_CERTIFICATE = (
    "The certificate in the External Client App does not belong to the private key of this connection: upload the "
    "certificate again, or enter its key. The clock of this machine must be right, too."
)
_AUDIENCE = (
    "Set audience to https://login.salesforce.com, or for a sandbox to https://test.salesforce.com, and check that "
    "login_url and username are of the same organization."
)
_APPROVE = (
    "In the app's policies choose 'Admin approved users are pre-authorized', and assign the app to the user by a "
    "permission set. In a sandbox the username ends with the sandbox's name."
)
_FLOWS: Mapping[str, str] = {
    "client_credentials": "client credentials flow",
    "jwt": "JWT bearer flow",
    "oauth": "authorization code (web server) flow",
}
#: What the description says, in lower case, and what to do; the first that fits counts.
_SAID: tuple[tuple[str, str], ...] = (
    ("hasn't approved this consumer", _APPROVE),
    ("not admin approved", _APPROVE),
    ("audience", _AUDIENCE),
    ("assertion", _CERTIFICATE),
    ("no client credentials user", _RUN_AS),
    ("not supported on this domain", _MY_DOMAIN),
    ("expired access/refresh token", _AGAIN),
    ("authorization code", _BEGIN_AGAIN),
    ("code verifier", _BEGIN_AGAIN),
    ("redirect", "Register this installation's redirect URI in the app, letter by letter; the connection's page shows it."),
    ("ip restricted", "The user's profile or the app's IP policy does not allow this installation's address: relax it for the app."),
    ("login hours", "The user's profile does not allow to log in at this hour: widen its login hours."),
    ("user is locked", "The user is locked after too many wrong passwords: unlock it in Setup > Users."),
    ("not installed", "The app is not known in this organization: install it there, or use one that was made there."),
)  # fmt: skip
_GRANT_REFUSED: Mapping[str, str] = {
    "client_credentials": f"Enable the client credentials flow. {_RUN_AS} {_MY_DOMAIN}",
    "jwt": f"{_APPROVE} {_CERTIFICATE}",
    "oauth": _AGAIN,
}
_INACTIVE: Mapping[str, str] = {
    "client_credentials": "The Run As user is inactive: activate it, or choose another one in the app's policies.",
    "jwt": "The user is inactive: activate it, or set the username of another one.",
    "oauth": "Whoever connected is inactive by now: connect again as another user.",
}
_CODES: Mapping[str, str] = {
    "invalid_client": "The client secret is wrong or was rotated: copy it again from the External Client App.",
    "invalid_client_id": "The client id is not known at this address: copy it again from the External Client App, and "
    "check that login_url is of the same organization (a sandbox has an address and apps of its own).",
    "invalid_app_access": _APPROVE,
    "inactive_org": "The organization is locked or was closed: ask Salesforce.",
    "invalid_scope": "Add the scopes 'Manage user data via APIs (api)' and 'Perform requests at any time "
    "(refresh_token)' to the External Client App.",
    "redirect_uri_mismatch": "Register this installation's redirect URI in the app, letter by letter; the connection's "
    "page shows it.",
}  # fmt: skip
_UNKNOWN = (
    "Salesforce does not accept the log-in. Check login_url, client id and secret, and that the user is active and the "
    "app enabled."
)


def as_token_error(problem: Problem, *, login: str) -> IntegrationError:
    """Return the error that a refused log-in is; `login` names the flow, as in the settings."""
    if problem.status == 429 or "rate exceeded" in problem.message:
        wait = _WAIT if problem.retry_after is None else problem.retry_after
        return ThrottledError(sentence(problem), hint=_LASTING, retry_after=wait)
    if problem.status >= 500 or problem.code in _PASSING:
        return TemporaryError(sentence(problem), hint=_LASTING, retry_after=problem.retry_after)
    return ConfigurationError(sentence(problem), hint=_hint(problem, login=login))


def _hint(problem: Problem, *, login: str) -> str:
    match problem.code:
        case "inactive_user":
            return _INACTIVE[login]
        case "unauthorized_client" | "unsupported_grant_type":
            return f"The External Client App does not allow the {_FLOWS[login]}: enable it in the app's OAuth settings."
    if hint := _CODES.get(problem.code):
        return hint
    said = problem.message.lower()
    if hint := next((hint for words, hint in _SAID if words in said), ""):
        return hint
    return _GRANT_REFUSED[login] if problem.code == "invalid_grant" else _UNKNOWN
