"""What a rule would do, and why, before it goes live."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import bulk, rehearsing, tasks
from integrations.erasure import places
from integrations.erasure.subject import Circle, Subject
from integrations.models import BulkOperation, Connection, ErasureRequest, SimulationResult
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    InviteeFactory,
    RuleFactory,
)

pytestmark = pytest.mark.django_db

KIND = bulk.KINDS["simulate"]
LONG = {"fact": "booking.duration", "op": ">=", "value": 60}
ENGLISH = {"fact": "answer", "argument": "Language", "op": "is", "value": "English"}
OF_ANN = {"fact": "invitee.email", "op": "is", "value": "ann@example.com"}
SHORT = {"not": LONG}


def _booked(number=1, **fields):
    return [BookingEventFactory.create(invitee=InviteeFactory.create(), **fields).chain for _ in range(number)]  # fmt: skip


def _try(rule, *chains):
    """Decide, and ask nobody."""
    pks = [chain.pk for chain in chains]
    return rehearsing.rehearse(rule, pks, clock=lambda: NOW, asks=False).found


def _start(rule, **options):
    choice, asked = rehearsing.asked_for(rule, **{"last": 100, "conditions_only": True, **options})
    return bulk.start(KIND, choice, label="S", by="ann", now=timezone.now(), options=asked).operation  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "acts", "reason", "parts"),
    [
        ({}, True, "", []),
        (SHORT, True, "", [True]),
        (LONG, False, "the duration in minutes is 30, and the rule asks that it is at least 60", [False]),
        (ENGLISH, False, "the answer to “Language” is not known", [None]),
        (OF_ANN, False, "the invitee's e-mail address is not what the rule asks for", [False]),
        ({"and": [LONG, SHORT, ENGLISH]}, False, "the duration in minutes is 30, and the rule asks that it is at least 60", [False, False, True, None]),
        ({"or": [LONG, SHORT]}, True, "", [True, False, True]),
        ({"not": {"or": [LONG, ENGLISH]}}, False, "the answer to “Language” is not known", [None, True, None]),
        ({"fact": "no such"}, False, "its conditions cannot be read; correct them in the rule", []),
    ],
)  # fmt: skip
def test_every_condition_has_its_verdict(conditions, acts, reason, parts):
    rule = RuleFactory.create(enabled=False, conditions=conditions)

    (found,) = _try(rule, *_booked())

    assert (found.acts, found.reason) == (acts, reason)
    assert [part.holds for part in found.parts] == parts


def test_a_rule_before_it_that_stops_is_told_and_one_that_is_off_stops_nobody():
    rule = RuleFactory.create(enabled=False, position=5)
    first = RuleFactory.create(stops=True, position=1, enabled=False)
    chains = _booked()

    (alone,) = _try(rule, *chains)
    first.enabled = True
    first.save()
    (behind,) = _try(rule, *chains)

    assert (alone.acts, behind.acts) == (True, False)
    assert behind.reason == f"“{first}” acted and stops further rules"


def test_what_only_a_backfill_told_of_is_judged_as_if_a_webhook_had():
    rule = RuleFactory.create(enabled=False, acts_on_backfill=False)

    (found,) = _try(rule, *_booked(silent=True))

    assert (found.acts, found.occasion.is_backfilled) == (True, True)


@pytest.mark.parametrize(
    ("booked_before", "policy", "acts", "reason"),
    [
        (timedelta(days=2), "send", True, ""),
        (timedelta(hours=2), "send", True, "booked 2 hours before the start, inside the 24 hours of the rule: sent at once"),
        (timedelta(hours=2), "skip", False, "booked 2 hours before the start, inside the 24 hours of the rule"),
    ],
)  # fmt: skip
def test_a_rule_of_the_clock_is_judged_at_its_moment(booked_before, policy, acts, reason):
    rule = RuleFactory.create(
        enabled=False, kinds=["starting"], offset_minutes=24 * 60, late_policy=policy
    )
    start = NOW - timedelta(days=9)
    invitee = InviteeFactory.create(booking=BookingFactory.create(start_at=start), created_at=start - booked_before)  # fmt: skip

    (found,) = _try(rule, invitee)

    assert (found.acts, found.reason) == (acts, reason)
    assert found.occasion.event.occurred_at == start - timedelta(days=1)
    assert found.occasion.event.pk is None


def test_more_bookings_are_no_more_queries():
    rule = RuleFactory.create(enabled=False, conditions=SHORT, kinds=["booked", "ended"])
    counts = []
    for number in (2, 6):
        chains = _booked(number)
        with CaptureQueriesContext(connection) as queries:
            _try(rule, *chains)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_last_bookings_are_those_with_something_to_decide():
    rule = RuleFactory.create(enabled=False, kinds=["canceled"])
    canceled = [
        chain
        for days in (1, 3, 2)
        for chain in _booked(kind="canceled", occurred_at=NOW - timedelta(days=days))
    ]
    _booked(3)

    assert rehearsing.newest(rule, most=2) == [canceled[0].pk, canceled[2].pk]


def test_the_last_bookings_for_the_clock_are_those_booked_last_whenever_they_were_heard_of():
    rule = RuleFactory.create(kinds=["starting"], offset_minutes=60)
    booked = [
        InviteeFactory.create(created_at=NOW - timedelta(days=days), announced_at=NOW)
        for days in (1, 300, 2)
    ]

    assert rehearsing.newest(rule, most=2) == [booked[0].chain_id, booked[2].chain_id]


@pytest.mark.parametrize("last", [0, 501])
def test_too_many_or_none_is_refused(last):
    with pytest.raises(ValueError, match="from 1 to 500"):
        rehearsing.asked_for(RuleFactory.create(), last=last, conditions_only=True)


def test_a_rule_that_was_changed_meanwhile_is_not_simulated_in_part():
    _booked()
    rule = RuleFactory.create(enabled=False)
    operation = _start(rule)
    rule.save()

    tasks.drain_bulk()

    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("failed", 0)
    assert operation.error.startswith("The rule was changed or deleted meanwhile.")


def test_what_is_left_of_an_allowance_is_kept_for_what_is_sent():
    used = {"used": 96, "limit": 100, "at": timezone.now().isoformat()}
    rule = RuleFactory.create(connection=ConnectionFactory.create(usage=used))
    (chain,) = _booked()

    found = rehearsing.rehearse(rule, [chain.pk], clock=timezone.now, asks=True)

    assert (found.wait, found.found) == (60.0, ())


def test_while_a_provider_asks_to_wait_nobody_is_asked_and_then_it_goes_on():
    _booked()
    slack = ConnectionFactory.create(
        settings={"no": 1}, not_before=timezone.now() + timedelta(seconds=30)
    )
    operation = _start(RuleFactory.create(connection=slack), conditions_only=False)

    tasks.drain_bulk()

    operation.refresh_from_db()
    waits = (operation.lease_expires_at - timezone.now()).total_seconds()
    assert (operation.state, operation.done) == ("running", 0)
    assert 20 < waits <= 30
    Connection.objects.update(not_before=None)
    BulkOperation.objects.update(lease_expires_at=timezone.now())
    tasks.drain_bulk()
    operation.refresh_from_db()
    assert (operation.state, operation.done) == ("done", 1)
    assert [row.verdict for row in operation.results.all()] == ["fail"]


def test_a_stopped_simulation_keeps_what_it_found_and_goes_on():
    _booked(3)
    operation = _start(RuleFactory.create(enabled=False))
    BulkOperation.objects.update(state="running")
    bulk.request_stop(operation, now=timezone.now())
    tasks.drain_bulk()
    operation.refresh_from_db()
    assert (operation.state, operation.results.count()) == ("stopped", 0)

    bulk.resume(operation, now=timezone.now())
    tasks.drain_bulk()

    operation.refresh_from_db()
    assert (operation.state, operation.results.count()) == ("done", 3)


def _result(chain, **fields):
    operation = BulkOperation.objects.create(kind="simulate", label="S", upto=1, requested_by="ann", created_at=NOW)  # fmt: skip
    return SimulationResult.objects.create(
        operation=operation, chain=chain, verdict="fail", **fields
    )


def test_results_are_erased_with_the_person():
    person, other = InviteeFactory.create(), InviteeFactory.create()
    _result(person, reason="Lead Ann Lee", changes={"Lead": {"Name": ["", "Ann Lee"]}})
    kept = _result(other)
    subject = Subject(address=person.email_folded, until=NOW + timedelta(days=1))

    with transaction.atomic():
        places.erase(Circle(subject, [person]), reason="Erased.", now=NOW)

    assert list(SimulationResult.objects.all()) == [kept]


def test_nothing_that_may_name_somebody_is_kept_of_what_was_asked_while_people_were_erased():
    (chain,) = _booked()
    rule = RuleFactory.create(connection=Connection.objects.create(provider="slack", name="S", settings={"no": 1}, state_changed_at=NOW))  # fmt: skip
    operation = _start(rule, conditions_only=False)
    ErasureRequest.objects.create(digest="0", created_at=NOW)

    tasks.drain_bulk()

    (row,) = operation.results.all()
    assert (row.chain_id, row.changes, row.hint) == (chain.pk, {}, "")
    assert row.reason == "(not kept: somebody was erased meanwhile)"
