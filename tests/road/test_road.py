"""The whole road: bytes of a Calendly webhook in, HTTP requests at Salesforce and Slack out."""

from datetime import timedelta

import pytest
from django.db import connections

from bookings.models import Booking, BookingEvent
from integrations import tasks
from integrations.models import Delivery, InboundWebhook, RemoteRecord
from tests.integrations.bodies import API, envelope, invitee

pytestmark = pytest.mark.django_db


def moved(old, *, booking="E2", number="I2", start="2026-12-03T14:00:00.000000Z"):
    """Return the two bodies of a reschedule: the cancel of the old invitee, the new one."""
    new = invitee(booking=booking, number=number, old_invitee=old["uri"])
    new["scheduled_event"] |= {"start_time": start, "end_time": start.replace("14:00", "14:30")}
    new |= {"created_at": "2026-11-03T09:00:00.5Z", "updated_at": "2026-11-03T09:00:00.5Z"}
    gone = {
        **old, "status": "canceled", "rescheduled": True, "new_invitee": new["uri"],
        "updated_at": "2026-11-03T09:00:00.25Z",
        "cancellation": {"canceled_by": "Ann Lee", "reason": "Moved", "canceler_type": "invitee"},
        "scheduled_event": {**old["scheduled_event"], "status": "canceled", "updated_at": "2026-11-03T09:00:00.25Z"},
    }  # fmt: skip
    at = "2026-11-03T09:00:00.000000Z"
    return envelope("invitee.canceled", gone, created_at=at), envelope(
        "invitee.created", new, created_at=at
    )


def canceled(old):
    """Return the body of a plain cancel."""
    at = "2026-11-04T09:00:00.000000Z"
    gone = {
        **old, "status": "canceled", "updated_at": at,
        "cancellation": {"canceled_by": "Ann Lee", "reason": "Ill", "canceler_type": "invitee"},
        "scheduled_event": {**old["scheduled_event"], "status": "canceled", "updated_at": at},
    }  # fmt: skip
    return envelope("invitee.canceled", gone, created_at=at)


def events(sandbox):
    return sandbox.salesforce_records("Event")


def cards(sandbox):
    return [m for m in sandbox.slack_messages("#sales") if m.get("thread_ts") in {None, m["ts"]}]


def replies(sandbox):
    return [
        m for m in sandbox.slack_messages("#sales") if m.get("thread_ts") not in {None, m["ts"]}
    ]


def test_a_booking_reaches_salesforce_and_slack(road, sandbox):
    assert road.receive(envelope("invitee.created", invitee())) == 200

    road.work()

    (event,) = events(sandbox)
    assert event["StartDateTime"].startswith("2026-12-01T10:00:00")
    assert event["Calendly_Invitee_UUID__c"] == "I1"
    (lead,) = [x for x in sandbox.salesforce_records("Lead") if x["Email"] == "ann@example.com"]
    assert (lead["FirstName"], lead["LastName"], lead["Company"]) == ("Ann", "Lee", "Northwind")
    assert event["WhoId"] == lead["Id"]
    (card,) = cards(sandbox)
    assert "Ann Lee" in str(card["blocks"])
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert RemoteRecord.objects.filter(object_type="Event").get().remote_id == event["Id"]


def test_a_new_booking_costs_salesforce_three_calls_and_an_equal_one_none(road, sandbox):
    body = envelope("invitee.created", invitee())
    road.receive(body)
    road.work()
    calls = [r for r in sandbox.requests(service="salesforce") if "oauth2" not in r["path"]]

    road.receive({**body, "created_at": "2026-11-02T09:00:09.000000Z"})
    road.work()

    assert len(calls) == 3
    assert (
        len([r for r in sandbox.requests(service="salesforce") if "oauth2" not in r["path"]]) == 3
    )


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0), (1, 0, 2), (2, 0, 1)]
)
def test_a_reschedule_moves_one_event_and_edits_one_card(road, sandbox, order):
    old = invitee()
    bodies = [envelope("invitee.created", old), *moved(old)]

    for which in order:
        road.receive(bodies[which])
        road.work()

    (event,) = events(sandbox)
    assert event["StartDateTime"].startswith("2026-12-03T14:00:00")
    assert not event["Subject"].startswith("Canceled")
    (card,) = cards(sandbox)
    assert "Rescheduled" in str(card["blocks"])
    told_at_once = order[0] == 2  # the new half waits for the old one: both events are one write
    assert len(replies(sandbox)) == (0 if told_at_once else 1)


def test_a_cancel_marks_the_event_and_the_card(road, sandbox):
    old = invitee()
    road.receive(envelope("invitee.created", old))
    road.work()

    road.receive(canceled(old))
    road.work()

    (event,) = events(sandbox)
    assert event["Subject"].startswith("Canceled")
    assert "Ill" in event["Description"]
    (card,) = cards(sandbox)
    assert "Canceled" in str(card["blocks"])
    assert len(replies(sandbox)) == 1


def test_a_no_show_and_its_removal_travel(road, sandbox):
    person = invitee()
    road.receive(envelope("invitee.created", person))
    road.work()
    mark = {"uri": f"{API}/invitee_no_shows/N1", "created_at": "2026-12-01T11:00:00.5Z"}
    road.receive(
        envelope(
            "invitee_no_show.created",
            {**person, "no_show": mark},
            created_at="2026-12-01T11:00:00Z",
        )
    )
    road.work()
    assert events(sandbox)[0]["Subject"].startswith("No-show")

    road.receive(envelope("invitee_no_show.deleted", person, created_at="2026-12-01T12:00:00Z"))
    road.work()

    assert not events(sandbox)[0]["Subject"].startswith("No-show")
    assert len(cards(sandbox)) == 1
    assert len(replies(sandbox)) == 2


