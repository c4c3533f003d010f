"""Notifications: planned when they are due, told once, held while nothing can be told, and never from before."""

import json
import threading
from datetime import datetime, time, timedelta

import pytest
from django.db import connection as database
from django.db import connections
from django.test.utils import CaptureQueriesContext

from integrations import breaker, erasure, notifications, outbox, rules
from integrations.errors import (
    ConfigurationError,
    PermanentError,
    RuleError,
    TemporaryError,
    ThrottledError,
)
from integrations.models import (
    BackfillRun,
    Connection,
    Delivery,
    ErasureRequest,
    Notification,
    NotificationChannel,
    Rule,
    WebhookSubscription,
)
from tests.factories import (
    NOW,
    BackfillRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
    NotificationChannelFactory,
    NotificationFactory,
    RuleFactory,
    WebhookSubscriptionFactory,
)
from tests.integrations.leftovers import leftovers
from tests.integrations.notifying import DOTTED_PATH, NotifyingConnector

pytestmark = pytest.mark.django_db

State = Notification.State
MINUTE = timedelta(minutes=1)
#: After the daily messages' time of day, and its grace: only news are planned.
LATER = NOW + timedelta(hours=8)


@pytest.fixture(autouse=True)
def _notifying(settings):
    settings.CONNECTORS = {**settings.CONNECTORS, "notifying": DOTTED_PATH}
    NotifyingConnector.plays()


@pytest.fixture
def teller(db):
    return ConnectionFactory.create(provider="notifying", name="Teller")


@pytest.fixture
def channel(teller):
    return NotificationChannelFactory.create(
        connection=teller, sends_agenda=False, sends_health=False, options={"room": "1"}, at=time(9, 30)
    )  # fmt: skip


@pytest.fixture
def crm(db):
    return ConnectionFactory.create(provider="salesforce", name="Harbor CRM")


def drain(now):
    return notifications.drain(until=now + MINUTE, clock=lambda: now)


def look(now):
    """Plan and send, as the sweep and its worker do."""
    notifications.release_expired(now=now)
    notifications.plan(now=now)
    drain(now)


def fail(connection, *, at, error="Slack answered: channel_not_found.", **more):
    rule = connection.rules.first() or RuleFactory.create(connection=connection)
    return DeliveryFactory.create(rule=rule, failed=True, settled_at=at, error=error, **more)


def titles():
    return [notice.title for notice in NotifyingConnector.told]


def lines():
    return [line for told in NotifyingConnector.told for section in told.sections for line in section.lines]  # fmt: skip


# --- people ---


def test_of_an_agenda_only_how_it_went_is_kept(channel):
    InviteeFactory.create(name="Ann Lee", email="ann@example.com", booking__start_at=LATER)
    row = notifications.by_hand(channel, Notification.Kind.AGENDA, now=NOW)

    drain(NOW)

    assert lines()[0].text == "Intro call with Ann Lee (a***@example.com)"
    row.refresh_from_db()
    assert row.exchanges[0]["status"] == 200
    assert not [place for place in leftovers("Ann Lee") if "notification" in place]


def test_who_was_erased_while_it_was_being_told_is_not_written_down(channel):
    row = NotificationFactory.create(channel=channel)
    ErasureRequest.objects.create(
        digest="d", state="done", created_at=NOW, finished_at=NOW + MINUTE
    )

    drain(NOW)

    row.refresh_from_db()
    assert row.state == "sent"
    assert {row.exchanges[0][name] for name in ("request", "response")} == {
        "[not kept: it names people]"
    }


def test_where_a_channel_leads_is_setup_and_not_erased(channel):
    NotificationChannel.objects.update(options={"room": "ann@example.com"})

    erasure.carry_out(erasure.request("ann@example.com", requested_by="o", now=NOW), now=LATER)

    channel.refresh_from_db()
    assert channel.options == {"room": "ann@example.com"}


# --- the daily ones ---


