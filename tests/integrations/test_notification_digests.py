"""What the daily messages say: today's meetings as the channel's clock sees them, and how everything is."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from bookings.models import Group, GroupRelationship, OrganizationMembership
from integrations import notifications, outbox, rules
from integrations.connectors.base import Notice, Skip
from integrations.models import Delivery, DriftFinding, DriftRun, MatchReview, Notification
from integrations.notifications.agenda import MOST
from tests.factories import (
    NOW,
    BackfillRunFactory,
    BookingFactory,
    ConnectionFactory,
    DeliveryFactory,
    EventTypeFactory,
    HostFactory,
    InboundWebhookFactory,
    InviteeFactory,
    NotificationChannelFactory,
    NotificationFactory,
    RuleFactory,
    WebhookSubscriptionFactory,
)

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 20)


@pytest.fixture
def channel(db):
    return NotificationChannelFactory.create(connection__name="Slack", time_zone="Europe/Berlin")


def meeting(start=NOW + timedelta(hours=1), *, invitee=None, **booking):
    return InviteeFactory.create(booking=BookingFactory.create(start_at=start, **booking), **(invitee or {}))  # fmt: skip


def agenda(channel, now=NOW):
    return notifications.preview(channel, Notification.Kind.AGENDA, now=now)


def section(notice, heading):
    return next((one.lines for one in notice.sections if one.heading == heading), ())


def texts(notice, heading):
    return [line.text for line in section(notice, heading)]


def test_a_line_tells_when_what_who_with_whom_and_where(channel):
    host = HostFactory.create(name="Hannah Host")
    found = meeting(
        name="Product demo", hosts=[host], join_url="https://zoom.example/j/1",
        invitee={"name": "Ida Invitee", "email": "ida@customer.example"},
    )  # fmt: skip

    notice = agenda(channel)

    (line,) = section(notice, "Meetings")
    assert notice.title == "One meeting on Friday, 20 November"
    assert line.text == "Product demo with Ida Invitee (i***@customer.example)"
    assert line.at == NOW + timedelta(hours=1)
    assert line.detail == "Host: Hannah Host · https://zoom.example/j/1"
    assert line.url.endswith(f"/admin/bookings/booking/{found.booking_id}/change/")


def test_an_address_that_stands_as_the_name_is_masked_too(channel):
    meeting(name="Call", invitee={"name": "ida@customer.example", "email": "ida@customer.example"})

    assert texts(agenda(channel), "Meetings") == ["Call with i***@customer.example"]


def test_the_day_is_the_channels_own(channel):
    first = datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    meeting(first - timedelta(minutes=1), name="Yesterday")
    meeting(first, name="First")
    meeting(first + timedelta(hours=23, minutes=59), name="Last")
    meeting(first + timedelta(hours=24), name="Tomorrow")

    found = [text.partition(" with ")[0] for text in texts(agenda(channel), "Meetings")]

    assert found == ["First", "Last"]


def test_the_day_of_the_change_to_winter_has_all_its_hours(channel):
    meeting(datetime(2026, 10, 25, 22, 30, tzinfo=UTC), name="Late")

    found = agenda(channel, now=datetime(2026, 10, 25, 8, 0, tzinfo=UTC))

    assert len(section(found, "Meetings")) == 1


def test_an_empty_day_is_not_told_unless_the_channel_wants_it(channel):
    assert agenda(channel) == Skip(reason="Nothing is booked for this day.")

    channel.tells_nothing = True
    told = agenda(channel)

    assert isinstance(told, Notice)
    assert told.title == "No meetings on Friday, 20 November"
    assert texts(told, "Meetings") == ["Nothing is booked for today."]


def test_canceled_meetings_stand_apart_and_do_not_count(channel):
    meeting(name="Held")
    meeting(name="Off", invitee={"canceled": True}, status="canceled")

    notice = agenda(channel)

    assert notice.title.startswith("One meeting")
    assert len(section(notice, "Meetings")) == 1
    assert section(notice, "Canceled")[0].detail.endswith("canceled")


def test_a_day_on_which_all_is_canceled_is_an_empty_day(channel):
    meeting(invitee={"canceled": True}, status="canceled")

    assert isinstance(agenda(channel), Skip)


def test_a_meeting_that_was_moved_stands_on_its_new_day_alone(channel):
    old = meeting(invitee={"canceled": True, "rescheduled": True}, status="canceled")
    tomorrow = BookingFactory.create(start_at=NOW + timedelta(days=1, hours=1))
    InviteeFactory.create(booking=tomorrow, chain=old, created_at=NOW + timedelta(minutes=1))

    assert isinstance(agenda(channel), Skip)
    (line,) = section(agenda(channel, now=NOW + timedelta(days=1)), "Meetings")
    assert line.detail.endswith("rescheduled")


def test_a_group_events_invitees_share_a_line(channel):
    booking = BookingFactory.create(start_at=NOW + timedelta(hours=1), name="Workshop")
    for number in range(5):
        InviteeFactory.create(booking=booking, name=f"P{number}", email="", created_at=NOW + timedelta(seconds=number))  # fmt: skip

    assert texts(agenda(channel), "Meetings") == ["Workshop with P0, P1, P2 and 2 more"]


def test_of_a_long_day_the_rest_is_counted(channel):
    for number in range(MOST + 12):
        meeting(NOW + timedelta(minutes=number))

    notice = agenda(channel)

    assert notice.title.startswith(f"{MOST + 12} meetings")
    assert texts(notice, "Meetings")[-1] == "and 12 more"
    assert len(section(notice, "Meetings")) == MOST + 1


def test_the_agenda_may_be_one_hosts_one_types_or_one_teams(channel):
    host, event_type, group = HostFactory.create(), EventTypeFactory.create(), Group.objects.create(uri="g", name="Sales")  # fmt: skip
    member = OrganizationMembership.objects.create(uri="m", host=host, organization_uri="o")
    GroupRelationship.objects.create(uri="r", group=group, membership=member)
    meeting(name="Theirs", hosts=[host], event_type=event_type)
    meeting(name="Another's")

    for name, row in (("host", host), ("event_type", event_type), ("group", group)):
        channel.host = channel.event_type = channel.group = None
        setattr(channel, name, row)
        (line,) = section(agenda(channel), "Meetings")
        assert line.text.startswith("Theirs with")


def test_two_hosts_of_one_team_make_no_second_line(channel):
    group = Group.objects.create(uri="g", name="Sales")
    hosts = HostFactory.create_batch(2)
    for number, host in enumerate(hosts):
        member = OrganizationMembership.objects.create(uri=f"m{number}", host=host, organization_uri="o")  # fmt: skip
        GroupRelationship.objects.create(uri=f"r{number}", group=group, membership=member)
    meeting(hosts=hosts)
    channel.group = group

    assert len(section(agenda(channel), "Meetings")) == 1


def test_who_was_erased_is_not_named(channel):
    meeting(name="Call", invitee={"name": "", "email": "", "email_folded": "", "erased_at": NOW})

    assert texts(agenda(channel), "Meetings") == ["Call with somebody erased"]


def test_an_agenda_takes_as_many_queries_for_many_meetings_as_for_one(channel):
    meeting()
    few = _queries(lambda: agenda(channel))
    for number in range(10):
        meeting(NOW + timedelta(minutes=number))

    assert _queries(lambda: agenda(channel)) == few


# --- the report ---


def report(channel, now=NOW):
    return notifications.preview(channel, Notification.Kind.HEALTH, now=now)


def story(connection=None):
    """Some of everything that a report tells."""
    connection = connection or ConnectionFactory.create()
    rule = RuleFactory.create(connection=connection)
    before = NOW - timedelta(hours=2)
    DeliveryFactory.create(rule=rule, delivered=True, settled_at=before)
    DeliveryFactory.create(rule=rule, skipped=True, settled_at=before)
    DeliveryFactory.create(
        rule=rule, failed=True, settled_at=before, error=f"Cause {connection.name}"
    )
    delivery = DeliveryFactory.create(rule=rule, created_at=before)
    MatchReview.objects.create(connection=connection, chain=delivery.chain, serial_key=f"p{delivery.pk}", question="?", created_at=NOW)  # fmt: skip
    run = DriftRun.objects.create(connection=connection, created_at=NOW, state="done")
    DriftFinding.objects.create(run=run, chain=delivery.chain, object_type="Event", remote_id="E", created_at=NOW)  # fmt: skip
    webhook = InboundWebhookFactory.create()
    BackfillRunFactory.create(connection=webhook.subscription.connection, ended=True)
    return connection


def test_the_report_tells_each_connections_state_and_how_far_behind_it_is(channel):
    crm = story(ConnectionFactory.create(name="Harbor CRM", state="paused", state_reason="Refused.", state_hint="Enter a token."))  # fmt: skip

    (line,) = (one for one in section(report(channel), "Connections") if "Harbor" in one.text)

    assert line.text == "Harbor CRM: paused"
    assert line.detail == "1 waits, the oldest since 20 Nov 07:00 UTC. Refused. Enter a token."
    assert line.url.endswith(f"/connection/{crm.pk}/change/")


def test_the_report_counts_what_was_settled_since_the_last_one(channel):
    crm = story()
    DeliveryFactory.create(rule=crm.rules.get(), delivered=True, settled_at=NOW - timedelta(days=2))

    first = report(channel)
    NotificationFactory.create(channel=channel, kind="health", state="sent", settled_at=NOW - timedelta(hours=1))  # fmt: skip
    NotificationFactory.create(
        channel=channel, kind="health", state="sent", settled_at=NOW, key="health:by-hand:1"
    )
    second = report(channel)

    assert texts(first, "Delivered since 19 Nov 09:00 UTC") == [f"{crm}: 1 delivered, 1 skipped, 1 failed"]  # fmt: skip
    assert texts(second, "Delivered since 20 Nov 08:00 UTC") == ["Nothing was sent."]


def test_the_report_groups_open_failures_with_what_to_do(channel):
    crm = ConnectionFactory.create(name="CRM")
    rule = RuleFactory.create(connection=crm)
    failed = [DeliveryFactory.create(rule=rule, failed=True, error=f"No user {name}@example.com") for name in "ab"]  # fmt: skip
    mended = DeliveryFactory.create(rule=rule, failed=True)
    DeliveryFactory.create(rule=rule, delivered=True, event__invitee=mended.chain, event__kind="updated")  # fmt: skip

    DeliveryFactory.create(rule=rule, failed=True, failure_class="review")

    (line,) = section(report(channel), "Failed, and waiting for you")

    assert line.text == "2 at CRM: No user (address)"
    assert line.detail == "Check the channel in the rule, then retry."
    assert set(line.acknowledges) == {row.pk for row in failed}


def test_the_report_leaves_out_what_was_acknowledged(channel):
    seen = DeliveryFactory.create(failed=True)
    outbox.acknowledge(Delivery.objects.filter(pk=seen.pk), by="ada", now=NOW)

    assert "Failed, and waiting for you" not in [one.heading for one in report(channel).sections]


def test_the_report_tells_of_paused_rules_and_how_much_they_hold(channel):
    rule = RuleFactory.create(name="Cards", connection=channel.connection)
    for _ in range(2):
        delivery = DeliveryFactory.create(rule=rule)
    rules.pause(delivery, now=NOW, reason="Slack: is_archived", hint="Choose another.")

    (line,) = section(report(channel), "Paused rules")

    assert line.text == "Cards (Slack): 2 deliveries wait"
    assert line.detail == "Slack: is_archived. Choose another."
    assert line.url.endswith(f"/rule/{rule.pk}/change/")


def test_the_report_tells_what_a_person_has_to_decide(channel):
    story()

    assert texts(report(channel), "For you to decide") == ["1 match review to answer", "1 difference from what was written"]  # fmt: skip


def test_the_report_tells_what_comes_in(channel):
    webhook = InboundWebhookFactory.create(subscription__connection__name="Calendly")
    WebhookSubscriptionFactory.create(connection=webhook.subscription.connection, state="disabled")
    BackfillRunFactory.create(connection=webhook.subscription.connection, ended=True)

    (line,) = section(report(channel), "What comes in")

    assert line.text == (
        "Calendly: last webhook 20 Nov 09:00 UTC, last backfill 20 Nov 09:00 UTC: done, 1 subscription in trouble"
    )


def test_a_report_takes_as_many_queries_for_many_rows_as_for_one(channel):
    story()
    few = _queries(lambda: report(channel))
    for _ in range(4):
        story()

    assert _queries(lambda: report(channel)) == few


def _queries(call) -> int:
    with CaptureQueriesContext(database) as captured:
        call()
    return len(captured)
