"""A press in Slack travels: to Calendly, back into the mirror, and on to Salesforce and the card."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from bookings.models import BookingEvent, Invitee, RefetchRequest
from integrations import breaker, erasure, interactions, notifications, refetch
from integrations.models import Connection, Delivery, Interaction, Notification
from integrations.sources.base import get_source
from tests.factories import DeliveryFactory, NotificationChannelFactory, StaffUserFactory
from tests.integrations.leftovers import leftovers
from tests.road.test_erasure import read, told

pytestmark = pytest.mark.django_db(transaction=True)

OLIVIA, ADAM, UMA = "U0OLIVIA1", "U0ADAM001", "U0UMA0001"
MARK, UNMARK = "calsync:mark_no_show", "calsync:unmark_no_show"
SECRET = "sandbox-slack-signing-secret"


@dataclass
class Desk:
    """People at Slack who press, and the stations that follow."""

    road: Any
    sandbox: Any
    base: str
    person: Any = None

    def book(self, *, ago=timedelta(days=1), host="olivia@harbor.example"):
        """Have a meeting booked that began so long ago, and its card drawn."""
        now = timezone.now()
        self.person = self.sandbox.book(
            name="Ann Lee", email="ann@example.com", start_time=(now - ago).isoformat(), host=host,
            now=(now - timedelta(days=9)).isoformat(), silently=True,
        )  # fmt: skip
        self.road.receive(told(self.sandbox, "invitee.created", self.person))
        self.road.work()

    def card(self):
        (card,) = self.sandbox.slack_messages("#sales")[:1]
        return card

    def press(self, action=MARK, *, user=OLIVIA, **more):
        status = self.sandbox.slack_press("#sales", self.card()["ts"], action, user=user, **more)
        assert status == {"status": 200, "answer": '{"status":"received"}'}
        return Interaction.objects.latest("id")

    def drain(self, *, ahead=timedelta(0)):
        now = timezone.now() + ahead
        return interactions.drain(until=now + timedelta(hours=1), clock=lambda: now)

    def pressed(self, action=MARK, **more):
        """Press, have it carried out, and return the press and what the person was told last."""
        row = self.press(action, **more)
        self.drain()
        row.refresh_from_db()
        return row, self.said()

    def said(self, user=None):
        told = self.sandbox.slack_whispers(user)
        return told[-1]["text"] if told else ""

    def marks(self):
        return self.sandbox.calendly()["no_shows"]

    def posts(self):
        return self.sandbox.requests(
            service="calendly", method="POST", path_contains="invitee_no_shows"
        )


@pytest.fixture
def desk(live_server, road, sandbox):
    road.slack.set_secrets({"bot_token": "xoxb-sandbox", "signing_secret": SECRET})
    road.slack.save()
    sandbox.settings(
        slack_interactivity_url=f"{live_server.url}/interactions/slack/{road.slack.pk}"
    )
    return Desk(road, sandbox, live_server.url)


def shown(desk):
    return str(desk.card()["blocks"])


def test_a_press_marks_the_no_show_everywhere_once(desk, sandbox):
    desk.book()
    assert "Mark as no-show" in shown(desk)

    row, said = desk.pressed()
    desk.road.work()

    assert (row.state, row.presser_email) == ("done", "olivia@harbor.example")
    assert said.startswith("Marked as a no-show at Calendly.")
    (mark,) = desk.marks()
    assert mark["invitee"] == desk.person["uri"]
    assert Invitee.objects.get().no_show_uri == mark["uri"]
    (event,) = sandbox.salesforce_records("Event")
    assert event["Subject"].startswith("No-show")
    assert "Undo no-show" in shown(desk)
    assert "Mark as no-show" not in shown(desk)


def test_the_webhook_that_follows_changes_nothing_more(desk, sandbox):
    desk.book()
    desk.pressed()
    desk.road.work()

    held = next(i for i in sandbox.calendly()["invitees"] if i["uri"] == desk.person["uri"])
    desk.road.receive({**told(sandbox, "invitee_no_show.created", held), "created_at": timezone.now().isoformat()})  # fmt: skip
    desk.road.work()

    assert BookingEvent.objects.filter(kind="no_show").count() == 1
    assert len(sandbox.slack_messages("#sales")) == 2  # the card, and one line below it


def test_the_webhook_may_be_faster_than_the_answer(desk, sandbox):
    desk.book()
    desk.press()
    desk.drain()

    held = next(i for i in sandbox.calendly()["invitees"] if i["uri"] == desk.person["uri"])
    desk.road.receive({**told(sandbox, "invitee_no_show.created", held), "created_at": timezone.now().isoformat()})  # fmt: skip
    desk.road.work()
    desk.road.work()

    assert BookingEvent.objects.filter(kind="no_show").count() == 1


def test_a_no_show_is_taken_back_everywhere(desk, sandbox):
    desk.book()
    desk.pressed()
    desk.road.work()

    row, said = desk.pressed(UNMARK)
    desk.road.work()

    assert row.state == "done"
    assert said.startswith("The no-show was taken back at Calendly.")
    assert desk.marks() == []
    assert not sandbox.salesforce_records("Event")[0]["Subject"].startswith("No-show")
    assert "Mark as no-show" in shown(desk)


def test_bytes_that_come_twice_are_one_press(desk):
    desk.book()

    desk.press(times=3)
    desk.drain()

    assert Interaction.objects.count() == 1
    assert len(desk.sandbox.slack_whispers()) == 1


def test_two_who_press_at_once_mark_it_once(desk):
    desk.book()
    desk.press(user=OLIVIA)
    desk.press(user=OLIVIA)

    desk.drain()

    assert set(Interaction.objects.values_list("state", flat=True)) == {"done"}
    assert len(desk.marks()) == 1


@pytest.mark.parametrize("spoil", [{"secret": "another"}, {"age": 400}])
def test_a_forged_press_reaches_nobody(desk, spoil):
    desk.book()

    answer = desk.sandbox.slack_press("#sales", desk.card()["ts"], MARK, **spoil)

    assert answer["status"] == 401
    assert not Interaction.objects.exists()


def test_before_the_start_it_is_refused_with_when(desk):
    desk.book(ago=-timedelta(days=2))

    row, said = desk.pressed()

    assert row.state == "refused"
    assert "has not begun: press again after" in said
    assert desk.posts() == []


def test_what_was_canceled_since_is_refused(desk, sandbox):
    desk.book()
    row = desk.press()
    sandbox.cancel(desk.person["uri"], silently=True)
    read(desk.road, desk.person["event"])

    desk.drain()

    row.refresh_from_db()
    assert (row.state, desk.marks()) == ("refused", [])
    assert "was canceled" in desk.said()


NOT_A_HOST = [
    ({}, "refused"),
    ({"email": "adam@harbor.example"}, "refused"),
    ({"email": "adam@harbor.example", "permissions": ["bookings.view_booking"]}, "refused"),
    ({"email": "adam@harbor.example", "permissions": ["bookings.change_booking"], "is_active": False}, "refused"),
    ({"email": "adam@harbor.example", "permissions": ["bookings.change_booking"], "is_staff": False}, "refused"),
    ({"email": "other@harbor.example", "permissions": ["bookings.change_booking"]}, "refused"),
    ({"email": "Adam@Harbor.example", "permissions": ["bookings.change_booking"]}, "done"),
    ({"email": "adam@harbor.example", "is_superuser": True}, "done"),
]  # fmt: skip


@pytest.mark.parametrize(("account", "state"), NOT_A_HOST)
def test_who_is_no_host_needs_an_account_that_may(desk, account, state):
    desk.book()
    user = StaffUserFactory.create(**account) if account else None

    row, said = desk.pressed(user=ADAM)

    assert row.state == state
    assert len(desk.marks()) == (state == "done")
    if state == "refused":
        assert "the meeting's hosts may, and staff of Calsync who may change bookings may" in said
    elif user:
        assert row.acted_as == user.username
        assert LogEntry.objects.filter(user=user).count() == 2  # at the press, and at the booking


def test_a_host_needs_no_account(desk):
    desk.book(host="adam@harbor.example")

    row, _ = desk.pressed(user=ADAM)

    assert (row.state, row.acted_as) == ("done", "")
    assert not LogEntry.objects.exists()


def test_an_empty_address_is_nobodys(desk, sandbox_server):
    desk.book()
    StaffUserFactory.create(email="", is_superuser=True)
    sandbox_server.state.slack.users[ADAM]["profile"]["email"] = ""

    row, said = desk.pressed(user=ADAM)

    assert row.state == "refused"
    assert "confirmed e-mail address" in said


@pytest.mark.parametrize(
    "stranger", [{"team_id": "T0ELSEWHERE"}, {"is_email_confirmed": False}, {"deleted": True}]
)
def test_who_is_not_of_the_workspace_or_not_vouched_for_is_refused(desk, sandbox_server, stranger):
    desk.book()
    row = desk.press()
    sandbox_server.state.slack.users[OLIVIA] |= stranger

    desk.drain()

    row.refresh_from_db()
    assert (row.state, desk.marks()) == ("refused", [])


def test_a_press_of_another_workspace_is_refused(desk):
    desk.book()
    desk.road.slack.profile = {"organization_uri": "T0ANOTHER"}
    desk.road.slack.save()

    row, said = desk.pressed()

    assert row.state == "refused"
    assert "another workspace" in said


def test_the_workspace_is_asked_for_once_and_remembered(desk):
    desk.book()
    desk.pressed()
    desk.pressed()

    desk.road.slack.refresh_from_db()
    assert desk.road.slack.profile["organization_uri"] == "T0SANDBOX"
    assert len(desk.sandbox.requests(service="slack", path_contains="auth.test")) == 1


def test_without_the_scope_for_addresses_the_person_is_told(desk):
    desk.book()
    desk.sandbox.settings(slack_scopes="chat:write,users:read")

    row, said = desk.pressed()

    assert row.state == "refused"
    assert "users:read.email" in said


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        ({"kind": "calendly_error", "status": 404}, "failed", "404"),
        ({"kind": "calendly_error", "status": 403, "message": "You are not allowed to do that"}, "failed", "403"),
        ({"kind": "calendly_error", "status": 409}, "failed", "409"),
    ],
)  # fmt: skip
def test_each_refusal_of_calendlys_has_its_answer(desk, fault, state, words):
    desk.book()
    kind = {**fault}
    desk.sandbox.add_fault("calendly", kind.pop("kind"), match={"path_contains": "invitee_no_shows"}, **kind)  # fmt: skip

    row, said = desk.pressed()

    assert row.state == state
    assert words in said
    assert row.error
    assert Connection.objects.get(provider="calendly").state == "healthy"


def test_a_token_without_the_scope_says_which(desk, sandbox):
    desk.book()
    calendly = Connection.objects.get(provider="calendly")
    token = sandbox.make_token(scopes=["scheduled_events:read", "users:read"])
    calendly.set_secrets({"access_token": token})
    calendly.save()

    row, said = desk.pressed()

    assert row.state == "failed"
    assert "scheduled_events:write" in said
    calendly.refresh_from_db()
    assert calendly.state == "healthy"


def test_a_revoked_token_pauses_the_calendar_and_is_told(desk, sandbox):
    desk.book()
    sandbox.add_fault("calendly", "token_revoked")

    row, said = desk.pressed()

    assert row.state == "failed"
    assert "Connect the Calendly account again" in said
    assert Connection.objects.get(provider="calendly").state == "paused"


def test_marked_already_at_calendly_is_fine(desk, sandbox):
    desk.book()
    sandbox.mark_no_show(desk.person["uri"], silently=True)

    row, _said = desk.pressed()
    desk.road.work()

    assert row.state == "done"
    assert len(desk.marks()) == 1
    assert BookingEvent.objects.filter(kind="no_show").count() == 1


def test_taken_back_already_at_calendly_is_fine(desk, sandbox):
    desk.book()
    desk.pressed()
    desk.road.work()
    sandbox.unmark_no_show(desk.person["uri"], silently=True)

    row, _ = desk.pressed(UNMARK)
    desk.road.work()

    assert row.state == "done"
    assert not Invitee.objects.get().is_no_show


def test_calendly_away_is_tried_again_and_the_person_is_told_both_times(desk, sandbox):
    desk.book()
    sandbox.add_fault("calendly", "error", match={"path_contains": "invitee_no_shows"}, status=503)

    row, said = desk.pressed()
    assert row.state == "received"
    assert "tried again for a quarter of an hour" in said
    assert desk.drain().processed == 0

    desk.drain(ahead=timedelta(seconds=10))

    row.refresh_from_db()
    assert row.state == "done"
    assert desk.said().startswith("Marked as a no-show")


def test_calendly_away_for_good_is_given_up_and_told(desk, sandbox):
    desk.book()
    sandbox.add_fault("calendly", "error", match={"path_contains": "invitee_no_shows"}, status=503, times=0)  # fmt: skip
    row = desk.press()

    for minutes in (0, 1, 3, 6, 12, 25):
        desk.drain(ahead=timedelta(minutes=minutes))

    row.refresh_from_db()
    assert (row.state, row.due_at) == ("failed", None)
    assert "503" in desk.said()
    assert len(sandbox.slack_whispers()) == 2


@pytest.mark.parametrize("kind", ["drop_after", "broken_json"])
def test_a_lost_answer_is_looked_for_before_marking_again(desk, sandbox, kind):
    desk.book()
    sandbox.add_fault("calendly", kind, match={"path_contains": "invitee_no_shows"})
    row, _ = desk.pressed()
    assert (row.state, len(desk.marks())) == ("received", 1)

    desk.drain(ahead=timedelta(seconds=10))
    desk.road.work(ahead=timedelta(seconds=10))

    row.refresh_from_db()
    assert row.state == "done"
    assert len(desk.posts()) == 1
    assert BookingEvent.objects.filter(kind="no_show").count() == 1


def test_a_worker_killed_between_the_deed_and_its_end_does_it_once(desk):
    desk.book()
    row = desk.press()
    assert interactions._claim(row, now=timezone.now())
    calendly = Connection.objects.get(provider="calendly")
    get_source("calendly").mark_no_show(calendly.open_account(), invitee_uri=desk.person["uri"])
    assert desk.drain().processed == 0  # the lease holds

    desk.drain(ahead=timedelta(minutes=3))
    desk.road.work(ahead=timedelta(minutes=3))

    row.refresh_from_db()
    assert (row.state, row.attempts) == ("done", 2)
    assert len(desk.posts()) == 1
    assert BookingEvent.objects.filter(kind="no_show").count() == 1


def test_a_worker_that_lost_its_lease_settles_nothing(desk):
    desk.book()
    row = desk.press()
    assert interactions._claim(row, now=timezone.now())
    desk.drain(ahead=timedelta(minutes=3))

    interactions._take(row, now=timezone.now())

    assert Interaction.objects.get().attempts == 2
    assert len(desk.marks()) == 1
    assert len(desk.sandbox.slack_whispers()) == 1


def test_a_worker_killed_before_the_answer_leaves_it_to_the_next(desk, sandbox):
    desk.book()
    for path in ("/actions/", "chat.postEphemeral"):
        sandbox.add_fault("slack", "drop_before", match={"path_contains": path})
    row, said = desk.pressed()
    assert (row.state, row.answered_at, said) == ("done", None, "")

    desk.drain(ahead=timedelta(minutes=1))

    row.refresh_from_db()
    assert row.answered_at
    assert row.due_at is None
    assert row.sealed_reply == ""
    assert desk.said().startswith("Marked as a no-show")
    assert len(desk.posts()) == 1


def test_an_address_that_ended_is_replaced_by_a_message_for_one(desk, sandbox_server):
    desk.book()
    row = desk.press()
    for known in sandbox_server.state.slack.answers.values():
        known["uses"] = 5

    desk.drain()

    row.refresh_from_db()
    assert row.answered_at
    (shown,) = desk.sandbox.slack_whispers(OLIVIA)
    assert shown["via"] == "chat.postEphemeral"


def test_an_answer_goes_to_slack_alone(desk, sandbox):
    desk.book()
    row = desk.press()
    row.set_reply({**row.reply, "response_url": f"http://localhost.evil.example/{row.pk}"})
    row.save()

    desk.drain()

    assert [shown["via"] for shown in sandbox.slack_whispers()] == ["chat.postEphemeral"]


def test_nobody_is_told_for_ever(desk, sandbox):
    desk.book()
    sandbox.add_fault("slack", "drop_before", match={"path_contains": "/actions/"}, times=0)
    sandbox.add_fault("slack", "drop_before", match={"path_contains": "Ephemeral"}, times=0)
    row = desk.press()

    for minutes in range(10):
        desk.drain(ahead=timedelta(minutes=minutes))

    row.refresh_from_db()
    assert (row.state, row.due_at, row.answer_attempts) == ("done", None, 3)


def test_a_lost_key_ends_the_press(desk, settings):
    desk.book()
    desk.press()
    settings.CALSYNC_VAULT_KEYS = [b"x" * 43 + b"="]

    desk.drain()

    row = Interaction.objects.get()
    assert (row.state, row.due_at) == ("failed", None)
    assert "CALSYNC_VAULT_KEYS" in row.result


def test_a_press_that_breaks_us_is_told_and_breaks_no_other(desk):
    desk.book()
    bad = make_press(desk, "mark_no_show", ["no number"])
    good = desk.press()

    desk.drain()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == ("failed", "done")
    assert "fault in Calsync" in bad.result
    assert "ValueError" in bad.error
    assert bad.answered_at


def test_a_failed_sync_is_acknowledged_from_slack(desk, sandbox):
    desk.book()
    failed = DeliveryFactory.create(failed=True)
    waiting = DeliveryFactory.create()
    user = StaffUserFactory.create(
        email="olivia@harbor.example", permissions=["integrations.change_delivery"]
    )
    make_press(desk, "acknowledge", [failed.pk, waiting.pk])

    desk.drain()

    failed.refresh_from_db()
    waiting.refresh_from_db()
    assert failed.acknowledged_by == user.username
    assert failed.acknowledged_at
    assert waiting.acknowledged_at is None
    assert desk.said() == "1 failed sync is acknowledged; a retry brings them back."
    make_press(desk, "acknowledge", [failed.pk])
    desk.drain()
    assert desk.said().startswith("Nothing to acknowledge")


@pytest.mark.parametrize("kind", ["alert", "health"])
def test_the_button_of_an_alert_and_of_a_report_acknowledges_what_they_tell(desk, sandbox, kind):
    desk.book()
    now = timezone.now()
    rule = desk.road.slack.rules.get()
    failed = [DeliveryFactory.create(rule=rule, failed=True, settled_at=now) for _ in range(3)]
    channel = NotificationChannelFactory.create(
        connection=desk.road.slack, options={"channel": "#consulting"}, told_from=now - timedelta(minutes=1),
        sends_agenda=False, at=(now + timedelta(hours=2)).time(),
    )  # fmt: skip
    StaffUserFactory.create(email="olivia@harbor.example", permissions=["integrations.change_delivery"])  # fmt: skip

    def tell(ahead):
        if kind == "health":
            notifications.by_hand(channel, Notification.Kind.HEALTH, now=now + ahead)
        notifications.plan(now=now + ahead)
        notifications.drain(until=now + timedelta(hours=1), clock=lambda: now + ahead)

    channel.sends_alerts = kind == "alert"
    channel.save()
    tell(timedelta(0))
    tell(timedelta(minutes=2))
    message = sandbox.slack_messages("#consulting")[-1]
    (button,) = [block["accessory"] for block in message["blocks"] if "accessory" in block]
    assert button["text"]["text"] == "Acknowledge 3"

    answer = sandbox.slack_press("#consulting", message["ts"], button["action_id"], user=OLIVIA)
    desk.drain()

    assert answer["status"] == 200
    assert desk.said() == "3 failed syncs are acknowledged; a retry brings them back."
    assert {row.acknowledged_at is None for row in Delivery.objects.filter(pk__in=[f.pk for f in failed])} == {False}  # fmt: skip
    tell(timedelta(minutes=4))
    (last,) = sandbox.slack_messages("#consulting")[-1:]
    assert ("Acknowledge" in str(last)) == (
        kind == "alert"
    )  # a new report has none; no new alert goes


def test_a_press_at_a_paused_connection_is_carried_out(desk):
    """A pause holds what is sent by itself; a person who presses sees at once what happened."""
    desk.book()
    breaker.pause(desk.road.slack, now=timezone.now(), reason="Refused.", by="ada")

    row, said = desk.pressed()

    assert (row.state, len(desk.marks())) == ("done", 1)
    assert said.startswith("Marked as a no-show")


def test_a_connection_that_is_gone_takes_no_press(desk, sandbox):
    desk.book()
    ts = desk.card()["ts"]
    sandbox.settings(slack_interactivity_url=f"{desk.base}/interactions/slack/{desk.road.slack.pk + 99}")  # fmt: skip

    assert sandbox.slack_press("#sales", ts, MARK, user=OLIVIA)["status"] == 404
    assert not Interaction.objects.exists()


def test_pressed_again_it_is_another_press_and_marks_nothing_twice(desk):
    desk.book()
    desk.pressed()

    row, said = desk.pressed()

    assert (row.state, Interaction.objects.count(), len(desk.marks())) == ("done", 2, 1)
    assert "marked" in said.lower()


def test_a_host_may_not_acknowledge(desk):
    desk.book()
    failed = DeliveryFactory.create(failed=True)
    row = make_press(desk, "acknowledge", [failed.pk])

    desk.drain()

    row.refresh_from_db()
    assert row.state == "refused"
    assert "staff of Calsync who may change deliveries may" in desk.said()
    assert Delivery.objects.get(pk=failed.pk).acknowledged_at is None


@pytest.mark.parametrize(
    ("action", "ids"),
    [("mark_no_show", [10**17]), ("mark_no_show", []), ("drop_tables", [1]), ("acknowledge", [])],
)
def test_a_button_that_names_nothing_is_answered(desk, action, ids):
    desk.book()
    row = make_press(desk, action, ids)

    desk.drain()

    row.refresh_from_db()
    assert row.state == "refused"
    assert "does not know this" in desk.said()


def make_press(desk, action, ids, *, button=MARK):
    """Store a press as the door does, of a button that no message has."""
    row = desk.press(button)
    Interaction.objects.filter(pk=row.pk).update(action=action, value={"ids": ids})
    row.refresh_from_db()
    return row


def test_a_wish_that_is_made_while_calendly_is_asked_is_not_lost(desk):
    """The mark may be younger than the answer that is on its way."""
    desk.book()
    account = Connection.objects.get(provider="calendly").account
    before = timezone.now()
    refetch.ask_now(desk.person["event"], account=account, now=before)
    asked = RefetchRequest.objects.get()
    asked.attempts = 1
    desk.pressed()

    refetch.refetch(asked, now=timezone.now())

    assert refetch.has_due(now=timezone.now())


def test_who_pressed_is_erased_with_the_rest(desk):
    desk.book(host="adam@harbor.example")
    desk.pressed(user=ADAM)
    desk.road.work()
    tables = {place.partition(".")[0] for place in leftovers("adam@harbor.example", "Adam Adler")}
    assert "integrations_interaction" in tables

    request = erasure.request("adam@harbor.example", requested_by="olivia", now=timezone.now())
    assert erasure.carry_out(request, now=timezone.now())

    assert [p for p in leftovers("adam@harbor.example", "Adam Adler", ADAM) if "interaction" in p] == []  # fmt: skip
    row = Interaction.objects.get()
    assert (row.state, row.presser_name, row.presser_email, row.presser_id) == ("done", "", "", "")


def test_what_waits_of_somebody_erased_is_dropped_unnamed(desk):
    desk.book(host="adam@harbor.example")
    desk.press(user=ADAM)
    request = erasure.request("adam@harbor.example", requested_by="olivia", now=timezone.now())
    assert erasure.carry_out(request, now=timezone.now())

    desk.drain()

    assert [p for p in leftovers("adam@harbor.example", "Adam Adler") if "interaction" in p] == []


def test_an_invitee_who_is_erased_leaves_no_trace_in_presses(desk):
    desk.book()
    desk.pressed()
    desk.road.work()
    request = erasure.request("ann@example.com", requested_by="olivia", now=timezone.now())
    assert erasure.carry_out(request, now=timezone.now())

    assert leftovers("ann@example.com", "Ann Lee") == []
    row = make_press(desk, "mark_no_show", list(Interaction.objects.get().ids), button=UNMARK)
    desk.drain()
    row.refresh_from_db()
    assert row.state == "refused"
    assert "erased" in desk.said()
