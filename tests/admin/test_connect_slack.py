"""Installing the Slack app in the browser: its id and secret first, away, back with a code, and leaving again."""

import html
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.urls import reverse

from integrations import accounts, deliver, grants
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.oauth import NEEDED as CALENDLYS
from tests.factories import ConnectionFactory
from tests.granting import follow

pytestmark = pytest.mark.django_db

APP = {"client_id": "sandbox-slack-client", "client_secret": "sandbox-slack-secret", "signing_secret": "s3"}  # fmt: skip


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    settings.SLACK_API_URL = f"{server.url}/slack/api/"
    return server


@pytest.fixture
def connection(sandbox, db) -> Connection:
    return ConnectionFactory.create(name="Harbor", secrets=APP)


def page(connection):
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def shown(client, connection):
    return html.unescape(client.get(page(connection)).content.decode())


def button(connection):
    return reverse("admin:integrations_connection_connect", args=[connection.pk])


def away(client, connection, **other):
    """Press the button, answer the question, and return the address that Slack sends back to."""
    back = follow(client.post(button(connection)).headers["Location"], **other)
    return f"/connect/slack/callback?{urlencode(back)}"


def told(response):
    return " ".join(str(message) for message in response.context["messages"])


def form(connection, **secrets):
    fields = {"name": connection.name, "settings": "{}", "parallelism": "8"}
    return {**fields, **{f"secret_{name}": value for name, value in secrets.items()}}


def test_a_press_a_consent_and_the_workspace_is_connected(operator, connection, broker_url):
    response = operator.get(away(operator, connection), follow=True)

    connection.refresh_from_db()
    assert response.redirect_chain[-1][0] == page(connection)
    assert "Harbor is connected as calsync." in told(response)
    assert "Not granted" not in told(response)
    assert connection.secrets.keys() == {*APP, "access_token"}
    assert connection.profile["organization_uri"] == "T0SANDBOX"
    assert accounts.is_granted(connection)
    seen = shown(operator, connection)
    assert "Connected as calsync" in seen
    assert "all 6 granted" in seen
    assert "Disconnect" in seen


def test_what_is_asked_for_stands_in_the_address(operator, connection):
    address = urlsplit(operator.post(button(connection)).headers["Location"])

    query = {name: value for name, (value,) in parse_qs(address.query).items()}
    assert address.path == "/slack/oauth/v2/authorize"
    assert query["scope"].split(",") == [
        "chat:write", "channels:read", "channels:join", "channels:history", "groups:history", "users:read.email",
        "users:read", "im:write", "im:history",
    ]  # fmt: skip
    assert query["redirect_uri"] == "http://127.0.0.1:8000/connect/slack/callback"
    assert query["state"]
    assert APP["client_secret"] not in address.query


def test_the_granted_token_posts(operator, connection, broker_url):
    operator.get(away(operator, connection))
    connection.refresh_from_db()

    assert "Connected to Harbor Consulting as calsync." in deliver.check_connection(connection, now=connection.created_at).summary  # fmt: skip
    assert connection.secrets["access_token"] not in str(accounts.connector(connection).recorder)


def test_fewer_scopes_are_told(operator, connection, broker_url):
    response = operator.get(away(operator, connection, scope="chat:write,users:read"), follow=True)

    assert "Not granted: channels:read, channels:join, channels:history, users:read.email." in told(response)  # fmt: skip
    assert "4 missing" in shown(operator, connection)


def test_page_installation_and_test_need_the_same_scopes(operator, connection, sandbox, broker_url):
    """With a signing secret cards have buttons, and these need to know who pressed."""
    sandbox.state.config.change({"slack_scopes": "chat:write,channels:read,channels:join,channels:history"})  # fmt: skip
    response = operator.get(away(operator, connection, scope="chat:write,channels:read,channels:join,channels:history"), follow=True)  # fmt: skip
    assert "Not granted: users:read, users:read.email." in told(response)
    test = reverse("admin:integrations_connection_operate", args=[connection.pk, "test"])

    tested = told(operator.post(test, follow=True))

    assert "It lacks the scopes users:read, users:read.email." in tested
    assert "2 missing" in shown(operator, connection)
    connection.set_secrets({"bot_token": "xoxb-sandbox"})
    connection.save()
    assert "lacks" not in told(operator.post(test, follow=True))
    assert "all 4 granted" in shown(operator, connection)


def test_who_declines_is_told_and_nothing_is_stored(operator, connection):
    response = operator.get(away(operator, connection, consent="deny"), follow=True)

    assert "Access was declined at Slack." in told(response)
    assert Connection.objects.get().secrets == APP


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"client_secret": "wrong"}, "Check client id and client secret"),
        ({"client_id": "wrong"}, "Check client id and client secret"),
    ],
)
def test_a_wrong_app_is_told(operator, connection, spoil, words):
    address = away(operator, connection)
    connection.set_secrets({**APP, **spoil})
    connection.save()

    response = operator.get(address, follow=True)

    assert words in told(response)
    assert not grants.has_token(Connection.objects.get())


