"""The three stories of the recipes, from the webhook to every system they name, with the clock turned on."""

from datetime import UTC, timedelta

import pytest
from django.utils import timezone
from icalendar import Calendar

from integrations import clock, outbox
from integrations.deliver import deliver
from integrations.models import Connection, Delivery, Rule
from integrations.recipes import export, install, load, recipes
from tests.factories import ConnectionFactory
from tests.integrations.bodies import API, envelope, invitee

pytestmark = pytest.mark.django_db

IDA = "ida@customer.example"
HOST = "adam@harbor.example"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FORM = "https://forms.example/intake"
ANSWERS = {
    "sales": {"sales_channel": "#sales", "list": "2"},
    "consulting": {"questionnaire_url": FORM},
    "recruiting": {"hiring_manager": "boss@harbor.example", "recruiting_channel": "#recruiting", "lever_user": "u1"},
}  # fmt: skip


@pytest.fixture
def roles(road, sandbox, sandbox_server):
    """Connections for every role, and no rules but those of the recipes."""
    config = sandbox_server.state.config
    Rule.objects.all().delete()
    road.salesforce.settings = {"person_owner": "host_on_create"}
    road.salesforce.save()

    def rest(role, **secrets):
        name = {"marketing": "brevo", "success": "vitally", "ats": "lever"}[role]
        path = {"brevo": "brevo/v3", "vitally": "vitally", "lever": "lever/v1"}[name]
        begun = recipes()[name].roles[role].connection
        assert begun is not None
        settings = {**begun.settings, "base_url": f"{sandbox_server.url}/rest/{path}"}
        return ConnectionFactory.create(provider="rest", name=begun.name, settings=settings, secrets=secrets)  # fmt: skip

    mail = ConnectionFactory.create(
        provider="email", name="Mail", secrets={"password": config.mail_password},
        settings={
            "host": "127.0.0.1", "port": sandbox_server.mail_port, "security": "none",
            "username": config.mail_username, "from_address": "meetings@harbor.example",
        },
    )  # fmt: skip
    internal = ConnectionFactory.create(
        provider="webhook", name="Internal", secrets={"signing_secret": config.receiver_secret},
        settings={"url": f"{sandbox_server.url}/webhook/internal"},
    )  # fmt: skip
    return {
        "crm": road.salesforce, "chat": road.slack, "mail": mail, "internal": internal,
        "marketing": rest("marketing", header_value=config.rest_brevo_key),
        "success": rest("success", username=config.rest_vitally_key),
        "ats": rest("ats", username=config.rest_lever_key),
    }  # fmt: skip


@pytest.fixture
def set_up(roles):
    """Install a recipe, switched on, at the connections for its roles."""

    def do(name):
        recipe = recipes()[name]
        chosen = {role: roles[role] for role in recipe.roles}
        return install(recipe, connections=chosen, answers=ANSWERS[name], enabled=True, now=timezone.now())  # fmt: skip

    return do


def text(moment):
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def booking(start, *, number="1", **fields):
    """Return an invitee of a meeting of half an hour, booked now with Adam."""
    row = invitee(booking=f"E{number}", number=f"I{number}", email=IDA, name="Ida Invitee", created_at=text(timezone.now()), updated_at=text(timezone.now()))  # fmt: skip
    row["scheduled_event"] |= {
        "start_time": text(start), "end_time": text(start + HOUR / 2),
        "event_memberships": [{"user": f"{API}/users/U1", "user_email": HOST, "user_name": "Adam Adler"}],
    }  # fmt: skip
    return row | fields


class Teller:
    """Tell of bookings, and turn the clock on."""

    def __init__(self, road):
        self.road = road

    def pass_to(self, ahead=timedelta(0)):
        self.road.work(ahead=ahead)
        now = timezone.now() + ahead
        clock.drain(until=now + HOUR, clock=lambda: now)
        sent: list[object] = [True]
        while any(sent):
            due = [pk for row in Connection.objects.all() for pk in outbox.due(row.pk, now=now, limit=50)]  # fmt: skip
            sent = [deliver(pk, clock=lambda: now) for pk in due]

    def tell(self, *bodies, ahead=timedelta(0)):
        for body in bodies:
            assert self.road.receive(body) == 200
        self.pass_to(ahead)

    def book(self, start, **fields):
        made = booking(start, **fields)
        self.tell(envelope("invitee.created", made))
        return made

    def move(self, old, start):
        new = booking(start, number="2", old_invitee=old["uri"])
        gone = _gone(old, rescheduled=True, new_invitee=new["uri"])
        self.tell(envelope("invitee.canceled", gone), envelope("invitee.created", new))
        return new

    def cancel(self, old):
        self.tell(envelope("invitee.canceled", _gone(old)))

    def miss(self, old, *, ahead):
        mark = {"uri": f"{API}/invitee_no_shows/N1", "created_at": text(timezone.now())}
        self.tell(envelope("invitee_no_show.created", old | {"no_show": mark}), ahead=ahead)


