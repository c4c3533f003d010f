"""Celery as the application is configured: where a message goes, and how soon a missing broker is noticed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError

from config.celery import app
from integrations.embedded import Child, EmbeddedBroker, ProcessGroup

pytestmark = pytest.mark.db_independent

ROOT = Path(__file__).resolve().parents[2]


def test_a_task_lands_in_our_queue(broker_url):
    app.send_task("anything", args=[1])

    assert redis.from_url(broker_url).llen("calsync") == 1


def test_publishing_without_a_broker_fails_at_once():
    started = time.monotonic()
    with pytest.raises(OperationalError):
        app.send_task("anything")

    assert time.monotonic() - started < 3


def test_a_task_hands_its_database_connection_on_to_the_next():
    assert app.conf.get("CELERY_DB_REUSE_MAX")


@pytest.mark.slow
@pytest.mark.fault
def test_a_worker_comes_back_after_its_broker_was_killed(tmp_path):
    broker = EmbeddedBroker(tmp_path / "broker").start()
    environment = os.environ | {
        "REDIS_URL": broker.url,
        "CALSYNC_VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    worker = [sys.executable, "-m", "celery", "-A", "config", "worker", "-P", "threads", "-c", "2"]
    send = "from config.celery import app; app.send_task('celery.backend_cleanup')"
    try:
        with ProcessGroup(tmp_path) as group:
            child = group.start(
                "worker",
                [*worker, "--without-gossip", "--without-mingle"],
                env=environment,
                cwd=ROOT,
            )
            await_text(child, "ready")
            assert broker.child
            broker.child.process.kill()
            broker.stop()
            time.sleep(1)
            broker.start()
            subprocess.run([sys.executable, "-c", send], env=environment, cwd=ROOT, check=True)

            await_text(child, "succeeded")
    finally:
        broker.stop()


def await_text(child: Child, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in child.log.read_text():
        child.check()
        assert time.monotonic() < deadline, child.last_lines()
        time.sleep(0.1)
