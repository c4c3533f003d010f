"""How fast what a backfill found is written to Salesforce, and how many calls that takes.

    python -m tests.bench.salesforce [--bookings 10000]

Runs against a sandbox on loopback and a database of its own: SQLite, or PostgreSQL where DATABASE_URL names a server.
"""

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from integrations.sandbox import SandboxServer
from tests.bench.backfill import SPAN, command, database, output, world

_SECRETS = {
    "client_id": "sandbox-salesforce-client",
    "client_secret": "sandbox-salesforce-secret",
}  # the sandbox's own
_MODULE = "from tests.bench.salesforce import"


def main() -> int:
    """Run the benchmark; return 1 when something was not written, or equal meetings were sent again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bookings", type=int, default=10_000)
    wanted = parser.parse_args().bookings
    with tempfile.TemporaryDirectory() as directory, world(Path(directory)) as (server, base):
        server.control.settings(calendly_requests_per_minute=10_000_000)
        seeded = server.control.seed_bookings(
            wanted, days=360, canceled_share=0.0, rescheduled_share=0.0, no_show_share=0.0
        )
        print(f"Seeded: {seeded}")
        base["SALESFORCE_LOGIN_URL"] = f"{server.url}/salesforce"
        with database(base, "salesforce") as environment:
            _shell(environment, "prepare()")
            command(environment, "backfill", *SPAN)
            _measured(server, environment, "first time")
            _shell(environment, "send_again()")
            again = _measured(server, environment, "equal")
    written = len(server.state.salesforce.records["Event"])
    print(f"Events in Salesforce: {written} of {wanted}; calls for equal ones: {again}")
    return 0 if (written, again) == (wanted, 0) else 1


def _measured(server: SandboxServer, environment: dict[str, str], name: str) -> int:
    """Send all that waits; print what it took and the calls by kind, and return how many calls there were."""
    before = len(server.requests(service="salesforce"))
    told = _shell(environment, "send()").splitlines()[-1]
    requests = server.requests(service="salesforce")[before:]
    kinds = Counter(f"{entry.method} {_kind(entry.path)}" for entry in requests)
    print(f"{name:>12}: {told}; {sum(kinds.values())} calls")
    for kind, count in kinds.most_common():
        print(f"{count:>12}  {kind}")
    return len(requests)


def _kind(path: str) -> str:
    short = re.sub(r"^.*/(?=oauth2/)|^.*/services/data/v[\d.]+", "", path)
    return re.sub(r"(/sobjects/\w+/\w+)/.+", r"\1/...", short)


def _shell(environment: dict[str, str], code: str) -> str:
    name = code.partition("(")[0]
    return output(environment, "shell", "--no-imports", "-c", f"{_MODULE} {name}; {code}")


def prepare() -> None:
    """Connect Salesforce, and let a rule write what a backfill finds; called in a process of the database."""
    from django.utils import timezone  # Django is set up in that process alone

    from integrations.models import Connection, Rule

    salesforce = Connection(
        provider="salesforce", name="Salesforce", state_changed_at=timezone.now()
    )
    salesforce.set_secrets(_SECRETS)
    salesforce.save()
    Rule.objects.create(
        name="Backfilled", kinds=["booked"], connection=salesforce, action="sync_meeting", acts_on_backfill=True
    )  # fmt: skip


def send() -> None:
    """Send all that waits, and print how long that took; called as above."""
    from django.db import connection
    from django.utils import timezone

    from integrations import outbox, tasks
    from integrations.models import Connection, Delivery

    salesforce = Connection.objects.get(provider="salesforce")
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING, can_wait=True).count()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # autovacuum does it within a minute, where it is on
    began = time.perf_counter()
    while outbox.due(salesforce.pk, now=timezone.now(), limit=1):
        tasks.drain_connection(salesforce.pk)
    seconds = time.perf_counter() - began
    ended = Counter(Delivery.objects.values_list("state", flat=True))
    print(f"{waiting} deliveries in {seconds:.1f} s ({waiting / seconds:.0f}/s), {dict(ended)}")


def send_again() -> None:
    """Let everything wait once more, as it was; called as above."""
    from integrations import outbox
    from integrations.models import Delivery

    for delivery in Delivery.objects.all():
        outbox.repeat(delivery, now=delivery.not_before, reason="Measured again.")


if __name__ == "__main__":
    sys.exit(main())
