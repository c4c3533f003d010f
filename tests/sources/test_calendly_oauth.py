"""The authorization server against the sandbox: scopes asked for, tokens that are good once, refusals explained."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations.errors import ConfigurationError, TemporaryError, ThrottledError
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.oauth import NEEDED, CalendlyOAuth

pytestmark = pytest.mark.db_independent

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BACK = "http://127.0.0.1:9/connect/calendly/callback"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    settings.CALENDLY_AUTH_URL = f"{server.url}/calendly-auth/"
    settings.CALENDLY_CLIENT_ID = "sandbox-client"
    settings.CALENDLY_CLIENT_SECRET = "sandbox-secret"
    settings.CALENDLY_WEBHOOK_SIGNING_KEY = "sandbox-app-signing-key"
    return server


@pytest.fixture
def oauth(sandbox) -> CalendlyOAuth:
    return CalendlyOAuth()


def authorized(oauth) -> dict[str, str]:
    """Follow the person's browser to the callback."""
    url = oauth.authorize_url(redirect_uri=BACK, state="s1", code_challenge=CHALLENGE.decode())
    answer = requests.get(url, allow_redirects=False, timeout=5)
    query = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def granted(oauth):
    code = authorized(oauth)["code"]
    return oauth.exchange(code=code, redirect_uri=BACK, code_verifier=VERIFIER, now=NOW)


def test_a_code_becomes_a_grant_of_every_scope_that_is_needed(sandbox, oauth):
    back = authorized(oauth)

    grant = oauth.exchange(code=back["code"], redirect_uri=BACK, code_verifier=VERIFIER, now=NOW)

    assert back["state"] == "s1"
    assert set(grant.scopes) == set(NEEDED)
    assert grant.expires_at == NOW + timedelta(seconds=7200)
    assert grant.owner_uri.startswith("https://api.calendly.com/users/")
    assert grant.organization_uri.startswith("https://api.calendly.com/organizations/")
    assert grant.access_token not in repr(grant)


def test_the_app_authenticates_with_basic_and_a_form(sandbox, oauth):
    granted(oauth)

    (asked,) = sandbox.requests(path_contains="/oauth/token")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.body["grant_type"] == "authorization_code"
    assert "client_secret" not in asked.body


def test_introspection_and_revocation_authenticate_in_the_body_alone(sandbox, oauth):
    token = granted(oauth).access_token

    oauth.scopes_of(token)
    oauth.revoke(token)

    introspected, revoked = sandbox.requests(service="calendly_auth")[-2:]
    for asked in (introspected, revoked):
        assert asked.body["client_id"] == "sandbox-client"
        assert asked.body.keys() == {"client_id", "client_secret", "token"}
        assert "Authorization" not in asked.headers


def test_a_verifier_that_does_not_fit_is_refused(oauth):
    code = authorized(oauth)["code"]

    with pytest.raises(ConfigurationError, match="invalid_grant") as caught:
        oauth.exchange(code=code, redirect_uri=BACK, code_verifier="x" * 64, now=NOW)

    assert "Connect the Calendly account again" in caught.value.hint


def test_a_refresh_token_is_good_once(oauth):
    first = granted(oauth)

    second = oauth.refresh(refresh_token=first.refresh_token, now=NOW)

    assert second.refresh_token != first.refresh_token
    with pytest.raises(ConfigurationError, match="invalid_grant"):
        oauth.refresh(refresh_token=first.refresh_token, now=NOW)


def test_a_wrong_secret_names_the_settings(oauth, settings):
    settings.CALENDLY_CLIENT_SECRET = "wrong"

    with pytest.raises(ConfigurationError, match="invalid_client") as caught:
        oauth.refresh(refresh_token="any", now=NOW)

    assert "CALENDLY_CLIENT_SECRET" in caught.value.hint
    assert "wrong" not in str(caught.value)


def test_another_refusal_points_to_the_app(sandbox, oauth):
    sandbox.control.add_fault("calendly_auth", "error", status=400)

    with pytest.raises(ConfigurationError, match="invalid_request") as caught:
        oauth.refresh(refresh_token="any", now=NOW)

    assert "redirect URI" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "params", "error", "ambiguous"),
    [
        ("rate_limited", {"retry_after": 7}, ThrottledError, False),
        ("error", {"status": 500}, TemporaryError, True),
        ("error", {"status": 503, "body": "html"}, TemporaryError, True),
        ("error", {"status": 200, "body": "html"}, TemporaryError, True),
        ("drop_before", {}, TemporaryError, True),
        ("drop_after", {}, TemporaryError, True),
    ],
)
def test_a_passing_fault_is_temporary(sandbox, oauth, kind, params, error, ambiguous):
    grant = granted(oauth)
    sandbox.control.add_fault("calendly_auth", kind, **params)

    with pytest.raises(error) as caught:
        oauth.refresh(refresh_token=grant.refresh_token, now=NOW)

    assert caught.value.ambiguous is ambiguous
    assert caught.value.retry_after == params.get("retry_after")


def test_the_scopes_of_a_token_are_told_until_it_is_revoked(oauth):
    grant = granted(oauth)

    before = oauth.scopes_of(grant.access_token)
    oauth.revoke(grant.access_token)

    assert before == grant.scopes
    assert oauth.scopes_of(grant.access_token) is None


def test_missing_settings_are_named_and_nothing_is_asked(sandbox, oauth, settings):
    settings.CALENDLY_CLIENT_ID = settings.CALENDLY_WEBHOOK_SIGNING_KEY = ""

    missing = oauth.missing_settings

    assert missing == ("CALENDLY_CLIENT_ID", "CALENDLY_WEBHOOK_SIGNING_KEY")
    with pytest.raises(ConfigurationError, match="no Calendly app"):
        oauth.refresh(refresh_token="any", now=NOW)
    assert sandbox.requests(service="calendly_auth") == []
