"""Which rules act on an event, each on its own, and what is written down of those that do not."""

import logging
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking, BookingEvent
from integrations import rules
from integrations.conditions import FACTS, OPERATORS, Takes, Type, check, evaluate
from integrations.conditions.catalogue import CHANGED, UTM
from integrations.facts import PlanFacts
from integrations.models import Delivery, EventPlan
from integrations.timeline import EventEntry, timeline
from tests.factories import (
    NOW,
    BookingEventFactory,
    BookingFactory,
    EventTypeFactory,
    HostFactory,
    InviteeFactory,
    RuleFactory,
)
from tests.integrations.leftovers import leftovers

pytestmark = pytest.mark.django_db

FAULT = "its conditions could not be decided, by a fault of ours; it is in the log"
DEAF = "it does not act on what only a backfill found"


def when(fact, op, value, **more):
    return {"fact": fact, "op": op, "value": value, **more}


LATE_CANCEL = {"and": [when("event.kind", "is", "canceled"), when("booking.hours_ahead", "<", 24)]}


def plan(*events, now=NOW):
    with transaction.atomic():
        return rules.plan(events, now=now)


def acted(event):
    return set(Delivery.objects.filter(event=event).values_list("rule__name", flat=True))


def told(event):
    """The rules that left the event alone, with what each says."""
    row = EventPlan.objects.filter(event=event).first()
    return {entry["name"]: entry["reason"] for entry in row.withheld} if row else None


def test_every_rule_is_decided_on_its_own_for_every_event():
    conditions = {
        "always": {},
        "booked": when("event.kind", "is", "booked"),
        "late cancel": LATE_CANCEL,
        "pricing": when("answer", "contains", "pricing", argument="What shall we talk about?"),
        "activated": {"and": [when("before.status", "is", "canceled"), when("after.status", "is", "active")]},
        "canceled from active": {"and": [when("before.status", "is", "active"), when("after.status", "is", "canceled")]},
    }  # fmt: skip
    for name, tree in conditions.items():
        assert check(tree) == []
        RuleFactory.create(name=name, conditions=tree)
    other_topic = InviteeFactory.create(answers=[])
    booked = BookingEventFactory.create(invitee=other_topic)
    soon = BookingEventFactory.create(
        kind="canceled", changes={"status": ["active", "canceled"]}, occurred_at=NOW + timedelta(hours=30)
    )  # fmt: skip
    early = BookingEventFactory.create(kind="canceled")
    unasked = BookingEventFactory.create(kind="no_show")

    plan(booked, soon, early, unasked)

    expected = {
        booked: {"always", "booked"},
        soon: {"always", "late cancel", "pricing", "canceled from active"},
        early: {"always", "pricing"},
        unasked: set(),
    }
    assert {event: acted(event) for event in expected} == expected
    for event in (booked, soon, early):
        assert set(told(event) or ()) == conditions.keys() - expected[event]
    assert told(unasked) is None
    assert (told(booked) or {})[
        "pricing"
    ] == "the answer to “What shall we talk about?” is not known"


def test_rules_act_in_their_order_until_one_stops_the_others():
    first = RuleFactory.create(name="First", position=1, stops=True, conditions=LATE_CANCEL)
    RuleFactory.create(name="Second", position=2, stops=True)
    RuleFactory.create(name="Third", position=3, stops=True)
    RuleFactory.create(name="Other kind", position=4, kinds=["no_show"])
    RuleFactory.create(name="Off", position=4, enabled=False)
    booked = BookingEventFactory.create()
    canceled = BookingEventFactory.create(kind="canceled", occurred_at=NOW + timedelta(hours=30))

    connections = plan(booked, canceled)

    assert (acted(booked), acted(canceled)) == ({"Second"}, {"First"})
    assert told(booked) == {
        "First": "the kind of event is “booked”, and the rule asks that it is “canceled”",
        "Third": "“Second” acted and stops further rules",
    }
    assert set((told(canceled) or {}).values()) == {"“First” acted and stops further rules"}
    assert len(connections) == 2
    assert first.connection_id in connections


