"""What rules do before a start and after an end: at its moment, once, and only where the meeting still is as it was."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings.models import BookingEvent, Invitee
from integrations import clock, outbox, tasks
from integrations.deliver import deliver, preview
from integrations.errors import PostponedError, TemporaryError
from integrations.models import ClockEntry, Delivery, EventPlan, Rule
from integrations.timeline import ClockLine, EventEntry, timeline
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RuleFactory,
)
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
LONG_AGO = NOW - timedelta(days=30)
START = NOW + 24 * HOUR


def make_rule(kind="starting", *, hours=24, since=LONG_AGO, **given):
    rule = RuleFactory.create(kinds=[kind], offset_minutes=hours * 60, **given)
    Rule.objects.filter(pk=rule.pk).update(clock_since=since)
    rule.refresh_from_db()
    return rule


def meeting(start=START, *, booked=NOW - timedelta(days=5), **given):
    return InviteeFactory.create(
        booking=BookingFactory.create(start_at=start), created_at=booked, announced_at=booked, **given
    )  # fmt: skip


def look(now):
    return clock.drain(until=now + HOUR, clock=lambda: now)


def fired():
    return list(ClockEntry.objects.filter(state="fired").values_list("chain_id", flat=True))


def reasons():
    return list(ClockEntry.objects.filter(state="skipped").values_list("reason", flat=True))


def test_a_reminder_is_planned_at_its_moment_and_once():
    rule, invitee = make_rule(), meeting()

    assert look(NOW - timedelta(seconds=1)).decided == 0
    drained = look(NOW)
    assert look(NOW + timedelta(seconds=30)).decided == 0

    delivery = Delivery.objects.get()
    assert drained.connections == {rule.connection_id}
    assert (delivery.rule, delivery.chain_id, delivery.can_wait) == (rule, invitee.pk, False)
    event = delivery.event
    assert (event.kind, event.cause, event.cause_id, event.occurred_at) == ("starting", "clock", rule.pk, NOW)  # fmt: skip
    assert ClockEntry.objects.get().anchor_at == START


def test_a_reminder_is_not_held_for_further_changes(target):
    make_rule(connection=target, action="write", debounce_seconds=3600, grace_minutes=30)
    meeting()

    look(NOW)

    assert send(Delivery.objects.get(), NOW)[0] == "delivered"


def test_only_the_rule_whose_moment_it_is_acts():
    make_rule(hours=48)
    other = make_rule(hours=24)
    meeting()

    look(NOW)

    assert set(Delivery.objects.values_list("rule", flat=True)) == {other.pk}
    assert [rule for rule in reasons() if "too late" in rule]


@pytest.mark.parametrize(
    "given",
    [
        {"canceled": True},
        {"status": "canceled", "rescheduled": True},  # half of a reschedule, whose other half is awaited
        {"vanished_at": NOW},
        {"erased_at": NOW},
        {"chain": None, "announced_at": None},
    ],
)  # fmt: skip
def test_who_is_not_there_any_more_is_not_found(given):
    make_rule()
    InviteeFactory.create(
        booking=BookingFactory.create(start_at=START), created_at=NOW - timedelta(days=5), **given
    )

    assert look(NOW).decided == 0


def test_of_a_group_each_active_invitee_gets_one():
    make_rule()
    booking = BookingFactory.create(start_at=START)
    here, there = (InviteeFactory.create(booking=booking, created_at=LONG_AGO) for _ in range(2))
    InviteeFactory.create(booking=booking, created_at=LONG_AGO, canceled=True)

    look(NOW)

    assert set(fired()) == {here.pk, there.pk}


@pytest.mark.parametrize("is_fired", [True, False])
def test_a_moved_meeting_has_another_moment_whether_the_first_had_come_or_not(is_fired):
    make_rule()
    old = meeting()
    if is_fired:
        look(NOW)
    Invitee.objects.filter(pk=old.pk).update(status="canceled", rescheduled=True)
    later = BookingFactory.create(start_at=START + 48 * HOUR)
    InviteeFactory.create(booking=later, chain=old, old_invitee_uri=old.uri, created_at=NOW)

    look(NOW + HOUR)
    assert len(fired()) == int(is_fired)

    look(NOW + 48 * HOUR)
    assert fired() == [old.pk] * (2 if is_fired else 1)


def test_moments_before_the_rule_was_there_leave_no_row_but_what_is_booked_since_does():
    rule = make_rule(since=NOW + HOUR)
    meeting()
    late = meeting(booked=NOW + 2 * HOUR)

    look(NOW + 2 * HOUR)

    assert list(ClockEntry.objects.values_list("chain_id", "rule_id")) == [(late.pk, rule.pk)]


def test_a_stopped_clock_sends_nothing_in_a_burst_and_says_why():
    make_rule()
    for hours in (0, 1, 2, 22):
        meeting(START - hours * HOUR)

    look(NOW + HOUR / 2)

    assert len(fired()) == 1
    assert len(reasons()) == 3
    assert all("too late" in reason for reason in reasons())


@pytest.mark.parametrize(
    ("policy", "expected"), [("send", "Remind"), ("skip", None), ("other", "Tell the host")]
)
def test_a_meeting_that_is_booked_late_follows_the_policy(policy, expected):
    other = RuleFactory.create(name="Tell the host", kinds=[], action="post_card")
    make_rule(name="Remind", late_policy=policy, late_rule=other)
    meeting(booked=NOW + 2 * HOUR)

    look(NOW + 2 * HOUR)

    sent = Delivery.objects.first()
    entry = ClockEntry.objects.get()
    assert (sent and sent.rule and sent.rule.name) == expected
    assert (sent and sent.action) in {None, "post_message", "post_card"}
    assert "booked 22 hours before the start, inside the 24 hours of the rule" in entry.reason


def test_a_meeting_that_was_moved_in_place_is_late_from_then_on():
    make_rule(late_policy="skip")
    invitee = meeting()
    BookingEventFactory.create(
        invitee=invitee, kind="rescheduled", changes={"start_at": ["a", "b"]}, occurred_at=NOW + HOUR
    )  # fmt: skip

    look(NOW + HOUR)

    assert reasons() == ["moved 23 hours before the start, inside the 24 hours of the rule"]


def test_conditions_hold_for_what_the_clock_brings():
    make_rule(conditions={"fact": "invitee.is_free_mail", "op": "is", "value": True})
    meeting()

    look(NOW)

    assert not Delivery.objects.exists()
    assert EventPlan.objects.get().withheld[0]["reason"]


def test_a_meeting_that_only_a_backfill_found_is_reminded_of():
    make_rule()
    invitee = meeting()
    BookingEventFactory.create(
        invitee=invitee, cause="backfill", silent=True, occurred_at=invitee.created_at
    )

    look(NOW)

    assert fired() == [invitee.pk]
    assert Delivery.objects.get().event.silent is False


def test_after_the_end_it_acts_where_somebody_came():
    rule = make_rule("ended", hours=1)
    came = meeting(NOW - 90 * HOUR / 60)
    missed = meeting(NOW - 90 * HOUR / 60, no_show=True)

    look(NOW)

    assert fired() == [came.pk]
    assert list(ClockEntry.objects.filter(state="skipped").values_list("chain", "reason")) == [
        (missed.pk, "the invitee did not come")
    ]
    assert Delivery.objects.get().rule == rule


def test_any_number_of_meetings_costs_the_same_statements():
    rule = make_rule()
    counts = []
    for number in (1, 12):
        for _ in range(number):
            meeting()
        with CaptureQueriesContext(connection) as captured:
            look(NOW)
        counts.append(len(captured))

    assert counts[0] == counts[1]
    assert Delivery.objects.filter(rule=rule).count() == 13


def test_more_than_are_decided_at_once_are_gone_on_with(monkeypatch):
    monkeypatch.setattr("integrations.clock.looking.AT_ONCE", 2)
    make_rule(grace_minutes=300)
    for earlier in (0, 1, 0, 2, 0, 1, 2):
        meeting(START - earlier * HOUR)

    drained = look(NOW)

    assert (drained.decided, drained.more, len(fired())) == (7, False, 7)


def test_the_clock_begins_when_a_rule_asks_something_new_of_it():
    rule = make_rule()

    def began(**given):
        Rule.objects.filter(pk=rule.pk).update(clock_since=LONG_AGO)
        rule.refresh_from_db()
        for name, value in given.items():
            setattr(rule, name, value)
        rule.save()
        rule.refresh_from_db()
        return rule.clock_since != LONG_AGO

    assert not began(name="Another", grace_minutes=5, kinds=["booked", "starting"])
    assert began(offset_minutes=60)
    assert began(kinds=["ended"])
    assert not began(enabled=False)
    assert began(enabled=True)


def test_a_rule_that_no_model_told_of_begins_at_the_first_look():
    rule = make_rule(since=None)
    meeting()

    assert look(NOW + HOUR).decided == 0

    rule.refresh_from_db()
    assert rule.clock_since == NOW + HOUR


def send(delivery, now):
    outbox_state = deliver(delivery.pk, clock=lambda: now)
    delivery.refresh_from_db()
    return outbox_state, delivery.result


def change_start(invitee):
    invitee.booking.start_at += HOUR
    invitee.booking.save()


def delete_rules(_):
    Rule.objects.all().delete()


def cancel(invitee):
    Invitee.objects.filter(pk=invitee.pk).update(status="canceled")


@pytest.mark.parametrize(
    ("change", "hours", "said"),
    [
        (cancel, 0, "The meeting was canceled, or is being moved, meanwhile."),
        (change_start, 0, "The meeting was moved meanwhile: it has another moment now."),
        (delete_rules, 0, "The rule that asked the clock was deleted meanwhile."),
        (lambda _: None, 25, "The meeting has begun meanwhile."),
        (lambda _: None, 3, "Its moment was 3 hours ago, and 1 hour may pass at most. Retry it to send it all the same."),
    ],
)  # fmt: skip
def test_what_waited_too_long_or_for_another_meeting_is_not_sent(target, change, hours, said):
    make_rule(connection=target)
    invitee = meeting()
    look(NOW)
    change(invitee)

    assert send(Delivery.objects.get(), NOW + hours * HOUR) == ("skipped", said)


def test_who_asks_for_another_try_is_not_told_that_it_is_too_late(target):
    make_rule(connection=target, action="write")
    meeting()
    look(NOW)
    delivery = Delivery.objects.get()
    send(delivery, NOW + 3 * HOUR)

    outbox.retry(Delivery.objects.all(), now=NOW + 4 * HOUR, by="ann")

    assert preview(Delivery.objects.get(), clock=lambda: NOW + 4 * HOUR).settlement.state != "skipped"  # fmt: skip
    assert send(delivery, NOW + 4 * HOUR)[0] == "delivered"


def test_who_asks_for_another_try_of_what_was_given_up_is_not_told_that_it_is_too_late(target):
    make_rule(connection=target, action="write")
    meeting()
    look(NOW)
    delivery = Delivery.objects.get()
    ScriptedConnector.plays(TemporaryError("not known", tries=1))
    assert send(delivery, NOW)[0] == "failed"

    outbox.retry(Delivery.objects.all(), now=NOW + 4 * HOUR, by="ann")

    assert send(delivery, NOW + 4 * HOUR)[0] == "delivered"


def test_what_waited_for_its_turn_was_asked_for_by_nobody(target):
    make_rule(connection=target, action="write")
    meeting()
    look(NOW)
    delivery = Delivery.objects.get()
    ScriptedConnector.plays(PostponedError("Its turn is later."))
    assert send(delivery, NOW)[0] == "waiting"

    state, said = send(delivery, NOW + 3 * HOUR)

    assert state == "skipped"
    assert said.startswith("Its moment was 3 hours ago")


def test_what_was_sent_is_written_again_whenever_a_record_is_to_be_mended(target):
    make_rule(connection=target, action="write")
    meeting()
    look(NOW)
    delivery = Delivery.objects.get()
    assert send(delivery, NOW)[0] == "delivered"

    outbox.repeat(delivery, now=NOW + 90 * HOUR, reason="Mended.")

    assert send(delivery, NOW + 90 * HOUR) == ("skipped", "Already equal.")


def test_a_no_show_that_is_marked_before_it_is_sent_stops_it(target):
    make_rule("ended", hours=0, connection=target)
    invitee = meeting(NOW - HOUR / 2)
    look(NOW)
    Invitee.objects.filter(pk=invitee.pk).update(no_show_uri="https://example.com/no-show")

    assert send(Delivery.objects.get(), NOW) == ("skipped", "The invitee did not come.")


def test_the_timeline_says_what_is_to_come_what_was_left_and_what_was_late():
    make_rule(name="Remind")
    make_rule(name="Ask", hours=48, late_policy="skip")
    make_rule("ended", name="Thank", hours=1)
    invitee = meeting(booked=NOW - HOUR)

    def lines(now):
        found = [row for row in timeline(invitee.booking, now=now) if isinstance(row, ClockLine)]
        return [(row.rule, row.at, bool(row.reason)) for row in found]

    look(NOW - HOUR)

    thanks = ("Thank", START + HOUR * 3 / 2, False)
    left = ("Ask", NOW - HOUR, True)
    assert lines(NOW - HOUR) == [left, ("Remind", NOW, False), thanks]
    look(NOW)
    assert lines(NOW) == [left, thanks]
    events = [row for row in timeline(invitee.booking, now=NOW) if isinstance(row, EventEntry)]
    assert [(row.event.kind, row.clock_reason) for row in events] == [("starting", "")]


def test_the_timeline_says_of_no_rule_that_it_acted_instead_where_conditions_did_not_hold():
    other = RuleFactory.create(kinds=[])
    unmet = {"fact": "booking.duration", "op": ">", "value": 90}
    make_rule(late_policy="other", late_rule=other, conditions=unmet)
    invitee = meeting(booked=NOW + HOUR)

    look(NOW + HOUR)

    (entry,) = timeline(invitee.booking, now=NOW)
    assert isinstance(entry, EventEntry)
    assert (entry.why_nothing, entry.clock_reason) == ("Nothing was sent: no rule acted on it.", "")


def test_the_timeline_says_of_a_moment_nothing_about_rules_that_were_not_asked():
    RuleFactory.create(name="Tell the host", kinds=[])
    make_rule(name="Remind", late_policy="other", late_rule=Rule.objects.get())
    make_rule(name="Ask", hours=48, conditions={"fact": "booking.duration", "op": ">", "value": 90})
    make_rule(name="Call", hours=1)
    Rule.objects.update(created_at=LONG_AGO)
    invitee = meeting(booked=NOW + HOUR)

    look(NOW + HOUR)

    events = [row for row in timeline(invitee.booking, now=NOW) if isinstance(row, EventEntry)]
    assert [
        ([sent.delivery.rule.name for sent in row.deliveries if sent.delivery.rule], [left.name for left in row.withheld])
        for row in events
    ] == [(["Tell the host"], []), ([], ["Ask"])]  # fmt: skip


def test_the_sweep_and_a_drained_inbox_wake_somebody_where_a_rule_asks_for_the_clock(broker_url):
    def woken():
        with redis.from_url(broker_url) as client:
            return bool(client.delete("calsync:nudge:clock"))

    tasks.sweep()
    assert not woken()
    make_rule()
    tasks.sweep()
    assert woken()
    InboundWebhookFactory.create(state="received")
    assert tasks.drain_inbox() == 1
    assert woken()


def test_the_task_decides_what_has_come(broker_url):
    now = timezone.now()
    make_rule()
    meeting(now + 24 * HOUR, booked=now - 48 * HOUR)

    assert tasks.drain_clock() == 1
    assert len(fired()) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_decide_each_moment_once():
    make_rule()
    for _ in range(20):
        meeting()
    together = threading.Barrier(4)

    def work(_):
        together.wait()
        try:
            return look(NOW).decided
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 20
    assert (BookingEvent.objects.count(), Delivery.objects.count(), len(set(fired()))) == (20, 20, 20)  # fmt: skip
