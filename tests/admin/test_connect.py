"""Connecting in the browser: away to Calendly, back with a code, and what may go wrong on the way."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db.models.signals import pre_save
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import grants
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.oauth import NEEDED
from tests.factories import ConnectionFactory, StaffUserFactory
from tests.granting import connect, follow, make_grant, point_to

pytestmark = pytest.mark.django_db

CALLBACK = "/connect/calendly/callback"


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    point_to(server, settings)
    return server


@pytest.fixture
def connection(sandbox, db) -> Connection:
    return ConnectionFactory.create(provider="calendly", name="Northwind", secrets={})


def page(connection: Connection) -> str:
    return reverse("admin:integrations_connection_change", args=[connection.pk])


def button(connection: Connection) -> str:
    return reverse("admin:integrations_connection_connect", args=[connection.pk])


def operation(connection: Connection, name: str) -> str:
    return reverse("admin:integrations_connection_operate", args=[connection.pk, name])


def callback(query: dict[str, str]) -> str:
    return f"{CALLBACK}?{urlencode(query)}"


def away(client: Client, connection: Connection, **other: str) -> str:
    """Press the button, grant access, and return the address that Calendly sends back to."""
    return callback(follow(client.post(button(connection)).headers["Location"], **other))


def told(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def test_a_press_a_grant_and_the_account_is_connected(operator, connection):
    response = operator.get(away(operator, connection), follow=True)

    connection.refresh_from_db()
    assert response.redirect_chain[-1][0] == page(connection)
    assert "Northwind is connected as Olivia Owens." in told(response)
    assert connection.secrets.keys() == {"access_token", "refresh_token"}
    assert connection.token_expires_at > timezone.now() + timedelta(hours=1)
    assert connection.profile["role"] == "owner"
    assert set(connection.profile["granted"]) == set(NEEDED)


def test_the_browser_is_sent_with_state_pkce_and_scopes(operator, connection, settings):
    settings.CALSYNC_PUBLIC_URL = "https://calsync.example.com"

    url = operator.post(button(connection)).headers["Location"]

    assert "code_challenge_method=S256" in url
    assert "scope=users%3Aread+organizations%3Aread" in url
    assert "redirect_uri=https%3A%2F%2Fcalsync.example.com%2Fconnect%2Fcalendly%2Fcallback" in url


def test_who_may_only_look_cannot_connect_or_disconnect(viewer, connection):
    html = viewer.get(page(connection)).content.decode()

    assert viewer.post(button(connection)).status_code == 403
    assert viewer.post(operation(connection, "disconnect")).status_code == 403
    assert button(connection) not in html


def test_connecting_is_never_a_link_and_cannot_be_forged(operator, connection):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(StaffUserFactory.create(is_superuser=True))

    assert operator.get(button(connection)).status_code == 405
    assert strict.post(button(connection)).status_code == 403


def test_a_connection_to_a_target_is_not_connected_like_this(operator, fake_provider):
    target = ConnectionFactory.create(provider=fake_provider)

    assert operator.post(button(target)).status_code == 404
    assert button(target) not in operator.get(page(target)).content.decode()


@pytest.mark.parametrize("state", ["", "another", "ünïcode"])
def test_a_callback_with_another_state_connects_nothing(operator, connection, state):
    back = follow(operator.post(button(connection)).headers["Location"])

    response = operator.get(callback({**back, "state": state}))

    connection.refresh_from_db()
    assert response.status_code == 403
    assert "paste it there" in response.content.decode()
    assert connection.secrets == {}


def test_a_callback_is_good_once(operator, connection):
    address = away(operator, connection)
    operator.get(address)

    assert operator.get(address).status_code == 403


def test_a_callback_after_ten_minutes_is_refused(operator, connection):
    address = away(operator, connection)

    with time_machine.travel(timezone.now() + timedelta(minutes=11), tick=True):
        response = operator.get(address)

    assert response.status_code == 403
    assert "longer than ten minutes" in response.content.decode()


def test_a_callback_in_another_session_connects_nothing(operator, connection):
    address = away(operator, connection)
    other = Client()
    other.force_login(StaffUserFactory.create(is_superuser=True))

    assert other.get(address).status_code == 403
    assert Client().get(address).status_code == 403
    connection.refresh_from_db()
    assert connection.secrets == {}


def test_a_right_taken_away_meanwhile_counts(connection):
    staff = StaffUserFactory.create(is_superuser=True)
    client = Client()
    client.force_login(staff)
    address = away(client, connection)
    staff.is_superuser = False
    staff.save()

    assert client.get(address).status_code == 403


def test_a_callback_of_an_unknown_provider_is_not_found(operator):
    assert operator.get("/connect/nowhere/callback").status_code == 404


def test_declining_is_told_and_changes_nothing(operator, connection):
    response = operator.get(away(operator, connection, user="stranger"), follow=True)

    assert "Access was declined at Calendly. Connect again and allow it." in told(response)
    connection.refresh_from_db()
    assert connection.secrets == {}


def test_a_code_that_is_refused_is_explained(operator, connection, sandbox):
    address = away(operator, connection)
    sandbox.control.settings(calendly_code_seconds=0)
    back = follow(operator.post(button(connection)).headers["Location"])

    response = operator.get(callback(back), follow=True)

    assert "invalid_grant" in told(response)
    assert operator.get(address).status_code == 403


def test_declined_scopes_are_told(operator, connection):
    scope = "users:read organizations:read scheduled_events:read"

    response = operator.get(away(operator, connection, scope=scope), follow=True)

    assert (
        "Not granted: groups:read, event_types:read, scheduled_events:write, routing_forms:read"
        in told(response)
    )


def test_another_organization_is_refused(operator, connection):
    connection.profile = {
        "organization_uri": "https://api.calendly.com/organizations/OTHER",
        "organization_name": "Southwind",
    }
    connection.save()

    response = operator.get(away(operator, connection), follow=True)

    assert "but the connection belongs to Southwind" in told(response)
    connection.refresh_from_db()
    assert connection.secrets == {}


def test_connecting_again_resumes_a_paused_connection(operator, connection):
    Connection.objects.update(state="paused", state_reason="invalid_grant")

    operator.get(away(operator, connection))

    connection.refresh_from_db()
    assert (connection.state, connection.state_reason) == ("healthy", "")


def test_without_an_app_the_settings_are_named_and_no_button_is_shown(
    operator, connection, settings
):
    settings.CALENDLY_CLIENT_ID = ""

    html = operator.get(page(connection)).content.decode()
    response = operator.post(button(connection), follow=True)

    assert button(connection) not in html
    assert "<code>CALENDLY_CLIENT_ID</code>" in html
    assert "/connect/calendly/callback</code>" in html
    assert "Set CALENDLY_CLIENT_ID." in told(response)


def test_disconnecting_revokes_forgets_and_pauses(operator, sandbox):
    connection = connect()
    held = connection.secrets

    response = operator.post(operation(connection, "disconnect"), {"confirmed": "1"}, follow=True)

    connection.refresh_from_db()
    assert "personal access token" not in connection.state_hint
    assert "Northwind is disconnected." in told(response)
    assert connection.secrets == {}
    assert connection.token_expires_at is None
    assert connection.state == Connection.State.PAUSED
    assert connection.state_reason.startswith("Disconnected by staff")
    assert held["access_token"] not in sandbox.state.calendly.tokens.access
    assert held["refresh_token"] not in sandbox.state.calendly.tokens.refresh
    assert LogEntry.objects.get().get_change_message() == "Disconnected."


def test_testing_a_connection_stores_who_it_is(operator, sandbox):
    connection = connect(profile={})

    operator.post(operation(connection, "test"))

    connection.refresh_from_db()
    assert connection.profile["user_name"] == "Olivia Owens"
    assert set(connection.profile["granted"]) == set(NEEDED)


def test_testing_a_connection_that_is_refused_pauses_it(operator, sandbox, connection):
    grants.enter(connection.pk, {"access_token": "unknown"})

    response = operator.post(operation(connection, "test"), follow=True)

    connection.refresh_from_db()
    assert "401" in told(response)
    assert connection.state == Connection.State.PAUSED


def test_a_form_that_was_open_during_a_renewal_does_not_bring_old_tokens_back(operator, sandbox):
    connection = connect()
    newer = make_grant()

    def renew(instance: Connection, **signal: object) -> None:
        """Store another pair after the form's page has read the row."""
        row = Connection.objects.get(pk=instance.pk)
        grants.put(row, newer)
        Connection.objects.filter(pk=row.pk).update(sealed_secrets=row.sealed_secrets)

    form = {"name": "Renamed", "settings": "{}", "parallelism": "8", "secret_access_token": ""}
    pre_save.connect(renew, sender=Connection)
    try:
        operator.post(page(connection), form)
    finally:
        pre_save.disconnect(renew, sender=Connection)

    connection.refresh_from_db()
    assert connection.name == "Renamed"
    assert connection.secrets["refresh_token"] == newer.refresh_token


