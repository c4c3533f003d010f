"""How fast the admin's pages are where there are a million bookings.

    python -m tests.bench.admin [--scale 1] [--times 20]

Needs PostgreSQL (DATABASE_URL) and, at scale 1, some 10 GB and 10 minutes: it makes a database of its own, fills it
(`tests.bench.crowd`), asks each page several times through Django's test client, and drops the database.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from integrations.embedded import EmbeddedBroker, free_port
from tests.bench.backfill import ROOT, own_database

_MODULE = "from tests.bench.admin import measure; measure"
#: Milliseconds that 19 of 20 answers may take; the export is no page.
GOAL = 300
_HOST: Any = {"HTTP_HOST": "127.0.0.1"}


def main() -> int:
    """Run the benchmark; return 1 when it could not be carried out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is a million bookings.")
    parser.add_argument("--times", type=int, default=20, help="How often each page is asked for.")
    given = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        print("Admin at a million bookings: left out, for it needs PostgreSQL. Set DATABASE_URL.")
        return 0
    with own_world() as base, own_database(base, "admin") as environment:
        code = f"{_MODULE}({given.scale}, {given.times})"
        told = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
        return subprocess.run(told, cwd=ROOT, env=environment, check=False).returncode


@contextmanager
def own_world() -> Iterator[dict[str, str]]:
    """Yield an environment that names a broker of this run's own."""
    with tempfile.TemporaryDirectory() as directory:
        broker = EmbeddedBroker(Path(directory) / "broker", port=free_port())
        broker.start()
        try:
            yield dict(os.environ) | {
                "CALSYNC_ENV": "development", "CALSYNC_VAR_DIR": f"{directory}/var", "REDIS_URL": broker.url,
                "LOG_LEVEL": "WARNING", "PYTEST_VERSION": "bench",
            }  # fmt: skip
        finally:
            broker.stop()


def measure(scale: float, times: int) -> None:
    """Fill the database and print how long each page takes; called in a process of that database."""
    from bookings.models import Booking
    from tests.bench import crowd

    began = time.perf_counter()
    crowd.fill(scale)
    seconds = time.perf_counter() - began
    print(f"{Booking.objects.count():,} bookings made in {seconds:.0f} s; {_size()}", flush=True)
    ask(times)


def ask(times: int) -> None:
    """Ask each page so often, after once to warm it up; print milliseconds, and those of them in the database."""
    from django.contrib.auth.models import User
    from django.test import Client

    import_module("config.wsgi")  # as served: what is loaded is out of the garbage collector's way
    client = Client(**_HOST)
    user, _ = User.objects.get_or_create(
        username="bench", email="host1@example.com", is_staff=True, is_superuser=True
    )
    client.force_login(user)
    print(f"{'page':<44}{'p50 ms':>8}{'p95 ms':>8}{'SQL p50':>9}{'SQL p95':>9}{'queries':>9}")
    for name, urls in _pages():
        spent = [_asked(client, urls[number % len(urls)]) for number in range(times + 1)][1:]
        whole = [answer.milliseconds for answer in spent]
        database = [answer.database for answer in spent]
        late = "  over the goal" if _p95(whole) > GOAL else ""
        print(
            f"{name:<44}{statistics.median(whole):>8.0f}{_p95(whole):>8.0f}{statistics.median(database):>9.0f}"
            f"{_p95(database):>9.0f}{spent[-1].queries:>9}{late}", flush=True,
        )  # fmt: skip
    _export(client)


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


@dataclass
class _Answer:
    """What one page took."""

    milliseconds: float = 0.0
    database: float = 0.0
    queries: int = 0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        """Time a statement, as Django's `execute_wrapper` wants it."""
        began = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.database += (time.perf_counter() - began) * 1000
            self.queries += 1


def _asked(client: Any, url: str) -> _Answer:
    from django.db import connection

    answer = _Answer()
    began = time.perf_counter()
    with connection.execute_wrapper(answer):
        response = client.get(url)
    answer.milliseconds = (time.perf_counter() - began) * 1000
    if response.status_code != 200:
        raise SystemExit(f"{url} answers {response.status_code}.")
    return answer


