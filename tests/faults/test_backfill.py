"""A backfill whose process is killed: a page is read again, nothing is lost, nothing stands twice."""

import re
import signal
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from bookings.models import BookingEvent, Invitee
from integrations import backfill
from integrations.embedded import Child
from integrations.models import BackfillFinding, BackfillRun, Connection, Delivery, Rule
from tests.backfill.conftest import seen
from tests.faults.machine import Machine

pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

COUNT = 600


@pytest.fixture
def calendly(machine: Machine) -> Connection:
    """A calendar with hundreds of bookings that nobody was told of, and a rule that wants them."""
    machine.environment["BACKFILL_LEASE_SECONDS"] = "2"
    machine.sandbox.settings(calendly_requests_per_minute=100_000)
    machine.sandbox.seed_bookings(COUNT)
    Rule.objects.filter(connection__provider="slack").delete()
    Rule.objects.update(acts_on_backfill=True)
    Connection.objects.filter(provider="salesforce").update(state="paused")
    Connection.objects.filter(provider="calendly").update(settings={"backfill_days_back": 90})
    return Connection.objects.get(provider="calendly")


def whole(machine: Machine) -> None:
    """Check that the mirror holds what Calendly does, and each fact was announced and planned once."""
    world = machine.sandbox.calendly()
    assert Invitee.objects.count() == len(world["invitees"])
    booked = BookingEvent.objects.filter(kind__in=["booked", "rescheduled"])
    assert booked.count() == len(world["invitees"])
    assert BackfillFinding.objects.count() == BookingEvent.objects.count()
    assert Delivery.objects.count() == BookingEvent.objects.count()


def test_a_killed_worker_is_followed_by_another_that_goes_on(machine, calendly):
    run = backfill.start_usual(calendly, trigger=BackfillRun.Trigger.OPERATOR, now=timezone.now())
    machine.start("worker", "beat")
    for share in (0.2, 0.5):
        machine.until(lambda s=share: _progress(run) > COUNT * s, "some of it is read")
        machine.kill("worker")
        machine.start("worker")

    machine.until(lambda: _state(run) not in BackfillRun.UNFINISHED, "the run ends")

    assert _state(run) == BackfillRun.State.DONE
    whole(machine)


def test_a_killed_command_is_resumed_where_it_was(machine, calendly, tmp_path):
    log = _command(machine, tmp_path, "first", "--connection", calendly.name, kill_at=COUNT * 0.4)
    interrupted = seen()
    run = BackfillRun.objects.get()
    assert run.state in BackfillRun.UNFINISHED
    pages = run.pages

    _command(machine, tmp_path, "second", "--resume", str(run.pk))

    run.refresh_from_db()
    assert (run.state, run.pages > pages) == (BackfillRun.State.DONE, True)
    assert "bookings" in log
    assert set(interrupted[0]) < set(seen()[0])
    whole(machine)


def _progress(run: BackfillRun) -> int:
    return BackfillRun.objects.get(pk=run.pk).bookings


def _state(run: BackfillRun) -> str:
    return BackfillRun.objects.get(pk=run.pk).state


def _command(
    machine: Machine, directory: Path, name: str, *arguments: str, kill_at: float = 0
) -> str:
    """Run the command to its end, or kill it once so many bookings were read; return what it wrote."""
    log = directory / f"{name}.log"
    child = Child.start(
        name,
        [sys.executable, "manage.py", "backfill", *arguments],
        log=log,
        env=machine.environment,
        cwd=Path(settings.BASE_DIR),
    )
    machine.group.adopt(child)
    if kill_at:
        machine.until(lambda: _read(log) >= kill_at, "the command has come far enough")
        machine.kill(name)
    else:
        machine.until(lambda: child.process.poll() is not None, "the command ends")
        machine.group.children.remove(child)
        assert child.process.returncode == 0, log.read_text()
    return log.read_text()


def _read(log: Path) -> int:
    counts = re.findall(r"(\d+) bookings", log.read_text())
    return int(counts[-1]) if counts else 0


def test_ctrl_c_stops_the_command_and_says_how_to_go_on(machine, calendly, tmp_path):
    log = tmp_path / "stopped.log"
    child = Child.start(
        "stopped",
        [sys.executable, "manage.py", "backfill"],
        log=log,
        env=machine.environment,
        cwd=Path(settings.BASE_DIR),
    )
    machine.group.adopt(child)
    machine.until(lambda: _read(log) > 0, "it reads")

    child.process.send_signal(signal.SIGINT)
    machine.until(lambda: child.process.poll() is not None, "it ends")

    run = BackfillRun.objects.get()
    machine.group.children.remove(child)
    assert (child.process.returncode, run.state) == (1, BackfillRun.State.STOPPED)
    assert f"backfill --resume {run.pk}" in log.read_text()
    _command(machine, tmp_path, "again", "--resume", str(run.pk))
    whole(machine)


def test_an_emptied_broker_and_an_outage_of_calendly_only_take_time(machine, calendly):
    run = backfill.start_usual(calendly, trigger=BackfillRun.Trigger.OPERATOR, now=timezone.now())
    machine.start("worker", "beat")
    machine.until(lambda: _progress(run) > 0, "some of it is read")

    machine.kill_broker()
    machine.broker.start()
    machine.empty_broker()
    machine.sandbox.add_fault("calendly", "drop_before")
    machine.until(lambda: _state(run) not in BackfillRun.UNFINISHED, "the run ends")

    assert _state(run) == BackfillRun.State.DONE
    whole(machine)
