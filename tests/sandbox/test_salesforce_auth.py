"""The sandbox's authorization server refuses and grants like the real one."""

import base64
import hashlib
import time
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENT = {
    "client_id": "sandbox-salesforce-client",
    "client_secret": "sandbox-salesforce-secret",
}
BACK = "https://calsync.example.com/connect/salesforce/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()  # fmt: skip
ASKED = {
    "response_type": "code",
    "client_id": CLIENT["client_id"],
    "redirect_uri": BACK,
    "scope": "api refresh_token",
    "state": "s",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def post(sandbox):
    def send(endpoint="token", **form):
        url = f"{sandbox.url}/salesforce/services/oauth2/{endpoint}"
        return requests.post(url, data=form, timeout=5)

    return send


@pytest.fixture
def authorize(sandbox):
    def get(**other):
        url = f"{sandbox.url}/salesforce/services/oauth2/authorize"
        return requests.get(url, params=ASKED | other, allow_redirects=False, timeout=5)

    return get


def brought_back(answer):
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


@pytest.fixture
def grant(authorize, post):
    def run(**other):
        code = brought_back(authorize(consent="allow"))["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}  # fmt: skip
        return post(**CLIENT | form | other)

    return run


def refresh(post, token):
    return post(**CLIENT, grant_type="refresh_token", refresh_token=token)


def is_live(sandbox, token):
    url = f"{sandbox.url}/salesforce/services/data/v66.0/limits"
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5).ok


def test_a_page_asks_before_anything_is_sent_back(authorize):
    page = authorize()

    assert page.status_code == 200
    assert "api refresh_token" in page.text
    assert "consent=allow" in page.text
    assert "Location" not in page.headers


def test_allowing_brings_a_code_and_the_state_and_denying_a_reason(authorize):
    allowed, denied = (brought_back(authorize(consent=one)) for one in ("allow", "deny"))

    assert allowed.keys() == {"code", "state"}
    assert denied["error"] == "access_denied"
    assert denied["state"] == "s"


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "api everything"}, "invalid_scope"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_a_faulty_request_comes_back_with_a_reason(authorize, other, error):
    assert brought_back(authorize(consent="allow", **other))["error"] == error


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"client_id": "no"}, "invalid_client_id"),
        ({"redirect_uri": "https://elsewhere.example.com/"}, "redirect_uri_mismatch"),
    ],
)
def test_an_unknown_app_or_address_is_never_sent_back_to(authorize, control, other, error):
    control.settings(salesforce_callback_urls=BACK)

    answer = authorize(consent="allow", **other)

    assert (answer.status_code, error in answer.text) == (400, True)


def test_a_code_becomes_a_session_and_a_refresh_token_once(grant, post, sandbox):
    code = {"code": "spent"}
    answer = grant().json()

    assert is_live(sandbox, answer["access_token"])
    assert answer["scope"] == "api refresh_token"
    assert refresh(post, answer["refresh_token"]).status_code == 200
    assert grant(**code).json()["error_description"] == "expired authorization code"


def test_without_the_scope_there_is_no_refresh_token(grant, control):
    control.settings(salesforce_scopes="api")

    assert "refresh_token" not in grant().json()


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"code_verifier": "w" * 64}, "invalid_grant"),
        ({"redirect_uri": "https://elsewhere.example.com/"}, "redirect_uri_mismatch"),
        ({"client_secret": "no"}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
    ],
)
def test_a_code_is_refused_to_whoever_did_not_begin(grant, other, error):
    assert grant(**other).json()["error"] == error


def test_an_app_without_a_secret_proves_itself_by_its_verifier(grant, control):
    control.settings(salesforce_secret_required=False)

    assert grant(client_secret="").status_code == 200


def test_a_code_ends(grant, control):
    control.settings(salesforce_code_seconds=0)

    assert grant().json()["error_description"] == "expired authorization code"


def test_a_rotated_refresh_token_is_good_once(grant, post, control):
    first = grant().json()["refresh_token"]
    control.settings(salesforce_rotate_refresh_tokens=True)

    second = refresh(post, first).json()["refresh_token"]

    assert refresh(post, first).json()["error"] == "invalid_grant"
    assert refresh(post, second).status_code == 200


def test_a_refresh_token_that_is_not_rotated_stays(grant, post):
    token = grant().json()["refresh_token"]

    assert "refresh_token" not in refresh(post, token).json()
    assert refresh(post, token).status_code == 200


def test_revoking_a_refresh_token_ends_its_sessions_and_no_other(grant, post, sandbox):
    first, other = grant().json(), grant().json()

    answer = post("revoke", token=first["refresh_token"])

    assert (answer.status_code, answer.text) == (200, "")
    assert not is_live(sandbox, first["access_token"])
    assert is_live(sandbox, other["access_token"])
    assert refresh(post, first["refresh_token"]).status_code == 400
    assert post("revoke", token="unknown").json()["error"] == "invalid_token"


def test_no_run_as_user_is_told(post, control):
    control.settings(salesforce_run_as=False)

    refused = post(**CLIENT, grant_type="client_credentials")

    assert refused.json()["error_description"] == "no client credentials user enabled"


KEY, OTHER_KEY = (generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))


@pytest.fixture
def assertion(post, control):
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    control.settings(salesforce_jwt_public_key=public.decode())

    def send(key=KEY, **other):
        claims = {
            "iss": CLIENT["client_id"],
            "sub": "inga@harbor.example",
            "aud": "https://login.salesforce.com",
            "exp": time.time() + 180,
        }
        signed = jwt.encode(claims | other, key, algorithm="RS256")
        return post(grant_type=JWT_BEARER, assertion=signed)

    return send


def test_a_signed_assertion_of_a_known_user_is_taken(assertion, sandbox):
    assert is_live(sandbox, assertion().json()["access_token"])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"key": OTHER_KEY}, "invalid assertion"),
        ({"sub": "nobody@harbor.example"}, "user hasn't approved this consumer"),
        ({"aud": "https://test.salesforce.com"}, "audience is invalid"),
        ({"exp": time.time() + 3600}, "token validity expired"),
    ],
)
def test_any_other_assertion_is_refused_with_a_reason(assertion, other, words):
    assert assertion(**other).json()["error_description"] == words


def test_a_sandbox_has_an_audience_of_its_own(assertion, sandbox):
    (organization,) = sandbox.state.salesforce.records["Organization"].values()
    organization["IsSandbox"] = True

    assert assertion().status_code == 400
    assert assertion(aud="https://test.salesforce.com").status_code == 200
