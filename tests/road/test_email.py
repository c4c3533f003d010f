"""E-mail along the whole road: a webhook in, messages and invitations out, and what a mail server says later."""

from datetime import timedelta

import pytest
from django.utils import timezone
from icalendar import Calendar

from integrations import bounces, breaker, erasure, notifications, outbox
from integrations.bounces import Noted
from integrations.deliver import check_connection, deliver, preview
from integrations.models import Delivery, EmailTemplate, Notification, RemoteRecord, Rule
from tests.factories import ConnectionFactory, NotificationChannelFactory, RuleFactory
from tests.integrations.bodies import envelope, invitee
from tests.integrations.test_bounces import bounce
from tests.road.conftest import EVERY_KIND
from tests.road.test_notifications import look
from tests.road.test_road import canceled, moved

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"


@pytest.fixture
def mail(road, sandbox_server):
    """A connection to the sandbox's mail server."""
    config = sandbox_server.state.config
    return ConnectionFactory.create(
        provider="email", name="Mail", secrets={"password": config.mail_password},
        settings={
            "host": "127.0.0.1", "port": sandbox_server.mail_port, "security": "none",
            "username": config.mail_username, "from_address": "meetings@company.example",
        },
    )  # fmt: skip


@pytest.fixture
def confirms(mail):
    """A rule that confirms to the invitee."""
    return RuleFactory.create(
        connection=mail, action="send_email", kinds=["booked", "rescheduled"],
        options={"template": "confirmation", "to": ["invitee"]},
    )  # fmt: skip


def send(connection):
    now, sent = timezone.now(), [object()]
    while any(sent):
        due = outbox.due(connection.pk, now=now, limit=50)
        sent = [deliver(delivery_id, clock=timezone.now) for delivery_id in due]


def arrive(road, connection, *bodies):
    for body in bodies:
        assert road.receive(body) == 200
        road.work()
        send(connection)


def numbers(mails):
    found = [Calendar.from_ical(row["calendar"]) for row in mails if row["calendar"]]
    return [
        (str(one["method"]), one.walk("VEVENT")[0].decoded("sequence")) for one in found
    ]  # fmt: skip


def test_a_booking_is_confirmed_once_and_shown_with_its_exchanges(road, sandbox, mail, confirms):
    arrive(road, mail, envelope("invitee.created", invitee(email=ANN)))

    (message,) = sandbox.mails(to=ANN)
    delivery = Delivery.objects.get(rule=confirms)
    record = RemoteRecord.objects.get(connection=mail)
    assert message["subject"].startswith("Confirmed: ")
    assert delivery.state == Delivery.State.DELIVERED
    assert [row["method"] for row in delivery.attempts.get().exchanges] == ["LOGIN", "MAIL"]
    assert record.remote_id == message["message_id"]
    assert ANN not in str(record.data) + record.key + record.remote_id


def test_a_meetings_life_is_one_entry_in_the_calendar(road, sandbox, mail):
    RuleFactory.create(
        connection=mail, action="send_invite", kinds=EVERY_KIND, options={"to": ["invitee"]}
    )
    booked = invitee(email=ANN)
    gone, new = moved(booked)

    arrive(road, mail, envelope("invitee.created", booked), gone, new, canceled(new["payload"]))

    assert numbers(sandbox.mails(to=ANN)) == [("REQUEST", 0), ("REQUEST", 1), ("CANCEL", 2)]
    assert {row.state for row in Delivery.objects.filter(connection=mail)} == {"delivered"}


def test_a_bounce_fails_the_delivery_and_a_retry_sends_it_again(road, sandbox, mail, confirms):
    arrive(road, mail, envelope("invitee.created", invitee(email=ANN)))
    (message,) = sandbox.mails(to=ANN)

    noted = bounces.receive(bounce(to=ANN, name=message["message_id"]), now=timezone.now())
    failed = Delivery.objects.get(rule=confirms)
    outbox.retry(Delivery.objects.filter(pk=failed.pk), now=timezone.now(), by="Ida")
    send(mail)

    assert noted == Noted.FAILED
    assert "User unknown" in failed.error
    assert Delivery.objects.get(rule=confirms).state == Delivery.State.DELIVERED
    assert [row["message_id"] for row in sandbox.mails(to=ANN)] == [message["message_id"]] * 2


def test_a_template_that_staff_changed_holds_from_the_next_delivery_on(
    road, sandbox, mail, confirms
):
    EmailTemplate.objects.create(
        name="confirmation", label="Ours", subject="Our words", text="Hello"
    )

    arrive(road, mail, envelope("invitee.created", invitee(email=ANN)))

    assert [row["subject"] for row in sandbox.mails(to=ANN)] == ["Our words"]


