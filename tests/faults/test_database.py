"""PostgreSQL stopped at once in the middle of traffic, and started again."""

import pytest
from django.db import connection

from tests.faults.machine import assert_nothing_lost_and_nothing_twice

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.postgres]


def test_a_database_that_was_away_loses_nothing(machine_on_own_postgres, own_postgres):
    machine = machine_on_own_postgres
    machine.start("web", "worker", "beat")
    machine.book(4)
    machine.until_settled(4)
    machine.sandbox.add_fault("slack", "latency", match={"path_contains": "post"}, seconds=1)
    machine.book(2, first=4)
    machine.until_faults_are_used()

    own_postgres.crash()
    machine.book(4, first=6)
    machine.until(lambda: 503 in statuses(machine), "the web process refuses with 503")
    assert machine.ready()["database"] == "does not answer"
    own_postgres.start()
    machine.until(own_postgres.answers, "PostgreSQL answers")
    connection.close()

    machine.until_settled(10)
    assert_nothing_lost_and_nothing_twice(machine, 10)
    assert set(statuses(machine)) == {200, 503}
    machine.until(lambda: machine.ready()["sweep"] == "ok", "the sweep runs again")


def statuses(machine):
    return [row["status"] for row in machine.sandbox.deliveries()]