def _gone(old, **fields):
    at = text(timezone.now())
    return {
        **old, "status": "canceled", "updated_at": at,
        "cancellation": {"canceled_by": "Ida Invitee", "reason": "Ill", "canceler_type": "invitee"},
        "scheduled_event": {**old["scheduled_event"], "status": "canceled", "updated_at": at}, **fields,
    }  # fmt: skip


@pytest.fixture
def teller(road):
    return Teller(road)


@pytest.fixture
def start():
    """Three days from now, on a full second."""
    return timezone.now().replace(microsecond=0) + 3 * DAY


def cards(sandbox, channel):
    return [m for m in sandbox.slack_messages(channel) if m.get("thread_ts") in {None, m["ts"]}]


def subjects(sandbox, to):
    return [row["subject"] for row in sandbox.mails(to=to) if not row["calendar"]]


def calendar(sandbox, to):
    found = (Calendar.from_ical(row["calendar"]) for row in sandbox.mails(to=to) if row["calendar"])
    return [str(one["method"]) for one in found]


def told(sandbox):
    return [row["body"]["type"] for row in sandbox.webhook_messages("internal")]


def all_well():
    return set(Delivery.objects.values_list("state", flat=True)) <= {"delivered", "skipped"}


def test_sales_a_demo_is_everywhere_follows_a_new_time_and_a_cancellation(set_up, teller, sandbox, start):  # fmt: skip
    set_up("sales")

    booked = teller.book(start)

    (event,) = sandbox.salesforce_records("Event")
    (lead,) = [row for row in sandbox.salesforce_records("Lead") if row["Email"] == IDA]
    host = next(row for row in sandbox.salesforce_records("User") if row["Email"] == HOST)
    assert lead["OwnerId"] == event["OwnerId"] == host["Id"]
    (card,) = cards(sandbox, "#sales")
    assert event["Id"] in str(card["blocks"])
    (contact,) = sandbox.rest_state()["contacts"]
    assert (contact["email"], contact["listIds"]) == (IDA, [2])
    (note,) = sandbox.rest_state()["notes"]
    assert (note["accountId"], note["subject"]) == ("acc-1", "Discovery call: booked")

    new = teller.move(booked, start + DAY)
    (event,) = sandbox.salesforce_records("Event")
    assert event["StartDateTime"][:16] == text(start + DAY)[:16]
    assert len(cards(sandbox, "#sales")) == 1
    assert sandbox.rest_state()["notes"][0]["subject"] == "Discovery call: rescheduled"

    teller.cancel(new)
    assert sandbox.salesforce_records("Event")[0]["Subject"].startswith("Canceled")
    assert "Canceled" in str(cards(sandbox, "#sales")[0]["blocks"])
    assert sandbox.rest_state()["contacts"][0]["listIds"] == []
    assert [row["subject"] for row in sandbox.rest_state()["notes"]] == ["Discovery call: canceled"]
    assert all_well()


def test_consulting_a_questionnaire_goes_out_a_day_before_and_a_case_is_filed_after(set_up, teller, sandbox, start):  # fmt: skip
    set_up("consulting")

    teller.book(start)
    teller.pass_to(2 * DAY - HOUR)
    assert told(sandbox) == ["booking.booked"]
    assert "https://zoom.example/j/1" in str(sandbox.webhook_messages("internal")[0]["body"])
    assert subjects(sandbox, IDA) == []

    teller.pass_to(2 * DAY + HOUR / 2)
    teller.pass_to(2 * DAY + HOUR)
    assert subjects(sandbox, IDA) == ["Before we meet: a few questions"]
    assert FORM in str(sandbox.mails(to=IDA))
    assert sandbox.salesforce_records("Case") == []

    teller.pass_to(3 * DAY + HOUR)
    teller.pass_to(3 * DAY + 2 * HOUR)
    (case,) = sandbox.salesforce_records("Case")
    assert case["SuppliedEmail"] == IDA
    assert told(sandbox) == ["booking.booked", "booking.ended"]
    assert subjects(sandbox, HOST) == []
    assert all_well()


