from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection as database
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from bookings.models import Booking, BookingEvent, Invitee
from integrations import interactions
from integrations import timeline as story
from integrations.connectors.base import Press
from integrations.destinations import Standing, destinations, every_destination
from integrations.interactions.authority import PRESSED
from integrations.models import Connection, Delivery, EventPlan, Rule
from integrations.timeline import (
    EventEntry,
    OperatorEntry,
    PressEntry,
    WaitingEntry,
    WebhookEntry,
    changes_in_words,
    timeline,
)
from tests.factories import (
    NOW,
    BackfillFindingFactory,
    BookingEventFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryAttemptFactory,
    DeliveryFactory,
    InboundWebhookFactory,
    InviteeFactory,
    RefetchRequestFactory,
    RemoteRecordFactory,
    RoutingSubmissionFactory,
    RuleFactory,
    StaffUserFactory,
)

pytestmark = pytest.mark.django_db


def _told(invitee: Invitee, *, minute: int, kind: str = "booked") -> BookingEvent:
    at = NOW + timedelta(minutes=minute)
    webhook = InboundWebhookFactory.create(booking=invitee.booking, received_at=at)
    event = BookingEventFactory.create(
        invitee=invitee, kind=kind, cause_id=webhook.pk, occurred_at=at + timedelta(seconds=1)
    )
    delivery = DeliveryFactory.create(event=event, delivered=True)
    DeliveryAttemptFactory.create(delivery=delivery)
    return event


def _moved() -> tuple[Invitee, Invitee]:
    old = InviteeFactory.create(canceled=True, rescheduled=True)
    new = InviteeFactory.create(
        chain=old, old_invitee_uri=old.uri, created_at=NOW + timedelta(hours=1)
    )
    return old, new


def _booking(event: BookingEvent) -> Booking:
    assert event.booking
    return event.booking


def _queries(booking: Booking) -> int:
    with CaptureQueriesContext(database) as captured:
        timeline(booking)
    return len(captured)


def test_it_tells_webhook_event_delivery_and_attempt_in_order():
    invitee = InviteeFactory.create()
    event = _told(invitee, minute=0)

    webhook_entry, event_entry = timeline(invitee.booking)

    assert isinstance(webhook_entry, WebhookEntry)
    assert isinstance(event_entry, EventEntry)
    assert event_entry.event == event
    assert event_entry.webhook_id == webhook_entry.webhook.pk
    assert [attempt.number for attempt in event_entry.deliveries[0].attempts] == [1]


def test_both_bookings_of_a_reschedule_tell_the_same_story():
    old, new = _moved()
    _told(old, minute=0)
    _told(new, minute=5, kind="rescheduled")

    stories = [[entry.at for entry in timeline(i.booking)] for i in (old, new)]

    assert stories[0] == stories[1]
    assert len(stories[0]) == 4


def test_webhooks_of_strangers_in_a_group_booking_are_left_out_of_the_other_booking():
    old, new = _moved()
    stranger = InviteeFactory.create(booking=old.booking)
    _told(old, minute=0)
    _told(stranger, minute=1)

    events = [e.event.invitee for e in timeline(new.booking) if isinstance(e, EventEntry)]
    webhooks = [e for e in timeline(new.booking) if isinstance(e, WebhookEntry)]

    assert events == [old]
    assert len(webhooks) == 1


def test_an_event_without_deliveries_has_none():
    event = BookingEventFactory.create()

    (entry,) = timeline(_booking(event))

    assert isinstance(entry, EventEntry)
    assert entry.deliveries == ()


def test_what_is_over_there_is_shown_with_its_delivery():
    event = _told(InviteeFactory.create(), minute=0)
    delivery = event.deliveries.get()
    record = RemoteRecordFactory.create(connection=delivery.connection, chain=event.chain)

    entry = timeline(_booking(event))[-1]

    assert isinstance(entry, EventEntry)
    assert entry.deliveries[0].records == (record,)


