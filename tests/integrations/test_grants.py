"""Refresh tokens that are good once: threads, processes, crashes and lost answers, against the sandbox."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from integrations import grants, profiles, refetch, turns
from integrations.errors import ConfigurationError, PostponedError, TemporaryError
from integrations.http import HttpClient
from integrations.models import Connection
from integrations.sandbox import SandboxServer
from integrations.sources.calendly.client import CalendlyClient
from integrations.sources.calendly.oauth import CalendlyOAuth
from tests.factories import ConnectionFactory
from tests.granting import connect, environment, make_grant, point_to

pytestmark = pytest.mark.django_db

ASK_WHO_WE_ARE = """
import sys
import django
django.setup()
from integrations.http import HttpClient
from integrations.models import Connection
from integrations.sources.calendly.client import CalendlyClient
account = Connection.objects.get(pk=int(sys.argv[1])).open_account()
print("ready", flush=True)
sys.stdin.readline()
print(CalendlyClient.for_account(account, http=HttpClient()).me().text("name"))
"""


@pytest.fixture
def sandbox(server: SandboxServer, settings) -> SandboxServer:
    server.reset()
    point_to(server, settings)
    return server


@pytest.fixture
def connection(sandbox, db) -> Connection:
    """A connection whose access token ended a minute ago."""
    return connect(token_expires_at=timezone.now() - timedelta(minutes=1))


def who(connection: Connection) -> str:
    """Ask Calendly with an account that was opened before; a thread gives its database connection back."""
    account = connection.open_account()
    with closing(HttpClient()) as http:
        return CalendlyClient.for_account(account, http=http).me().text("name")


def who_in_a_thread(connection: Connection) -> str:
    try:
        return who(connection)
    finally:
        connections.close_all()


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def refreshes(sandbox) -> int:
    return sum(
        entry.body["grant_type"] == "refresh_token"
        for entry in sandbox.requests(service="calendly_auth", path_contains="/token")
    )


def secrets_of(connection: Connection) -> dict[str, str]:
    return Connection.objects.get(pk=connection.pk).secrets


def test_a_token_that_lasts_is_used_as_it_is(sandbox, connection):
    soon = timezone.now() + timedelta(minutes=11)
    Connection.objects.update(token_expires_at=soon)

    assert who(connection) == "Olivia Owens"
    assert refreshes(sandbox) == 0


def test_a_token_that_ends_soon_is_renewed_and_stored_before_it_is_used(sandbox, connection):
    before = secrets_of(connection)
    Connection.objects.update(token_expires_at=timezone.now() + timedelta(minutes=9))
    sandbox.control.add_fault("calendly", "drop_before", times=0)

    with pytest.raises(TemporaryError):
        who(connection)

    connection.refresh_from_db()
    assert refreshes(sandbox) == 1
    assert connection.secrets["access_token"] != before["access_token"]
    assert connection.secrets["refresh_token"] != before["refresh_token"]
    assert connection.token_expires_at > timezone.now() + timedelta(hours=1)
    assert connection.renewing_until is None
    assert "webhooks:write" in connection.profile["granted"]


def test_other_secrets_and_what_is_known_of_the_account_stay(sandbox, connection):
    connection.set_secrets({**connection.secrets, "other": "kept"})
    connection.profile = {"user_name": "Olivia Owens"}
    connection.save()

    who(connection)

    connection.refresh_from_db()
    assert connection.secrets["other"] == "kept"
    assert connection.profile["user_name"] == "Olivia Owens"


@pytest.mark.django_db(transaction=True)
def test_threads_that_race_refresh_once_and_all_succeed(sandbox, connection):
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(who_in_a_thread, [connection] * 4))

    assert names == ["Olivia Owens"] * 4
    assert refreshes(sandbox) == 1


@pytest.mark.django_db(transaction=True)
def test_processes_that_race_refresh_once_and_all_succeed(sandbox, connection, child_environment):
    command = [sys.executable, "-c", ASK_WHO_WE_ARE, str(connection.pk)]
    shared = {
        **child_environment,
        **environment(sandbox),
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

    for process in started:
        print("go", file=process.stdin, flush=True)
    said = [process.communicate(timeout=60)[0] for process in started]

    assert [lines.splitlines()[-1] for lines in said] == ["Olivia Owens"] * 2
    assert refreshes(sandbox) == 1


def test_whoever_finds_the_token_renewed_uses_the_stored_one(sandbox, connection):
    account = connection.open_account()
    who(connection)

    with closing(HttpClient()) as http:
        CalendlyClient.for_account(account, http=http).me()

    assert refreshes(sandbox) == 1


def test_a_refused_token_is_renewed_once_and_the_request_repeated(sandbox, connection):
    Connection.objects.update(token_expires_at=timezone.now() + timedelta(hours=1))
    sandbox.control.add_fault("calendly", "token_expired")

    assert who(connection) == "Olivia Owens"
    assert refreshes(sandbox) == 1
    assert [entry.status for entry in sandbox.requests(service="calendly")] == [401, 200]


def test_a_refused_token_that_is_not_the_stored_one_any_more_costs_no_refresh(sandbox, connection):
    Connection.objects.update(token_expires_at=timezone.now() + timedelta(hours=1))
    tokens = grants.Tokens(connection.open_account(), renewer=CalendlyOAuth(), clock=timezone.now)
    old = tokens.current()
    newer = make_grant()
    grants.put(connection, newer)
    connection.save()

    assert tokens.instead_of(old) == newer.access_token
    assert tokens.current() == newer.access_token
    assert refreshes(sandbox) == 0


def test_a_token_refused_again_after_a_renewal_is_not_renewed_again(sandbox, connection):
    Connection.objects.update(token_expires_at=timezone.now() + timedelta(hours=1))
    sandbox.control.add_fault("calendly", "error", times=2, status=401)

    with pytest.raises(ConfigurationError, match="401"):
        who(connection)

    assert refreshes(sandbox) == 1


def test_a_crash_while_renewing_is_waited_out_by_the_lease(sandbox, connection):
    Connection.objects.update(renewing_until=timezone.now() + turns.LEASE)
    later = timezone.now() + turns.LEASE + timedelta(seconds=1)
    tokens = grants.Tokens(connection.open_account(), renewer=CalendlyOAuth(), clock=lambda: later)

    tokens.current()

    connection.refresh_from_db()
    assert refreshes(sandbox) == 1
    assert connection.renewing_until is None


def test_whoever_waits_for_a_renewal_that_does_not_end_tries_again_later(
    sandbox, connection, monkeypatch
):
    monkeypatch.setattr(turns, "_PATIENCE", 0.2)
    Connection.objects.update(renewing_until=timezone.now() + turns.LEASE)

    with pytest.raises(PostponedError, match="by another process"):
        who(connection)

    assert refreshes(sandbox) == 0


def test_nobody_waits_while_the_old_token_works(sandbox, connection):
    now = timezone.now()
    Connection.objects.update(
        token_expires_at=now + timedelta(minutes=5), renewing_until=now + turns.LEASE
    )

    assert who(connection) == "Olivia Owens"
    assert refreshes(sandbox) == 0


def test_a_failed_renewal_goes_on_with_the_old_token_and_is_not_repeated_at_once(
    sandbox, connection
):
    Connection.objects.update(token_expires_at=timezone.now() + timedelta(minutes=5))
    sandbox.control.add_fault("calendly_auth", "error", times=0, status=503)

    assert [who(connection), who(connection)] == ["Olivia Owens"] * 2
    assert refreshes(sandbox) == 1

    sandbox.control.clear_faults()
    later = timezone.now() + turns.LEASE + timedelta(seconds=1)
    grants.Tokens(connection.open_account(), renewer=CalendlyOAuth(), clock=lambda: later).current()
    assert refreshes(sandbox) == 2


def test_a_failed_renewal_of_a_dead_token_is_temporary_and_free_to_be_tried_again(
    sandbox, connection
):
    sandbox.control.add_fault("calendly_auth", "error", status=503)

    with pytest.raises(TemporaryError, match="503"):
        who(connection)

    assert who(connection) == "Olivia Owens"


def test_a_lost_answer_ends_in_a_pause_that_asks_to_connect_again_and_is_told_once(
    sandbox, connection, caplog
):
    booked = sandbox.control.book(name="Ann Lee", email="ann@example.com")
    sandbox.control.add_fault("calendly_auth", "drop_after")
    for number in range(3):
        refetch.ask_now(booked["event"], account=connection.account, now=timezone.now())
        now = timezone.now() + timedelta(hours=number)
        refetch.drain(until=now + timedelta(seconds=5), clock=at(now))

    connection.refresh_from_db()
    assert connection.state == Connection.State.PAUSED
    assert "invalid_grant" in connection.state_reason
    assert "Connect the Calendly account again" in connection.state_hint
    assert refreshes(sandbox) == 2
    assert [record.message for record in caplog.records].count(
        f"Connection paused: connection={connection.pk}"
    ) == 1
    assert connection.renewing_until is None


def test_a_refused_renewal_uses_what_another_process_stored_meanwhile(sandbox, connection):
    """A process that lost its lease stores its pair while ours is being refused."""
    spent = connection.secrets["refresh_token"]
    newer = CalendlyOAuth().refresh(refresh_token=spent, now=timezone.now())

    class Late(CalendlyOAuth):
        def refresh(self, *, refresh_token, now):
            row = Connection.objects.get(pk=connection.pk)
            grants.put(row, newer)
            row.save()
            return super().refresh(refresh_token=refresh_token, now=now)

    tokens = grants.Tokens(connection.open_account(), renewer=Late(), clock=timezone.now)

    assert tokens.current() == newer.access_token


def test_a_pair_that_comes_late_does_not_replace_what_a_person_connected(sandbox, connection):
    class Slow(CalendlyOAuth):
        def refresh(self, *, refresh_token, now):
            grant = super().refresh(refresh_token=refresh_token, now=now)
            grants.enter(connection.pk, {"access_token": "personal"})
            return grant

    tokens = grants.Tokens(connection.open_account(), renewer=Slow(), clock=timezone.now)

    assert tokens.current() == "personal"
    assert secrets_of(connection) == {"access_token": "personal"}


def test_a_pair_that_comes_after_a_disconnect_is_not_kept(sandbox, connection):
    class Slow(CalendlyOAuth):
        def refresh(self, *, refresh_token, now):
            grant = super().refresh(refresh_token=refresh_token, now=now)
            row = Connection.objects.get(pk=connection.pk)
            grants.forget(row)
            row.save()
            return grant

    tokens = grants.Tokens(connection.open_account(), renewer=Slow(), clock=timezone.now)

    with pytest.raises(ConfigurationError, match="has no access token"):
        tokens.current()
    assert secrets_of(connection) == {}


@pytest.mark.django_db(transaction=True)
def test_a_renewal_inside_a_transaction_is_refused_before_anything_is_spent(sandbox, connection):
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        who(connection)

    assert refreshes(sandbox) == 0


def test_a_personal_token_passes_through_untouched(sandbox, django_assert_num_queries):
    connection = ConnectionFactory.create(
        provider="calendly", secrets={"access_token": "sandbox-calendly-pat"}
    )

    with django_assert_num_queries(0):
        assert who(connection) == "Olivia Owens"

    assert sandbox.requests(service="calendly_auth") == []


def test_what_was_disconnected_meanwhile_asks_to_be_connected(sandbox, connection):
    account = connection.open_account()
    grants.forget(connection)
    connection.save()

    with closing(HttpClient()) as http, pytest.raises(ConfigurationError, match="Northwind"):
        CalendlyClient.for_account(account, http=http).me()


def test_a_token_of_a_persons_own_ends_the_grant_before_it(connection):
    grants.enter(connection.pk, {"access_token": "personal"})

    connection.refresh_from_db()
    assert connection.secrets == {"access_token": "personal"}
    assert connection.token_expires_at is None


def test_entering_another_secret_keeps_the_tokens_that_were_renewed_meanwhile(sandbox, connection):
    who(connection)

    grants.enter(connection.pk, {"other": "new"})

    assert secrets_of(connection)["other"] == "new"
    assert who(connection) == "Olivia Owens"
    assert refreshes(sandbox) == 1


def test_a_personal_token_that_was_replaced_meanwhile_is_no_reason_to_pause(sandbox):
    connection = ConnectionFactory.create(provider="calendly", secrets={"access_token": "revoked"})
    account = connection.open_account()
    grants.enter(connection.pk, {"access_token": "sandbox-calendly-pat"})

    with closing(HttpClient()) as http:
        client = CalendlyClient.for_account(account, http=http)
        names = [client.me().text("name") for _ in range(2)]

    assert names == ["Olivia Owens"] * 2
    assert [entry.status for entry in sandbox.requests(service="calendly")] == [401, 200, 200]


def test_a_personal_token_that_is_refused_and_still_stored_asks_to_connect(sandbox):
    connection = ConnectionFactory.create(provider="calendly", secrets={"access_token": "revoked"})

    with pytest.raises(ConfigurationError, match="401"):
        who(connection)

    assert len(sandbox.requests(service="calendly")) == 1


def test_a_grant_without_an_end_is_used_until_it_is_refused(sandbox, connection):
    Connection.objects.update(token_expires_at=None)
    first = who(connection)
    before = refreshes(sandbox)
    sandbox.control.add_fault("calendly", "token_expired")

    second = who(connection)

    assert first == second == "Olivia Owens"
    assert (before, refreshes(sandbox)) == (0, 1)
    assert Connection.objects.filter(token_expires_at__gt=timezone.now()).exists()


@pytest.mark.django_db(transaction=True)
def test_threads_that_are_refused_together_pause_once_and_alert_once(sandbox, connection, caplog):
    sandbox.control.add_fault("calendly", "token_revoked")

    def refused(_: int) -> bool:
        try:
            profiles.refresh(Connection.objects.get(), now=timezone.now())
        except ConfigurationError:
            return True
        finally:
            connections.close_all()
        return False

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(refused, range(4)))

    connection.refresh_from_db()
    alerts = [record for record in caplog.records if record.levelname == "ERROR"]
    assert connection.state == Connection.State.PAUSED
    assert [alert.message for alert in alerts] == [f"Connection paused: connection={connection.pk}"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_before_the_new_pair_is_stored_is_waited_for(sandbox, connection):
    class Unlucky(CalendlyOAuth):
        def refresh(self, *, refresh_token, now):
            grant = super().refresh(refresh_token=refresh_token, now=now)
            with suppress(OperationalError), connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            return grant

    before = secrets_of(connection)["refresh_token"]
    tokens = grants.Tokens(connection.open_account(), renewer=Unlucky(), clock=timezone.now)

    used = tokens.current()

    assert secrets_of(connection)["access_token"] == used
    assert secrets_of(connection)["refresh_token"] != before
    assert refreshes(sandbox) == 1
