"""Connecting Salesforce in the browser: the app's key first, away, back with a code, and leaving again."""

import html
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from integrations import vault
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from integrations.sandbox.salesforce.schema import external_id
from tests.factories import RemoteRecordFactory
from tests.granting import follow
from tests.salesforce_granting import APP, connect, make_connection, point_to

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    point_to(server, settings)
    return server


@pytest.fixture
def connection(sandbox, db) -> Connection:
    return make_connection()


def page(connection: Connection) -> str:
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def button(connection: Connection) -> str:
    return reverse("admin:integrations_connection_connect", args=[connection.pk])


def operation(connection: Connection, name: str) -> str:
    return reverse("admin:integrations_connection_operate", args=[connection.pk, name])


def shown(client: Client, connection: Connection) -> str:
    return html.unescape(client.get(page(connection)).content.decode())


def away(client: Client, connection: Connection, consent: str = "allow") -> str:
    """Press the button, answer the question, and return the address that Salesforce sends back to."""
    back = follow(client.post(button(connection)).headers["Location"], consent=consent)
    return f"/connect/salesforce/callback?{urlencode(back)}"


def told(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def form(**other: str) -> dict[str, str]:
    return {"name": "Harbor", "settings": "{}", "parallelism": "8", **other}


def test_a_press_a_consent_and_the_organization_is_connected(operator, connection, broker_url):
    response = operator.get(away(operator, connection), follow=True)

    connection.refresh_from_db()
    assert response.redirect_chain[-1][0] == page(connection)
    assert "Harbor is connected as Inga Integration." in told(response)
    assert connection.secrets.keys() == {*APP, "refresh_token"}
    assert vault.unseal(connection.sealed_session)["instance_url"].endswith("/salesforce")
    assert connection.profile["organization_name"] == "Harbor Consulting"
    seen = shown(operator, connection)
    assert "Connected as Inga Integration" in seen
    assert "inga@harbor.example" in seen
    assert "Enterprise Edition" in seen


def test_the_browser_is_sent_with_state_pkce_and_scopes(operator, connection, sandbox, settings):
    settings.CALSYNC_PUBLIC_URL = "https://calsync.example.com"

    url = operator.post(button(connection)).headers["Location"]

    assert url.startswith(f"{sandbox.url}/salesforce/services/oauth2/authorize?")
    assert "code_challenge_method=S256" in url
    assert "scope=api+refresh_token" in url
    assert "redirect_uri=https%3A%2F%2Fcalsync.example.com%2Fconnect%2Fsalesforce%2Fcallback" in url


def test_the_browser_is_sent_to_no_address_that_is_not_allowed(operator, connection):
    connection.settings = {"login": "oauth", "login_url": "https://salesforce.evil.example"}
    connection.save()

    response = operator.post(button(connection), follow=True)

    assert response.redirect_chain[-1][0] == page(connection)
    assert "not an address this installation may call" in told(response)


def test_without_the_apps_key_it_is_asked_for_first(operator, sandbox):
    connection = make_connection(secrets={})

    seen = shown(operator, connection)
    response = operator.post(button(connection), follow=True)

    assert "First enter the client id" in seen
    assert "/connect/salesforce/callback</code>" in seen
    assert button(connection) not in seen
    assert "Set client_id." in told(response)


@pytest.mark.parametrize("login", ["client_credentials", "jwt"])
def test_who_logs_in_without_a_person_has_no_button(operator, sandbox, login):
    connection = make_connection(settings={"login": login, "username": "inga@harbor.example"})

    seen = shown(operator, connection)

    assert button(connection) not in seen
    assert operation(connection, "disconnect") not in seen
    assert operation(connection, "test") in seen
    assert operator.post(button(connection)).status_code == 404


def test_settings_that_cannot_be_read_leave_a_page_to_mend_them(operator, sandbox):
    connection = make_connection(settings={"login": "by telephone"})

    assert "by telephone" in shown(operator, connection)
    assert operator.post(button(connection)).status_code == 404


def test_who_may_only_look_cannot_connect_or_disconnect(viewer, sandbox, connection):
    connect(connection)

    assert viewer.post(button(connection)).status_code == 403
    assert viewer.post(operation(connection, "disconnect")).status_code == 403
    assert button(connection) not in shown(viewer, connection)


def test_a_callback_in_another_session_or_with_another_state_connects_nothing(operator, connection):
    address = away(operator, connection)

    assert Client().get(address).status_code == 403
    assert operator.get(address.replace("state=", "state=x")).status_code == 403
    connection.refresh_from_db()
    assert connection.secrets == APP


def test_declining_is_told_and_changes_nothing(operator, connection):
    response = operator.get(away(operator, connection, "deny"), follow=True)

    assert "Access was declined at Salesforce. Connect again and allow it." in told(response)
    connection.refresh_from_db()
    assert connection.secrets == APP


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"salesforce_scopes": "api"}, "gave no refresh token"),
        ({"salesforce_client_secret": "rotated"}, "client secret is wrong"),
        ({"salesforce_instance_url": "https://slack.com"}, "not a Salesforce address"),
    ],
)
def test_what_goes_wrong_with_the_code_is_explained_and_nothing_stored(
    operator, connection, sandbox, changed, words
):
    address = away(operator, connection)
    sandbox.control.settings(salesforce_code_seconds=600)
    again = operator.post(button(connection)).headers["Location"]
    sandbox.control.settings(**changed)
    back = follow(again, consent="allow")

    response = operator.get(f"/connect/salesforce/callback?{urlencode(back)}", follow=True)

    assert words in told(response)
    connection.refresh_from_db()
    assert (connection.secrets, connection.sealed_session) == (APP, "")
    assert operator.get(address).status_code == 403