def test_a_dry_run_shows_the_message_and_sends_none(road, sandbox, mail, confirms):
    road.receive(envelope("invitee.created", invitee(email=ANN)))
    road.work()

    shown = preview(Delivery.objects.get(rule=confirms), clock=timezone.now)

    assert shown.exchanges[0]["request"]["to"] == [ANN]
    assert sandbox.mails() == []
    assert not RemoteRecord.objects.filter(connection=mail).exists()


def test_a_wrong_password_pauses_the_connection_and_loses_nothing(road, sandbox, mail, confirms):
    sandbox.add_fault("email", "token_expired")

    arrive(road, mail, envelope("invitee.created", invitee(email=ANN)))
    mail.refresh_from_db()

    assert mail.state == "paused"
    assert Delivery.objects.get(rule=confirms).state == Delivery.State.WAITING
    assert sandbox.mails() == []


def test_one_full_mailbox_does_not_make_the_connection_fail(road, sandbox, mail, confirms):
    sandbox.add_fault(
        "email", "error", times=99, match={"method": "RCPT", "path_contains": ANN}, status=452
    )

    booked = [invitee(email=ANN, booking=f"E{place}", number=f"I{place}") for place in range(5)]
    Rule.objects.exclude(pk=confirms.pk).delete()

    arrive(road, mail, *(envelope("invitee.created", one) for one in booked))
    mail.refresh_from_db()

    assert {row.state for row in Delivery.objects.filter(rule=confirms)} == {"waiting"}
    assert (mail.state, mail.consecutive_failures) == ("healthy", 0)


def test_the_check_logs_in_and_sends_nothing(sandbox, mail):
    checked = check_connection(mail, now=timezone.now())

    assert "mail is from meetings@company.example" in checked.summary
    assert sandbox.mails() == []


@pytest.fixture
def staff(mail):
    """A channel of two people's mailboxes."""
    return NotificationChannelFactory.create(
        connection=mail, options={"to": ["ops@company.example", "boss@company.example"]},
        told_from=timezone.now() - timedelta(minutes=1), at=(timezone.now() + timedelta(hours=2)).time(),
    )  # fmt: skip


def test_a_paused_connection_is_told_by_mail_and_a_dead_mail_server_keeps_it(
    road, sandbox, mail, staff
):
    sandbox.add_fault("slack", "token_revoked")
    road.receive(envelope("invitee.created", invitee(email=ANN)))
    road.work()
    sandbox.add_fault("email", "token_expired")

    look(timezone.now())
    look(timezone.now())
    mail.refresh_from_db()
    paused, unsent = mail.state, list(sandbox.mails())
    breaker.resume(mail, now=timezone.now())
    look(timezone.now())
    look(timezone.now())

    told = [row["subject"] for row in sandbox.mails(to="ops@company.example")]
    assert (paused, unsent) == ("paused", [])
    assert sorted(told) == ["Mail is paused", "Mail works again", "Slack is paused"]
    assert [row["rcpt_to"] for row in sandbox.mails()] == [staff.options["to"]] * 3


def test_todays_agenda_is_mailed_and_who_did_not_get_it_is_said(road, sandbox, staff):
    person = invitee(email=ANN, name="Ann <b>Lee</b>")
    person["scheduled_event"]["start_time"] = timezone.now().isoformat()
    person["scheduled_event"]["end_time"] = (timezone.now() + timedelta(minutes=30)).isoformat()
    road.receive(envelope("invitee.created", person))
    road.work()
    sandbox.add_fault(
        "email", "error", match={"method": "RCPT", "path_contains": "boss"}, status=550
    )

    row = notifications.by_hand(staff, Notification.Kind.AGENDA, now=timezone.now())
    notifications.send(row.pk, clock=timezone.now)

    row.refresh_from_db()
    (mailed,) = sandbox.mails()
    assert row.state == "sent"
    assert "boss@company.example" in row.result
    assert mailed["rcpt_to"] == ["ops@company.example"]
    assert "Ann &lt;b&gt;Lee&lt;/b&gt;" in mailed["html"]
    assert ANN not in mailed["raw"]
    assert "Ann" not in str(row.exchanges)


def test_who_is_erased_is_in_nothing_that_mail_left(road, sandbox, mail, confirms):
    RuleFactory.create(connection=mail, action="send_invite", kinds=EVERY_KIND, options={})
    arrive(road, mail, envelope("invitee.created", invitee(email=ANN)))
    assert all(word in str(list(RemoteRecord.objects.values("data"))) for word in (ANN, "Ann Lee"))

    request = erasure.request(ANN, requested_by="Ida", now=timezone.now())
    erasure.carry_out(request, now=timezone.now())

    kept = list(RemoteRecord.objects.filter(connection=mail).values())
    tried = list(
        Delivery.objects.filter(connection=mail).values(
            "error", "result", "attempts__exchanges", "attempts__steps"
        )
    )
    assert kept
    for word in (ANN, "Ann Lee"):
        assert word not in str(kept) + str(tried)