def _pages() -> Iterator[tuple[str, list[str]]]:
    """Yield each page by its name, in a few variants: of another word, another host."""
    from bookings.models import Booking, Invitee
    from integrations.models import Delivery

    bookings, deliveries = "/admin/bookings/booking/", "/admin/integrations/delivery/"
    some = list(Invitee.objects.order_by("-id").values_list("name", "email")[1000:4000:500])
    for name, query in _questions():
        yield f"bookings: {name}", [f"{bookings}?{query}"]
    yield (
        "search: first and last name",
        [f"{bookings}?q={name.replace(' ', '+')}" for name, _ in some],
    )
    yield "search: last name", [f"{bookings}?q={name.split()[1]}" for name, _ in some]
    yield "search: first name", [f"{bookings}?q={name.split()[0]}" for name, _ in some]
    yield "search: e-mail", [f"{bookings}?q={email}" for _, email in some]
    yield (
        "search: company",
        [f"{bookings}?q={email.split('@')[1].split('.')[0]}" for _, email in some],
    )
    yield "search: nothing found", [f"{bookings}?q=nobodyhasthisname{n}" for n in range(5)]
    yield "search: a word of every booking", [f"{bookings}?q=pricing"]
    yield "search: a word of every fifth", [f"{bookings}?q=intro"]
    yield "search: two letters", [f"{bookings}?q=ab"]
    yield (
        "search: two words, one of every fifth",
        [f"{bookings}?q={name.split()[1]}+intro" for name, _ in some],
    )
    yield (
        "search: last name, upcoming",
        [f"{bookings}?when=upcoming&q={name.split()[1]}" for name, _ in some],
    )
    yield "invitees", ["/admin/bookings/invitee/"]
    yield (
        "invitees: last name",
        [f"/admin/bookings/invitee/?q={name.split()[1]}" for name, _ in some],
    )
    yield "invitees: vanished", ["/admin/bookings/invitee/?standing=vanished"]
    ids = list(Booking.objects.order_by("-id").values_list("pk", flat=True)[1000:4000:500])
    yield "a booking's page", [f"{bookings}{pk}/change/" for pk in ids]
    yield "deliveries", [deliveries]
    yield "deliveries: page 40", [f"{deliveries}?p=40"]
    yield "deliveries: failed", [f"{deliveries}?state__exact=failed"]
    yield "deliveries: failed, not acknowledged", [f"{deliveries}?failed=unseen"]
    yield "deliveries: waiting", [f"{deliveries}?state__exact=waiting"]
    yield "deliveries: of a connection", [f"{deliveries}?connection__id__exact=1"]
    pk = Delivery.objects.filter(state="failed").values_list("pk", flat=True)[0]
    yield "a failed delivery's page", [f"{deliveries}{pk}/change/"]
    webhooks = "/admin/integrations/inboundwebhook/"
    yield "webhooks", [webhooks]
    yield "webhooks: failed", [f"{webhooks}?state__exact=failed"]
    yield "connections", ["/admin/integrations/connection/"]
    yield "home", ["/admin/"]


def _questions() -> Iterator[tuple[str, str]]:
    from django.utils import timezone

    year = (timezone.now() - timedelta(days=3 * 365)).year
    yield "all", ""
    yield "page 40", "p=40"
    yield "page 100", "p=100"
    for when in ("today", "tomorrow", "week", "next_week", "upcoming", "past"):
        yield when.replace("_", " "), f"when={when}"
    yield "a year, three years ago", f"from={year}-01-01&to={year}-12-31"
    yield "mine", "whose=mine"
    yield "of a host", "hosts__id__exact=7"
    yield "of a host, upcoming", "hosts__id__exact=7&when=upcoming"
    yield "of an event type", "event_type__id__exact=7"
    yield "canceled", "status=canceled"
    yield "no-show", "no_show=yes"
    for standing in ("vanished", "erased", "mentioned"):
        yield standing, f"standing={standing}"
    for sync in ("failed", "paused", "behind", "synced", "unsent"):
        yield f"sync {sync}", f"sync={sync}"
    yield "sync failed, upcoming", "sync=failed&when=upcoming"


def _export(client: Any) -> None:
    """Export a span of some ten thousand bookings, and say how fast that is and by how much the process grew."""
    import resource

    from django.utils import timezone

    first = timezone.now() - timedelta(days=19)
    url = f"/admin/bookings/booking/export/?from={first:%Y-%m-%d}&to={timezone.now():%Y-%m-%d}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    text = b"".join(client.post(url).streaming_content)
    seconds = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    lines = text.count(b"\r\n") - 1
    print(
        f"CSV of {lines:,} rows: {seconds:.1f} s, {len(text) / 1e6:.1f} MB; memory grew by {grown / 1024:.0f} MB"
    )


def _size() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        return str(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())
