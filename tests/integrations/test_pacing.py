"""One message a second and channel, for all workers together, in a real Redis."""

import os
import subprocess
import sys
import time

import pytest
from django.conf import settings as django_settings

from integrations import pacing, scripts

pytestmark = pytest.mark.db_independent

TAKE_MANY = """
import django
django.setup()
from integrations import pacing
print(" ".join(str(pacing.take("shared", 60, patience=100_000)) for _ in range(50)))
"""


@pytest.fixture(autouse=True)
def _awake(request):
    scripts.wake()


@pytest.fixture
def paced(broker_url):
    return broker_url


def test_the_first_goes_at_once_and_the_next_waits_its_turn(paced):
    waits = [pacing.take("a", 60, patience=1_000) for _ in range(4)]

    assert waits[0] == 0
    assert [round(wait, -1) for wait in waits[1:]] == [60, 120, 180]


def test_keys_have_turns_of_their_own(paced):
    pacing.take("a", 60)

    assert pacing.take("b", 60) == 0


def test_what_waits_too_long_takes_no_turn_and_is_told_when_to_come_back(paced):
    pacing.take("a", 60)

    away = [pacing.take("a", 60, patience=3) for _ in range(3)]
    patient = pacing.take("a", 60, patience=1_000)

    assert [round(wait, -1) for wait in away] == [60, 120, 180]
    assert round(patient, -1) == 60


def test_a_burst_goes_at_once_and_then_turns_begin(paced):
    waits = [pacing.take("a", 60, burst=3, patience=1_000) for _ in range(5)]

    assert waits[:3] == [0, 0, 0]
    assert [round(wait, -1) for wait in waits[3:]] == [60, 120]


def test_a_turn_that_passed_unused_is_not_saved(paced):
    pacing.take("a", 0.001)
    time.sleep(0.02)

    waits = [pacing.take("a", 60, patience=1_000) for _ in range(2)]

    assert waits[0] == 0
    assert round(waits[1], -1) == 60


def test_two_processes_share_the_turns(paced):
    environment = {**os.environ, "REDIS_URL": paced, "DJANGO_SETTINGS_MODULE": "config.settings"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE_MANY], env=environment, cwd=django_settings.BASE_DIR,
            stdout=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip

    told = " ".join(process.communicate(timeout=60)[0] for process in started)

    turns = sorted(round(float(wait) / 60) for wait in told.split())
    assert turns == list(range(100))


def test_without_redis_nobody_waits_and_it_is_said_once(caplog):
    waits = [pacing.take("a", 60) for _ in range(5)]

    assert waits == [0, 0, 0, 0, 0]
    assert [row.message for row in caplog.records if "No Redis" in row.message] == [
        "No Redis, messages go out unpaced: error=ConnectionError"
    ]
