"""The sandbox's OAuth: codes, PKCE, single-use refresh tokens."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

BASIC = ("sandbox-client", "sandbox-secret")
BACK = "http://127.0.0.1:9/back"
VERIFIER = "v" * 50


@pytest.fixture
def auth(sandbox):
    return f"{sandbox.url}/calendly-auth/oauth"


def authorize(auth, **more):
    query = {
        "client_id": "sandbox-client",
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": "users:read",
        "state": "s1",
        **more,
    }
    answer = requests.get(f"{auth}/authorize", params=query, allow_redirects=False, timeout=5)
    target = urlsplit(answer.headers["Location"])
    return {name: values[0] for name, values in parse_qs(target.query).items()}


def token(auth, *, client=BASIC, **form):
    return requests.post(f"{auth}/token", data=form, auth=client, timeout=5)


def by_code(auth, code, **more):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **more}
    return token(auth, **form)


def test_a_code_becomes_a_pair_and_works_once(auth, calendly_as):
    back = authorize(auth)
    pair = by_code(auth, back["code"])
    again = by_code(auth, back["code"])

    assert back["state"] == "s1"
    assert pair.json()["expires_in"] == 7200
    assert pair.json()["owner"].startswith("https://api.calendly.com/users/")
    assert calendly_as(pair.json()["access_token"]).get("/users/me").status_code == 200
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_works_once(auth):
    pair = by_code(auth, authorize(auth)["code"]).json()

    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    first, second = token(auth, **form), token(auth, **form)

    assert first.json()["refresh_token"] != pair["refresh_token"]
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


def test_the_code_verifier_is_checked(auth):
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}

    wrong = by_code(auth, authorize(auth, **asked)["code"], code_verifier="x")
    right = by_code(auth, authorize(auth, **asked)["code"], code_verifier=VERIFIER)

    assert wrong.json()["error"] == "invalid_grant"
    assert right.status_code == 200


def test_a_code_runs_out(auth, control):
    control.settings(calendly_code_seconds=0)

    assert by_code(auth, authorize(auth)["code"]).json()["error"] == "invalid_grant"


def test_a_wrong_secret_is_refused(auth):
    refused = token(auth, client=("sandbox-client", "no"), grant_type="refresh_token")

    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_scopes_asked_for_are_the_scopes_given(auth, calendly_as, organization):
    access = by_code(auth, authorize(auth)["code"]).json()["access_token"]

    refused = calendly_as(access).get("/event_types", organization=organization)

    assert refused.json()["title"] == "Insufficient scope"
    assert authorize(auth, scope="everything")["error"] == "invalid_scope"


def test_an_expired_access_token_heals_by_a_refresh(auth, calendly_as, control):
    pair = by_code(auth, authorize(auth)["code"]).json()
    control.add_fault("calendly", "token_expired")

    refused = calendly_as(pair["access_token"]).get("/users/me")
    fresh = token(auth, grant_type="refresh_token", refresh_token=pair["refresh_token"]).json()

    assert refused.status_code == 401
    assert calendly_as(fresh["access_token"]).get("/users/me").status_code == 200


def test_a_revoked_account_cannot_refresh_until_cleared(auth, calendly_as, control):
    pair = by_code(auth, authorize(auth)["code"]).json()
    control.add_fault("calendly", "token_revoked")
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}

    refused = calendly_as(pair["access_token"]).get("/users/me")
    refresh = token(auth, **form)
    control.clear_faults()

    assert refused.status_code == 401
    assert refresh.json()["error"] == "invalid_grant"
    assert token(auth, **form).status_code == 200


def test_a_dropped_answer_uses_the_refresh_token_up(auth, control):
    pair = by_code(auth, authorize(auth)["code"]).json()
    control.add_fault("calendly_auth", "drop_after")
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}

    with pytest.raises(requests.ConnectionError):
        token(auth, **form)

    assert token(auth, **form).json()["error"] == "invalid_grant"


def test_at_most_eight_tokens_a_minute(auth):
    codes = [authorize(auth)["code"] for _ in range(9)]

    statuses = [by_code(auth, code).status_code for code in codes]

    assert statuses == [200] * 8 + [429]


def test_introspect_and_revoke_know_the_token(auth, calendly_as):
    pair = by_code(auth, authorize(auth)["code"]).json()
    form = {"client_id": BASIC[0], "client_secret": BASIC[1], "token": pair["access_token"]}

    seen = requests.post(f"{auth}/introspect", data=form, timeout=5).json()
    requests.post(f"{auth}/revoke", data=form, timeout=5)

    assert seen["active"] is True
    assert seen["scope"] == "users:read"
    assert calendly_as(pair["access_token"]).get("/users/me").status_code == 401