@pytest.fixture
def daily(channel):
    channel.sends_agenda, channel.sends_health = True, True
    channel.tells_nothing = True
    channel.save()
    return channel


def test_the_days_messages_are_planned_once_however_often_is_looked(daily):
    for minutes in (29, 30, 31, 90):
        notifications.plan(now=NOW + minutes * MINUTE)

    assert sorted(Notification.objects.values_list("kind", "key")) == [
        ("agenda", "agenda:2026-11-20"),
        ("health", "health:2026-11-20"),
    ]


def test_two_that_look_at_once_plan_once(daily):
    Notification.objects.create(
        channel=daily, kind="agenda", key="agenda:2026-11-20", not_before=NOW, created_at=NOW
    )

    assert notifications.plan(now=NOW + 31 * MINUTE) == 1
    assert Notification.objects.count() == 2


def test_beat_that_was_away_brings_todays_late_and_never_yesterdays(daily):
    notifications.plan(now=NOW + timedelta(days=3, hours=6))

    assert set(Notification.objects.values_list("key", flat=True)) == {
        "agenda:2026-11-23",
        "health:2026-11-23",
    }


def test_beat_that_comes_in_the_evening_brings_none(daily):
    assert notifications.plan(now=NOW + timedelta(hours=9)) == 0


def test_a_channel_made_after_the_time_of_day_begins_tomorrow(daily):
    NotificationChannel.objects.update(told_from=NOW + timedelta(hours=1))

    assert notifications.plan(now=NOW + timedelta(hours=2)) == 0
    assert notifications.plan(now=NOW + timedelta(hours=25)) == 2


def test_a_channel_that_is_off_is_told_nothing(daily):
    NotificationChannel.objects.update(enabled=False)

    assert notifications.plan(now=NOW + timedelta(hours=1)) == 0


def test_what_waits_when_a_channel_is_switched_off_is_put_aside(daily):
    notifications.plan(now=NOW + timedelta(hours=1))
    NotificationChannel.objects.update(enabled=False)

    drain(NOW + timedelta(hours=1))

    assert set(Notification.objects.values_list("state", "result")) == {
        ("skipped", "The channel was switched off.")
    }
    assert NotifyingConnector.told == []


def test_a_digest_that_could_not_be_told_on_its_day_is_not_told_on_the_next(daily, teller):
    notifications.plan(now=NOW + timedelta(hours=1))
    breaker.pause(teller, now=NOW + timedelta(hours=1), reason="The token was refused.")
    drain(NOW + timedelta(hours=2))
    assert set(Notification.objects.values_list("state", flat=True)) == {"waiting"}

    drain(NOW + timedelta(hours=20))

    assert set(Notification.objects.values_list("state", "result")) == {
        ("skipped", "Too late: its day is over.")
    }


# --- sending ---


def test_what_was_told_is_settled_with_where_it_is(channel):
    row = NotificationFactory.create(channel=channel)

    drain(NOW)

    row.refresh_from_db()
    assert (row.state, row.remote_id, row.attempt_count) == ("sent", "M1", 1)
    assert row.url == "https://notifying.example/m"
    assert row.settled_at == NOW
    assert row.exchanges[0]["request"]["token"] == "[secret]"
    assert titles() == ["Calsync: a test"]


def test_a_second_worker_finds_it_taken(channel):
    row = NotificationFactory.create(channel=channel)
    taken = Notification.objects.filter(pk=row.pk)
    taken.update(state=State.SENDING, lease_expires_at=NOW + MINUTE)

    assert notifications.send(row.pk, clock=lambda: NOW) is None
    assert NotifyingConnector.told == []


def test_sent_twice_is_told_once(channel):
    row = NotificationFactory.create(channel=channel)

    assert notifications.send(row.pk, clock=lambda: NOW)
    assert notifications.send(row.pk, clock=lambda: NOW) is None

    assert len(NotifyingConnector.told) == 1