def test_a_pending_refetch_is_told_with_its_reason():
    invitee = InviteeFactory.create()
    RefetchRequestFactory.create(object_uri=invitee.booking.uri, reason="conference_link")

    (entry,) = timeline(invitee.booking)

    assert isinstance(entry, WaitingEntry)
    assert entry.reason == "its conference link was still being made"
    assert not entry.given_up


@pytest.mark.parametrize(
    ("invitee", "reason"),
    [
        ({"chain": None, "announced_at": None}, "waits for the booking it was rescheduled from"),
        (
            {"canceled": True, "cancel_announced_at": None, "rescheduled": True},
            "waits for the booking it was rescheduled to",
        ),
    ],
)
def test_an_invitee_without_its_partner_is_told(invitee, reason):
    waiting = InviteeFactory.create(**invitee)

    (entry,) = timeline(waiting.booking)

    assert isinstance(entry, WaitingEntry)
    assert (entry.invitee, entry.reason) == (waiting, reason)


def test_the_routing_form_that_led_to_the_booking_is_told():
    submission = RoutingSubmissionFactory.create()
    invitee = InviteeFactory.create(routing_submission_uri=submission.uri)
    BookingEventFactory.create(
        kind="routing_form_submitted", invitee=None, booking=None, chain=None,
        routing_submission=submission,
    )  # fmt: skip

    (entry,) = timeline(invitee.booking)

    assert isinstance(entry, EventEntry)
    assert entry.event.routing_submission == submission


def test_the_number_of_queries_does_not_grow_with_the_story():
    short, long = InviteeFactory.create(), InviteeFactory.create()
    _told(short, minute=0)
    _told(long, minute=0)
    for minute in range(1, 6):
        _log(_told(long, minute=minute, kind="updated").deliveries.get(), "Retried.")

    assert _queries(long.booking) == _queries(short.booking)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("2026-11-20T09:00:00Z", "2026-11-21T10:30:00+01:00", ("Fri 20 Nov 2026, 09:00 UTC", "Sat 21 Nov 2026, 09:30 UTC")),
        (False, True, ("no", "yes")),
        ("", "Room 4", ("nothing", "Room 4")),
        ([], ["a@example.com", "b@example.com"], ("nothing", "a@example.com, b@example.com")),
        ([], [{"question": "Topic?", "answer": "Prices", "position": 0}], ("nothing", "Topic?: Prices")),
        (1, 2, ("1", "2")),
    ],
)  # fmt: skip
def test_changes_are_put_into_words(before, after, words):
    (change,) = changes_in_words({"start_at": [before, after]})

    assert (change.name, change.before, change.after) == ("start", *words)


@pytest.mark.parametrize(
    ("delivery", "connection_state", "standing"),
    [
        ({"delivered": True}, "healthy", Standing.SYNCED),
        ({"skipped": True}, "healthy", Standing.SKIPPED),
        ({"failed": True}, "healthy", Standing.FAILED),
        ({"failed": True}, "paused", Standing.FAILED),
        ({}, "healthy", Standing.WAITING),
        ({}, "paused", Standing.PAUSED),
        ({"error": "no answer in time"}, "healthy", Standing.RETRYING),
    ],
)
def test_a_destination_stands_as_its_latest_delivery(delivery, connection_state, standing):
    made = DeliveryFactory.create(**delivery)
    Connection.objects.update(state=connection_state)

    (destination,) = destinations([made.chain.booking])[made.chain.booking_id]

    assert destination.standing == standing


def test_a_later_delivery_of_the_same_rule_repairs_a_failed_one():
    failed = DeliveryFactory.create(failed=True)
    later = BookingEventFactory.create(kind="updated", invitee=failed.event.invitee)
    DeliveryFactory.create(event=later, rule=failed.rule, delivered=True)

    (destination,) = destinations([failed.chain.booking])[failed.chain.booking_id]

    assert destination.standing == Standing.SYNCED


