"""Connecting against the sandbox: who it is, whose organization, what was granted, and leaving again."""

import traceback
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from integrations import connecting, profiles, subscriptions
from integrations.connecting import UnknownStateError
from integrations.errors import ConfigurationError, TemporaryError
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.oauth import NEEDED
from integrations.sources.calendly.reach import may_read
from tests.factories import ConnectionFactory
from tests.granting import follow, make_grant, point_to

pytestmark = pytest.mark.django_db

OWNER, MEMBER = "sandbox-calendly-pat", "sandbox-calendly-pat-user"
OTHER = {
    "organization_uri": "https://api.calendly.com/organizations/OTHER",
    "organization_name": "Southwind",
}


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    point_to(server, settings)
    return server


@pytest.fixture
def connection(sandbox, db) -> Connection:
    return ConnectionFactory.create(provider="calendly", name="Northwind", secrets={})


def grant_access(connection: Connection, **other: str) -> Connection:
    session: dict[str, Any] = {}
    now = timezone.now()
    back = follow(connecting.begin(connection, session=session, now=now), **other)
    return connecting.complete(session=session, params=back, now=now)


def adopt(connection: Connection, token: str = OWNER) -> Any:
    return connecting.adopt_token(connection, token=token, now=timezone.now())


def test_a_grant_is_stored_with_who_gave_it(connection):
    found = grant_access(connection)

    assert found.secrets.keys() == {"access_token", "refresh_token"}
    assert found.profile["user_name"] == "Olivia Owens"
    assert found.profile["role"] == "owner"
    assert found.profile["plan"]
    assert set(found.profile["granted"]) == set(NEEDED)
    assert connecting.missing_scopes(found) == ()


@pytest.mark.parametrize(
    ("token", "role"),
    [(OWNER, "owner"), ("sandbox-calendly-pat-admin", "admin"), (MEMBER, "user")],
)
def test_a_personal_token_tells_role_and_organization_but_not_its_scopes(connection, token, role):
    profile = adopt(connection, token)

    assert profile.role == connection.profile["role"] == role
    assert profile.organization_uri == connection.profile["organization_uri"] != ""
    assert profile.granted is None
    assert profile.missing == ()
    assert connection.secrets == {"access_token": token}


def test_a_token_that_may_not_see_the_organization_is_taken_all_the_same(connection, sandbox):
    narrow = sandbox.control.make_token(scopes=["users:read"])

    profile = adopt(connection, narrow)

    assert profile.user_name == "Olivia Owens"
    assert (profile.role, profile.organization_name, profile.plan) == ("", "", "")


def test_a_refused_token_is_not_stored_and_leaves_the_one_before_it(connection):
    adopt(connection)

    with pytest.raises(ConfigurationError, match="401"):
        adopt(connection, "unknown")

    connection.refresh_from_db()
    assert connection.secrets == {"access_token": OWNER}
    assert connection.state == Connection.State.HEALTHY


def test_a_personal_token_ends_the_grant_before_it(connection):
    grant_access(connection)

    adopt(connection)

    assert connection.secrets == {"access_token": OWNER}
    assert connection.token_expires_at is None


def test_a_grant_replaces_a_personal_token_of_the_same_organization(connection):
    adopt(connection, MEMBER)

    found = grant_access(connection)

    assert found.profile["role"] == "owner"
    assert found.secrets["refresh_token"]


@pytest.mark.parametrize("way", [grant_access, adopt])
def test_another_organization_is_refused_and_nothing_is_stored(connection, way):
    Connection.objects.update(profile=OTHER)

    with pytest.raises(ConfigurationError, match="belongs to Southwind") as caught:
        way(connection)

    connection.refresh_from_db()
    assert "a connection of its own" in caught.value.hint
    assert connection.secrets == {}
    assert connection.profile == OTHER


@pytest.mark.parametrize("way", [grant_access, adopt])
def test_a_paused_connection_goes_on(connection, way):
    Connection.objects.update(state="paused", state_reason="invalid_grant")

    way(connection)

    connection.refresh_from_db()
    assert (connection.state, connection.state_reason) == ("healthy", "")


def test_declined_scopes_are_known(connection):
    found = grant_access(connection, scope="users:read webhooks:write")

    assert connecting.missing_scopes(found) == (
        "organizations:read", "groups:read", "event_types:read", "scheduled_events:read",
        "scheduled_events:write", "routing_forms:read",
    )  # fmt: skip


def test_nothing_begins_without_the_apps_settings(connection, settings):
    settings.CALENDLY_CLIENT_SECRET = settings.CALENDLY_WEBHOOK_SIGNING_KEY = ""
    session: dict[str, Any] = {}

    with pytest.raises(ConfigurationError) as caught:
        connecting.begin(connection, session=session, now=timezone.now())

    assert caught.value.hint == "Set CALENDLY_CLIENT_SECRET, CALENDLY_WEBHOOK_SIGNING_KEY."
    assert session == {}