def test_a_worker_that_died_after_telling_is_followed_by_one_that_looks_first(channel):
    row = NotificationFactory.create(
        channel=channel, state=State.SENDING, lease_expires_at=NOW + MINUTE, attempt_count=1
    )
    assert notifications.release_expired(now=NOW) == 0

    assert notifications.release_expired(now=NOW + MINUTE) == 1
    row.refresh_from_db()
    assert (row.state, row.ambiguous) == ("waiting", True)
    drain(NOW + 2 * MINUTE)

    assert NotifyingConnector.looked_first == [True]
    row.refresh_from_db()
    assert (row.state, row.ambiguous) == ("sent", False)


def test_a_worker_that_lost_its_lease_changes_nothing(channel):
    row = NotificationFactory.create(channel=channel)

    class Slow(BaseException):
        pass

    NotifyingConnector.plays(Slow())
    with pytest.raises(Slow):
        notifications.send(row.pk, clock=lambda: NOW)
    row.refresh_from_db()
    assert (row.state, row.attempt_count) == ("sending", 1)

    notifications.release_expired(now=NOW + timedelta(hours=1))
    drain(NOW + timedelta(hours=2))

    row.refresh_from_db()
    assert (row.state, row.attempt_count) == ("sent", 2)


def test_an_ambiguous_failure_is_remembered_until_it_is_told(channel):
    row = NotificationFactory.create(channel=channel)
    NotifyingConnector.plays(TemporaryError("No answer.", ambiguous=True), TemporaryError("Refused."))  # fmt: skip

    for hours in (0, 1, 2):
        drain(NOW + timedelta(hours=hours))

    row.refresh_from_db()
    assert NotifyingConnector.looked_first == [False, True, True]
    assert (row.state, row.retry_count) == ("sent", 2)


def test_what_can_never_be_told_fails_and_says_what_to_do(channel):
    wrong = NotificationFactory.create(channel=channel)
    refused = NotificationFactory.create(channel=channel)
    crashed = NotificationFactory.create(channel=channel)
    NotifyingConnector.plays(RuleError("No such room.", hint="Choose another."), PermanentError("No."), ZeroDivisionError("oh"))  # fmt: skip

    drain(NOW)

    for row in (wrong, refused, crashed):
        row.refresh_from_db()
    assert (wrong.state, wrong.failure_class, wrong.hint) == ("failed", "configuration", "Choose another.")  # fmt: skip
    assert (refused.state, refused.failure_class) == ("failed", "permanent")
    assert (crashed.state, crashed.failure_class) == ("failed", "crashed")
    assert "ZeroDivisionError: oh" in crashed.error


def test_a_connection_that_cannot_tell_fails_with_a_hint(channel, settings):
    settings.CONNECTORS = {**settings.CONNECTORS, "scripted": "tests.integrations.scripted.ScriptedConnector"}  # fmt: skip
    Connection.objects.update(provider="scripted")
    row = NotificationFactory.create(channel=channel)

    drain(NOW)

    row.refresh_from_db()
    assert (row.state, row.failure_class) == ("failed", "configuration")
    assert row.hint == "Choose another connection for the channel."


def test_throttled_it_waits_with_everything_else_of_the_connection(channel, teller):
    first, second = (NotificationFactory.create(channel=channel) for _ in range(2))
    NotifyingConnector.plays(ThrottledError("Slow down.", retry_after=90))

    drain(NOW)
    assert not notifications.has_due(now=NOW + MINUTE)
    drain(NOW + 2 * MINUTE)

    for row in (first, second):
        row.refresh_from_db()
        assert (row.state, row.retry_count) == ("sent", 0)


def test_a_refused_token_pauses_the_connection_and_nothing_is_lost(channel, teller):
    row = NotificationFactory.create(channel=channel)
    NotifyingConnector.plays(ConfigurationError("The token was refused.", hint="Enter a new one."))

    drain(NOW)
    teller.refresh_from_db()
    assert (teller.state, teller.state_hint) == ("paused", "Enter a new one.")
    assert not notifications.has_due(now=NOW + timedelta(days=9))
    breaker.resume(teller, now=NOW + timedelta(days=9))
    drain(NOW + timedelta(days=9))

    row.refresh_from_db()
    assert row.state == "sent"


