"""Runs lint, types and the suite on every database this machine has, and says last what was left out.

The suite runs on SQLite with an embedded broker, then on PostgreSQL with Redis if both answer.
`CALSYNC_REQUIRE_ALL=1` makes anything missing a failure. Arguments go to pytest.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

ROOT = Path(__file__).resolve().parent.parent
REQUIRE_ALL = os.environ.get("CALSYNC_REQUIRE_ALL") == "1"
POSTGRES_CANDIDATES = (
    "postgres://postgres@127.0.0.1:5432/postgres",
    "postgres://postgres:postgres@127.0.0.1:5432/postgres",
    "postgres:///postgres",
)
REDIS_URL = "redis://127.0.0.1:6379/15"
# A setting of the developer's shell must not decide what is tested.
FOREIGN = (
    "CALSYNC_ENV",
    "DATABASE_URL",
    "REDIS_URL",
    "CALSYNC_TEST_REDIS_URL",
    "DEBUG",
    "SECRET_KEY",
)


@dataclass
class Report:
    """What ran, for how long, and what did not."""

    steps: list[tuple[str, bool, float]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def run(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Run one step and note its outcome."""
        print(f"\n=== {name}", flush=True)
        started = time.monotonic()
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603
        self.steps.append((name, status == 0, time.monotonic() - started))

    def finish(self) -> int:
        """Print the outcome, what was left out last, and return the exit status."""
        print()
        for name, passed, seconds in self.steps:
            print(f"{'passed' if passed else 'FAILED'}  {name} ({seconds:.0f} s)")
        if self.left_out:
            print("FAILED, required here:" if REQUIRE_ALL else "Left out:")
            for line in sorted(set(self.left_out)):
                print(f"  - {line}")
        else:
            print("Nothing was left out.")
        passed = all(passed for _, passed, _ in self.steps)
        return 0 if passed and not (REQUIRE_ALL and self.left_out) else 1


def find_postgres() -> str | None:
    """Return the first PostgreSQL that lets us in, or None."""
    given = os.environ.get("CALSYNC_TEST_DATABASE_URL")
    for url in (given,) if given else POSTGRES_CANDIDATES:
        try:
            with psycopg.connect(url, connect_timeout=3) as connection:
                row = connection.execute(
                    "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except psycopg.Error:
            continue
        if row and row[0]:
            return url
    return None


def find_redis() -> str | None:
    """Return the test Redis if it answers, or None."""
    url = os.environ.get("CALSYNC_TEST_REDIS_URL", REDIS_URL)
    try:
        with redis.from_url(url, socket_connect_timeout=3) as client:
            client.ping()
    except redis.RedisError:
        return None
    return url


def pytest_command(selection: str) -> list[str]:
    """Return the pytest call for one database.

    Real processes on a busy machine can be late: what fails is tried once more, and named at the end as RERUN. Such a
    test, or what it tests, has to be mended.
    """
    workers = str(min(2, os.cpu_count() or 1))
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-m", selection]
    patience = ["--reruns", "1", "--reruns-delay", "2", "-raR", "--durations", "15"]
    return [*pytest, *patience, *sys.argv[1:]]


def main() -> int:
    """Run every step, whatever fails on the way."""
    report = Report()
    base = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as collected:
        base["CALSYNC_LEFT_OUT_FILE"] = collected.name
        report.run("lint and types", [".ci/lint"], base)
        report.run("suite on SQLite, embedded broker", pytest_command("not postgres"), base)
        run_on_servers(report, base)
        report.left_out += collected.read().splitlines()
    return report.finish()


def run_on_servers(report: Report, base: dict[str, str]) -> None:
    """Run what depends on the database again on PostgreSQL and Redis, where they answer."""
    database, broker = find_postgres(), find_redis()
    if not database:
        report.left_out.append(
            "the suite on PostgreSQL: none lets us in. Start one, or name a role that may create databases: "
            "CALSYNC_TEST_DATABASE_URL=postgres://USER:PASSWORD@HOST:5432/postgres make test"
        )
    if not broker:
        report.left_out.append(
            "the suite on a Redis server: none answers. Start one, or name a database that may be emptied: "
            "CALSYNC_TEST_REDIS_URL=redis://HOST:6379/15 make test"
        )
    if database and broker:
        servers = base | {"DATABASE_URL": database, "CALSYNC_TEST_REDIS_URL": broker}
        report.run("suite on PostgreSQL and Redis", pytest_command("not db_independent"), servers)


if __name__ == "__main__":
    sys.exit(main())