def test_a_failing_slack_holds_up_no_salesforce(road, sandbox):
    sandbox.add_fault("slack", "error", times=0, status=503)

    road.receive(envelope("invitee.created", invitee()))
    road.work()

    assert len(events(sandbox)) == 1
    assert cards(sandbox) == []
    waiting = Delivery.objects.get(connection=road.slack)
    assert (waiting.state, waiting.attempts.get().outcome) == ("waiting", "temporary")
    sandbox.clear_faults()
    road.work(ahead=timedelta(seconds=10))
    assert len(cards(sandbox)) == 1


@pytest.mark.parametrize("service", ["salesforce", "slack"])
def test_a_write_whose_answer_was_lost_is_not_done_twice(road, sandbox, service):
    path = "/sobjects/Event" if service == "salesforce" else "chat.postMessage"
    sandbox.add_fault(service, "drop_after", match={"path_contains": path})

    road.receive(envelope("invitee.created", invitee()))
    road.work()
    road.work(ahead=timedelta(minutes=1))

    assert (len(events(sandbox)), len(cards(sandbox))) == (1, 1)
    assert set(Delivery.objects.values_list("state", flat=True)) <= {"delivered", "skipped"}
    assert Delivery.objects.filter(attempt_count=2).count() == 1


def test_a_lead_whose_answer_was_lost_is_found_again(road, sandbox):
    sandbox.add_fault("salesforce", "drop_after", match={"path_contains": "/sobjects/Lead"})

    road.receive(envelope("invitee.created", invitee()))
    road.work()
    road.work(ahead=timedelta(minutes=1))

    assert (
        len([x for x in sandbox.salesforce_records("Lead") if x["Email"] == "ann@example.com"]) == 1
    )
    assert len(events(sandbox)) == 1


def test_a_refused_record_fails_with_what_to_do_and_a_later_change_repairs_it(road, sandbox):
    sandbox.add_fault(
        "salesforce", "salesforce_error", match={"path_contains": "/sobjects/Lead"}, status=400,
        errorCode="FIELD_CUSTOM_VALIDATION_EXCEPTION", message="Phone, please.", fields=["Phone"],
    )  # fmt: skip
    old = invitee()
    road.receive(envelope("invitee.created", old))
    road.work()
    failed = Delivery.objects.get(connection=road.salesforce)
    assert (failed.state, failed.failure_class) == ("failed", "permanent")
    assert "Phone, please." in failed.error
    assert failed.hint

    for body in moved(old):
        road.receive(body)
    road.work()

    (event,) = events(sandbox)
    assert event["StartDateTime"].startswith("2026-12-03T14:00:00")


def test_a_revoked_token_pauses_the_connection_and_keeps_queueing(road, sandbox):
    sandbox.add_fault("slack", "token_revoked")

    road.receive(envelope("invitee.created", invitee()))
    road.work()

    road.slack.refresh_from_db()
    assert road.slack.state == "paused"
    assert road.slack.state_hint
    assert Delivery.objects.get(connection=road.slack).state == "waiting"


def test_a_lost_half_of_a_reschedule_is_fetched_from_calendly(road, sandbox):
    booked = sandbox.book(
        name="Ann Lee", email="ann@example.com", start_time="2026-12-10T10:00:00Z"
    )
    new = sandbox.reschedule(booked["uri"], start_time="2026-12-11T10:00:00Z")
    held = sandbox.calendly()
    found = next(i for i in held["invitees"] if i["uri"] == booked["uri"])
    event = next(e for e in held["events"] if e["uri"] == found["event"])
    road.receive(envelope("invitee.canceled", {**found, "scheduled_event": event}))
    road.work()
    (waiting,) = events(sandbox)
    assert not waiting["Subject"].startswith("Canceled")

    road.work(ahead=timedelta(minutes=1))

    kinds = list(BookingEvent.objects.values_list("kind", flat=True))
    assert kinds == ["booked", "rescheduled"]
    assert events(sandbox)[0]["StartDateTime"].startswith("2026-12-11T10:00:00")
    assert Booking.objects.count() == 2
    assert new["old_invitee"] == booked["uri"]


def test_every_delivery_tells_what_was_asked_and_what_came_back(road, sandbox):
    road.receive(envelope("invitee.created", invitee()))
    road.work()

    for delivery in Delivery.objects.all():
        (attempt,) = delivery.attempts.all()
        assert attempt.steps
        assert all(
            exchange["status"] == 200 or exchange["status"] == 201 for exchange in attempt.exchanges
        )
        assert "xoxb-sandbox" not in str(attempt.exchanges)
        assert "sandbox-salesforce-secret" not in str(attempt.exchanges)


@pytest.mark.django_db(transaction=True)
def test_a_body_sent_twice_at_the_door_is_one_row_and_one_card(road, sandbox):
    body = envelope("invitee.created", invitee())
    for _ in range(3):
        road.receive(body)
        road.work()

    assert InboundWebhook.objects.get().times_seen == 3
    assert (len(events(sandbox)), len(cards(sandbox))) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_two_meetings_of_a_new_person_sent_by_many_threads_make_one_lead(road, sandbox, broker_url):
    sandbox.add_fault("salesforce", "latency", times=0, seconds=0.1)
    for number in range(4):
        road.receive(
            envelope("invitee.created", invitee(booking=f"E{number}", number=f"I{number}"))
        )
    tasks.drain_inbox()

    tasks.drain_connection(road.salesforce.pk)

    leads = [x for x in sandbox.salesforce_records("Lead") if x["Email"] == "ann@example.com"]
    assert (len(leads), len(events(sandbox))) == (1, 4)
    connections.close_all()
