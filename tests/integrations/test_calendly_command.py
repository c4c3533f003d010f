"""`manage.py calendly`: connecting, looking and leaving from a terminal."""

import io
import json
import re
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command

from integrations import scripts
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from tests.factories import ConnectionFactory, WebhookSubscriptionFactory
from tests.granting import BACK, follow, point_to

pytestmark = pytest.mark.django_db

TOKEN = "sandbox-calendly-pat"


@pytest.fixture(autouse=True)
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    point_to(server, settings)
    return server


@pytest.fixture
def terminal(monkeypatch):
    """Run a subcommand, with what a person types; return what it printed."""

    def run(*arguments: str, typed: str | io.TextIOBase = "") -> str:
        written = typed if isinstance(typed, io.TextIOBase) else io.StringIO(typed)
        monkeypatch.setattr("sys.stdin", written)
        out = getattr(typed, "screen", io.StringIO())
        call_command("calendly", *arguments, stdout=out, stderr=out)
        return str(out.getvalue())

    return run


class Browser(io.TextIOBase):
    """A person who opens the address on the screen, and pastes the one that they end at."""

    def __init__(self, **other: str) -> None:
        self.screen = io.StringIO()
        self.other = other

    def readline(self, size: int | None = -1) -> str:  # type: ignore[override]
        found = re.search(r"http\S+/oauth/authorize\S+", self.screen.getvalue())
        assert found
        return f"{BACK}?{urlencode(follow(found[0], **self.other))}\n"


@pytest.mark.parametrize(("name", "why"), [("", "blank"), ("x" * 300, "at most")])
def test_a_name_that_the_admin_would_refuse_is_refused(terminal, name, why):
    with pytest.raises(CommandError, match=why):
        terminal("connect", name, "--token", TOKEN)

    assert not Connection.objects.exists()


def test_a_token_from_standard_input_connects(terminal):
    said = terminal("connect", "Northwind", typed=f"{TOKEN}\n")

    connection = Connection.objects.get()
    assert said == "“Northwind” is connected as Olivia Owens.\n"
    assert (connection.provider, connection.name) == ("calendly", "Northwind")
    assert connection.secrets == {"access_token": TOKEN}


def test_a_token_may_be_an_argument_and_is_never_printed(terminal):
    said = terminal("connect", "Northwind", "--token", TOKEN)

    assert Connection.objects.get().secrets == {"access_token": TOKEN}
    assert TOKEN not in said


def test_a_browser_elsewhere_connects_by_oauth(terminal):
    said = terminal("connect", "Northwind", "--oauth", typed=Browser())

    connection = Connection.objects.get()
    assert "“Northwind” is connected as Olivia Owens." in said
    assert connection.secrets["refresh_token"]
    assert connection.secrets["refresh_token"] not in said


def test_declined_scopes_are_told(terminal):
    browser = Browser(scope="users:read organizations:read webhooks:write")

    assert "Not granted: groups:read," in terminal("connect", "Northwind", "--oauth", typed=browser)


@pytest.mark.parametrize(
    ("arguments", "typed", "told"),
    [
        (["--token", "unknown"], "", "401: Unauthenticated"),
        ([], "\n", "No token was given."),
        (["--oauth"], "\n", "No address was pasted."),
        (["--oauth"], f"{BACK}?code=c&state=another\n", "not connecting an account"),
    ],
)
def test_a_new_connection_that_fails_is_not_kept(terminal, arguments, typed, told):
    with pytest.raises(CommandError, match=told):
        terminal("connect", "Northwind", *arguments, typed=typed)

    assert Connection.objects.count() == 0


def test_an_old_connection_that_fails_is_kept_as_it_is(terminal):
    ConnectionFactory.create(provider="calendly", name="Northwind", secrets={"access_token": TOKEN})

    with pytest.raises(CommandError, match="401"):
        terminal("connect", "Northwind", "--token", "unknown")

    assert Connection.objects.get().secrets == {"access_token": TOKEN}


