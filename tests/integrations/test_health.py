"""What the load balancer is told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations import health, tasks

pytestmark = pytest.mark.django_db


def test_the_process_says_that_it_lives(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_all_is_well_after_a_sweep(client, broker_url):
    tasks.sweep()
    tasks.watch()

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "broker": "ok", "sweep": "ok", "watch": "ok"}


def test_a_missing_broker_is_told_but_webhooks_are_taken(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert "does not answer" in answer.json()["broker"]
    assert "never ran" in answer.json()["sweep"]


def test_a_beat_that_is_gone_is_told(client):
    health.swept(now=timezone.now() - timedelta(hours=1))

    assert "gone" in client.get("/readyz").json()["sweep"]


def test_a_watch_that_is_still_to_come_is_told_from_a_beat_that_is_not_there(client):
    health.swept(now=timezone.now())

    assert client.get("/readyz").json()["watch"].startswith("has not run yet")
