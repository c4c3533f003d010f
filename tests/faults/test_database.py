"""PostgreSQL stopped at once in the middle of traffic, and started again."""

import pytest
from celery import Celery
from django.db import connection
from django.utils import timezone

from integrations import breaker
from integrations.models import Delivery
from tests.faults.machine import assert_nothing_lost_and_nothing_twice

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.postgres]


def test_a_database_that_was_away_loses_nothing(machine_on_own_postgres, own_postgres):
    machine = machine_on_own_postgres
    machine.start("web", "worker", "beat")
    machine.book(5)
    machine.until_settled(5)
    machine.sandbox.add_fault("slack", "latency", match={"path_contains": "post"}, seconds=1)
    machine.book(first=5)
    machine.until_faults_are_used()

    own_postgres.crash()
    machine.until(lambda: len(machine.cards()) == 6, "the card in flight is posted")
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


def test_an_idle_worker_whose_database_was_restarted_loses_no_task(
    machine_on_own_postgres, own_postgres
):
    machine = machine_on_own_postgres
    machine.worker_threads = 1  # the thread whose connection is cut is the one that must go on
    machine.start("web", "worker")  # no beat: no sweep repairs what a failed task left
    breaker.pause(machine.connection("slack"), now=timezone.now(), reason="Maintenance.")
    machine.book(2)
    machine.until(
        lambda: Delivery.objects.filter(state="delivered").count() == 2, "Salesforce has both"
    )

    own_postgres.crash()
    own_postgres.start()
    machine.until(own_postgres.answers, "PostgreSQL answers")
    connection.close()
    slack = machine.connection("slack")
    breaker.resume(slack, now=timezone.now())
    wake(machine, slack)

    machine.until(lambda: len(machine.cards()) == 2, "what waited for Slack is there")
    machine.book(2, first=2)
    machine.until_settled(4)
    assert_nothing_lost_and_nothing_twice(machine, 4)


def wake(machine, target):
    """Send the message that a person's "Resume" sends."""
    with Celery(broker=machine.broker.url) as app:
        app.send_task("integrations.tasks.drain_connection", args=[target.pk], queue="calsync")


def statuses(machine):
    return [row["status"] for row in machine.sandbox.deliveries()]
