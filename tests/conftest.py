"""What every test may use: a database of its own run, a broker, chromium, and a list of what was left out.

`DATABASE_URL` picks the database. `CALSYNC_TEST_REDIS_URL` picks a Redis whose database may be emptied; without it
each worker starts its own. `CALSYNC_REQUIRE_ALL=1` makes anything missing a failure.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import hypothesis
import kombu.pools
import pytest
import redis
from django.conf import settings
from django.db import connections

from config.celery import app as celery_app
from integrations.embedded import EmbeddedBroker
from integrations.sandbox import SandboxServer

LEFT_OUT = "left out: "
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
NO_BROKER = "redis://127.0.0.1:1/0"
# Says that a Redis database is ours to empty.
CLAIM = "calsync:test-database"

hypothesis.settings.register_profile("default", deadline=None, database=None, max_examples=50)
hypothesis.settings.register_profile(
    "ci", deadline=None, database=None, max_examples=100, derandomize=True
)
hypothesis.settings.load_profile(
    "ci" if os.environ.get("CALSYNC_REQUIRE_ALL") == "1" else "default"
)


def pytest_configure(config: pytest.Config) -> None:
    """Give this run a test database of its own, so that two runs on one machine do not meet."""
    settings.AXES_ENABLED = False  # tests sign in as they like, but those of signing in
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid():x}"
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        name = str(settings.VAR_DIR / "test" / f"{run[:12]}.sqlite3")
        (settings.VAR_DIR / "test").mkdir(parents=True, exist_ok=True)
    else:
        name = f"test_calsync_{run[:12]}"
    database.setdefault("TEST", {})["NAME"] = name


def leave_out(what: str, how: str) -> None:
    """Skip this test because the machine lacks something; fail it where everything is required."""
    if os.environ.get("CALSYNC_REQUIRE_ALL") == "1":
        pytest.fail(f"{what} is required here. {how}", pytrace=False)
    pytest.skip(f"{LEFT_OUT}{what}. {how}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what needs PostgreSQL when the database is another."""
    if item.get_closest_marker("postgres") and connections["default"].vendor != "postgresql":
        leave_out("PostgreSQL", "Set DATABASE_URL to a server where databases may be created.")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List what was left out and how to have it; `CALSYNC_LEFT_OUT_FILE` collects it over several runs."""
    reasons = sorted(
        {
            report.longrepr[2].partition(LEFT_OUT)[2]
            for report in terminalreporter.stats.get("skipped", [])
            if isinstance(report.longrepr, tuple) and LEFT_OUT in report.longrepr[2]
        }
    )
    if not reasons:
        return
    terminalreporter.section("left out")
    for reason in reasons:
        terminalreporter.write_line(reason)
    collected = os.environ.get("CALSYNC_LEFT_OUT_FILE")
    if collected:
        with Path(collected).open("a") as file:
            file.writelines(f"{reason}\n" for reason in reasons)


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running broker: this worker's own server, or its own database of CALSYNC_TEST_REDIS_URL."""
    given = os.environ.get("CALSYNC_TEST_REDIS_URL")
    if given:
        url = _own_database(given)
        _claim(url)
        yield url
        redis.from_url(url).flushdb()
    else:
        with EmbeddedBroker(tmp_path_factory.mktemp("broker")) as broker:
            yield broker.url


@pytest.fixture(autouse=True)
def _broker_settings(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Point the application at `broker_url`, empty before and after, where a test asks for it.

    A test that does not ask finds no broker, rather than a developer's own.
    """
    wanted = "broker_url" in request.fixturenames
    url = request.getfixturevalue("broker_url") if wanted else NO_BROKER
    settings.REDIS_URL = settings.CELERY_BROKER_URL = url
    settings.CACHES = _caches(url, name=request.node.nodeid if not wanted else "")
    monkeypatch.setitem(celery_app.conf, "broker_url", url)
    _forget_connections()
    if not wanted:
        yield
        return
    with redis.from_url(url) as client:
        _empty(client)
        yield
        _empty(client)
    _forget_connections()


@pytest.fixture
def child_environment(broker_url: str, transactional_db: None) -> dict[str, str]:
    """The environment for a process of ours that shares this test's database and broker."""
    database = connections["default"].settings_dict
    if connections["default"].vendor == "sqlite":
        address = f"sqlite:///{database['NAME']}"
    else:
        secret = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
        account = f"{quote(database['USER'], safe='')}{secret}@" if database["USER"] else ""
        port = f":{database['PORT']}" if database["PORT"] else ""
        host = quote(database["HOST"], safe="")
        address = f"postgres://{account}{host}{port}/{database['NAME']}"
    return dict(os.environ) | {"DATABASE_URL": address, "REDIS_URL": broker_url}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Let a live server's threads give their database connection back after each request.

    One that a browser or the sandbox keeps waiting for its next request would be in the way when the database goes.
    """
    connections["default"].settings_dict["CONN_MAX_AGE"] = 0


@pytest.fixture(scope="session")
def server() -> Iterator[SandboxServer]:
    """One sandbox for all tests of this process; a test resets it before it begins."""
    with SandboxServer() as running:
        yield running


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser that playwright drives; the test is left out when there is none."""
    given = os.environ.get("CALSYNC_TEST_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if not found and CHROMIUM_ON_MACOS.exists():
        found = str(CHROMIUM_ON_MACOS)
    if not found:
        leave_out("chromium, for the browser tests", "Debian: apt-get install chromium.")
    return str(found)


def _caches(url: str, *, name: str) -> dict[str, Any]:
    """Return the cache of one test: the broker's Redis, or this process' memory under the test's own name."""
    if name:
        backend = "django.core.cache.backends.locmem.LocMemCache"
        return {"default": {"BACKEND": backend, "LOCATION": name}}
    return {"default": {**settings.CACHES["default"], "LOCATION": url}}


def _own_database(url: str) -> str:
    parts = urlsplit(url)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    number = int(parts.path.strip("/") or 15) - worker
    return parts._replace(path=f"/{number}").geturl()


def _claim(url: str) -> None:
    client = redis.from_url(url)
    if client.dbsize() and not client.exists(CLAIM):
        pytest.exit(
            f"{url} holds data that no test wrote. Name another database in CALSYNC_TEST_REDIS_URL."
        )
    client.close()


def _empty(client: redis.Redis) -> None:
    client.flushdb()
    if os.environ.get("CALSYNC_TEST_REDIS_URL"):
        client.set(CLAIM, "1")


def _forget_connections() -> None:
    # kombu keeps a pool for each address it has seen; a new one is made on the next use.
    kombu.pools.reset()
    celery_app._pool = None  # type: ignore[attr-defined]
    celery_app.amqp._producer_pool = None  # type: ignore[attr-defined]
