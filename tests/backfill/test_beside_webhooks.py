"""A backfill while the webhooks of the same bookings are processed by others: nothing is lost, twice or stuck."""

import contextlib
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from bookings.models import Booking, BookingEvent, Invitee, RefetchRequest
from integrations import backfill, inbox, refetch
from integrations.models import BackfillRun, Delivery, InboundWebhook
from tests.backfill.conftest import asked, backfilled, seen
from tests.factories import (
    ConnectionFactory,
    InboundWebhookFactory,
    RuleFactory,
    WebhookSubscriptionFactory,
)
from tests.integrations.bodies import envelope

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

RECEIVED = InboundWebhook.State.RECEIVED
KINDS = ["booked", "rescheduled", "canceled", "no_show"]


def test_webhooks_and_a_backfill_of_the_same_bookings_at_once(calendly, sandbox):
    sandbox.seed_bookings(150, days=20, rescheduled_share=0.3, canceled_share=0.2)
    world = sandbox.calendly()
    arrive(world, connection=calendly)
    RuleFactory.create(
        connection=ConnectionFactory.create(provider="salesforce", name="CRM"), kinds=KINDS
    )
    run = asked(calendly)

    in_parallel(
        lambda: work_off(run),
        lambda: backfill.drain_run(run, until=_soon(), clock=timezone.now),
        process_all,
        process_all,
    )
    RefetchRequest.objects.update(due_at=timezone.now())
    refetch.drain(until=_soon(), clock=timezone.now)

    run.refresh_from_db()
    assert (run.state, run.errors) == (BackfillRun.State.DONE, 0)
    assert not InboundWebhook.objects.filter(state__in=[RECEIVED, "failed"]).exists()
    invitees = world["invitees"]
    assert Invitee.objects.exclude(announced_at=None).count() == len(invitees)
    begun = BookingEvent.objects.filter(kind__in=["booked", "rescheduled"])
    assert begun.count() == begun.values("invitee").distinct().count() == len(invitees)
    carried = BookingEvent.objects.filter(kind__in=KINDS)
    assert not carried.filter(silent=True).exists()
    assert Delivery.objects.count() == carried.count()
    mixed = seen()[:3]
    emptied()
    backfilled(calendly)
    assert seen()[:3] == mixed


def arrive(world, *, connection):
    """Store every webhook that Calendly would have sent by now, in no order."""
    subscription = WebhookSubscriptionFactory.create(connection=connection)
    events = {event["uri"]: event for event in world["events"]}
    now = timezone.now()
    bodies = []
    for person in world["invitees"]:
        payload = {**person, "scheduled_event": events[person["event"]]}
        kinds = ["invitee.created"]
        kinds += ["invitee.canceled"] if person["status"] == "canceled" else []
        kinds += ["invitee_no_show.created"] if person["no_show"] else []
        bodies += [envelope(kind, payload, created_at=person["created_at"]) for kind in kinds]
    random.Random(13).shuffle(bodies)
    for body in bodies:
        InboundWebhookFactory.create(
            subscription=subscription, body=json.dumps(body).encode(), state=RECEIVED, kind="", delivery_key="",
            outcome="", processed_at=None, received_at=now,
        )  # fmt: skip


def in_parallel(*works: Callable[[], object]) -> None:
    """Do all of this at once, each with a database connection of its own."""
    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        for future in [pool.submit(alone, work) for work in works]:
            future.result()


def alone(work: Callable[[], object]) -> None:
    """Do it in a thread, and give its database connection back."""
    try:
        work()
    finally:
        connections.close_all()


def process_all():
    """Process webhooks until none is left; what the database asks to try again is, as by the sweep."""
    while inbox.has_received():
        with contextlib.suppress(OperationalError):
            inbox.drain(until=_soon(), clock=timezone.now)


def work_off(run):
    """Work on the run until it ends, whoever else does."""
    while BackfillRun.objects.filter(pk=run.pk, state__in=BackfillRun.UNFINISHED).exists():
        backfill.drain_run(run, until=_soon(), clock=timezone.now)
        BackfillRun.objects.filter(pk=run.pk).update(not_before=None)


def emptied():
    """Empty the mirror."""
    for model in (Delivery, BookingEvent):
        model.objects.all().delete()
    Invitee.objects.update(chain=None, announced_at=None)
    for mirrored in (Invitee, Booking):
        mirrored.objects.all().delete()


def _soon():
    return timezone.now() + timedelta(minutes=5)


@pytest.mark.postgres
def test_of_two_workers_that_claim_a_run_at_once_one_has_it(calendly):
    asked(calendly)
    claims = []

    def claim():
        claims.append(backfill.requests.claim(BackfillRun.objects.get(), now=timezone.now()))

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            claim()
            second = pool.submit(alone, claim)
            while not (second.done() or _somebody_waits()):
                time.sleep(0.01)
        second.result()

    first, other = claims
    assert other is None
    assert first is not None
    assert BackfillRun.objects.get().lease_token == first.token


def _somebody_waits() -> bool:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])