def test_every_round_trip_has_a_state_and_a_verifier_of_its_own(connection):
    session: dict[str, Any] = {}
    first = follow(connecting.begin(connection, session=session, now=timezone.now()))
    second = follow(connecting.begin(connection, session=session, now=timezone.now()))

    with pytest.raises(UnknownStateError):
        connecting.complete(session=session, params=first, now=timezone.now())
    connecting.complete(session=session, params=second, now=timezone.now())
    with pytest.raises(UnknownStateError):
        connecting.complete(session=session, params=second, now=timezone.now())


def test_a_round_trip_ends_after_ten_minutes(connection):
    session: dict[str, Any] = {}
    began = timezone.now()
    back = follow(connecting.begin(connection, session=session, now=began))
    late = began + timedelta(minutes=10)

    with pytest.raises(UnknownStateError, match="ten minutes"):
        connecting.complete(session=session, params=back, now=late)

    assert connecting.begun(session) is None


@pytest.mark.parametrize(
    ("query", "said", "hint"),
    [
        ({"error": "access_denied"}, "Access was declined at Calendly.", "allow it"),
        ({"error": "invalid_scope"}, "does not let the app ask", "these scopes"),
        ({"error": "temporarily_unavailable"}, "could not do it just now", "later"),
        ({"error": "unauthorized_client"}, "sent no code: unauthorized_client.", "redirect URI"),
        ({}, "sent no code: without a reason.", "redirect URI"),
    ],
)
def test_what_comes_back_without_a_code_is_explained(connection, query, said, hint):
    session: dict[str, Any] = {}
    back = follow(connecting.begin(connection, session=session, now=timezone.now()))

    with pytest.raises(ConfigurationError, match=said) as caught:
        connecting.complete(
            session=session, params={"state": back["state"], **query}, now=timezone.now()
        )

    assert hint in caught.value.hint


def test_asking_again_stores_what_changed(connection, sandbox):
    adopt(connection)
    Connection.objects.update(profile={**connection.profile, "role": "user", "plan": "old"})

    profile = profiles.refresh(connection, now=timezone.now())

    assert profile.role == connection.profile["role"] == "owner"
    assert connection.profile["plan"] != "old"


def test_asking_again_keeps_the_tokens_that_were_renewed_by_it(connection):
    grant_access(connection)
    connection.refresh_from_db()
    before = connection.secrets["refresh_token"]
    Connection.objects.update(token_expires_at=timezone.now())

    profile = profiles.refresh(connection, now=timezone.now())

    assert set(profile.granted or ()) == set(NEEDED)
    assert connection.secrets["refresh_token"] != before


def test_a_revoked_account_is_paused_with_a_hint(connection, sandbox, caplog):
    grant_access(connection)
    sandbox.control.add_fault("calendly", "token_revoked")

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="invalid_grant"):
            profiles.refresh(connection, now=timezone.now())

    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    assert "Connect the Calendly account again" in connection.state_hint
    assert caplog.text.count("Connection paused") == 1


def test_an_account_that_moved_to_another_organization_is_paused(connection):
    adopt(connection)
    Connection.objects.update(profile=OTHER)

    with pytest.raises(ConfigurationError, match="belongs to Southwind"):
        profiles.refresh(connection, now=timezone.now())

    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    assert connection.profile == OTHER


def test_a_provider_that_is_away_pauses_nothing(connection, sandbox):
    adopt(connection)
    sandbox.control.add_fault("calendly", "error", status=503)

    with pytest.raises(TemporaryError):
        profiles.refresh(connection, now=timezone.now())

    connection.refresh_from_db()
    assert connection.state == Connection.State.HEALTHY


def test_disconnecting_unsubscribes_revokes_and_forgets(connection, sandbox):
    connection = grant_access(connection)
    held = connection.secrets
    subscriptions.ensure(connection, now=timezone.now())
    before = sandbox.control.webhooks()["subscriptions"]

    connecting.disconnect(connection, by="ann", now=timezone.now())

    assert before
    assert sandbox.control.webhooks()["subscriptions"] == []
    assert held["access_token"] not in sandbox.state.calendly.tokens.access
    assert held["refresh_token"] not in sandbox.state.calendly.tokens.refresh
    assert connection.secrets == {}
    assert connection.state_reason == "Disconnected by ann."
    assert connection.profile["organization_uri"]


def test_disconnecting_what_is_revoked_already_forgets_it(connection, sandbox):
    connection = grant_access(connection)
    sandbox.control.add_fault("calendly", "token_revoked")

    connecting.disconnect(connection, by="ann", now=timezone.now())

    assert connection.secrets == {}
    assert connection.state_reason == "Disconnected by ann."


