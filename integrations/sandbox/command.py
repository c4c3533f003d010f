"""Run a sandbox in the foreground until it is told to stop."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable

from integrations.sandbox.server import SandboxServer, SandboxUnavailable


def run(*, host: str, port: int, mail_port: int, say: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM. Raises SandboxUnavailable if it cannot start."""
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with SandboxServer(port, host=host, mail_port=mail_port) as server:
        mail = f"{server.host}:{server.mail_port} (mail)"
        say(f"Sandbox: {server.url} (the page), {server.url}/sandbox (the control API), {mail}")
        done.wait()
    say("Sandbox: stopped")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Start the sandbox without Django and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=8025)
    parser.add_argument("--mail-port", type=int, default=8026)
    options = parser.parse_args()
    try:
        run(host=options.host, port=options.port, mail_port=options.mail_port, say=_say)
    except SandboxUnavailable as error:
        parser.exit(1, f"{error}\n")
    return 0