def test_one_probes_a_connection_that_fails_and_the_rest_waits(channel, teller):
    for _ in range(3):
        NotificationFactory.create(channel=channel)
    Connection.objects.filter(pk=teller.pk).update(state="degraded", not_before=NOW)
    NotifyingConnector.plays(TemporaryError("Still away."))

    drain(NOW)

    assert len(NotifyingConnector.looked_first) == 1
    drain(NOW + 5 * MINUTE)
    drain(NOW + 10 * MINUTE)
    teller.refresh_from_db()
    assert teller.state == "healthy"
    assert len(NotifyingConnector.told) == 3


def test_a_person_has_what_failed_sent_again_however_old(channel):
    row = NotificationFactory.create(
        channel=channel, state=State.FAILED, failure_class="permanent", expires_at=NOW, error="No."
    )

    assert notifications.retry(Notification.objects.all(), now=LATER, by="ada") == 1
    drain(LATER)

    row.refresh_from_db()
    assert (row.state, row.failure_class) == ("sent", "")


def test_a_drain_that_runs_out_of_time_says_that_more_is_left(channel):
    NotificationFactory.create(channel=channel)

    assert notifications.drain(until=NOW, clock=lambda: NOW) is True
    assert NotifyingConnector.told == []


# --- news ---


def test_a_connection_paused_by_an_error_is_told_once_and_its_recovery_once(channel, crm):
    breaker.pause(crm, now=LATER, reason="The token was refused.", hint="Enter a new one.")
    for minutes in (1, 2, 3):
        look(LATER + minutes * MINUTE)
    breaker.resume(crm, now=LATER + 10 * MINUTE)
    for minutes in (11, 12, 13):
        look(LATER + minutes * MINUTE)

    assert titles() == ["Harbor CRM is paused", "Harbor CRM works again"]
    assert lines()[0].text == "The token was refused."
    assert lines()[0].detail == "Enter a new one."
    assert lines()[0].url.endswith(f"/admin/integrations/connection/{crm.pk}/change/")


def test_paused_again_it_is_told_again(channel, crm):
    for hour in (0, 1):
        breaker.pause(crm, now=LATER + timedelta(hours=hour), reason="Refused.")
        look(LATER + timedelta(hours=hour, minutes=1))
        breaker.resume(crm, now=LATER + timedelta(hours=hour, minutes=2))
        look(LATER + timedelta(hours=hour, minutes=3))

    assert titles() == ["Harbor CRM is paused", "Harbor CRM works again"] * 2


def test_a_pause_by_a_person_is_no_alert(channel, crm):
    breaker.pause(crm, now=LATER, reason="Paused by ada.", by="ada")

    look(LATER + MINUTE)

    assert titles() == []


def test_an_error_after_a_person_resumed_is_an_alert(channel, crm):
    breaker.pause(crm, now=LATER, reason="Paused by ada.", by="ada")
    breaker.resume(crm, now=LATER + MINUTE)
    breaker.pause(crm, now=LATER + 2 * MINUTE, reason="Refused.")

    look(LATER + 3 * MINUTE)

    assert titles() == ["Harbor CRM is paused"]


def test_a_short_outage_is_not_told_and_a_long_one_is_with_its_end(channel, crm):
    for _ in range(breaker.FAILURES_TO_OPEN):
        breaker.failed(crm, now=LATER, error="HTTP 503")
    look(LATER + 9 * MINUTE)
    assert titles() == []

    look(LATER + 10 * MINUTE)
    breaker.succeeded(crm, now=LATER + 11 * MINUTE)
    look(LATER + 12 * MINUTE)

    assert titles() == ["Harbor CRM does not answer", "Harbor CRM works again"]