def test_an_api_version_that_is_not_offered_is_told_before_anything_is_stored(operator, connection):
    connection.settings = {"login": "oauth", "api_version": "99.0"}
    connection.save()

    response = operator.get(away(operator, connection), follow=True)

    assert "does not offer API version 99.0. Set api_version to 68.0." in told(response)
    connection.refresh_from_db()
    assert connection.secrets == APP


def elsewhere(connection: Connection) -> None:
    connection.profile = {"organization_uri": "00D000000000000AAA", "organization_name": "Southwind"}  # fmt: skip
    connection.save()


def test_another_organization_than_the_one_that_was_written_to_is_refused(operator, connection):
    elsewhere(connection)
    RemoteRecordFactory.create(connection=connection)

    response = operator.get(away(operator, connection), follow=True)

    assert "but the connection belongs to Southwind" in told(response)
    connection.refresh_from_db()
    assert connection.secrets == APP


def test_nothing_written_yet_another_organization_is_as_good(operator, connection, broker_url):
    elsewhere(connection)

    operator.get(away(operator, connection))

    connection.refresh_from_db()
    assert connection.profile["organization_name"] == "Harbor Consulting"


def test_connecting_again_resumes_a_paused_connection(operator, connection, broker_url):
    Connection.objects.update(state="paused", state_reason="invalid_grant")

    operator.get(away(operator, connection))

    connection.refresh_from_db()
    assert (connection.state, connection.state_reason) == ("healthy", "")


def test_disconnecting_revokes_forgets_and_pauses(operator, sandbox, connection):
    connect(connection)
    tokens = sandbox.state.salesforce.tokens
    assert (len(tokens.refresh), len(tokens.sessions)) == (1, 1)

    response = operator.post(operation(connection, "disconnect"), {"confirmed": "1"}, follow=True)

    connection.refresh_from_db()
    assert "Harbor is disconnected. Connect it again to go on." in told(response)
    assert (connection.secrets, connection.sealed_session) == (APP, "")
    assert connection.state == Connection.State.PAUSED
    assert connection.state_reason.startswith("Disconnected by staff")
    assert (tokens.refresh, tokens.sessions) == ({}, {})
    assert LogEntry.objects.get().get_change_message() == "Disconnected."
    assert "<h2>Not connected</h2>" in shown(operator, connection)


def test_disconnecting_what_salesforce_has_ended_already_forgets_all_the_same(
    operator, sandbox, connection
):
    connect(connection)
    sandbox.state.salesforce.tokens.refresh.clear()

    operator.post(operation(connection, "disconnect"), {"confirmed": "1"})

    connection.refresh_from_db()
    assert connection.secrets == APP


def test_disconnecting_while_salesforce_is_down_forgets_nothing(operator, sandbox, connection):
    connect(connection)
    sandbox.control.add_fault("salesforce", "error", status=503)

    response = operator.post(operation(connection, "disconnect"), {"confirmed": "1"}, follow=True)

    assert "Try again in a minute" in told(response)
    connection.refresh_from_db()
    assert connection.secrets["refresh_token"]


def test_testing_a_connection_shows_who_it_is_on_its_page(operator, sandbox):
    connection = make_connection(settings={})

    response = operator.post(operation(connection, "test"), follow=True)

    assert "accepts the log-in as inga@harbor.example at Harbor Consulting" in told(response)
    assert "Connected as Inga Integration" in shown(operator, connection)


KEY = (
    generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def test_a_private_key_is_looked_at_when_it_is_entered_and_never_shown_again(operator, connection):
    refused = operator.post(page(connection), form(secret_private_key=KEY.replace("PRIVATE", "PUBLIC")))  # fmt: skip
    taken = operator.post(page(connection), form(secret_private_key=KEY))

    connection.refresh_from_db()
    text = html.unescape(refused.content.decode())
    assert "This is the public key. Enter the private key that belongs to it." in text
    assert "BEGIN PUBLIC KEY-----\n" not in text
    assert KEY.splitlines()[1] not in text
    assert taken.status_code == 302
    assert connection.secrets["private_key"] == KEY.strip()
    assert KEY.splitlines()[1] not in shown(operator, connection)
    assert '<textarea name="secret_private_key"' in text


def test_a_login_that_lacks_its_username_is_refused_when_it_is_saved(operator, connection):
    refused = operator.post(page(connection), form(settings='{"login": "jwt"}'))

    assert "username: is needed with the login jwt." in html.unescape(refused.content.decode())


def test_the_page_shows_what_the_organization_lacks_and_how_to_add_it(operator, sandbox):
    plain = make_connection(settings={}, secrets=APP)
    assert "Set-up" not in shown(operator, plain)
    sandbox.state.salesforce.change_field("Event", remove="Calendly_Invitee_UUID__c")

    operator.post(operation(plain, "test"))
    lacking = shown(operator, plain)
    sandbox.state.salesforce.change_field("Event", add=external_id())
    operator.post(operation(plain, "test"))
    complete = shown(operator, plain)

    assert "Set-up: 1 missing" in lacking
    assert "Object Manager > Activity > Fields & Relationships > New > Text" in lacking
    assert "Set-up" in complete
    assert "missing" not in complete.partition('aria-label="Set-up"')[2].partition("</section>")[0]
