"""What waits on purpose: for further changes, and for another rule of the same event."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations import breaker, holds, outbox, rules
from integrations.deliver import deliver, deliver_many
from integrations.errors import PermanentError, TemporaryError
from integrations.models import Delivery
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    InviteeFactory,
    RuleFactory,
)
from tests.integrations.scripted import ScriptedConnector

pytestmark = pytest.mark.django_db

State = Delivery.State
MINUTE = timedelta(seconds=60)
SECOND = timedelta(seconds=1)


@pytest.fixture
def invitee():
    return InviteeFactory.create()


@pytest.fixture
def patient(rule):
    """A rule that waits a minute for further changes."""
    rule.debounce_seconds = 60
    rule.save()
    return rule


@pytest.fixture
def other(rule):
    """Another rule of the same connection."""
    return RuleFactory.create(connection=rule.connection, action="write", kinds=rule.kinds)


@pytest.fixture
def follower(rule):
    """A rule of another connection that waits for the first one."""
    elsewhere = ConnectionFactory.create(provider="scripted", name="Elsewhere")
    return RuleFactory.create(
        connection=elsewhere, action="write", kinds=rule.kinds, waits_for=rule, waits_at_most=90
    )


def happens(invitee, *, at=NOW, kind="updated", **given):
    event = BookingEventFactory.create(invitee=invitee, kind=kind, occurred_at=at, **given)
    with transaction.atomic():
        rules.plan([event], now=at)
    return event


def of(event, rule):
    return Delivery.objects.get(event=event, rule=rule)


def due(rule, *, at):
    return outbox.due(rule.connection_id, now=at, limit=100)


def test_a_delivery_waits_for_further_changes_as_long_as_its_rule_says(patient, invitee):
    delivery = of(happens(invitee), patient)

    assert due(patient, at=NOW + MINUTE - SECOND) == []
    assert outbox.claim(delivery.pk, now=NOW + MINUTE - SECOND) is None
    assert outbox.claim_many([delivery.pk], now=NOW + MINUTE - SECOND) == []
    assert outbox.waiting_connections(now=NOW + MINUTE - SECOND) == []
    assert due(patient, at=NOW + MINUTE) == [delivery.pk]
    assert outbox.waiting_connections(now=NOW + MINUTE) == [patient.connection_id]


def test_a_further_change_supersedes_and_keeps_the_first_ones_time(patient, invitee):
    first, second, third = (happens(invitee, at=NOW + n * 20 * SECOND) for n in range(3))

    states = [of(event, patient).state for event in (first, second, third)]
    assert states == [State.SKIPPED, State.SKIPPED, State.WAITING]
    assert of(first, patient).result == f"One write for both: superseded by event #{second.pk}."
    assert of(third, patient).not_before == NOW + MINUTE
    assert due(patient, at=NOW + MINUTE) == [of(third, patient).pk]


def test_changes_that_are_planned_together_become_one(patient, invitee):
    events = [BookingEventFactory.create(invitee=invitee, kind="updated") for _ in range(3)]

    rules.plan(events, now=NOW)

    assert [of(event, patient).state for event in events] == ["skipped", "skipped", "waiting"]


def test_an_older_event_that_is_planned_later_supersedes_nothing(patient, invitee):
    older = BookingEventFactory.create(invitee=invitee, kind="updated")
    newer = happens(invitee)

    rules.plan([older], now=NOW + SECOND)

    assert (of(older, patient).state, of(newer, patient).state) == ("skipped", "waiting")


def test_a_change_after_the_time_is_over_is_a_message_of_its_own(patient, invitee):
    first = happens(invitee)
    second = happens(invitee, at=NOW + MINUTE)

    assert of(first, patient).state == State.WAITING
    assert of(second, patient).not_before == NOW + 2 * MINUTE


def test_what_was_tried_is_never_superseded(patient, invitee):
    first = happens(invitee)
    ScriptedConnector.plays(TemporaryError("down"))
    deliver(of(first, patient).pk, clock=lambda: NOW + MINUTE)

    second = happens(invitee, at=NOW + MINUTE + SECOND)

    assert of(first, patient).state == State.WAITING
    assert due(patient, at=NOW + timedelta(hours=1)) == [of(first, patient).pk]
    assert of(second, patient).state == State.WAITING


def test_what_an_operator_hurries_goes_now_and_is_not_superseded(patient, invitee):
    first = happens(invitee)

    assert outbox.retry(Delivery.objects.all(), now=NOW, by="ann") == 1

    happens(invitee, at=NOW + SECOND)
    assert due(patient, at=NOW + SECOND) == [of(first, patient).pk]


def test_rules_and_meetings_are_not_mixed_up(patient, other, invitee):
    happens(invitee)
    happens(InviteeFactory.create())
    happens(invitee)

    waiting = Delivery.objects.filter(state=State.WAITING)
    assert waiting.filter(rule=patient).count() == 2
    assert waiting.filter(rule=other).count() == 3


def test_what_only_a_backfill_found_is_not_held(patient, invitee):
    patient.acts_on_backfill = True
    patient.save()

    event = happens(invitee, silent=True)

    assert due(patient, at=NOW) == [of(event, patient).pk]


def test_waiting_for_changes_holds_back_no_other_rule(patient, other, invitee):
    event = happens(invitee)

    assert due(patient, at=NOW) == [of(event, other).pk]


def test_a_failure_that_waits_holds_back_the_other_rules_as_ever(rule, other, invitee):
    event = happens(invitee)
    ScriptedConnector.plays(TemporaryError("down"))

    deliver(of(event, rule).pk, clock=lambda: NOW)

    assert due(rule, at=NOW) == []


def test_resuming_a_connection_cuts_no_wait_for_changes_short(patient, invitee, target):
    happens(invitee)
    breaker.pause(target, now=NOW, reason="by hand")

    breaker.resume(target, now=NOW + SECOND)

    assert due(patient, at=NOW + 2 * SECOND) == []


def test_a_rule_waits_for_the_other_ones_end(rule, follower, invitee):
    event = happens(invitee)
    assert due(follower, at=NOW) == []
    assert outbox.claim(of(event, follower).pk, now=NOW) is None
    woken: list[int] = []

    deliver(of(event, rule).pk, clock=lambda: NOW, wake=woken.append)

    assert woken == [follower.connection_id]
    assert due(follower, at=NOW) == [of(event, follower).pk]


def test_what_the_other_rule_made_can_be_linked(rule, follower, invitee):
    event = happens(invitee)

    for waiting in (rule, follower):
        deliver(of(event, waiting).pk, clock=lambda: NOW)

    assert ScriptedConnector.linked == [[], ["https://t.example"]]


def test_a_batch_lets_go_what_waits_for_it(rule, follower, invitee):
    event = happens(invitee)
    woken: list[int] = []

    deliver_many([of(event, rule).pk], clock=lambda: NOW, wake=woken.append)

    assert woken == [follower.connection_id]


def test_a_failed_end_is_an_end(rule, follower, invitee):
    event = happens(invitee)
    ScriptedConnector.plays(PermanentError("never"))

    deliver(of(event, rule).pk, clock=lambda: NOW)

    assert due(follower, at=NOW) == [of(event, follower).pk]


def test_a_failure_that_is_tried_again_is_no_end(rule, follower, invitee):
    event = happens(invitee)
    ScriptedConnector.plays(TemporaryError("down"))

    deliver(of(event, rule).pk, clock=lambda: NOW)

    assert due(follower, at=NOW) == []


def test_patience_ends(rule, follower, invitee):
    event = happens(invitee)

    assert due(follower, at=NOW + timedelta(seconds=89)) == []
    assert due(follower, at=NOW + timedelta(seconds=90)) == [of(event, follower).pk]


def test_nothing_is_waited_for_where_the_other_rule_does_not_act(rule, follower, invitee):
    type(rule).objects.filter(pk=rule.pk).update(kinds=["booked"])

    event = happens(invitee, kind="updated")

    assert due(follower, at=NOW) == [of(event, follower).pk]


def test_nothing_is_waited_for_that_ended_before_it_was_planned(rule, follower, invitee):
    event = BookingEventFactory.create(invitee=invitee, kind="updated")
    outbox.add([(event, rule)], now=NOW)
    deliver(of(event, rule).pk, clock=lambda: NOW)

    rules.plan([event], now=NOW)

    assert due(follower, at=NOW) == [of(event, follower).pk]


def test_a_worker_that_died_at_its_last_try_is_an_end_too(rule, follower, invitee, settings):
    event = happens(invitee)
    first = of(event, rule)
    outbox.claim(first.pk, now=NOW)
    Delivery.objects.filter(pk=first.pk).update(retry_count=len(outbox.RETRY_SCHEDULE))

    outbox.release_expired(now=NOW + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS))

    assert of(event, follower).held_until == NOW


def test_waiting_for_another_rule_at_the_same_connection_is_no_deadlock(rule, invitee):
    before = RuleFactory.create(
        connection=rule.connection, action="write", kinds=rule.kinds, waits_for=rule, position=0
    )
    type(rule).objects.filter(pk=rule.pk).update(position=1)
    event = happens(invitee)
    assert due(rule, at=NOW) == [of(event, rule).pk]

    deliver(of(event, rule).pk, clock=lambda: NOW)

    assert due(rule, at=NOW) == [of(event, before).pk]


def test_what_is_behind_a_held_one_of_its_rule_holds_back_no_other_rule(rule, follower, invitee):
    bystander = RuleFactory.create(
        connection=follower.connection, action="write", kinds=["no_show"]
    )
    type(rule).objects.filter(pk=rule.pk).update(kinds=["updated"])
    held = happens(invitee, kind="updated")
    behind = happens(invitee, kind="no_show")

    found = due(follower, at=NOW)

    assert of(held, follower).held_until > NOW
    assert of(behind, follower).held_until is None
    assert found == [of(behind, bystander).pk]


def test_what_waits_for_changes_and_for_a_rule_waits_for_both(rule, follower, invitee):
    type(follower).objects.filter(pk=follower.pk).update(debounce_seconds=60)
    event = happens(invitee)

    deliver(of(event, rule).pk, clock=lambda: NOW)

    assert due(follower, at=NOW + MINUTE - SECOND) == []
    assert due(follower, at=NOW + MINUTE) == [of(event, follower).pk]


def test_a_superseded_delivery_lets_go_what_waits_for_it(patient, follower, invitee):
    first = happens(invitee)

    happens(invitee, at=NOW + SECOND)

    assert due(follower, at=NOW + SECOND) == [of(first, follower).pk]


def test_the_wait_is_explained(patient, follower, invitee):
    event = happens(invitee)
    waits, follows = of(event, patient), of(event, follower)
    clock = f"{NOW + MINUTE:%H:%M:%S} UTC"

    assert holds.explain(waits, now=NOW) == f"Waits until {clock} for further changes."
    assert f"“{patient}”" in holds.explain(follows, now=NOW)
    assert holds.explain(waits, now=NOW + MINUTE) == ""


def test_rules_cannot_wait_for_each_other_in_a_circle(rule, follower):
    third = RuleFactory.create(connection=rule.connection, waits_for=follower)
    rule.waits_for = third

    with pytest.raises(ValidationError) as caught:
        rule.save()

    told = caught.value.messages[0]
    assert all(f"“{item.name}”" in told for item in (rule, third, follower))


def test_a_rule_cannot_wait_for_itself(rule):
    rule.waits_for = rule

    with pytest.raises(ValidationError):
        rule.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        type(rule).objects.filter(pk=rule.pk).update(waits_for=rule)


def test_a_hold_of_more_than_an_hour_is_refused(rule):
    with pytest.raises(IntegrityError), transaction.atomic():
        type(rule).objects.filter(pk=rule.pk).update(debounce_seconds=3601)


def test_a_deleted_rule_is_waited_for_no_longer_than_patience(rule, follower, invitee):
    event = happens(invitee)

    rule.delete()

    assert due(follower, at=NOW + timedelta(seconds=90)) == [of(event, follower).pk]


@pytest.mark.django_db(transaction=True)
def test_a_claim_and_a_further_change_at_the_same_moment_send_or_supersede(patient):
    people = [InviteeFactory.create() for _ in range(8)]
    firsts = [of(happens(person), patient) for person in people]
    seconds = [BookingEventFactory.create(invitee=person, kind="updated") for person in people]
    start = threading.Barrier(2)
    claimed: list[outbox.Claim | None] = []

    def claims():
        start.wait()
        claimed.extend(outbox.claim(row.pk, now=NOW + MINUTE) for row in firsts)
        connection.close()

    with ThreadPoolExecutor() as pool:
        worker = pool.submit(claims)
        start.wait()
        for event in seconds:
            with transaction.atomic():
                rules.plan([event], now=NOW + MINUTE - SECOND)
        worker.result()

    for first, second, claim in zip(firsts, seconds, claimed, strict=True):
        first.refresh_from_db()
        assert first.state == (State.SKIPPED if claim is None else State.SENDING)
        assert first.attempts.count() == (claim is not None)
        assert of(second, patient).state == State.WAITING


def test_planning_takes_as_many_queries_for_many_events_as_for_one(patient, follower):
    def queries(count):
        people = [InviteeFactory.create() for _ in range(count)]
        events = [BookingEventFactory.create(invitee=item, kind="updated") for item in people]
        with CaptureQueriesContext(connection) as captured:
            rules.plan(events, now=NOW)
        return len(captured)

    assert queries(8) == queries(1)


def test_looking_takes_one_query(patient, follower, invitee, django_assert_num_queries):
    happens(invitee)

    with django_assert_num_queries(1):
        due(follower, at=NOW)


@pytest.mark.postgres
def test_looking_joins_no_two_lists_of_deliveries(rule, invitee):
    happens(invitee)
    with CaptureQueriesContext(connection) as captured:
        due(rule, at=NOW)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "SubPlan" in plan
    assert "Join" not in plan
    assert "Nested Loop" not in plan


def test_what_the_clock_brought_does_nothing_for_another(patient, invitee):
    patient.kinds = [*patient.kinds, "ended"]
    patient.save()
    told = of(happens(invitee), patient)
    brought = of(happens(invitee, kind="ended", cause="clock"), patient)

    states = Delivery.objects.filter(pk__in=[told.pk, brought.pk]).values_list("state", flat=True)
    assert list(states) == ["waiting", "waiting"]

    happens(invitee)

    states = Delivery.objects.filter(rule=patient).order_by("id").values_list("state", flat=True)
    assert list(states) == ["skipped", "waiting", "waiting"]
