from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.salesforce.connector import SalesforceConnector
from integrations.http import Recorder
from integrations.models import Account
from integrations.sandbox import SandboxServer
from tests.connectors.harness import Driver, harness_of


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[SandboxServer]:
    """One sandbox on a free port for all tests of this worker."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def sandbox(running_sandbox: SandboxServer, settings: Any) -> SandboxServer:
    """The sandbox as new, with the application's base addresses pointing at it."""
    running_sandbox.reset()
    _point_at(running_sandbox, settings)
    return running_sandbox


@pytest.fixture
def own_sandbox(settings: Any) -> Iterator[SandboxServer]:
    """A sandbox that ends with its test, for a request that would otherwise linger into the next."""
    with SandboxServer() as server:
        _point_at(server, settings)
        yield server


def _point_at(server: SandboxServer, settings: Any) -> None:
    for provider in settings.CONNECTORS:
        for name, path in harness_of(provider).point_at.items():
            setattr(settings, name, f"{server.url}{path}")


@pytest.fixture
def to_salesforce(sandbox: SandboxServer) -> Driver:
    """A driver of the Salesforce connector."""
    return Driver("salesforce", sandbox)


@pytest.fixture
def to_slack(sandbox: SandboxServer) -> Driver:
    """A driver of the Slack connector."""
    return Driver("slack", sandbox)


@pytest.fixture
def to_email(sandbox: SandboxServer) -> Driver:
    """A driver of the e-mail connector that sends messages to the host."""
    driver = Driver("email", sandbox, action="send_email")
    driver.options = {"template": "host_notice", "to": ["host"]}
    return driver


@pytest.fixture
def to_calendars(sandbox: SandboxServer) -> Driver:
    """A driver of the e-mail connector that sends invitations."""
    return Driver("email", sandbox)


@pytest.fixture
def salesforce() -> SalesforceConnector:
    """A Salesforce connector without secrets: enough to plan."""
    account = Account(connection_id=1, name="Salesforce", settings={})
    return SalesforceConnector(account, recorder=Recorder())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here: none asks the database anything."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.db_independent)
