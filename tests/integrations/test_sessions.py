"""One session for all processes, one log-in at a time: threads, processes, refusals and lost answers, at the sandbox."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.db import connections, transaction
from django.utils import timezone

from integrations import accounts, connecting, deliver, grants, turns, vault
from integrations.connectors.salesforce.connector import SalesforceConnector
from integrations.errors import ConfigurationError, PostponedError, TemporaryError
from integrations.http import Recorder
from integrations.models import Connection, Delivery
from integrations.sandbox import SandboxServer
from integrations.sessions import LoggedIn, MemorySessions, StoredSessions
from tests.factories import DeliveryFactory
from tests.salesforce_granting import APP, connect, make_connection, point_to

pytestmark = pytest.mark.django_db

ASK_WHO_WE_ARE = """
import sys
import django
django.setup()
from integrations import accounts
from integrations.http import Recorder
from integrations.models import Connection
connection = Connection.objects.get(pk=int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(accounts.connector(connection).describe().user_name)
"""


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    point_to(server, settings)
    return server


@pytest.fixture
def connection(sandbox, db) -> Connection:
    """A connection that logs in as the app's Run As user."""
    return make_connection(settings={})


@pytest.fixture
def granted(sandbox, db) -> Connection:
    """A connection that somebody connected, to an organization that rotates refresh tokens."""
    sandbox.control.settings(salesforce_rotate_refresh_tokens=True)
    return connect(make_connection())


def who(connection: Connection) -> str:
    """Ask Salesforce who we are with the connection's session, as a delivery would."""
    row = Connection.objects.get(pk=connection.pk)
    profile = accounts.connector(row).describe()
    assert profile
    return profile.user_name


def expire(sandbox: SandboxServer) -> None:
    sandbox.state.salesforce.tokens.end_sessions()


def slow_down(sandbox: SandboxServer) -> None:
    """Let each log-in last long enough to be met by another one."""
    sandbox.control.add_fault(
        "salesforce", "latency", match={"path_contains": "/oauth2/token"}, times=0, seconds=1
    )


def logins(sandbox: SandboxServer) -> list[str]:
    """The grant types of the token requests so far."""
    found = sandbox.requests(service="salesforce", path_contains="/oauth2/token")
    return [entry.body["grant_type"] for entry in found]


def session_of(connection: Connection) -> dict[str, str]:
    return vault.unseal(Connection.objects.get(pk=connection.pk).sealed_session)


def secrets_of(connection: Connection) -> dict[str, str]:
    return Connection.objects.get(pk=connection.pk).secrets


def test_a_session_outlives_whoever_got_it(sandbox, connection):
    assert [who(connection), who(connection)] == ["Inga Integration"] * 2

    assert logins(sandbox) == ["client_credentials"]
    assert session_of(connection)["instance_url"] == f"{sandbox.url}/salesforce"


def test_a_session_is_sealed(sandbox, connection):
    who(connection)

    row = Connection.objects.get(pk=connection.pk)
    assert session_of(connection)["token"] not in row.sealed_session
    assert sandbox.url not in row.sealed_session


def test_an_expired_session_in_the_middle_of_a_delivery_costs_one_log_in(sandbox, connection):
    who(connection)
    delivery = DeliveryFactory.create(
        connection=connection, rule__connection=connection, action="sync_meeting"
    )
    sandbox.control.add_fault("salesforce", "token_expired", match={"path_contains": "/Event/"})

    deliver.deliver(delivery.pk, clock=timezone.now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.error) == (Delivery.State.DELIVERED, "")
    assert len(logins(sandbox)) == 2
    statuses = [entry.status for entry in sandbox.requests(service="salesforce", path_contains="/Event/")]  # fmt: skip
    assert statuses == [401, 201]


def test_a_refused_log_in_pauses_the_connection_with_a_hint_and_keeps_what_waits(
    sandbox, connection
):
    who(connection)
    delivery = DeliveryFactory.create(
        connection=connection, rule__connection=connection, action="sync_meeting"
    )
    sandbox.control.add_fault("salesforce", "token_revoked")

    deliver.deliver(delivery.pk, clock=timezone.now)

    connection.refresh_from_db()
    delivery.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    assert "invalid_grant" in connection.state_reason
    assert connection.state_hint
    assert delivery.state == Delivery.State.WAITING
    assert connection.renewing_until is None


@pytest.mark.django_db(transaction=True)
def test_threads_that_race_log_in_once_and_all_succeed(sandbox, connection):
    slow_down(sandbox)
    together = threading.Barrier(4)

    def run(_number: int) -> str:
        try:
            together.wait(timeout=30)
            return who(connection)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(run, range(4)))

    assert names == ["Inga Integration"] * 4
    assert len(logins(sandbox)) == 1