def test_a_connection_to_something_else_is_not_overwritten(terminal):
    ConnectionFactory.create(provider="slack", name="Northwind", secrets={"bot_token": "xoxb"})

    with pytest.raises(CommandError, match="is a connection to slack"):
        terminal("connect", "Northwind", "--token", TOKEN)

    assert Connection.objects.get().secrets == {"bot_token": "xoxb"}


def test_connecting_without_an_app_names_the_settings(terminal, settings):
    settings.CALENDLY_CLIENT_ID = ""

    with pytest.raises(CommandError, match=r"Set CALENDLY_CLIENT_ID\."):
        terminal("connect", "Northwind", "--oauth")


@pytest.mark.parametrize("connected", [True, False])
def test_status_tells_who_and_what_without_asking(terminal, sandbox, connected, broker_url):
    scripts.wake()
    if connected:
        terminal("connect", "Northwind", "--oauth", typed=Browser())
        WebhookSubscriptionFactory.create(connection=Connection.objects.get(), purpose="meetings")
    else:
        ConnectionFactory.create(provider="calendly", name="Northwind", secrets={})
    asked = len(sandbox.requests())

    said = terminal("status")
    (facts,) = json.loads(terminal("status", "Northwind", "--json"))

    assert len(sandbox.requests()) == asked
    assert said.startswith("Northwind: healthy\n")
    if connected:
        assert "account       Olivia Owens <" in said
        assert "role          owner" in said
        assert "token         OAuth, until 20" in said
        assert "scopes        all 9 that are needed" in said
        assert re.search(r"requests      \d+ of 500 left, 100 of them kept", said)
        assert "subscriptions meetings (organization) active" in said
        assert facts["scopes_missing"] == []
        assert facts["budget"]["limit"] == 500
    else:
        assert "token         none: run connect" in said
        assert (facts["token"], facts["budget"]) == ("", None)
    assert all(secret not in said for secret in Connection.objects.get().secrets.values())


def test_status_of_a_paused_connection_says_what_to_do(terminal):
    ConnectionFactory.create(
        provider="calendly", name="Northwind", secrets={"access_token": TOKEN}, state="paused",
        state_reason="Calendly answered 401.", state_hint="Connect again.",
    )  # fmt: skip

    said = terminal("status", "Northwind")

    assert "why           Calendly answered 401. Connect again." in said
    assert "scopes        not told for this kind of token" in said


def test_status_without_any_connection_says_how_to_begin(terminal):
    assert terminal("status") == "No Calendly account is connected: run connect.\n"


def test_disconnecting_forgets_the_token(terminal):
    terminal("connect", "Northwind", "--token", TOKEN)

    said = terminal("disconnect", "Northwind")

    connection = Connection.objects.get()
    assert said.startswith("“Northwind” is disconnected.")
    assert connection.secrets == {}
    assert connection.state_reason == "Disconnected by the command line."


def test_an_unknown_name_lists_the_names_there_are(terminal):
    ConnectionFactory.create(provider="calendly", name="Northwind")

    with pytest.raises(CommandError, match="There are: “Northwind”"):
        terminal("disconnect", "Southwind")


def test_a_subcommand_is_needed(terminal):
    with pytest.raises(CommandError, match="SUBCOMMAND"):
        terminal()


def test_status_of_a_connection_whose_key_is_lost_is_told_beside_the_others(terminal):
    ConnectionFactory.create(provider="calendly", name="Harbor", secrets={"access_token": TOKEN})
    ConnectionFactory.create(provider="calendly", name="Northwind")
    Connection.objects.filter(name="Northwind").update(sealed_secrets="sealed with a lost key")

    said = terminal("status")

    assert "token         personal access token" in said
    assert "token         cannot be read: put its key back into CALSYNC_VAULT_KEYS" in said


def test_a_passing_failure_asks_to_try_again(terminal, sandbox):
    sandbox.control.add_fault("calendly", "error", status=503)

    with pytest.raises(CommandError, match=r"503.* Try again in a minute\."):
        terminal("connect", "Northwind", "--token", TOKEN)