def test_a_recovery_from_what_was_never_told_is_not_told(channel, crm):
    for _ in range(breaker.FAILURES_TO_OPEN):
        breaker.failed(crm, now=LATER, error="HTTP 503")
    look(LATER + MINUTE)
    breaker.succeeded(crm, now=LATER + 2 * MINUTE)
    look(LATER + 30 * MINUTE)

    assert titles() == []


def test_the_dead_connections_own_channel_waits_and_another_tells(channel, teller):
    elsewhere = ConnectionFactory.create(provider="notifying", name="Elsewhere")
    other = NotificationChannelFactory.create(connection=elsewhere, sends_agenda=False, sends_health=False, at=time(9, 30))  # fmt: skip
    breaker.pause(teller, now=LATER, reason="The token was refused.")
    look(LATER + MINUTE)
    assert titles() == ["Teller is paused"]
    assert Notification.objects.get(state="sent").channel == other
    assert Notification.objects.get(state="waiting").channel == channel

    breaker.resume(teller, now=LATER + timedelta(days=1))
    look(LATER + timedelta(days=1, minutes=1))

    own = channel.notifications.order_by("id")
    assert list(own.values_list("kind", "state")) == [("alert", "sent"), ("recovery", "sent")]


@pytest.fixture
def held(crm):
    """A delivery of a rule that paused."""
    delivery = DeliveryFactory.create(rule=RuleFactory.create(connection=crm, name="Cards"))
    pause(delivery, at=LATER)
    return delivery


def pause(delivery, *, at):
    assert rules.pause(
        delivery, now=at, reason="Slack: is_archived", hint="Choose another channel."
    )


def test_a_paused_rule_is_told_once_and_once_when_it_goes_on(channel, held):
    for minutes in (1, 2, 3):
        look(LATER + minutes * MINUTE)
    rules.resume(held.rule, now=LATER + 10 * MINUTE)
    for minutes in (11, 12, 13):
        look(LATER + minutes * MINUTE)

    assert titles() == ["The rule “Cards” of Harbor CRM is paused", "The rule “Cards” goes on"]
    assert lines()[0].text == "Slack: is_archived"
    assert lines()[0].detail == "Choose another channel. Then resume the rule: what waits is sent."
    assert lines()[0].url.endswith(f"/admin/integrations/rule/{held.rule.pk}/change/")


def test_a_rule_that_pauses_again_is_told_again_and_ends_once(channel, held):
    look(LATER + MINUTE)
    rules.resume(held.rule, now=LATER + 2 * MINUTE)
    pause(held, at=LATER + 3 * MINUTE)
    for minutes in (4, 5):
        look(LATER + minutes * MINUTE)
    rules.resume(held.rule, now=LATER + 6 * MINUTE)
    for minutes in (7, 8):
        look(LATER + minutes * MINUTE)

    assert [title.rpartition(" ")[2] for title in titles()] == ["paused", "paused", "on"]


def test_a_rule_that_paused_before_the_channel_or_is_off_is_not_told(channel, held):
    channel.told_from = LATER + MINUTE
    channel.save()
    look(LATER + 2 * MINUTE)
    rules.resume(held.rule, now=LATER + 3 * MINUTE)
    pause(held, at=LATER + 4 * MINUTE)
    Rule.objects.update(enabled=False)
    look(LATER + 5 * MINUTE)

    assert titles() == []


def test_a_rule_that_goes_on_takes_no_connections_recovery_away(channel, held, crm):
    breaker.pause(crm, now=LATER, reason="Refused.")
    look(LATER + MINUTE)
    rules.resume(held.rule, now=LATER + 2 * MINUTE)
    look(LATER + 3 * MINUTE)
    breaker.resume(crm, now=LATER + 4 * MINUTE)
    look(LATER + 5 * MINUTE)

    assert titles()[2:] == ["The rule “Cards” goes on", "Harbor CRM works again"]