def test_another_rule_of_the_same_connection_does_not_hide_a_failed_one():
    failed = DeliveryFactory.create(failed=True)
    DeliveryFactory.create(
        event=failed.event, rule=RuleFactory.create(connection=failed.connection), delivered=True
    )

    booking = failed.chain.booking
    (destination,) = destinations([booking])[booking.pk]

    assert destination.standing == Standing.FAILED
    assert len(every_destination([booking])[booking.pk]) == 2


def test_a_destination_links_to_what_was_written_last():
    delivery = DeliveryFactory.create(delivered=True)
    for name in ("Contact", "Event"):
        RemoteRecordFactory.create(
            connection=delivery.connection, chain=delivery.chain, object_type=name,
            url=f"https://crm.example.com/{name}",
        )  # fmt: skip

    (destination,) = destinations([delivery.chain.booking])[delivery.chain.booking_id]

    assert destination.url == "https://crm.example.com/Event"


def test_destinations_of_many_bookings_take_as_many_queries_as_of_one(django_assert_num_queries):
    connection = ConnectionFactory.create()
    deliveries: list[Delivery] = DeliveryFactory.create_batch(
        5, rule__connection=connection, delivered=True
    )
    bookings = [delivery.chain.booking for delivery in deliveries]

    with django_assert_num_queries(3):
        found = destinations(bookings)

    assert {len(rows) for rows in found.values()} == {1}


def test_a_booking_without_a_chain_has_no_destinations():
    booking = BookingFactory.create()

    assert destinations([booking]) == {booking.pk: []}


def _found_by_backfill(**given) -> BookingEvent:
    return BookingEventFactory.create(
        cause=BookingEvent.Cause.BACKFILL, cause_id=41, silent=True, **given
    )


def test_an_event_that_a_backfill_found_says_which_one():
    event = _found_by_backfill()

    (entry,) = timeline(_booking(event))

    assert isinstance(entry, EventEntry)
    assert (entry.backfill_id, entry.webhook_id) == (41, None)


def _rule(*, days_ago: int = 1, **given) -> Rule:
    """Make a rule that is so much older than what happens at NOW."""
    rule = RuleFactory.create(**given)
    Rule.objects.filter(pk=rule.pk).update(created_at=NOW - timedelta(days=days_ago))
    return rule


def _told_of(event: BookingEvent) -> EventEntry:
    (entry,) = timeline(_booking(event))
    assert isinstance(entry, EventEntry)
    return entry


LEFT_ALONE: list[tuple[dict[str, object], str]] = [
    ({"days_ago": -1}, "was made later, on 21 Nov 2026, 09:00 UTC"),
    ({"kinds": ["no_show", "canceled"]}, "acts on no-show, canceled only"),
    ({"enabled": False}, "is switched off"),
    ({}, "would act on such an event now: it was switched off then, or said something else"),
]


@pytest.mark.parametrize(("rule", "reason"), LEFT_ALONE)
def test_each_rule_that_left_an_event_alone_says_why(rule, reason):
    made = _rule(**rule)

    (left,) = _told_of(BookingEventFactory.create()).withheld

    assert (left.rule, left.reason) == (made, f"it {reason}")


def test_each_rule_that_left_an_event_alone_says_why_as_it_was_then():
    event, rule = _found_by_backfill(), _rule(kinds=["canceled"])
    entries = [
        {"rule": rule.pk, "name": "Deaf", "reason": "it does not act", "silent": True},
        {"rule": 0, "name": "Long ones", "reason": "the duration in minutes is not known"},
    ]
    EventPlan.objects.create(event=event, withheld=entries)

    told = [(left.rule, left.name, left.reason) for left in _told_of(event).withheld]

    assert told == [
        (rule, rule.name, "it does not act"),
        (None, "Long ones", "the duration in minutes is not known"),
    ]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ([], "Nothing was sent: there is no rule."),
        ([{"days_ago": -1}], "Nothing was sent: no rule existed at the time."),
        ([{"days_ago": -1}, {"enabled": False}], "Nothing was sent: no rule acted on it."),
    ],
)
def test_an_event_that_nothing_was_sent_for_says_so(rules, words):
    for rule in rules:
        _rule(**rule)

    assert _told_of(BookingEventFactory.create()).why_nothing == words