def test_disconnecting_while_the_provider_is_away_forgets_nothing(connection, sandbox):
    connection = grant_access(connection)
    sandbox.control.add_fault("calendly_auth", "error", status=503)

    with pytest.raises(TemporaryError):
        connecting.disconnect(connection, by="ann", now=timezone.now())

    connection.refresh_from_db()
    assert connection.secrets
    assert connection.state == Connection.State.HEALTHY


def test_disconnecting_a_personal_token_says_who_ends_it(connection, sandbox):
    adopt(connection)

    connecting.disconnect(connection, by="ann", now=timezone.now())

    assert "ended by its owner at Calendly" in connection.state_hint
    assert OWNER in sandbox.state.calendly.tokens.access


def test_other_secrets_survive_a_disconnect(connection):
    connection.set_secrets({"access_token": OWNER, "other": "kept"})
    connection.save()

    connecting.disconnect(connection, by="ann", now=timezone.now())

    assert connection.secrets == {"other": "kept"}


def test_secrets_sealed_with_a_lost_key_do_not_hinder_connecting(connection):
    Connection.objects.update(sealed_secrets="no longer readable")

    found = grant_access(connection)

    assert found.secrets["access_token"]


def test_a_grant_without_named_scopes_is_not_told_to_lack_any(connection):
    """Grants from before scopes answer `default`."""
    connection.profile = {"granted": None, "needed": list(NEEDED)}

    assert make_grant(scope="").scopes == ()
    assert connecting.missing_scopes(connection) == ()


def test_a_grant_from_before_scopes_may_do_everything(connection, sandbox):
    """Its app answers without named scopes; the token is not held back by any."""
    session: dict[str, Any] = {}
    url = connecting.begin(connection, session=session, now=timezone.now())
    back = follow(url, scope="")
    tokens = sandbox.state.calendly.tokens
    code = tokens.codes[back["code"]]
    tokens.codes[back["code"]] = replace(code, grant=replace(code.grant, scopes=None))

    found = connecting.complete(session=session, params=back, now=timezone.now())

    assert found.profile["granted"] is None
    assert found.profile["role"] == "owner"
    assert may_read(found.open_account(), "routing_forms")


def test_a_grant_of_another_member_leaves_nothing_of_the_one_before_it(connection):
    before = grant_access(connection)
    connection.set_secrets({**before.secrets, "personal_access_token": "old", "other": "kept"})
    connection.save()

    found = grant_access(connection, user="admin")

    assert found.profile["user_uri"] != before.profile["user_uri"]
    assert found.profile["role"] == "admin"
    assert found.secrets.keys() == {"access_token", "refresh_token", "other"}
    assert not set(found.secrets.values()) & set(before.secrets.values())


def test_a_state_is_spent_before_the_provider_is_asked(connection, sandbox):
    """A view that fails saves no session: what was begun would be open to be ended again."""
    session = SessionStore()
    back = follow(connecting.begin(connection, session=session, now=timezone.now()))
    session.create()
    sandbox.control.add_fault("calendly_auth", "error", status=503)

    with pytest.raises(TemporaryError):
        connecting.complete(session=session, params=back, now=timezone.now())

    with pytest.raises(UnknownStateError):
        connecting.complete(
            session=SessionStore(session.session_key), params=back, now=timezone.now()
        )


@pytest.mark.parametrize("way", [grant_access, adopt])
def test_an_answer_that_names_nobody_is_not_taken_for_an_account(connection, sandbox, way):
    sandbox.control.add_fault(
        "calendly", "calendly_error", match={"path_contains": "/users/me"}, status=200
    )

    with pytest.raises(TemporaryError, match="names no user"):
        way(connection)

    connection.refresh_from_db()
    assert (connection.secrets, connection.profile) == ({}, {})


@pytest.mark.parametrize("token", ["tok…en", "“token”", "to\nken"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_quoted(connection, sandbox, token):
    with pytest.raises(ConfigurationError, match="was not sent") as caught:
        adopt(connection, token)

    assert "line break" in caught.value.hint
    assert token not in "".join(traceback.format_exception(caught.value))
    assert sandbox.requests() == []


def test_a_passing_failure_tells_the_person_who_waits_to_try_again(connection, sandbox):
    sandbox.control.add_fault("calendly", "error", status=503)
    sandbox.control.add_fault("calendly", "rate_limited", retry_after=7)
    told = []
    for _ in range(2):
        with pytest.raises(TemporaryError) as caught:
            adopt(connection)
        told.append(caught.value.answer)

    assert "503" in told[0]
    assert "Try again in a minute." in told[0]
    assert "Try again in 7 s." in told[1]
    assert "Nothing to do" not in "".join(told)
