"""The machine to be broken, on this run's database or on a PostgreSQL server of its own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from integrations.embedded import HOST, BrokerUnavailable
from tests.conftest import leave_out
from tests.faults.machine import Machine
from tests.faults.postgres import OwnPostgres, PostgresUnavailable


@pytest.fixture
def machine(tmp_path: Path, child_environment: dict[str, str], settings: Any) -> Iterator[Machine]:
    """The three accounts connected over this run's database; the test starts the processes."""
    yield from _machine(tmp_path, child_environment, settings)


@pytest.fixture
def own_postgres() -> Iterator[OwnPostgres]:
    """A running PostgreSQL server that nobody else uses."""
    try:
        server = OwnPostgres()
    except PostgresUnavailable as error:
        leave_out(
            "a PostgreSQL server of the tests' own", f"{error}. Debian: apt-get install postgresql."
        )
    try:
        server.start()
        while not server.answers():
            pass
        yield server
    finally:
        server.remove()


@pytest.fixture
def machine_on_own_postgres(
    tmp_path: Path, own_postgres: OwnPostgres, settings: Any, django_db_blocker: Any
) -> Iterator[Machine]:
    """The three accounts connected over `own_postgres`, which this process uses too."""
    before = connections["default"]
    address = {"HOST": HOST, "PORT": own_postgres.port, "NAME": "postgres", "USER": "calsync"}
    own = type(before)({**before.settings_dict, **address, "PASSWORD": ""}, alias="default")
    with django_db_blocker.unblock():
        connections["default"] = own
        try:
            call_command("migrate", verbosity=0, interactive=False)
            environment = dict(os.environ) | {"DATABASE_URL": own_postgres.url}
            yield from _machine(tmp_path, environment, settings)
        finally:
            own.close()
            connections["default"] = before


def _machine(tmp_path: Path, environment: dict[str, str], settings: Any) -> Iterator[Machine]:
    machine = Machine(tmp_path, environment)
    try:
        try:
            machine.begin()
        except BrokerUnavailable as error:
            leave_out("a broker of the tests' own", str(error))
        settings.CALSYNC_PUBLIC_URL = machine.web_url
        settings.CALENDLY_API_URL = machine.environment["CALENDLY_API_URL"]
        settings.SALESFORCE_LOGIN_URL = machine.environment["SALESFORCE_LOGIN_URL"]
        machine.connect()
        yield machine
    finally:
        machine.end()
