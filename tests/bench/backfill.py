"""How fast a backfill is, what it asks of Calendly and the database, and that kill -9 changes nothing of its end.

    python -m tests.bench.backfill [--bookings 10000]

Runs against a sandbox on loopback and a database of its own: SQLite, or PostgreSQL where DATABASE_URL names a server.
Two mirrors read the same calendar. One is interrupted by SIGKILL at 40 % and resumed, the other is measured.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from integrations.embedded import EmbeddedBroker, free_port
from integrations.sandbox import SandboxServer

ROOT = Path(__file__).resolve().parents[2]
_TOKEN = "sandbox-calendly-pat"  # the sandbox's own
_HOUR = timedelta(hours=1)
SPAN = ("--from", "2026-01-01", "--to", "2028-12-31")
_STATE = "from tests.bench.backfill import print_state; print_state()"


def main() -> int:
    """Run the benchmark; return 1 when the interrupted run ended otherwise than the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bookings", type=int, default=10_000)
    wanted = parser.parse_args().bookings
    with tempfile.TemporaryDirectory() as directory, world(Path(directory)) as (server, base):
        server.control.settings(calendly_requests_per_minute=10_000_000)
        seeded = server.control.seed_bookings(wanted, days=360)
        print(f"Seeded: {seeded}")
        with database(base, "measured") as measured, database(base, "killed") as killed:
            return _compare(server, measured=measured, killed=killed)


def _compare(server: SandboxServer, *, measured: dict[str, str], killed: dict[str, str]) -> int:
    first = _measured("first import", measured)
    command(killed, "backfill", *SPAN)
    print(f"Changed silently: {server.control.change_bookings(share=0.5)}")
    _measured("half changed", measured)
    _kill_and_resume(killed, at=int(first * 0.4))
    _measured("nothing changed", measured)
    states = [
        output(environment, "shell", "--no-imports", "-c", _STATE)
        for environment in (measured, killed)
    ]
    equal = states[0] == states[1]
    print(f"Same end after kill -9 and resume: {'yes' if equal else 'NO'}")
    return 0 if equal else 1


def _measured(name: str, environment: dict[str, str]) -> int:
    """Backfill in this database, counting statements; print what it cost, and return how many bookings it read."""
    code = f"from tests.bench.backfill import measure; measure({name!r})"
    lines = output(environment, "shell", "--no-imports", "-c", code).splitlines()
    print("\n".join(lines))
    found = re.search(r"(\d+) bookings", lines[-1])
    return int(found[1]) if found else 0


def measure(name: str) -> None:
    """Backfill here and print time, statements and requests; called in a process of the measured database."""
    from django.db import connection  # Django is set up in that process alone
    from django.utils import timezone

    from integrations import backfill
    from integrations.models import BackfillRun, Connection

    counted = _Counter()
    run = backfill.start(
        Connection.objects.get(), window_from=_utc(SPAN[1]), window_to=_utc(SPAN[3]),
        trigger=BackfillRun.Trigger.COMMAND, now=timezone.now(),
    )  # fmt: skip
    began = time.perf_counter()
    with connection.execute_wrapper(counted):
        while run.state in BackfillRun.UNFINISHED:
            backfill.drain_run(run, until=timezone.now() + _HOUR, clock=timezone.now)
            run.refresh_from_db()
    seconds = time.perf_counter() - began
    print(
        f"{name:>16}: {run.bookings} bookings, {run.changed} changed in {seconds:.1f} s "
        f"({run.bookings / seconds:.0f} bookings/s); {counted.statements} statements "
        f"({_each(counted.statements, run.changed)} a changed booking), {run.requests} requests "
        f"({_each(run.requests, run.changed)} a changed booking), {run.pages} pages, {run.state}"
    )


def _utc(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _each(count: int, things: int) -> str:
    return f"{count / things:.2f}" if things else "no"


class _Counter:
    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.statements += 1
        return execute(*arguments)


def print_state() -> None:
    """Print a digest of all that the mirror and its events say."""
    import hashlib

    from tests.backfill.conftest import seen

    rows = seen()
    print([len(part) for part in rows], hashlib.sha256(repr(rows).encode()).hexdigest())


def _kill_and_resume(environment: dict[str, str], *, at: int) -> None:
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "manage.py", "backfill", *SPAN],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        run, reached = "", 0
        for line in process.stdout or ():
            run = run or (found[1] if (found := re.search(r"Backfill #(\d+)", line)) else "")
            reached = int(found[1]) if (found := re.search(r"(\d+) bookings", line)) else reached
            if reached >= at:
                process.send_signal(signal.SIGKILL)
                break
    print(
        f"{'killed':>16}: SIGKILL at {reached} bookings after {time.perf_counter() - began:.1f} s"
    )
    lines = command(environment, "backfill", "--resume", run).splitlines()
    print(f"{'resumed':>16}: {next(line for line in lines if line.startswith('Done'))}")


@contextmanager
def world(directory: Path) -> Iterator[tuple[SandboxServer, dict[str, str]]]:
    """Yield a running sandbox, and an environment that points to it and to a broker of its own."""
    broker = EmbeddedBroker(directory / "broker", port=free_port())
    broker.start()
    try:
        with SandboxServer() as server:
            yield server, dict(os.environ) | {
                "CALSYNC_ENV": "development", "CALSYNC_VAR_DIR": str(directory / "var"),
                "REDIS_URL": broker.url, "CALENDLY_API_URL": f"{server.url}/calendly",
                "CALENDLY_AUTH_URL": f"{server.url}/calendly-auth", "LOG_LEVEL": "WARNING",
                "BACKFILL_LEASE_SECONDS": "5", "PYTEST_VERSION": "bench",
            }  # fmt: skip
    finally:
        broker.stop()


@contextmanager
def database(base: dict[str, str], name: str) -> Iterator[dict[str, str]]:
    """Yield an environment with an empty, migrated database that is connected to the sandbox."""
    with own_database(base, name) as environment:
        command(environment, "calendly", "connect", "Bench", given=_TOKEN)
        yield environment


@contextmanager
def own_database(base: dict[str, str], name: str) -> Iterator[dict[str, str]]:
    """Yield an environment with an empty, migrated database."""
    given = os.environ.get("DATABASE_URL", "")
    if not given.startswith("postgres"):
        environment = base | {"DATABASE_URL": f"sqlite:///{base['CALSYNC_VAR_DIR']}/{name}.sqlite3"}
        yield _prepared(environment)
        return
    import psycopg  # where there is PostgreSQL

    own = f"calsync_bench_{name}_{os.getpid()}"
    with psycopg.connect(given, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{own}"')
        try:
            address = urlunsplit(urlsplit(given)._replace(path=f"/{own}"))
            yield _prepared(base | {"DATABASE_URL": address})
        finally:
            server.execute(f'DROP DATABASE "{own}" WITH (FORCE)')


def _prepared(environment: dict[str, str]) -> dict[str, str]:
    Path(environment["CALSYNC_VAR_DIR"]).mkdir(parents=True, exist_ok=True)
    command(environment, "migrate", "--verbosity", "0")
    return environment


def command(environment: dict[str, str], *arguments: str, given: str = "") -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env=environment, input=given, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def output(environment: dict[str, str], *arguments: str) -> str:
    return command(environment, *arguments).strip()


if __name__ == "__main__":
    sys.exit(main())
