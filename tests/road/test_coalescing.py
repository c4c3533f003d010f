"""What changed while destinations were down arrives as one write, and each change is still told of in the timeline."""

from datetime import timedelta

import pytest

from bookings.models import BookingEvent
from integrations.connectors.base import connector_class
from integrations.models import Delivery
from integrations.timeline import EventEntry, timeline
from tests.integrations.bodies import envelope, invitee
from tests.road.test_road import canceled, cards, events, moved, replies

pytestmark = pytest.mark.django_db

A_DAY = timedelta(days=1)


def posted(sandbox):
    return [r for r in sandbox.requests(service="slack") if r["path"].endswith(("chat.postMessage", "chat.update"))]  # fmt: skip


def states(connection):
    rows = Delivery.objects.filter(connection=connection).order_by("event_id")
    return list(rows.values_list("event__kind", "state"))


def test_three_changes_while_both_are_down_are_one_write_each(road, sandbox):
    old = invitee()
    gone, new = moved(old)
    sandbox.add_fault("salesforce", "error", times=0, status=503)
    sandbox.add_fault("slack", "error", times=0, status=503)
    for body in (envelope("invitee.created", old), gone, new, canceled(new["payload"])):
        road.receive(body)
        road.work()
    sandbox.clear_faults()
    before = len(posted(sandbox))

    road.work(ahead=A_DAY)

    one_for_all = [("booked", "skipped"), ("rescheduled", "skipped"), ("canceled", "delivered")]
    assert states(road.slack) == one_for_all
    assert states(road.salesforce)[:2] == one_for_all[:2]
    (card,) = cards(sandbox)
    assert "Canceled" in str(card["blocks"])
    assert replies(sandbox) == []
    assert len(posted(sandbox)) - before == 1
    assert len(events(sandbox)) <= 1


def test_each_change_is_told_of_with_what_carried_it(road, sandbox):
    old = invitee()
    sandbox.add_fault("slack", "error", times=0, status=503)
    for body in (envelope("invitee.created", old), *moved(old)):
        road.receive(body)
        road.work()

    booking = BookingEvent.objects.latest("id").booking
    assert booking is not None
    told = [entry for entry in timeline(booking) if isinstance(entry, EventEntry)]

    assert [entry.event.kind for entry in told] == ["booked", "rescheduled"]
    (first,) = (item.delivery for item in told[0].deliveries if item.delivery.connection == road.slack)  # fmt: skip
    assert first.result == f"One write for both: superseded by event #{told[1].event.pk}."
    assert [attempt.outcome for attempt in first.attempts.all()] == ["temporary"]


def test_single_messages_and_signed_events_are_never_left_out():
    assert not connector_class("webhook").coalescing_actions
    assert "send_email" not in connector_class("email").coalescing_actions
    assert connector_class("salesforce").coalescing_actions.isdisjoint(
        connector_class("salesforce").passing_actions
    )
