"""A token of a REST interface is one for all processes, and one of them renews it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.utils import timezone

from integrations import accounts, deliver, vault
from integrations.connectors.rest.connector import RestConnector
from integrations.connectors.rest.rendering import Rendered
from integrations.models import Connection, Delivery, RemoteRecord
from integrations.sandbox import SandboxServer
from tests.factories import ConnectionFactory, DeliveryFactory

pytestmark = pytest.mark.django_db

CREATE = {"method": "POST", "path": "/things", "body": {"name": "{{ event_type.name }}"}}


@pytest.fixture
def sandbox(server: SandboxServer) -> SandboxServer:
    server.reset()
    return server


@pytest.fixture
def connection(sandbox: SandboxServer, db: None) -> Connection:
    config = sandbox.state.config
    return ConnectionFactory.create(
        provider="rest", name="Things",
        settings={
            "base_url": f"{sandbox.url}/rest/api", "auth": "oauth2_client_credentials", "check_path": "/me",
            "token_url": f"{sandbox.url}/rest/oauth/token",
        },
        secrets={"client_id": config.rest_client_id, "client_secret": config.rest_client_secret},
    )  # fmt: skip


def check(connection: Connection) -> str:
    row = Connection.objects.get(pk=connection.pk)
    return accounts.connector(row).check().summary


def fetch(connection: Connection) -> int:
    """Ask with the session as it is stored, as a delivery does."""
    row = Connection.objects.get(pk=connection.pk)
    connector = accounts.connector(row)
    assert isinstance(connector, RestConnector)
    with connector._client() as client:
        return client.read(Rendered(method="GET", path="/me")).status


def tokens(sandbox: SandboxServer) -> int:
    return len(sandbox.requests(service="rest", path_contains="/oauth/token"))


def test_a_token_is_sealed_and_used_by_the_next_process(sandbox, connection):
    fetch(connection)
    fetch(connection)

    row = Connection.objects.get(pk=connection.pk)
    assert tokens(sandbox) == 1
    assert vault.unseal(row.sealed_session)["token"] in sandbox.state.rest.tokens
    assert vault.unseal(row.sealed_session)["token"] not in row.sealed_session


@pytest.mark.django_db(transaction=True)
def test_two_that_meet_an_ended_token_fetch_one(sandbox, connection):
    fetch(connection)
    sandbox.state.rest.tokens.clear()
    sandbox.control.add_fault(
        "rest", "latency", match={"path_contains": "/oauth/token"}, times=0, seconds=0.5
    )

    def work(_: int) -> int:
        try:
            return fetch(connection)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(work, range(2)))

    assert ended == [200, 200]
    assert tokens(sandbox) == 2


def test_another_scope_is_another_token(sandbox, connection):
    fetch(connection)
    connection.settings = {**connection.settings, "scope": "more"}
    connection.save(update_fields=["settings"])

    fetch(connection)

    assert tokens(sandbox) == 2


def test_a_check_fetches_anew(sandbox, connection):
    fetch(connection)

    assert check(connection) == "GET /me was answered with HTTP 200."

    assert tokens(sandbox) == 2


def test_a_lost_request_fails_the_delivery_and_a_retry_sends_it(sandbox, connection):
    delivery = DeliveryFactory.create(
        connection=connection, rule__connection=connection, action="call",
        options={"create": CREATE, "id": "data.id"},
    )  # fmt: skip
    sandbox.control.add_fault("rest", "drop_after", match={"path_contains": "/things"})

    deliver.deliver(delivery.pk, clock=timezone.now)

    delivery.refresh_from_db()
    assert (delivery.state, delivery.failure_class) == (Delivery.State.FAILED, "permanent")
    assert RemoteRecord.objects.get().object_type == "unanswered request"

    Delivery.objects.filter(pk=delivery.pk).update(
        state="waiting", failure_class="", settled_at=None
    )
    deliver.deliver(delivery.pk, clock=timezone.now)

    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.DELIVERED
    assert RemoteRecord.objects.get().object_type == "object"


def test_a_preview_shows_the_request_and_sends_nothing(sandbox, connection):
    delivery = DeliveryFactory.create(
        connection=connection, rule__connection=connection, action="call",
        options={"create": CREATE, "id": "data.id"},
    )  # fmt: skip

    shown = deliver.preview(delivery, clock=timezone.now)

    assert shown.exchanges[-1]["error"] == "not sent: dry run"
    assert shown.exchanges[-1]["request"]["body"]
    assert sandbox.control.rest_state()["things"] == []
