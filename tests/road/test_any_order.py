"""Any order and repetition, sent at any moment in between, ends in one Event and one card per meeting."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.meeting import load_meeting
from bookings.models import Invitee
from bookings.reconcile import reconcile
from integrations import rules
from integrations.models import Delivery
from tests.bookings.histories import BASE, origin
from tests.bookings.test_any_order import STEPS, play

pytestmark = pytest.mark.django_db


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, data=st.data())
def test_any_order_ends_in_one_event_and_one_card_per_meeting(road, sandbox, steps, data):
    _, told = play(steps)
    repeats = data.draw(st.lists(st.sampled_from(told), max_size=3))
    shuffled = data.draw(st.permutations(told + repeats))
    pauses = data.draw(st.sets(st.integers(0, len(shuffled))))
    sandbox.reset()

    with _undone():
        for number, snapshot in enumerate(shuffled):
            rules.plan(reconcile(snapshot, origin=origin()).events, now=BASE)
            if number in pauses:
                road.send(timezone.now())
        road.send(timezone.now() + timedelta(seconds=1))
        meetings = [load_meeting(chain) for chain in _chains()]
        settled = set(Delivery.objects.values_list("state", flat=True))
        transaction.set_rollback(True)

    assert settled <= {"delivered", "skipped"}
    assert _written(sandbox) == sorted(_expected(meeting) for meeting in meetings)
    cards = [m for m in sandbox.slack_messages("#sales") if m.get("thread_ts") in {None, m["ts"]}]
    assert len(cards) == len(meetings)


def _chains():
    return Invitee.objects.order_by("chain").values_list("chain", flat=True).distinct()


def _written(sandbox):
    return sorted(
        (
            event["Calendly_Invitee_UUID__c"],
            event["StartDateTime"][:16],
            event["Subject"].split(":")[0],
        )
        for event in sandbox.salesforce_records("Event")
    )


def _expected(meeting):
    word = "Canceled" if meeting.is_canceled else "No-show" if meeting.is_no_show else None
    subject = word or f"{meeting.name} with {meeting.invitee_name}"
    return (meeting.key, meeting.start_at.isoformat()[:16], subject)


def _undone() -> transaction.Atomic:
    """Return a transaction that is no transaction to the code in it, as those around a test are none."""
    around = transaction.atomic()
    around._from_testcase = True  # type: ignore[attr-defined]
    return around