def test_failures_of_one_cause_are_one_note_with_a_count(channel, crm):
    fail(crm, at=LATER, error="No user ann@example.com.")
    notifications.plan(now=LATER)
    drain(LATER)
    for number in range(4):
        fail(crm, at=LATER + timedelta(seconds=number), error=f"No user u{number}@example.com.")

    look(LATER + 2 * MINUTE)

    assert titles() == ["5 deliveries to Harbor CRM failed"]
    (line,) = lines()
    assert line.text == "No user (address)."
    assert line.detail == "Check the channel in the rule, then retry."
    assert set(line.acknowledges) == set(Delivery.objects.values_list("pk", flat=True))
    assert (
        f"/delivery/inbox/cause/?seen=no&connection={crm.pk}&failure_class=permanent&" in line.url
    )


def test_the_same_cause_is_told_once_a_day_and_channel(channel, crm):
    for hour in (0, 1, 2, 30):
        fail(crm, at=LATER + timedelta(hours=hour))
        look(LATER + timedelta(hours=hour))
        look(LATER + timedelta(hours=hour, minutes=2))

    assert titles() == ["1 delivery to Harbor CRM failed"] * 2


def test_other_causes_classes_and_connections_are_notes_of_their_own(channel, crm):
    other = ConnectionFactory.create(name="Other")
    fail(crm, at=LATER)
    fail(crm, at=LATER, error="HTTP 400: no phone")
    fail(crm, at=LATER, failure_class="exhausted")
    fail(other, at=LATER)

    look(LATER)
    look(LATER + 2 * MINUTE)

    assert sorted(titles()) == sorted(["1 delivery to Harbor CRM failed"] * 3 + ["1 delivery to Other failed"])  # fmt: skip


def test_a_question_is_told_as_one_and_leads_to_where_it_is_answered(channel, crm):
    fail(crm, at=LATER, failure_class="review", error="2 records have this e-mail address.")

    look(LATER)
    look(LATER + 2 * MINUTE)

    assert titles() == ["1 delivery to Harbor CRM waits for your answer"]
    assert lines()[0].acknowledges == ()
    assert "/matchreview/?state__exact=open" in lines()[0].url


def test_what_was_acknowledged_is_neither_told_nor_counted(channel, crm):
    seen, _ = fail(crm, at=LATER), fail(crm, at=LATER)
    alone = fail(crm, at=LATER, error="Another cause.")
    notifications.plan(now=LATER)
    outbox.acknowledge(Delivery.objects.filter(pk__in=[seen.pk, alone.pk]), by="ada", now=LATER)

    drain(LATER + 2 * MINUTE)

    assert titles() == ["1 delivery to Harbor CRM failed"]
    skipped = Notification.objects.get(state="skipped")
    assert skipped.result == "They have been sent again or acknowledged meanwhile."


def test_failures_that_were_mended_meanwhile_are_not_told(channel, crm):
    delivery = fail(crm, at=LATER)
    notifications.plan(now=LATER)
    Delivery.objects.filter(pk=delivery.pk).update(state="delivered", failure_class="")

    drain(LATER + 2 * MINUTE)

    assert (
        Notification.objects.get().result == "They have been sent again or acknowledged meanwhile."
    )
    assert titles() == []


def test_a_backlog_from_before_the_channel_is_not_told(channel, crm):
    for hours in (1, 30, 300):
        fail(crm, at=NOW - timedelta(hours=hours))
    breaker.pause(crm, now=NOW - MINUTE, reason="Refused.")
    BackfillRunFactory.create(ended=True, state=BackfillRun.State.FAILED, finished_at=NOW - MINUTE)

    look(NOW + MINUTE)

    assert Notification.objects.count() == 0


def test_the_count_leaves_out_what_failed_before_the_channel(channel, crm):
    fail(crm, at=NOW - MINUTE)
    fail(crm, at=NOW + MINUTE)

    look(NOW + 2 * MINUTE)
    look(NOW + 4 * MINUTE)

    assert titles() == ["1 delivery to Harbor CRM failed"]


def test_failures_while_beat_was_away_are_told_afterwards(channel, crm):
    look(LATER)
    fail(crm, at=LATER + timedelta(hours=1))

    look(LATER + timedelta(hours=30))
    look(LATER + timedelta(hours=30, minutes=2))

    assert titles() == ["1 delivery to Harbor CRM failed"]