@pytest.mark.django_db(transaction=True)
def test_processes_that_race_for_a_rotated_refresh_token_use_it_once(
    sandbox, granted, child_environment
):
    expire(sandbox)
    command = [sys.executable, "-c", ASK_WHO_WE_ARE, str(granted.pk)]
    shared = {
        **child_environment,
        "SALESFORCE_LOGIN_URL": f"{sandbox.url}/salesforce",
        "CALSYNC_VAULT_KEYS": ",".join(django_settings.CALSYNC_VAULT_KEYS),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    started = [
        subprocess.Popen(
            command, env=shared, cwd=django_settings.BASE_DIR, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in started:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    slow_down(sandbox)
    for process in started:
        print("go", file=process.stdin, flush=True)
    said = [process.communicate(timeout=60)[0] for process in started]

    assert [lines.splitlines()[-1] for lines in said] == ["Inga Integration"] * 2
    assert logins(sandbox) == ["authorization_code", "refresh_token"]


def test_a_rotated_refresh_token_is_stored_with_its_session(sandbox, granted):
    before = secrets_of(granted)
    expire(sandbox)

    who(granted)

    after = secrets_of(granted)
    assert after["refresh_token"] != before["refresh_token"]
    assert after["client_secret"] == before["client_secret"]
    assert sandbox.state.salesforce.tokens.refresh.keys() == {after["refresh_token"]}
    expire(sandbox)
    assert who(granted) == "Inga Integration"


def test_a_new_instance_is_used_from_then_on(sandbox, granted, settings):
    settings.OUTBOUND_ALLOWED_HOSTS = (*settings.OUTBOUND_ALLOWED_HOSTS, "localhost")
    moved = sandbox.url.replace("127.0.0.1", "localhost")
    granted.settings = {**granted.settings, "login_url": f"{moved}/salesforce"}
    granted.save()
    sandbox.control.settings(salesforce_instance_url=f"{moved}/salesforce")
    expire(sandbox)

    who(granted)

    assert session_of(granted)["instance_url"] == f"{moved}/salesforce"
    assert sandbox.requests(service="salesforce")[-1].headers["Host"].startswith("localhost")


def test_a_rotated_refresh_token_whose_answer_was_lost_asks_to_connect_again(sandbox, granted):
    expire(sandbox)
    sandbox.control.add_fault("salesforce", "drop_after", match={"path_contains": "/oauth2/token"})
    delivery = DeliveryFactory.create(
        connection=granted, rule__connection=granted, action="sync_meeting"
    )

    deliver.deliver(delivery.pk, clock=timezone.now)
    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.WAITING
    later = timezone.now() + timedelta(hours=1)
    deliver.deliver(delivery.pk, clock=lambda: later)

    granted.refresh_from_db()
    assert granted.state == Connection.State.PAUSED
    assert "expired access/refresh token" in granted.state_reason
    assert "connect Salesforce again" in granted.state_hint

    connect(granted)
    granted.refresh_from_db()
    assert granted.state == Connection.State.HEALTHY
    assert deliver.deliver(delivery.pk, clock=lambda: later) == Delivery.State.DELIVERED


def test_other_settings_log_in_for_themselves(sandbox, connection):
    who(connection)
    before = session_of(connection)
    connection.settings = {"login_url": f"{sandbox.url}/salesforce/", "username": "somebody"}
    connection.save()

    who(connection)

    assert len(logins(sandbox)) == 2
    assert session_of(connection)["key"] != before["key"]


def test_a_refused_session_that_is_not_the_stored_one_any_more_costs_no_log_in(sandbox, connection):
    who(connection)
    stale = SalesforceConnector(
        connection.open_account(),
        recorder=Recorder(),
        sessions=StoredSessions(Connection.objects.get(pk=connection.pk)),
    )
    expire(sandbox)
    who(connection)

    stale.describe()

    assert len(logins(sandbox)) == 2


def test_a_session_that_no_key_opens_is_replaced(sandbox, connection):
    sealed = Fernet(Fernet.generate_key()).encrypt(b'{"token": "lost"}').decode()
    Connection.objects.filter(pk=connection.pk).update(sealed_session=sealed)

    assert who(connection) == "Inga Integration"
    assert session_of(connection)["token"] in sandbox.state.salesforce.tokens


def test_a_crash_while_logging_in_is_waited_out_by_the_lease(sandbox, connection):
    Connection.objects.update(renewing_until=timezone.now() + turns.LEASE)
    later = timezone.now() + turns.LEASE + timedelta(seconds=1)
    connector = SalesforceConnector(
        connection.open_account(),
        recorder=Recorder(),
        sessions=StoredSessions(connection, clock=lambda: later),
    )

    connector.describe()

    connection.refresh_from_db()
    assert connection.renewing_until is None
    assert len(logins(sandbox)) == 1


def test_whoever_waits_for_a_log_in_that_does_not_end_tries_again_later(
    sandbox, connection, monkeypatch
):
    monkeypatch.setattr(turns, "_PATIENCE", 0.2)
    Connection.objects.update(renewing_until=timezone.now() + turns.LEASE)

    with pytest.raises(PostponedError, match="by another process"):
        who(connection)

    assert logins(sandbox) == []


def test_a_failed_log_in_is_free_to_be_tried_again(sandbox, connection):
    sandbox.control.add_fault("salesforce", "error", status=503)

    with pytest.raises(TemporaryError, match="unknown_error"):
        who(connection)

    assert who(connection) == "Inga Integration"


@pytest.mark.django_db(transaction=True)
def test_a_log_in_inside_a_transaction_is_refused_before_anything_is_spent(sandbox, connection):
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        who(connection)

    assert logins(sandbox) == []


def test_a_log_in_that_ends_after_a_disconnect_is_not_kept(granted):
    sessions = StoredSessions(granted)

    def slow(secrets):
        connecting.disconnect(granted, by="olivia", now=timezone.now())
        spent = {"refresh_token": secrets["refresh_token"]}
        return LoggedIn(session={"token": "late"}, secrets={"refresh_token": "late"}, spent=spent)

    with pytest.raises(ConfigurationError, match="was disconnected"):
        sessions.instead_of(sessions.current("k"), key="k", log_in=slow)

    assert secrets_of(granted) == APP
    assert session_of(granted) == {}


def test_a_log_in_that_ends_after_a_person_connected_takes_the_persons(granted):
    key = session_of(granted)["key"]
    sessions = StoredSessions(Connection.objects.get(pk=granted.pk))

    def slow(secrets):
        connect(granted)
        spent = {"refresh_token": secrets["refresh_token"]}
        return LoggedIn(session={"token": "late"}, secrets={"refresh_token": "late"}, spent=spent)

    found = sessions.instead_of(sessions.current(key), key=key, log_in=slow)

    assert found == session_of(granted)
    assert found["token"] != "late"
    assert secrets_of(granted)["refresh_token"] != "late"


def test_entering_a_secret_meanwhile_does_not_bring_the_old_refresh_token_back(sandbox, granted):
    expire(sandbox)
    who(granted)
    rotated = secrets_of(granted)["refresh_token"]

    grants.enter(granted.pk, {"client_secret": "sandbox-salesforce-secret"})

    assert secrets_of(granted)["refresh_token"] == rotated


def test_a_session_in_memory_is_shared_and_replaced_like_a_stored_one(sandbox, connection):
    account = connection.open_account()
    sessions = MemorySessions(account.secrets)
    connector = SalesforceConnector(account, recorder=Recorder(), sessions=sessions)
    connector.describe()
    expire(sandbox)

    connector.describe()
    SalesforceConnector(account, recorder=Recorder(), sessions=sessions).describe()

    assert len(logins(sandbox)) == 2
    assert session_of(connection) == {}
