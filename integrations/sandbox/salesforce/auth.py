"""Tokens of the org: client credentials, JWT bearer, authorization code, refresh token, and their end.

Source: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

import base64
import hashlib
import hmac
import json
import time

from werkzeug.wrappers import Request, Response

from integrations.sandbox.salesforce.org import RUNNING_USER, SalesforceOrg
from integrations.sandbox.salesforce.tokens import ORGANIZATION, Consent
from integrations.sandbox.web import Json, reply

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenError(Exception):
    """A refusal in the shape of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.body: Json = {"error": error, "error_description": description}


def token(org: SalesforceOrg, request: Request, *, base: str) -> Response:
    """Answer a token request; the session lives until somebody ends it."""
    form = request.form.to_dict()
    try:
        answer = _granted(org, request, form, base=base)
    except TokenError as error:
        return reply(error.body, status=400)
    return reply(answer, headers={"Cache-Control": "no-store"})


def revoke(org: SalesforceOrg, request: Request) -> Response:
    """End a session, or a refresh token with its sessions.

    Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_revoke_token.htm
    """
    if org.tokens.revoke(request.values.get("token", "")):
        return Response("", status=200)
    return reply({"error": "invalid_token", "error_description": "invalid token"}, status=400)


def _granted(org: SalesforceOrg, request: Request, form: dict[str, str], *, base: str) -> Json:
    if org.faults.standing(service="salesforce", kind="token_revoked"):
        raise _ended()
    match form.get("grant_type"):
        case "client_credentials":
            _check_client(org, request, form, secret_needed=True)
            if not org.config.salesforce_run_as:
                raise TokenError("invalid_grant", "no client credentials user enabled")
            return _issue(org, base=base)
        case "refresh_token":
            _check_client(org, request, form)
            return _refreshed(org, form.get("refresh_token", ""), base=base)
        case "authorization_code":
            _check_client(org, request, form)
            return _exchanged(org, form, base=base)
        case grant if grant == JWT_BEARER:
            _check_assertion(org, form.get("assertion", ""), base=base)
            return _issue(org, base=base)
    raise TokenError("unsupported_grant_type", "grant type not supported")


def _exchanged(org: SalesforceOrg, form: dict[str, str], *, base: str) -> Json:
    """Return session and refresh token for a code, which is spent by a right answer alone."""
    value = form.get("code", "")
    code = org.tokens.codes.get(value)
    if code is None or time.time() >= code.expires_at:
        raise TokenError("invalid_grant", "expired authorization code")
    if code.redirect_uri != form.get("redirect_uri"):
        raise TokenError("redirect_uri_mismatch", "redirect_uri must match configuration")
    if not _verified(code.challenge, form.get("code_verifier", "")):
        raise TokenError("invalid_grant", "invalid code verifier")
    del org.tokens.codes[value]
    renewable = {"refresh_token", "offline_access"} & set(code.consent.scopes)
    more = {"refresh_token": org.tokens.refresh_token(code.consent)} if renewable else {}
    return _issue(org, base=base, consent=code.consent) | more


def _refreshed(org: SalesforceOrg, value: str, *, base: str) -> Json:
    """Return a session for a refresh token, with its successor where the app rotates them."""
    if value == org.config.salesforce_refresh_token:
        return _issue(org, base=base)
    consent = org.tokens.refresh.get(value)
    if consent is None:
        raise _ended()
    answer = _issue(org, base=base, consent=consent)
    if org.config.salesforce_rotate_refresh_tokens:
        del org.tokens.refresh[value]
        answer["refresh_token"] = org.tokens.refresh_token(consent)
    return answer


def _verified(challenge: str, verifier: str) -> bool:
    """Check a PKCE verifier. Source: RFC 7636, section 4.6."""
    digest = hashlib.sha256(verifier.encode()).digest()
    right = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(right.encode(), challenge.encode())


def _ended() -> TokenError:
    return TokenError("invalid_grant", "expired access/refresh token")


def _check_client(
    org: SalesforceOrg, request: Request, form: dict[str, str], *, secret_needed: bool = False
) -> None:
    basic = request.authorization
    given = (form.get("client_id") or "", form.get("client_secret") or "")
    if basic is not None and basic.type == "basic":
        given = (basic.username or "", basic.password or "")
    if given[0] != org.config.salesforce_client_id:
        raise TokenError("invalid_client_id", "client identifier invalid")
    secret_needed = secret_needed or org.config.salesforce_secret_required
    if given[1] != org.config.salesforce_client_secret and (secret_needed or given[1]):
        raise TokenError("invalid_client", "invalid client credentials")


def _check_assertion(org: SalesforceOrg, assertion: str, *, base: str) -> None:
    claims = _claims(assertion)
    if claims.get("iss") != org.config.salesforce_client_id:
        raise TokenError("invalid_client_id", "client identifier invalid")
    if claims.get("aud") not in {_audience(org), f"{base}/salesforce"}:
        raise TokenError("invalid_grant", "audience is invalid")
    now = time.time()
    if not now - 5 <= float(claims.get("exp") or 0) <= now + 305:
        raise TokenError("invalid_grant", "token validity expired")
    if org.config.salesforce_jwt_public_key:
        _check_signature(assertion, org.config.salesforce_jwt_public_key)
    usernames = [row["Username"] for row in org.records["User"].values()]
    if claims.get("sub") not in usernames:
        raise TokenError("invalid_grant", "user hasn't approved this consumer")


def _audience(org: SalesforceOrg) -> str:
    host = "test" if org.records["Organization"][ORGANIZATION]["IsSandbox"] else "login"
    return f"https://{host}.salesforce.com"


def _claims(assertion: str) -> Json:
    parts = assertion.split(".")
    try:
        if len(parts) != 3 or json.loads(_decoded(parts[0])).get("alg") != "RS256":
            raise ValueError("not an RS256 token")
        claims = json.loads(_decoded(parts[1]))
    except (ValueError, AttributeError) as error:
        raise TokenError("invalid_grant", "invalid assertion") from error
    return claims if isinstance(claims, dict) else {}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _check_signature(assertion: str, public_key: str) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    signed, _, signature = assertion.rpartition(".")
    key = load_pem_public_key(public_key.encode())
    try:
        if isinstance(key, RSAPublicKey):
            key.verify(_decoded(signature), signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise TokenError("invalid_grant", "invalid assertion") from error


def _issue(org: SalesforceOrg, *, base: str, consent: Consent | None = None) -> Json:
    issued = str(int(time.time() * 1000))
    identity = f"{base}/salesforce/id/{ORGANIZATION}/{RUNNING_USER}"
    secret = org.config.salesforce_client_secret.encode()
    signature = hmac.new(secret, (identity + issued).encode(), hashlib.sha256).digest()
    scope = {"scope": " ".join(consent.scopes)} if consent else {}
    return {
        "access_token": org.tokens.open_session(consent),
        "instance_url": org.config.salesforce_instance_url or f"{base}/salesforce",
        "id": identity,
        "issued_at": issued,
        "signature": base64.b64encode(signature).decode(),
        "token_type": "Bearer",
        **scope,
    }