@pytest.mark.parametrize(("state", "how"), [("failed", "failed"), ("partial", "could not read everything")])  # fmt: skip
def test_a_backfill_that_did_not_end_well_is_told(channel, state, how):
    BackfillRunFactory.create(
        connection__name="Calendar", ended=True, state=state, finished_at=LATER, errors=3, hint="Resume it."
    )  # fmt: skip
    BackfillRunFactory.create(ended=True, finished_at=LATER)

    look(LATER + MINUTE)
    look(LATER + 2 * MINUTE)

    assert titles() == [f"A backfill of Calendar {how}"]
    assert lines()[0].detail == "Resume it."


def test_a_disabled_subscription_is_told_once_a_day(channel):
    row = WebhookSubscriptionFactory.create(
        connection__name="Calendar", state="disabled", checked_at=LATER, managed=True, problem="Calendly has disabled it."
    )  # fmt: skip
    WebhookSubscriptionFactory.create(state="missing", retired_at=LATER, checked_at=LATER)
    for minutes in (1, 6):
        look(LATER + minutes * MINUTE)
        WebhookSubscription.objects.filter(pk=row.pk).update(checked_at=LATER + (minutes + 4) * MINUTE)  # fmt: skip

    assert titles() == ["A webhook subscription of Calendar is disabled"]
    assert "watchdog replaces it" in lines()[0].detail


def test_a_nearly_used_up_allowance_is_told_once_a_day(channel, crm):
    for minutes in (0, 5):
        at = LATER + minutes * MINUTE
        Connection.objects.filter(pk=crm.pk).update(usage={"used": 96, "limit": 100, "at": at.isoformat()})  # fmt: skip
        look(at + MINUTE)

    assert titles() == ["Harbor CRM is nearly out of requests"]
    assert "96 of 100" in lines()[0].text


def test_a_channel_without_alerts_is_told_no_news(channel, crm):
    NotificationChannel.objects.update(sends_alerts=False)
    breaker.pause(crm, now=LATER, reason="Refused.")

    look(LATER + MINUTE)

    assert Notification.objects.count() == 0


def test_what_is_kept_of_an_alert_names_nobody(channel, crm):
    fail(crm, at=LATER, error="The contact 'Ann Lee' <ann@example.com> exists.")

    look(LATER)
    look(LATER + 2 * MINUTE)

    row = Notification.objects.get()
    kept = json.dumps([row.key, row.content, row.exchanges, row.result])
    assert row.state == "sent"
    assert "Ann" not in kept
    assert "ann@" not in kept


def test_looking_costs_as_many_queries_for_many_failures_as_for_one(channel, crm):
    fail(crm, at=LATER)
    notifications.plan(now=LATER)
    few = _queries(LATER + MINUTE)
    for number in range(20):
        fail(crm, at=LATER, error=f"Cause {'x' * number}")

    assert _queries(LATER + MINUTE) <= few + 1


def _queries(now: datetime) -> int:
    with CaptureQueriesContext(database) as captured:
        notifications.plan(now=now)
    return len(captured)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_tell_each_once(channel):
    rows = [NotificationFactory.create(channel=channel) for _ in range(10)]
    ready = threading.Barrier(4)

    def work():
        ready.wait()
        try:
            drain(NOW)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(notice.key for notice in NotifyingConnector.told) == sorted(f"{channel.pk}:{row.key}" for row in rows)  # fmt: skip
    assert set(Notification.objects.values_list("state", "attempt_count")) == {("sent", 1)}


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_many_that_look_at_once_plan_each_once(channel, crm):
    fail(crm, at=LATER)
    breaker.pause(crm, now=LATER, reason="Refused.")
    ready = threading.Barrier(4)

    def work():
        ready.wait()
        try:
            notifications.plan(now=LATER)
        finally:
            connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert Notification.objects.count() == 2
