"""What rules cost where there are a million bookings: a plan, and a look at the clock.

    python -m tests.bench.rules [--scale 1]

Needs PostgreSQL (DATABASE_URL) and, at scale 1, some 3 GB and 3 minutes: it makes a database of its own, fills it
(`tests.bench.crowd`), and drops it.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from tests.bench.admin import own_world
from tests.bench.backfill import ROOT, own_database

_MODULE = "from tests.bench.rules import measure; measure"
_TIMES = 20
#: A rule asks for so much that it acts on nothing: what is measured is what it costs to ask.
_CONDITIONS = {
    "and": [
        {"fact": "answer", "argument": "What about?", "op": "is", "value": "Pricing"},
        {"fact": "invitee.prior_bookings", "op": ">=", "value": 1000},
    ]
}
#: What the rules of the clock ask for: a kind, and minutes before or after.
_MOMENTS = (
    ("starting", 60),
    ("starting", 1440),
    ("starting", 43_200),
    ("ended", 0),
    ("ended", 1440),
)


def main() -> int:
    """Run the benchmark; return 1 when it could not be carried out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is a million bookings.")
    given = parser.parse_args()
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        print("Rules at a million bookings: left out, for it needs PostgreSQL. Set DATABASE_URL.")
        return 0
    with own_world() as base, own_database(base, "rules") as environment:
        told = [sys.executable, "manage.py", "shell", "--no-imports", "-c", f"{_MODULE}({given.scale})"]  # fmt: skip
        return subprocess.run(told, cwd=ROOT, env=environment, check=False).returncode


def measure(scale: float) -> None:
    """Fill the database and print what rules cost; called in a process of that database."""
    from bookings.models import Booking
    from integrations.models import Rule
    from tests.bench import crowd

    crowd.fill(scale, meetings_only=True)
    Rule.objects.all().delete()
    print(f"{Booking.objects.count():,} bookings")
    for number in (1, 10, 100):
        _plan(number)
    for kind, minutes in _MOMENTS:
        _look(kind, minutes)


def _plan(number: int) -> None:
    """Plan the newest event for so many rules, and take it back."""
    from django.db import transaction
    from django.utils import timezone

    from bookings.models import BookingEvent
    from integrations import rules

    with _rules(number, kinds=["booked"], conditions=_CONDITIONS):
        spent = []
        for event in BookingEvent.objects.order_by("-id")[:_TIMES]:
            with transaction.atomic():
                spent.append(_timed(partial(rules.plan, [event], now=timezone.now())))
                transaction.set_rollback(True)
    _tell(f"one event, {number} rules", spent)


def _look(kind: str, minutes: int) -> None:
    """Decide what was due in the days before, as after an outage; then look again while nothing is due.

    Between, PostgreSQL takes its statistics, as it does by itself within a minute.
    """
    from django.db import connection
    from django.utils import timezone

    from integrations import clock
    from integrations.models import Rule

    until = timezone.now() + timedelta(hours=1)
    with _rules(1, kinds=[kind], offset_minutes=minutes):
        Rule.objects.update(clock_since=timezone.now() - timedelta(days=60))
        began = time.perf_counter()
        drained = clock.drain(until=until, clock=timezone.now)
        seconds = time.perf_counter() - began
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        now = timezone.now()
        spent = [_timed(lambda: clock.drain(until=until, clock=lambda: now)) for _ in range(_TIMES)]
    print(
        f"{f'{kind}, {minutes} minutes':<28}{drained.decided:>7,} decided in {seconds:.1f} s "
        f"({drained.decided / seconds:.0f}/s)"
    )
    _tell("  a look, nothing is due", spent)


@contextmanager
def _rules(number: int, **fields: Any) -> Iterator[None]:
    """Make so many rules, and delete them."""
    from integrations.models import Connection, Rule

    slack = Connection.objects.get(provider="slack")
    for place in range(1, number + 1):
        Rule.objects.create(
            name=f"Rule {place}", connection=slack, action="post_card", options={"channel": "#sales"},
            position=place, **fields,
        )  # fmt: skip
    try:
        yield
    finally:
        Rule.objects.all().delete()


def _timed(work: Callable[[], object]) -> tuple[float, int]:
    """Return milliseconds and statements."""
    from django.db import connection

    statements = 0

    def count(execute: Any, *arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return execute(*arguments)

    began = time.perf_counter()
    with connection.execute_wrapper(count):
        work()
    return (time.perf_counter() - began) * 1000, statements


def _tell(name: str, spent: list[tuple[float, int]]) -> None:
    times = [milliseconds for milliseconds, _ in spent]
    late = statistics.quantiles(times, n=20)[-1]
    print(
        f"{name:<28}{statistics.median(times):>7.1f} ms p50 {late:>7.1f} ms p95 {spent[-1][1]:>4} statements",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