def test_what_a_silent_event_is_withheld_for_is_written_down_and_stops_nobody():
    RuleFactory.create(name="Deaf", position=1, stops=True)
    RuleFactory.create(
        name="Young", acts_on_backfill=True, backfill_max_age_days=7, position=2, stops=True
    )
    RuleFactory.create(name="Acts", acts_on_backfill=True, position=3)
    event = BookingEventFactory.create(silent=True)

    plan(event, now=NOW + timedelta(days=10))

    assert acted(event) == {"Acts"}
    assert told(event) == {
        "Deaf": DEAF,
        "Young": "it acts on what a backfill found up to 7 days after it happened",
    }


def test_where_nothing_is_withheld_nothing_is_written_down():
    RuleFactory.create(conditions=when("booking.duration", "=", 30))
    RuleFactory.create(kinds=["no_show"], conditions=LATE_CANCEL)

    plan(BookingEventFactory.create())

    assert not EventPlan.objects.exists()


def test_what_was_decided_once_stands():
    RuleFactory.create(name="Long", position=1, conditions=when("booking.duration", ">", 30))
    RuleFactory.create(name="Short", position=2, conditions=when("booking.duration", "<=", 30))
    event = BookingEventFactory.create()
    plan(event)
    before = told(event)

    Booking.objects.update(end_at=F("end_at") + timedelta(hours=1))
    RuleFactory.create(name="New", position=3, conditions=when("booking.duration", "=", 90))
    plan(event)

    assert acted(event) == {"Short", "New"}
    assert told(event) == before
    assert Delivery.objects.count() == 2


def test_an_event_that_a_webhook_tells_of_after_all_is_decided_for_who_was_deaf():
    RuleFactory.create(name="Deaf", position=1, stops=True)
    RuleFactory.create(name="Long", position=2, acts_on_backfill=True, conditions=LATE_CANCEL)
    RuleFactory.create(name="Acts", position=3, acts_on_backfill=True)
    RuleFactory.create(name="Deaf, too", position=4)
    event = BookingEventFactory.create(silent=True)
    plan(event)
    assert (told(event) or {}).keys() == {"Deaf", "Long", "Deaf, too"}

    BookingEvent.objects.update(silent=False)
    event.refresh_from_db()
    plan(event)
    plan(event)

    assert acted(event) == {"Deaf", "Acts"}
    assert told(event) == {
        "Long": "the kind of event is “booked”, and the rule asks that it is “canceled”",
        "Deaf, too": "“Deaf” acted and stops further rules",
    }


def test_a_fault_of_ours_withholds_one_rule_and_loses_nothing(caplog):
    RuleFactory.create(name="Asks", conditions=when("after.answer", "is", "x", argument="Size"))
    RuleFactory.create(name="Broken", conditions={"fact": "no such fact"})
    RuleFactory.create(name="Plain")
    event = BookingEventFactory.create(changes={"answers": [[], [{"unheard": "of"}]]})

    with caplog.at_level(logging.ERROR):
        plan(event)

    assert acted(event) == {"Plain"}
    assert told(event) == {
        "Asks": FAULT,
        "Broken": "its conditions cannot be read; correct them in the rule",
    }
    assert "Conditions crashed: rule=" in caplog.text


def test_a_database_that_fails_is_no_reason_to_withhold_anything():
    RuleFactory.create(conditions=when("booking.duration", "=", 30))
    event = BookingEventFactory.create()

    def away(execute, sql, params, many, context):
        if '"bookings_invitee"' in sql:
            raise DatabaseError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(away), pytest.raises(DatabaseError):
        plan(event)

    assert not EventPlan.objects.exists()
    assert not Delivery.objects.exists()


def test_the_timeline_says_what_was_written_down_also_of_a_rule_that_is_gone():
    rule = RuleFactory.create(name="Late cancels", conditions=LATE_CANCEL)
    event = BookingEventFactory.create()
    plan(event)
    rule.delete()

    (entry,) = timeline(Booking.objects.get())

    assert isinstance(entry, EventEntry)
    reason = "the kind of event is “booked”, and the rule asks that it is “canceled”"
    assert [(row.name, row.reason) for row in entry.withheld] == [("Late cancels", reason)]