def test_entering_a_personal_token_ends_the_grant(operator, sandbox):
    connection = connect()
    form = {
        "name": "Northwind",
        "settings": "{}",
        "parallelism": "8",
        "secret_access_token": "sandbox-calendly-pat",
    }

    operator.post(page(connection), form)

    connection.refresh_from_db()
    assert connection.secrets == {"access_token": "sandbox-calendly-pat"}
    assert connection.token_expires_at is None


def test_a_connection_that_was_deleted_meanwhile_is_told(operator, connection):
    address = away(operator, connection)
    connection.delete()

    response = operator.get(address, follow=True)

    assert response.status_code == 200
    assert "The connection was deleted meanwhile. Add it anew" in told(response)
    assert Connection.objects.count() == 0


def test_who_connected_is_noted(operator, connection):
    operator.get(away(operator, connection))

    entry = LogEntry.objects.get()
    assert entry.get_change_message() == "Connected by OAuth."
    assert entry.object_id == str(connection.pk)


def test_calendly_being_away_says_to_try_again(operator, connection, sandbox):
    address = away(operator, connection)
    sandbox.control.add_fault("calendly_auth", "error", status=503)

    response = operator.get(address, follow=True)

    assert "answered 503. Try again in a minute." in told(response)


def test_no_secret_is_on_any_page_or_in_any_line_of_the_log(operator, sandbox, connection, caplog):
    caplog.set_level("DEBUG")
    address = away(operator, connection)
    operator.get(address, follow=True)
    connection.refresh_from_db()
    Connection.objects.update(token_expires_at=timezone.now())
    old = connection.secrets
    operator.post(operation(connection, "test"))
    sandbox.control.add_fault("calendly", "token_revoked")
    Connection.objects.update(token_expires_at=timezone.now())
    operator.post(operation(connection, "test"))
    connection.refresh_from_db()

    said = (
        f"{connection!r} {connection.state_reason} {connection.state_hint} {connection.last_error}"
    )
    shown = operator.get(page(connection)).content.decode() + said + caplog.text

    assert old["access_token"] != connection.secrets["access_token"]
    assert connection.state == Connection.State.PAUSED
    for secret in (*old.values(), *connection.secrets.values(), "sandbox-secret"):
        assert secret not in shown