def test_a_code_that_was_used_is_told(operator, connection, sandbox):
    address = away(operator, connection)
    sandbox.state.slack.codes.clear()

    response = operator.get(address, follow=True)

    assert "invalid_code" in told(response)
    assert not grants.has_token(Connection.objects.get())


@pytest.mark.parametrize("kind", ["drop_before", "broken_json", "rate_limited"])
def test_slack_away_is_told_and_nothing_is_stored(operator, connection, sandbox, kind):
    address = away(operator, connection)
    sandbox.state.faults.add(service="slack", kind=kind, match={"path_contains": "oauth.v2.access"})

    response = operator.get(address, follow=True)

    assert "Try again" in told(response)
    assert not grants.has_token(Connection.objects.get())


def test_a_callback_that_nobody_began_is_refused(operator, connection):
    assert operator.get("/connect/slack/callback?state=x&code=y").status_code == 403


def test_without_the_app_the_page_says_what_to_enter(operator, sandbox):
    connection = ConnectionFactory.create(secrets={})

    seen = shown(operator, connection)

    assert "First enter the client id and client secret of the app below, or the bot token" in seen
    assert "http://127.0.0.1:8000/connect/slack/callback" in seen
    assert button(connection) not in seen


def test_a_pasted_token_is_enough(operator, sandbox):
    connection = ConnectionFactory.create(secrets={"bot_token": "xoxb-sandbox"})
    assert "First enter" not in shown(operator, connection)

    test = reverse("admin:integrations_connection_operate", args=[connection.pk, "test"])
    response = operator.post(test, follow=True)

    assert "Connected to Harbor Consulting as calsync." in told(response)
    assert not accounts.is_granted(connection)
    seen = shown(operator, connection)
    assert "all 4 granted" in seen
    assert "Disconnect" not in seen


def test_installing_replaces_a_pasted_token(operator, connection, broker_url):
    connection.set_secrets({**APP, "bot_token": "xoxb-sandbox"})
    connection.save()

    operator.get(away(operator, connection))

    assert Connection.objects.get().secrets.keys() == {*APP, "access_token"}


def test_a_pasted_token_replaces_what_was_installed(operator, connection, broker_url):
    operator.get(away(operator, connection))

    operator.post(page(connection), form(connection, bot_token="xoxb-sandbox"))

    assert Connection.objects.get().secrets == {**APP, "bot_token": "xoxb-sandbox"}


def test_other_secrets_leave_the_grant_alone(operator, connection, broker_url):
    operator.get(away(operator, connection))

    operator.post(page(connection), form(connection, signing_secret="another"))

    held = Connection.objects.get().secrets
    assert held["signing_secret"] == "another"
    assert held["access_token"]


def disconnect(client, connection):
    url = reverse("admin:integrations_connection_operate", args=[connection.pk, "disconnect"])
    return client.post(url, {"confirmed": "1"}, follow=True)


def test_disconnecting_ends_the_token_at_slack(operator, connection, sandbox, broker_url):
    operator.get(away(operator, connection))
    token = Connection.objects.get().secrets["access_token"]
    assert token in sandbox.state.slack.tokens

    disconnect(operator, connection)

    connection.refresh_from_db()
    assert token not in sandbox.state.slack.tokens
    assert connection.secrets == APP
    assert connection.state == "paused"
    assert "Connect with Slack" in shown(operator, connection)


def test_a_token_that_ended_already_is_disconnected(operator, connection, sandbox, broker_url):
    operator.get(away(operator, connection))
    sandbox.state.slack.tokens.clear()

    disconnect(operator, connection)

    assert Connection.objects.get().secrets == APP


def test_slack_away_keeps_the_token_to_be_ended_later(operator, connection, sandbox, broker_url):
    operator.get(away(operator, connection))
    sandbox.state.faults.add(service="slack", kind="drop_before", match={"path_contains": "auth.revoke"})  # fmt: skip

    response = disconnect(operator, connection)

    assert "did not answer" in told(response)
    assert grants.has_token(Connection.objects.get())


@pytest.mark.parametrize(
    ("provider", "secrets", "is_granted"),
    [
        ("calendly", {"access_token": "personal"}, False),
        ("calendly", {"access_token": "a", "refresh_token": "r"}, True),
        ("salesforce", {"client_id": "c", "client_secret": "s"}, False),
        ("salesforce", {"client_id": "c", "refresh_token": "r"}, True),
        ("slack", {"bot_token": "xoxb-1"}, False),
        ("slack", {"access_token": "xoxb-1"}, True),
        ("gone", {"access_token": "x"}, True),
    ],
)
def test_a_grant_is_a_token_that_nobody_entered(provider, secrets, is_granted):
    row = ConnectionFactory.create(provider=provider, secrets=secrets)

    assert accounts.is_granted(row) is is_granted


def test_an_app_with_rotating_tokens_is_refused(operator, connection, sandbox):
    sandbox.state.config.change({"slack_rotate_tokens": True})

    response = operator.get(away(operator, connection), follow=True)

    assert "token rotation" in told(response)
    assert not grants.has_token(Connection.objects.get())


def test_calendly_asks_to_mark_no_shows():
    assert "scheduled_events:write" in CALENDLYS
