"""`make demo`, as a newcomer runs it: it starts, tells the truth, refuses a second, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from integrations.demo import place, story
from integrations.embedded import Child, free_port, port_is_taken

pytestmark = [pytest.mark.slow, pytest.mark.db_independent]

#: The demo itself waits for what it plays as long as there is progress, and tells the truth then.
PATIENCE = 300


def command(directory, *ports):
    return [
        sys.executable, "manage.py", "demo", "--directory", str(directory),
        "--port", str(ports[0]), "--sandbox-port", str(ports[1]),
    ]  # fmt: skip


def environment():
    """Return what a newcomer's shell has: nothing of this test run."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "DJANGO", "REDIS", "DATABASE"))}  # fmt: skip


def wait_for(log, text, process):
    deadline = time.monotonic() + PATIENCE
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return log.read_text()


@pytest.mark.timeout(400)
def test_the_demo_plays_tells_and_cleans_up(tmp_path):
    ports, log = (free_port(), free_port()), tmp_path / "demo.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command(tmp_path / "demo", *ports), stdout=output, stderr=subprocess.STDOUT, env=environment()
        )  # fmt: skip
    try:
        said = wait_for(log, "Ctrl-C stops everything", process)
        second = subprocess.run(
            command(tmp_path / "demo", *ports), capture_output=True, text=True, env=environment(), check=False
        )  # fmt: skip
        status = (
            f". {tmp_path / 'demo' / 'environment'}; {sys.executable} manage.py calendly status"
        )
        told = subprocess.run(
            ["sh", "-c", status], capture_output=True, text=True, env=environment(), check=False
        )
        page = requests.get(f"http://127.0.0.1:{ports[0]}/", timeout=5)
        leads = requests.get(
            f"http://127.0.0.1:{ports[1]}/sandbox/salesforce/records/Lead", timeout=5
        )
        mails = requests.get(f"http://127.0.0.1:{ports[1]}/sandbox/email/mails", timeout=5)
        rest = requests.get(f"http://127.0.0.1:{ports[1]}/sandbox/rest/state", timeout=5).json()
        channels = {
            message["channel_name"]
            for message in requests.get(f"http://127.0.0.1:{ports[1]}/sandbox/slack/messages", timeout=5).json()
        }  # fmt: skip
        cases = requests.get(
            f"http://127.0.0.1:{ports[1]}/sandbox/salesforce/records/Case", timeout=5
        )
        held = requests.get(
            f"http://127.0.0.1:{ports[1]}/sandbox/salesforce/records/Event", timeout=5
        )
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)

    webhooks, bookings, events = map(
        int, re.findall(r"(\d+) webhooks became (\d+) bookings and (\d+) events", said)[0]
    )
    assert (webhooks, bookings, events) >= (60, 40, 50)
    assert "failed, and waiting for you: 1." in said
    assert "for you to say: 1 more, under Match reviews." in said
    assert "by hand, and found: 1, under Differences." in said
    assert "The clock came to 3 meetings:" in said
    assert len(cases.json()) == 1
    asked = [mail["rcpt_to"] for mail in mails.json() if "forms.example/intake" in mail["text"]]
    assert ["milan.horvat@example.com"] in asked
    assert [rcpt for rcpt in asked if "@harbor.example" in rcpt[0]]
    assert len(held.json()) >= 36
    assert len(mails.json()) >= 36
    assert [len(rest[name]) >= most for name, most in (("contacts", 12), ("notes", 12), ("lever_notes", 6))] == [True] * 3  # fmt: skip
    assert channels == {"sales", "recruiting", "consulting"}
    assert sum(str(row["Description"]).startswith("Asked for: ") for row in leads.json()) >= 30
    assert page.url.endswith("/admin/login/?next=/admin/")
    assert "Calendly (sandbox): healthy" in told.stdout, told.stderr
    assert second.returncode == 1
    assert f"already runs: http://127.0.0.1:{ports[0]}" in second.stderr
    assert "Stopped." in log.read_text()
    assert not any(port_is_taken(port) for port in ports)


def test_a_start_ends_what_a_killed_run_left_and_touches_nothing_else(tmp_path):
    left = Child.start("left", ["sleep", "60"], log=tmp_path / "left.log")
    place.note_process(tmp_path, left)
    (tmp_path / "calsync.sqlite3").write_text("old")
    (tmp_path / "letter.txt").write_text("mine")

    place.clear(tmp_path)

    assert left.process.wait(10) == -signal.SIGTERM
    assert not (tmp_path / "calsync.sqlite3").exists()
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_a_process_number_given_to_another_since_is_left_alone(tmp_path):
    other = Child.start("other", ["sleep", "60"], log=tmp_path / "other.log")
    (tmp_path / "processes").write_text(f"{other.process.pid} Mon Jan  1 00:00:00 2001\n")

    place.clear(tmp_path)

    assert other.process.poll() is None
    other.stop()


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="no ps here; macOS has it")
def test_a_process_is_told_by_its_start_where_there_is_no_proc():
    mine = place._started_by_ps(os.getpid())

    assert mine
    assert mine == place._started_by_ps(os.getpid())


def test_a_taken_port_is_replaced_and_said(tmp_path):
    said: list[str] = []
    taken = free_port()
    with requests.Session(), _listening(taken):
        chosen = place.choose(
            directory=tmp_path,
            web_port=taken,
            sandbox_port=free_port(),
            redis_url="",
            say=said.append,
        )

    assert chosen.web_port != taken
    assert str(taken) in said[0]


def test_the_demo_refuses_production(tmp_path):
    from cryptography.fernet import Fernet

    production = environment() | {
        "CALSYNC_ENV": "production", "SECRET_KEY": "x" * 50, "CALSYNC_VAULT_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": "sqlite:///unused.sqlite3", "REDIS_URL": "redis://127.0.0.1:1/0",
        "ALLOWED_HOSTS": "example.com", "CALSYNC_PUBLIC_URL": "https://example.com",
    }  # fmt: skip

    refused = subprocess.run(
        command(tmp_path, 1, 2), capture_output=True, text=True, env=production, check=False
    )

    assert refused.returncode == 1
    assert "does not run in production" in refused.stderr


@pytest.mark.parametrize(
    "day", [datetime(2026, 11, day, 13, 0, tzinfo=UTC) for day in range(16, 23)]
)
def test_scenes_are_past_and_to_come_booked_before_and_on_working_days(day):
    played = list(story.scenes(day))

    assert all(scene.booked_at < min(day, scene.start_at) for scene in played)
    assert all(scene.start_at.weekday() < 5 for scene in played)
    assert sum(scene.start_at > day for scene in played) >= 12
    assert len({scene.email for scene in played}) == len(played)


def _listening(port):
    import socket

    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server
