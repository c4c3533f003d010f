"""Notification channels in the admin: made with checked options, tried out, previewed; messages with a retry."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations import breaker, notifications
from integrations.connectors.base import Notice
from integrations.errors import RuleError, TemporaryError
from integrations.models import (
    DriftFinding,
    DriftRun,
    MatchReview,
    Notification,
    NotificationChannel,
)
from tests.factories import (
    NOW,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
    NotificationChannelFactory,
    NotificationFactory,
    StaffUserFactory,
)
from tests.integrations.notifying import DOTTED_PATH, NotifyingConnector

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
ADD = "admin:integrations_notificationchannel_add"


@pytest.fixture(autouse=True)
def _notifying(settings):
    settings.CONNECTORS = {**settings.CONNECTORS, "notifying": DOTTED_PATH}
    NotifyingConnector.plays()


@pytest.fixture
def connection(db):
    return ConnectionFactory.create(provider="notifying", name="Teller")


@pytest.fixture
def channel(connection):
    return NotificationChannelFactory.create(
        connection=connection, options={"room": "1"}, tells_nothing=True, name="Front desk"
    )


@pytest.fixture
def boss(db):
    client = Client()
    client.force_login(StaffUserFactory.create(is_superuser=True))
    return client


def page_of(row):
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def operate(client, row, name):
    options = row._meta
    url = reverse(f"admin:{options.app_label}_{options.model_name}_operate", args=[row.pk, name])
    return client.post(url, follow=True)


def form(connection, **given):
    usual = {
        "name": "Sales", "enabled": "on", "connection": connection.pk, "options": '{"room": "1"}',
        "sends_agenda": "on", "at": "07:30", "time_zone": "Europe/Berlin",
    }  # fmt: skip
    return {name: value for name, value in {**usual, **given}.items() if value is not None}


def errors(response):
    return dict(response.context["adminform"].form.errors.items())


def test_a_channel_is_made(boss, connection):
    boss.post(reverse(ADD), form(connection))

    channel = NotificationChannel.objects.get()
    assert (channel.options, channel.time_zone, channel.sends_alerts) == ({"room": "1"}, "Europe/Berlin", False)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"options": "{}"}, "options", "room: is required."),
        ({"options": '{"room": "1", "rom": "2"}'}, "options", "rom: there is no such name."),
        ({"time_zone": "Nowhere"}, "time_zone", "Select a valid choice"),
        ({"sends_agenda": None}, "sends_agenda", "Choose at least one: agenda, report or alerts."),
        ({"at": "7:99"}, "at", "Enter a valid time."),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(boss, connection, given, field, told):
    found = errors(boss.post(reverse(ADD), form(connection, **given)))

    assert told in str(found[field])


def test_only_connections_that_can_tell_are_offered(boss, connection):
    other = ConnectionFactory.create(provider="salesforce", name="Harbor CRM")

    html = boss.get(reverse(ADD)).content.decode()
    found = errors(boss.post(reverse(ADD), form(other)))

    assert "Teller" in html
    assert "Harbor CRM" not in html
    assert "connection" in found


def test_a_channel_begins_with_what_can_tell_and_shows_its_fields(boss, connection):
    slack = ConnectionFactory.create(provider="slack", name="Slack")
    ConnectionFactory.create(provider="webhook", name="Silent")

    start = boss.get(reverse(ADD)).content.decode()
    form = boss.get(f"{reverse(ADD)}?connection={slack.pk}").content.decode()

    assert "Teller" in start
    assert "Silent" not in start
    assert 'name="options__channel"' in form
    assert 'name="options__room"' not in form


def test_switched_on_again_it_begins_anew(boss, channel):
    NotificationChannel.objects.update(enabled=False, told_from=NOW, looked_at=NOW)

    boss.post(page_of(channel), form(channel.connection, name="Front desk"))

    channel.refresh_from_db()
    assert channel.enabled
    assert channel.told_from == channel.looked_at
    assert timezone.now() - channel.told_from < timedelta(minutes=1)


def test_another_change_leaves_what_was_told_alone(boss, channel):
    sends = {"sends_health": "on", "sends_alerts": "on"}
    boss.post(page_of(channel), form(channel.connection, name="Renamed", **sends))

    channel.refresh_from_db()
    assert (channel.name, channel.told_from) == ("Renamed", NOW)


def test_a_test_is_sent_and_said_with_its_link(boss, channel):
    html = operate(boss, channel, "test").content.decode()

    assert "Front desk, test: sent." in html
    assert 'href="https://notifying.example/m"' in html
    assert [notice.title for notice in NotifyingConnector.told] == ["Calsync: a test"]
    assert LogEntry.objects.filter(object_id=str(channel.pk)).exists()


def test_the_digest_is_sent_now_beside_the_daily_one(boss, channel):
    operate(boss, channel, "send_now")
    operate(boss, channel, "send_now")

    assert list(channel.notifications.order_by("id").values_list("kind", "state")) == [("agenda", "sent"), ("health", "sent")] * 2  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (RuleError("No such room.", hint="Choose another."), "No such room. Choose another."),
        (TemporaryError("No answer."), "No answer."),
    ],
)
def test_a_test_that_does_not_arrive_says_why(boss, channel, ending, told):
    NotifyingConnector.plays(ending)

    assert told in operate(boss, channel, "test").content.decode()


def test_a_test_through_a_paused_connection_waits_and_says_so(boss, channel):
    breaker.pause(channel.connection, now=timezone.now(), reason="Refused.")

    html = operate(boss, channel, "test").content.decode()

    assert "it waits, for Teller cannot be used now" in html
    assert Notification.objects.get().state == "waiting"


def test_a_channel_without_anything_daily_offers_a_test_only(boss, channel):
    NotificationChannel.objects.update(sends_agenda=False, sends_health=False)

    html = boss.get(page_of(channel)).content.decode()

    assert "Send a test" in html
    assert "Send today&#x27;s digest now" not in html


def test_the_page_shows_the_digests_as_they_would_be_now_and_as_text(boss, channel):
    InviteeFactory.create(name=EVIL, booking__start_at=timezone.now(), booking__name=EVIL)

    html = boss.get(page_of(channel)).content.decode()

    assert "The agenda as it would be now" in html
    assert "The daily report as it would be now" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; with" in html
    assert EVIL not in html
    assert Notification.objects.count() == 0


def test_every_link_of_a_digest_opens(boss, channel):
    InviteeFactory.create(booking__start_at=timezone.now())
    delivery = DeliveryFactory.create(failed=True, settled_at=timezone.now())
    MatchReview.objects.create(connection=delivery.connection, chain=delivery.chain, serial_key="p", question="?", created_at=NOW)  # fmt: skip
    run = DriftRun.objects.create(connection=delivery.connection, created_at=NOW, state="done")
    DriftFinding.objects.create(run=run, chain=delivery.chain, object_type="Event", remote_id="E", created_at=NOW)  # fmt: skip
    kinds = (Notification.Kind.AGENDA, Notification.Kind.HEALTH)
    made = [notifications.preview(channel, kind, now=timezone.now()) for kind in kinds]
    told = [notice for notice in made if isinstance(notice, Notice)]
    urls = {notice.url for notice in told} | {
        line.url for notice in told for part in notice.sections for line in part.lines if line.url
    }

    answers = {url: boss.get(url.partition("8000")[2]).status_code for url in urls}

    assert len(answers) >= 7
    assert set(answers.values()) == {200}


def test_an_empty_day_says_that_it_would_not_be_sent(boss, channel):
    NotificationChannel.objects.update(tells_nothing=False)

    assert "Nothing is booked for this day. It would not be sent." in boss.get(page_of(channel)).content.decode()  # fmt: skip


def test_what_told_something_is_switched_off_rather_than_deleted(boss, channel):
    delete = reverse("admin:integrations_notificationchannel_delete", args=[channel.pk])
    assert boss.get(delete).status_code == 200

    NotificationFactory.create(channel=channel)

    assert boss.get(delete).status_code == 403


def test_empty_lists_say_what_to_do(boss):
    channels = boss.get(reverse("admin:integrations_notificationchannel_changelist"))
    rows = boss.get(reverse("admin:integrations_notification_changelist"))

    assert "then add one" in channels.content.decode()
    assert "add a notification channel" in rows.content.decode()


def test_a_failed_message_shows_why_and_is_sent_again(boss, channel):
    row = NotificationFactory.create(
        channel=channel, state="failed", failure_class="permanent", error=EVIL, hint="Mend it.",
        exchanges=[{"method": "POST", "url": "https://n.example/", "request": {"a": EVIL}, "response": None, "status": 400, "milliseconds": 1, "error": ""}],
    )  # fmt: skip

    html = boss.get(page_of(row)).content.decode()
    operate(boss, row, "retry")

    row.refresh_from_db()
    assert "Mend it." in html
    assert "https://n.example/" in html
    assert EVIL not in html
    assert row.state == "waiting"


def test_messages_are_read_only(boss, channel):
    row = NotificationFactory.create(channel=channel)

    assert boss.post(page_of(row), {"key": "other"}).status_code == 403
    assert boss.get(reverse("admin:integrations_notification_add")).status_code == 403


def test_who_may_only_look_may_neither_test_nor_retry(channel):
    client = Client()
    names = ("view_notification", "view_notificationchannel")
    client.force_login(StaffUserFactory.create(permissions=[f"integrations.{name}" for name in names]))  # fmt: skip
    row = NotificationFactory.create(channel=channel, state="failed", failure_class="permanent")

    assert client.get(page_of(channel)).status_code == 200
    assert "Send a test" not in client.get(page_of(channel)).content.decode()
    assert operate(client, channel, "test").status_code == 403
    assert operate(client, row, "retry").status_code == 403


@pytest.mark.parametrize("name", ["notification", "notificationchannel"])
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(boss, channel, name):
    url = reverse(f"admin:integrations_{name}_changelist")
    NotificationFactory.create(channel=channel)
    boss.get(url)
    few = _queries(boss, url)
    for _ in range(4):
        NotificationFactory.create(about=channel.connection)

    assert _queries(boss, url) == few


def test_the_first_page_counts_what_staff_could_not_be_told(boss, channel):
    assert "reached nobody" not in boss.get(reverse("admin:index")).content.decode()

    NotificationFactory.create(
        channel=channel, state="failed", failure_class="permanent", settled_at=timezone.now()
    )

    assert "1 notification reached nobody" in boss.get(reverse("admin:index")).content.decode()


def _queries(client, url):
    with CaptureQueriesContext(database) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