def test_consulting_a_meeting_that_is_booked_too_late_is_told_to_the_host(set_up, teller, sandbox):
    set_up("consulting")

    teller.book(timezone.now() + 2 * HOUR)

    assert subjects(sandbox, IDA) == []
    assert subjects(sandbox, HOST) == ["No questionnaire was sent: Discovery call with Ida Invitee"]


def test_consulting_a_moved_meeting_has_its_questionnaire_before_the_new_time_alone(set_up, teller, sandbox, start):  # fmt: skip
    set_up("consulting")

    booked = teller.book(start)
    teller.move(booked, start + 2 * DAY)
    teller.pass_to(2 * DAY + HOUR / 2)
    assert subjects(sandbox, IDA) == []

    teller.pass_to(4 * DAY + HOUR / 2)
    teller.pass_to(5 * DAY + HOUR)
    assert subjects(sandbox, IDA) == ["Before we meet: a few questions"]
    assert len(sandbox.salesforce_records("Case")) == 1


def test_consulting_nothing_follows_a_meeting_that_is_canceled(set_up, teller, sandbox, start):
    set_up("consulting")

    teller.cancel(teller.book(start))
    teller.pass_to(2 * DAY + HOUR / 2)
    teller.pass_to(3 * DAY + HOUR)

    assert subjects(sandbox, IDA) == []
    assert sandbox.salesforce_records("Case") == []
    assert told(sandbox) == ["booking.booked", "booking.canceled"]


def test_recruiting_everybody_knows_of_an_interview_and_who_is_missing_is_followed_up(set_up, teller, sandbox, start):  # fmt: skip
    set_up("recruiting")
    boss = "boss@harbor.example"

    booked = teller.book(start)
    assert [note["opportunity"] for note in sandbox.rest_state()["lever_notes"]] == ["opp-1"]
    assert subjects(sandbox, boss) == ["Booked: Ida Invitee, Discovery call"]
    assert calendar(sandbox, IDA) == calendar(sandbox, HOST) == ["REQUEST"]

    new = teller.move(booked, start + DAY)
    assert calendar(sandbox, IDA) == calendar(sandbox, HOST) == ["REQUEST", "REQUEST"]
    assert subjects(sandbox, boss)[1] == "Rescheduled: Ida Invitee, Discovery call"
    assert cards(sandbox, "#recruiting") == []

    teller.miss(new, ahead=4 * DAY + HOUR)
    assert subjects(sandbox, IDA) == ["We missed you: Discovery call"]
    (card,) = cards(sandbox, "#recruiting")
    assert "No-show" in str(card["blocks"])
    assert len(sandbox.rest_state()["lever_notes"]) == 3
    assert all_well()


def test_recruiting_a_canceled_interview_leaves_every_calendar(set_up, teller, sandbox, start):
    set_up("recruiting")

    teller.cancel(teller.book(start))

    assert calendar(sandbox, IDA) == calendar(sandbox, HOST) == ["REQUEST", "CANCEL"]
    assert subjects(sandbox, "boss@harbor.example")[1].startswith("Canceled: ")
    assert subjects(sandbox, IDA) == []


def test_every_recipe_is_the_same_after_it_was_written_to_a_file_and_read(set_up):
    for name in ANSWERS:
        set_up(name)
    written = export()

    assert all(change.what == "equal" for change in load(written, now=timezone.now()))

    Rule.objects.all().delete()
    load(written, now=timezone.now())
    assert export() == written


def test_a_recipe_about_some_event_types_leaves_other_meetings_alone(roles, teller, sandbox, start):
    recipe = recipes()["brevo"]
    install(
        recipe, connections={"marketing": roles["marketing"]}, answers={"list": "2"}, event_types=["Sales demo"],
        enabled=True, now=timezone.now(),
    )  # fmt: skip

    teller.book(start)

    assert sandbox.rest_state()["contacts"] == []
