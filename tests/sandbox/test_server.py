"""The server keeps to loopback, the page is served, the command guards production."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from integrations.sandbox import SandboxServer, SandboxUnavailable

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_other_than_loopback_is_refused(host):
    with pytest.raises(SandboxUnavailable, match="loopback"):
        SandboxServer(host=host)


def test_a_taken_port_is_told_clearly(sandbox):
    with pytest.raises(SandboxUnavailable, match="another --port"):
        SandboxServer(sandbox.port).start()


def test_foreign_names_and_pages_are_turned_away(sandbox):
    by_name = requests.get(f"{sandbox.url}/", headers={"Host": "evil.example"}, timeout=5)
    by_page = requests.post(
        f"{sandbox.url}/sandbox/reset", headers={"Origin": "https://evil.example"}, timeout=5
    )
    as_form = requests.post(f"{sandbox.url}/sandbox/faults", data={"a": "b"}, timeout=5)

    assert (by_name.status_code, by_page.status_code, as_form.status_code) == (403, 403, 400)


@pytest.mark.parametrize("path", ["/", "/page/page.css", "/page/page.js", "/page/panels.js"])
def test_the_page_and_its_files_are_served(sandbox, path):
    answer = requests.get(sandbox.url + path, timeout=5)

    assert answer.ok
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert len(answer.content) > 500


def test_an_unknown_control_path_is_404(sandbox):
    assert requests.get(f"{sandbox.url}/sandbox/nothing", timeout=5).status_code == 404


def test_a_hundred_requests_take_less_than_a_second(calendly, sandbox):
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(100):
            session.get(f"{sandbox.url}/salesforce/services/data/", timeout=5)

    assert sum(entry.duration_ms for entry in sandbox.requests()) < 500


def test_the_command_refuses_production(settings):
    settings.CALSYNC_ENV = "production"

    with pytest.raises(CommandError, match="production"):
        call_command("sandbox")


def test_the_command_refuses_other_hosts_and_taken_ports(settings, sandbox):
    settings.CALSYNC_ENV = "development"

    with pytest.raises(CommandError, match="loopback"):
        call_command("sandbox", host="0.0.0.0")
    with pytest.raises(CommandError, match="Choose another"):
        call_command("sandbox", port=sandbox.port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_without_django_and_stops_on_a_signal(number):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DJANGO")}
    command = [
        sys.executable,
        "-m",
        "integrations.sandbox",
        "--port",
        str(port),
        "--mail-port",
        "0",
    ]

    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        answer = requests.get(f"http://127.0.0.1:{port}/", timeout=5)
        child.send_signal(number)
        rest, _ = child.communicate(timeout=10)

    assert f"http://127.0.0.1:{port}" in first
    assert answer.ok
    assert (child.returncode, rest) == (0, "Sandbox: stopped\n")


def test_it_imports_nothing_from_the_rest_of_the_project():
    script = (
        "import sys, integrations.sandbox.command\n"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " ('django', 'celery', 'config', 'bookings')"
        " or name.startswith('integrations.') and not name.startswith('integrations.sandbox')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.stdout.strip() == "[]", done.stderr
