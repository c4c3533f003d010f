"""Tokens of the org: client credentials, JWT bearer, refresh token.

Source: https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

import base64
import hashlib
import hmac
import json
import secrets
import time

from werkzeug.wrappers import Request, Response

from integrations.sandbox.salesforce.org import RUNNING_USER, SalesforceOrg
from integrations.sandbox.web import Json, reply

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ORGANIZATION = "00D5g000000SNDBEA4"


class TokenError(Exception):
    """A refusal in the shape of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.body: Json = {"error": error, "error_description": description}


def token(org: SalesforceOrg, request: Request, *, base: str) -> Response:
    """Answer a token request; the token lives until a fault ends it."""
    form = request.form.to_dict()
    try:
        _check_grant(org, request, form)
    except TokenError as error:
        return reply(error.body, status=400)
    return reply(_issue(org, base=base))


def _check_grant(org: SalesforceOrg, request: Request, form: dict[str, str]) -> None:
    if org.faults.standing(service="salesforce", kind="token_revoked"):
        raise TokenError("invalid_grant", "expired access/refresh token")
    match form.get("grant_type"):
        case "client_credentials":
            _check_client(org, request, form)
        case "refresh_token":
            _check_client(org, request, form)
            if form.get("refresh_token") != org.config.salesforce_refresh_token:
                raise TokenError("invalid_grant", "expired access/refresh token")
        case grant if grant == JWT_BEARER:
            _check_assertion(org, form.get("assertion", ""))
        case _:
            raise TokenError("unsupported_grant_type", "grant type not supported")


def _check_client(org: SalesforceOrg, request: Request, form: dict[str, str]) -> None:
    basic = request.authorization
    given = (form.get("client_id") or "", form.get("client_secret") or "")
    if basic is not None and basic.type == "basic":
        given = (basic.username or "", basic.password or "")
    if given[0] != org.config.salesforce_client_id:
        raise TokenError("invalid_client_id", "client identifier invalid")
    if given[1] != org.config.salesforce_client_secret:
        raise TokenError("invalid_client", "invalid client credentials")


def _check_assertion(org: SalesforceOrg, assertion: str) -> None:
    claims = _claims(assertion)
    if claims.get("iss") != org.config.salesforce_client_id:
        raise TokenError("invalid_client_id", "client identifier invalid")
    if not claims.get("sub") or not claims.get("aud"):
        raise TokenError("invalid_grant", "audience or subject is missing")
    now = time.time()
    if not now - 5 <= float(claims.get("exp") or 0) <= now + 305:
        raise TokenError("invalid_grant", "token validity expired")
    if org.config.salesforce_jwt_public_key:
        _check_signature(assertion, org.config.salesforce_jwt_public_key)


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


def _issue(org: SalesforceOrg, *, base: str) -> Json:
    value = f"{ORGANIZATION}!{secrets.token_urlsafe(48)}"
    org.tokens.add(value)
    issued = str(int(time.time() * 1000))
    identity = f"{base}/salesforce/id/{ORGANIZATION}/{RUNNING_USER}"
    secret = org.config.salesforce_client_secret.encode()
    signature = hmac.new(secret, (identity + issued).encode(), hashlib.sha256).digest()
    return {
        "access_token": value,
        "instance_url": f"{base}/salesforce",
        "id": identity,
        "issued_at": issued,
        "signature": base64.b64encode(signature).decode(),
        "token_type": "Bearer",
    }
