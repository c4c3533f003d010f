"""A connection to a sandbox of the tests' own, and a backfill worked off step by step."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bookings.models import Booking, BookingEvent, Invitee
from integrations import backfill
from integrations.models import BackfillRun, Connection
from integrations.sandbox import SandboxControl
from integrations.sources.base import get_source
from tests.factories import ConnectionFactory

#: The window of every run, and of what the sandbox is seeded with.
DAYS = 60


@pytest.fixture
def sandbox(server, settings, broker_url) -> SandboxControl:
    """An empty sandbox that the settings point to, with budgets that nobody has touched."""
    server.reset()
    settings.REDIS_URL = broker_url
    settings.CALENDLY_API_URL = f"{server.url}/calendly"
    settings.CALENDLY_AUTH_URL = f"{server.url}/calendly-auth"
    control: SandboxControl = server.control
    control.settings(calendly_requests_per_minute=100_000)
    return control


@pytest.fixture
def calendly(db, sandbox) -> Connection:
    """The organization's owner, connected by a personal access token."""
    return connected("sandbox-calendly-pat")


def connected(token: str, **settings: object) -> Connection:
    """Return a connection whose profile was read."""
    connection = ConnectionFactory.create(
        provider="calendly", secrets={"access_token": token}, settings=settings
    )
    profile = get_source("calendly").describe(connection.open_account())
    connection.profile = asdict(profile)
    connection.save(update_fields=["profile"])
    return connection


def asked(connection: Connection, **kwargs: Any) -> BackfillRun:
    """Ask for a run over all that the sandbox is seeded with."""
    now = timezone.now()
    usual: dict[str, Any] = {
        "window_from": now - timedelta(days=DAYS),
        "window_to": now + timedelta(days=DAYS),
        "trigger": BackfillRun.Trigger.COMMAND,
        "now": now,
    }
    return backfill.start(connection, **(usual | kwargs))


def worked(run: BackfillRun, *, hours: float = 1) -> BackfillRun:
    """Work on a run until nothing is left to do, and return it as it is then."""
    until = timezone.now() + timedelta(hours=hours)
    while (found := backfill.drain_run(run, until=until, clock=timezone.now)) is not None:
        run.refresh_from_db()
        if run.state not in BackfillRun.UNFINISHED:
            break
        assert found is not None
    run.refresh_from_db()
    return run


def backfilled(connection: Connection, **kwargs: Any) -> BackfillRun:
    """Ask for a run and work it off."""
    return worked(asked(connection, **kwargs))


def seen() -> tuple[list[str], ...]:
    """Return what a reader of the mirror can see, but for when it was seen."""
    bookings = Booking.objects.values_list(
        "uri", "status", "start_at", "join_url", "invitees_total", "invitees_active",
        "cancel_reason", "content_hash",
    )  # fmt: skip
    hosts = Booking.objects.values_list("uri", "hosts__uri")
    invitees = Invitee.objects.values_list(
        "uri", "status", "email", "chain__uri", "no_show_uri", "new_invitee_uri", "content_hash"
    )
    events = BookingEvent.objects.values_list("kind", "invitee__uri", "silent")
    return tuple(sorted(map(str, rows)) for rows in (bookings, hosts, invitees, events))
