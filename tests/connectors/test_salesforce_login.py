"""Logging in to the sandbox in each of three ways, and what a refusal means."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from integrations.connectors.base import Applied
from integrations.connectors.salesforce.answers import Reply
from integrations.connectors.salesforce.errors import Problem
from integrations.connectors.salesforce.login import (
    audience,
    session_from,
    session_key,
    token_request,
)
from integrations.connectors.salesforce.options import SalesforceSettings
from integrations.connectors.salesforce.private_key import read_private_key
from integrations.connectors.salesforce.token_errors import as_token_error
from integrations.errors import ConfigurationError, TemporaryError, ThrottledError
from integrations.sessions import LoggedIn, MemorySessions
from tests.connectors.builders import make_meeting

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
APP = {"client_id": "sandbox-salesforce-client", "client_secret": "sandbox-salesforce-secret"}
LOGINS = ("client_credentials", "jwt", "oauth")


@cache
def rsa_key(size=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


def pem(key, *, form=PrivateFormat.PKCS8, passphrase=None):
    how = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, how).decode()


def public_pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def logins(driver):
    return [entry for entry in driver.server.requests(service="salesforce") if entry.path.endswith("/oauth2/token")]  # fmt: skip


@pytest.fixture(params=LOGINS)
def driver(request, to_salesforce):
    """A driver that logs in in each of the ways."""
    config = to_salesforce.server.state.config
    config.salesforce_jwt_public_key = public_pem(rsa_key())
    to_salesforce.settings = {"login": request.param}
    if request.param == "jwt":
        to_salesforce.settings["username"] = "inga@harbor.example"
        to_salesforce.secrets = {"client_id": APP["client_id"], "private_key": pem(rsa_key())}
    if request.param == "oauth":
        to_salesforce.secrets = {**APP, "refresh_token": config.salesforce_refresh_token}
    return to_salesforce


def test_each_way_leads_to_a_session_that_is_used_from_then_on(driver):
    driver.deliver()
    driver.deliver(make_meeting(name="Other"), kind="updated", event_id=2)

    assert len(driver.objects()) == 1
    assert len(logins(driver)) == 1


def test_an_expired_session_is_replaced_once_and_the_request_repeated(driver):
    driver.deliver()
    driver.break_request("token_expired", match={})

    applied = driver.deliver(make_meeting(name="Other"), kind="updated", event_id=2)

    assert isinstance(applied, Applied)
    assert len(logins(driver)) == 2
    assert driver.objects()[0]["Subject"].startswith("Other")


def test_a_session_refused_again_at_once_needs_a_person(driver):
    driver.break_request(
        "salesforce_error", match={"path_contains": "/composite"}, times=0,
        errorCode="INVALID_SESSION_ID", message="Session expired or invalid", status=401,
    )  # fmt: skip

    with pytest.raises(ConfigurationError, match="INVALID_SESSION_ID") as caught:
        driver.deliver()

    assert "resume the connection" in caught.value.hint
    assert len(logins(driver)) == 2


def test_a_session_that_is_no_good_for_the_api_is_not_replaced(driver):
    driver.break_request(
        "salesforce_error", match={"path_contains": "/composite"}, errorCode="INVALID_SESSION_ID",
        message="This session is not valid for use with the REST API", status=401,
    )  # fmt: skip

    with pytest.raises(ConfigurationError, match="REST API") as caught:
        driver.deliver()

    assert "(api)" in caught.value.hint
    assert len(logins(driver)) == 1


def test_no_secret_of_a_log_in_is_recorded(driver):
    driver.deliver()

    recorded = json.dumps(driver.recorder.exchanges)
    (session,) = driver.server.state.salesforce.tokens.sessions
    assert session not in recorded
    assert all(secret not in recorded for name, secret in driver.secrets.items() if name != "client_id")  # fmt: skip
    assert "assertion" not in recorded or '"assertion": "[secret]"' in recorded


def test_a_lost_answer_to_a_log_in_is_no_lost_write(driver):
    driver.break_request("drop_after", match={"path_contains": "/oauth2/token"})

    with pytest.raises(TemporaryError) as caught:
        driver.deliver()

    assert not caught.value.ambiguous


def test_the_check_tells_who_we_are_and_where(driver):
    profile = driver.connector().check().profile

    assert (profile.user_name, profile.user_email) == ("Inga Integration", "inga@harbor.example")
    assert (profile.organization_name, profile.plan) == ("Harbor Consulting", "Enterprise Edition")
    assert profile.organization_uri.startswith("00D")
    assert profile.site == f"{driver.server.url}/salesforce"


def test_the_check_logs_in_anew_for_only_that_shows_that_the_secrets_are_good(driver):
    driver.deliver()
    driver.break_request("token_revoked", match={"path_contains": "/oauth2/token"})

    with pytest.raises(ConfigurationError, match="invalid_grant"):
        driver.connector().check()


def test_a_sandbox_organization_is_told_apart(to_salesforce):
    (organization,) = to_salesforce.server.state.salesforce.records["Organization"].values()
    organization["IsSandbox"] = True

    assert to_salesforce.connector().check().profile.plan == "Enterprise Edition (sandbox)"


def test_what_the_user_may_not_read_of_the_organization_stays_empty(to_salesforce):
    del to_salesforce.server.state.salesforce.objects["organization"]

    profile = to_salesforce.connector().check().profile

    assert (profile.organization_name, profile.plan) == ("", "")
    assert profile.user_name == "Inga Integration"


def test_an_api_version_that_is_not_offered_is_told_with_the_newest(to_salesforce):
    to_salesforce.settings = {"api_version": "99.0"}

    with pytest.raises(ConfigurationError, match=r"99\.0") as caught:
        to_salesforce.connector().check()

    assert caught.value.hint == "Set api_version to 68.0."


def test_an_instance_that_is_no_salesforce_gets_no_token(to_salesforce, settings):
    """Though this installation may call it: for another provider."""
    settings.OUTBOUND_ALLOWED_HOSTS = (*settings.OUTBOUND_ALLOWED_HOSTS, "localhost")
    elsewhere = f"{to_salesforce.server.url.replace('127.0.0.1', 'localhost')}/salesforce"
    to_salesforce.server.state.config.salesforce_instance_url = elsewhere

    with pytest.raises(ConfigurationError, match="not a Salesforce address"):
        to_salesforce.deliver()

    assert [path for path in to_salesforce.requests() if "/oauth2/" not in path] == []


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "http://acme.my.salesforce.com",
        "https://salesforce.com.evil.example",
        "https://slack.com",
        "https://acme.my.salesforce.com@evil.example",
    ],
)
def test_a_session_elsewhere_is_refused(address):
    reply = Reply(status=200, body={"access_token": "secret", "instance_url": address})
    my_domain = SalesforceSettings(login_url="https://acme.my.salesforce.com")

    with pytest.raises(ConfigurationError) as caught:
        session_from(reply, my_domain)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["https://acme.my.salesforce.com/", "https://eu42.salesforce.com", "https://acme.my.salesforce.mil"],
)  # fmt: skip
def test_a_session_at_salesforce_is_taken(address):
    reply = Reply(status=200, body={"access_token": "secret", "instance_url": address})

    assert session_from(reply, SalesforceSettings())["instance_url"] == address.rstrip("/")


@pytest.mark.parametrize("body", [None, [], {}, {"access_token": "x"}, {"error": "x"}])
def test_a_login_address_that_is_not_salesforces_needs_a_person(body):
    with pytest.raises(ConfigurationError, match="like Salesforce"):
        session_from(Reply(status=200, body=body), SalesforceSettings())


@pytest.mark.parametrize(
    ("login_url", "given", "expected"),
    [
        ("https://login.salesforce.com", "", "https://login.salesforce.com"),
        ("https://test.salesforce.com/", "", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "https://test.salesforce.com", "https://test.salesforce.com"),
    ],
)  # fmt: skip
def test_an_assertion_is_for_production_or_for_the_sandboxes(login_url, given, expected):
    assert audience(SalesforceSettings(login_url=login_url, audience=given)) == expected


def test_an_assertion_names_app_and_user_and_ends_within_five_minutes():
    settings = SalesforceSettings(
        login="jwt", username="ina@acme.example", login_url="https://acme.my.salesforce.com"
    )
    secrets = {"client_id": "app", "private_key": pem(rsa_key())}
    now = datetime.now(UTC)

    form = token_request(settings, secrets, now=now).form

    claims = jwt.decode(
        form["assertion"], rsa_key().public_key(), algorithms=["RS256"], audience="https://login.salesforce.com"
    )  # fmt: skip
    assert (claims["iss"], claims["sub"]) == ("app", "ina@acme.example")
    assert now < datetime.fromtimestamp(claims["exp"], UTC) <= now + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("chosen", "secrets", "words"),
    [
        ({}, {}, "no client id"),
        ({}, {"client_id": "x"}, "no client secret"),
        ({}, {"client_id": "x", "client_secret": "y"}, "does not work at https://login.salesforce.com"),
        ({"login": "oauth"}, APP, "not connected"),
        ({"login": "oauth"}, {"refresh_token": "x"}, "no client id"),
        ({"login": "jwt", "username": "x"}, APP, "no private key"),
        ({"login": "jwt", "username": "x"}, {"private_key": "x"}, "no client id"),
        ({"login": "jwt", "username": "x"}, {**APP, "private_key": "x"}, "unusable"),
    ],
)  # fmt: skip
def test_what_is_missing_is_told_before_anybody_is_asked(chosen, secrets, words):
    settings = SalesforceSettings(**{"login_url": "https://login.salesforce.com", **chosen})

    with pytest.raises(ConfigurationError, match=words) as caught:
        token_request(settings, secrets, now=NOW)

    assert caught.value.hint


def test_a_username_is_needed_to_log_in_by_jwt():
    with pytest.raises(ValueError, match="is needed with the login jwt"):
        SalesforceSettings(login="jwt")


@pytest.mark.parametrize(
    "written",
    [
        pem(rsa_key()),
        pem(rsa_key(), form=PrivateFormat.TraditionalOpenSSL),
        pem(rsa_key()).replace("\n", "\r\n"),
        pem(rsa_key()).replace("\n", " "),
        pem(rsa_key()).replace("\n", "\\n"),
        f"Bag Attributes\n  friendlyName: x\n{pem(rsa_key())}\n{public_pem(rsa_key())}",
    ],
    ids=["pkcs8", "pkcs1", "windows", "one line", "spelled out", "with more around it"],
)
def test_a_private_key_is_read_however_it_was_pasted(written):
    assert read_private_key(written).private_numbers() == rsa_key().private_numbers()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("", "no PEM text"),
        ("hunter2", "no PEM text"),
        (public_pem(rsa_key()), "the public key"),
        ("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "the certificate"),
        (pem(rsa_key(), passphrase=b"x"), "passphrase"),
        (pem(rsa_key(), form=PrivateFormat.TraditionalOpenSSL, passphrase=b"x"), "passphrase"),
        (pem(rsa_key())[:400], "no PEM text"),
        (pem(rsa_key()).replace("MII", "", 1), "damaged"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RSA"),
        (pem(rsa_key(1024)), "1024 bits"),
    ],
)
def test_what_is_no_usable_key_is_told_in_words(written, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_private_key(written)

    assert "MII" not in str(caught.value)


def test_a_session_belongs_to_what_it_was_got_with():
    settings = SalesforceSettings(login_url="https://acme.my.salesforce.com")
    key = session_key(settings, APP)

    assert key == session_key(SalesforceSettings(login_url=f"{settings.login_url}/"), APP)
    assert key == session_key(settings, {**APP, "client_secret": "rotated"})
    assert key != session_key(settings, {**APP, "client_id": "other"})
    others: tuple[dict[str, Any], ...] = (
        {"login_url": "https://acme--uat.sandbox.my.salesforce.com"},
        {"login_url": settings.login_url, "login": "oauth"},
        {"login_url": settings.login_url, "username": "other"},
    )
    for other in others:
        assert key != session_key(SalesforceSettings(**other), APP)


def test_settings_that_change_never_meet_the_session_of_those_before_them(to_salesforce):
    to_salesforce.deliver()
    before = len(logins(to_salesforce))
    to_salesforce.secrets = {**APP, "client_id": "another-app"}

    with pytest.raises(ConfigurationError, match="invalid_client_id"):
        to_salesforce.deliver(make_meeting(name="Other"), kind="updated", event_id=2)

    assert len(logins(to_salesforce)) == before + 1


def test_a_token_is_never_printed():
    brought = LoggedIn(session={"token": "hidden"}, secrets={"refresh_token": "hidden"})

    assert "hidden" not in repr(brought)
    assert "hidden" not in repr(token_request(SalesforceSettings(login="oauth"), {**APP, "refresh_token": "hidden"}, now=NOW))  # fmt: skip
    assert "hidden" not in repr(MemorySessions({"client_secret": "hidden"}))


# What Salesforce answers to a log-in: code, description, flow -> what the hint has to say.
REFUSALS = [
    ("invalid_client_id", "client identifier invalid", LOGINS, "client id is not known"),
    ("invalid_client", "invalid client credentials", LOGINS, "client secret is wrong"),
    ("invalid_grant", "no client credentials user enabled", ["client_credentials"], "Run As user"),
    ("invalid_grant", "request not supported on this domain", ["client_credentials"], "My Domain"),
    ("invalid_grant", "authentication failure", ["client_credentials"], "Run As user"),
    ("invalid_grant", "authentication failure", ["jwt"], "pre-authorized"),
    ("invalid_grant", "authentication failure", ["oauth"], "connect Salesforce again"),
    ("invalid_grant", "user hasn't approved this consumer", ["jwt"], "pre-authorized"),
    ("invalid_grant", "audience is invalid", ["jwt"], "test.salesforce.com"),
    ("invalid_grant", "Audience validation failed", ["jwt"], "test.salesforce.com"),
    ("invalid_grant", "invalid assertion", ["jwt"], "certificate"),
    ("invalid_grant", "expired access/refresh token", ["oauth"], "connect Salesforce again"),
    ("invalid_grant", "expired authorization code", ["oauth"], "Begin again"),
    ("invalid_grant", "invalid code verifier", ["oauth"], "Begin again"),
    ("invalid_grant", "ip restricted", LOGINS, "IP policy"),
    ("invalid_grant", "ip restricted or invalid login hours", LOGINS, "IP policy"),
    ("invalid_grant", "invalid login hours", LOGINS, "login hours"),
    ("invalid_grant", "user is locked", LOGINS, "unlock"),
    ("invalid_app_access", "user is not admin approved to access this app", LOGINS, "permission set"),
    ("app_not_found", "External client app is not installed in this org", LOGINS, "install it"),
    ("inactive_user", "user is inactive", ["client_credentials"], "The Run As user is inactive"),
    ("inactive_user", "user is inactive", ["jwt"], "username of another"),
    ("inactive_user", "user is inactive", ["oauth"], "connect again as another user"),
    ("inactive_org", "organization is inactive", LOGINS, "ask Salesforce"),
    ("unauthorized_client", "", ["client_credentials"], "client credentials flow"),
    ("unsupported_grant_type", "grant type not supported", ["jwt"], "JWT bearer flow"),
    ("unsupported_grant_type", "grant type not supported", ["oauth"], "web server"),
    ("redirect_uri_mismatch", "redirect_uri must match configuration", ["oauth"], "redirect URI"),
    ("invalid_scope", "", ["oauth"], "(refresh_token)"),
    ("brand_new", "", LOGINS, "does not accept the log-in"),
    ("", "", LOGINS, "does not accept the log-in"),
]  # fmt: skip
EACH_REFUSAL = [(code, said, login, hint) for code, said, flows, hint in REFUSALS for login in flows]  # fmt: skip


@pytest.mark.parametrize(("code", "said", "login", "hint"), EACH_REFUSAL)
def test_a_refusal_needs_a_person_and_tells_them_what_fits_their_way_in(code, said, login, hint):
    error = as_token_error(Problem(status=400, code=code, message=said), login=login)

    assert type(error) is ConfigurationError
    assert hint in error.hint
    assert said in str(error)


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize(
    ("problem", "expected", "wait"),
    [
        (Problem(status=400, code="unknown_error", message="retry your request"), TemporaryError, None),
        (Problem(status=400, code="server_error"), TemporaryError, None),
        (Problem(status=400, code="temporarily_unavailable"), TemporaryError, None),
        (Problem(status=500), TemporaryError, None),
        (Problem(status=503, retry_after=9), TemporaryError, 9),
        (Problem(status=429, retry_after=7), ThrottledError, 7),
        (Problem(status=429), ThrottledError, 60),
        (Problem(status=400, code="invalid_grant", message="login rate exceeded"), ThrottledError, 60),
    ],
)  # fmt: skip
def test_a_refusal_that_passes_is_tried_again(login, problem, expected, wait):
    error = as_token_error(problem, login=login)

    assert type(error) is expected
    assert isinstance(error, TemporaryError)
    assert error.retry_after == wait
    assert error.hint