def test_a_rule_made_deaf_after_it_acted_is_not_said_to_have_left_it_alone():
    event = _found_by_backfill()
    delivery = DeliveryFactory.create(event=event)

    entry = _told_of(event)

    assert Delivery.objects.get().rule == delivery.rule
    assert (entry.withheld, entry.why_nothing) == ((), "")


def test_why_a_backfill_had_to_find_it_is_told():
    event = _found_by_backfill()
    finding = BackfillFindingFactory.create(event=event)

    assert _told_of(event).finding == finding


def _log(row: Model, message: str) -> None:
    user = StaffUserFactory.create()
    LogEntry.objects.log_actions(user.pk, [row], CHANGE, change_message=message)


def test_what_staff_did_to_the_booking_its_deliveries_and_webhooks_is_told():
    event = _told(InviteeFactory.create(), minute=0)
    stranger = _told(InviteeFactory.create(), minute=0)
    for told in (event, stranger):
        _log(told.deliveries.get(), "Retried.")
        _log(_booking(told).inbound_webhooks.get(), "Processed again.")
        _log(_booking(told), "Sent again as the booking is now.")
    _log(_booking(event), f"{PRESSED} “mark no show” at Slack: done.")

    entries = [entry for entry in timeline(_booking(event)) if isinstance(entry, OperatorEntry)]

    webhook = _booking(event).inbound_webhooks.get()
    assert [(entry.log.get_change_message(), entry.about) for entry in entries] == [
        ("Retried.", f"delivery #{event.deliveries.get().pk}"),
        ("Processed again.", f"webhook #{webhook.pk}"),
        ("Sent again as the booking is now.", "the booking"),
    ]


def test_a_press_of_a_button_about_the_meeting_is_told():
    old, new = _moved()
    stranger = InviteeFactory.create()
    pressed = ((old, "mark_no_show"), (stranger, "mark_no_show"), (old, "acknowledge"))
    for number, (invitee, action) in enumerate(pressed):
        press = Press(
            key=str(number), action=action, ids=(invitee.pk,), organization="T1", user_id="U1"
        )
        interactions.receive(ConnectionFactory.create(), press, now=NOW)

    (entry,) = timeline(new.booking)

    assert isinstance(entry, PressEntry)
    assert (entry.asked, entry.press.chain_ref) == ("mark no show", old.pk)


def test_of_a_long_story_the_newest_is_told_in_full_and_the_oldest_left_out(monkeypatch):
    monkeypatch.setattr(story, "MOST", 4)
    monkeypatch.setattr(story, "TOLD", 2)
    invitee = InviteeFactory.create()
    for minute in range(6):
        _told(invitee, minute=minute, kind="updated")

    entries = timeline(invitee.booking)

    events = [entry for entry in entries if isinstance(entry, EventEntry)]
    webhooks = [entry for entry in entries if isinstance(entry, WebhookEntry)]
    assert [entry.at.minute for entry in events] == [2, 3, 4, 5]
    assert [len(entry.deliveries[0].attempts) for entry in events] == [0, 0, 1, 1]
    assert [entry.body is None for entry in webhooks] == [True, True, False, False]


def test_a_long_story_of_a_backfill_takes_as_many_queries_as_a_short_one():
    event = _found_by_backfill()
    few = _queries(_booking(event))
    for kind in ("canceled", "no_show", "updated"):
        found = _found_by_backfill(invitee=event.invitee, kind=kind)
        EventPlan.objects.create(event=found, withheld=[{"rule": 1, "name": "Deaf", "reason": "x"}])

    assert _queries(_booking(event)) == few