def _queries(count):
    events = [BookingEventFactory.create(kind="updated") for _ in range(count)]
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        rules.plan(events, now=NOW)
    return len(captured)


def test_planning_takes_as_many_statements_for_many_events_as_for_one():
    kinds = ["updated"]
    RuleFactory.create(kinds=["booked"], conditions=when("invitee.prior_bookings", ">", 0))
    assert _queries(1) == 1

    acting = RuleFactory.create(kinds=kinds)
    plain = _queries(1)
    RuleFactory.create(kinds=kinds, conditions=when("event.cause", "is", "refetch"))
    assert _queries(3) == plain + 1  # the row that says why
    RuleFactory.create(kinds=kinds, conditions=when("booking.duration", ">", 30))
    meeting = _queries(3)
    assert meeting <= plain + 1 + 6
    RuleFactory.create(kinds=kinds, conditions=when("invitee.prior_bookings", ">", 0))
    assert _queries(8) == meeting + 1
    acting.stops = True
    acting.save()
    assert _queries(8) == plain + 1  # nobody asks after the rule that stops


MARK = "Zyxwv"
ADDRESS = f"{MARK}@{MARK}.example"
ANSWERS = [{"question": "Your company", "answer": MARK, "position": 0}]


@pytest.fixture
def person() -> BookingEvent:
    """An event about a person who is named in everything that may name one."""
    host = HostFactory.create(name=MARK, email=ADDRESS)
    booking = BookingFactory.create(
        name=MARK, location_text=MARK, join_url=MARK, guests=[ADDRESS], hosts=[host],
        event_type=EventTypeFactory.create(name=MARK),
    )  # fmt: skip
    invitee = InviteeFactory.create(
        booking=booking, name=MARK, first_name=MARK, last_name=MARK, email=ADDRESS, email_folded=ADDRESS.casefold(),
        answers=ANSWERS, text_reminder_number=MARK, canceled=True, cancel_reason=MARK, canceled_by=MARK,
        tracking=dict.fromkeys((*(f"utm_{name}" for name in UTM), "salesforce_uuid"), MARK),
    )  # fmt: skip
    pairs = {
        name: [[MARK], [ADDRESS]] if kind is Type.LIST else [MARK, ADDRESS]
        for name, (kind, _, names_person) in CHANGED.items()
        if names_person
    }
    return BookingEventFactory.create(
        invitee=invitee, kind="canceled", changes={**pairs, "answers": [ANSWERS, ANSWERS]}
    )


def _comparisons(fact):
    """Compare by every operator, with the person's own words and with others."""
    for op, word in product(OPERATORS[fact.type].values(), (MARK, "other", ADDRESS)):
        value: dict[Takes, dict[str, Any]] = {
            Takes.NOTHING: {},
            Takes.ONE: {"value": word},
            Takes.MANY: {"value": [word]},
        }
        tree = {"fact": fact.name, "op": op.name, **value[op.takes]}
        yield {**tree, "argument": "Your company"} if fact.argument else tree


def test_no_reason_names_a_person_so_that_erasing_one_has_nothing_to_do_there(person):
    facts = PlanFacts([person]).of(person)
    naming = {n: f for n, f in FACTS.items() if MARK.casefold() in str(facts(n, "Your company")).casefold()}  # fmt: skip
    trees = [tree for fact in naming.values() for tree in _comparisons(fact)]
    verdicts = [evaluate(tree, facts) for one in trees for tree in (one, {"not": one})]

    assert naming == {name: fact for name, fact in FACTS.items() if fact.names_person}
    assert not [tree for tree in trees if check(tree)]
    assert {verdict.holds for verdict in verdicts} == {True, False}
    assert not [v.reason for v in verdicts if MARK.casefold() in v.reason.casefold()]

    RuleFactory.create(kinds=["canceled"], conditions={"and": [{"not": t} for t in trees[:100]]})
    plan(person)

    assert EventPlan.objects.count() == 1
    assert not [place for place in leftovers(MARK) if place.startswith("integrations_eventplan")]
