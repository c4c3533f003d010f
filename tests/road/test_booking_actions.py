"""What staff do on a booking's page travels: to Calendly, back into the mirror, and on to Salesforce and Slack."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings.models import Booking, BookingEvent, RefetchRequest
from integrations.models import Delivery
from tests.factories import StaffUserFactory
from tests.road.test_erasure import told

pytestmark = pytest.mark.django_db

MAY = {
    "look": ["bookings.view_booking"],
    "operate": ["bookings.view_booking", "bookings.change_booking"],
    "cancel": ["bookings.view_booking", "bookings.cancel_booking"],
}


def staff(may):
    client = Client()
    client.force_login(StaffUserFactory.create(permissions=MAY[may]))
    return client


def book(road, sandbox, *, starts=timedelta(days=2)):
    """Have a meeting booked, carried to everywhere, and return it with Calendly's invitee."""
    now = timezone.now()
    person = sandbox.book(
        name="Ann Lee", email="ann@example.com", start_time=(now + starts).isoformat(),
        now=(now - timedelta(days=9)).isoformat(), silently=True,
    )  # fmt: skip
    road.receive(told(sandbox, "invitee.created", person))
    road.work()
    return Booking.objects.get(uri=person["event"]), person


def press(client, booking, name, **given):
    """Press a button and return what the person was told."""
    url = reverse(f"admin:bookings_booking_{name}", args=[booking.pk])
    answer = client.post(url, given, follow=True)
    return " ".join(str(message) for message in answer.context["messages"])


def logged():
    return set(LogEntry.objects.values_list("change_message", flat=True))


def posts(sandbox, what):
    return sandbox.requests(service="calendly", method="POST", path_contains=what)


def test_a_cancel_reaches_everybody_once(road, sandbox):
    booking, _ = book(road, sandbox)
    client = staff("cancel")

    page = client.post(reverse("admin:bookings_booking_cancel", args=[booking.pk]))
    assert "It cannot be taken back" in page.content.decode()
    assert posts(sandbox, "cancellation") == []
    said = press(client, booking, "cancel", confirmed=1, reason="Flooded")
    road.work()

    booking.refresh_from_db()
    assert said.startswith("Canceled at Calendly.")
    assert (booking.status, booking.cancel_reason) == ("canceled", "Flooded")
    assert BookingEvent.objects.filter(kind="canceled").count() == 1
    assert sandbox.salesforce_records("Event")[0]["Subject"].startswith("Canceled")
    assert logged() == {"Canceled at Calendly."}
    assert press(client, booking, "cancel", confirmed=1) == "It is canceled already."
    assert len(posts(sandbox, "cancellation")) == 1


def test_a_cancel_whose_answer_was_lost_is_told_and_found_by_asking(road, sandbox):
    booking, _ = book(road, sandbox)
    sandbox.add_fault("calendly", "drop_after", match={"method": "POST"})
    client = staff("cancel")

    said = press(client, booking, "cancel", confirmed=1)
    again = press(client, booking, "cancel", confirmed=1)
    road.work()

    booking.refresh_from_db()
    assert "It is safe to press again." in said
    assert again.startswith("Canceled at Calendly.")
    assert booking.status == "canceled"
    assert BookingEvent.objects.filter(kind="canceled").count() == 1


def test_a_refused_cancel_says_what_to_do_and_changes_nothing(road, sandbox):
    booking, _ = book(road, sandbox)
    sandbox.add_fault("calendly", "error", match={"method": "POST"}, status=404)

    said = press(staff("cancel"), booking, "cancel", confirmed=1)

    assert "It was deleted at Calendly, or this account may not see it." in said
    assert not RefetchRequest.objects.exists()
    assert logged() == set()


def test_a_group_event_is_canceled_for_all_who_must_be_known_of(road, sandbox):
    booking, _ = book(road, sandbox)
    Booking.objects.update(invitees_active=4)
    client, url = staff("cancel"), reverse("admin:bookings_booking_cancel", args=[booking.pk])

    first = client.post(url).content.decode()
    unticked = client.post(url, {"confirmed": 1, "reason": "kept words"}).content.decode()
    assert "all 4 invitees" in first
    assert "Tick this: all 4 invitees lose their place." in unticked
    assert "kept words" in unticked
    assert posts(sandbox, "cancellation") == []
    said = press(client, booking, "cancel", confirmed=1, understood="on")

    assert said.startswith("Canceled")


def test_a_no_show_is_marked_and_taken_back_everywhere(road, sandbox):
    booking, person = book(road, sandbox, starts=-timedelta(hours=1))
    invitee = booking.invitees.get()
    client = staff("operate")

    marked = press(client, booking, "no_show", invitee=invitee.pk)
    road.work()
    assert marked.startswith("Marked as a no-show at Calendly.")
    assert [row["invitee"] for row in sandbox.calendly()["no_shows"]] == [person["uri"]]
    assert sandbox.salesforce_records("Event")[0]["Subject"].startswith("No-show")

    back = press(client, booking, "no_show", invitee=invitee.pk, take_back=1)
    road.work()
    assert back.startswith("The no-show was taken back at Calendly.")
    assert sandbox.calendly()["no_shows"] == []
    assert logged() == {"Marked a no-show at Calendly.", "Took a no-show back at Calendly."}


def test_before_the_start_nobody_can_be_marked(road, sandbox):
    booking, _ = book(road, sandbox)

    said = press(staff("operate"), booking, "no_show", invitee=booking.invitees.get().pk)

    assert "has not begun" in said
    assert sandbox.calendly()["no_shows"] == []


def test_sending_again_asks_first_and_writes_the_same_once_more(road, sandbox):
    booking, _ = book(road, sandbox)
    (event,) = sandbox.salesforce_records("Event")
    sandbox.salesforce_change("Event", event["Id"], Subject="Changed by hand")
    client = staff("operate")

    asked = client.post(reverse("admin:bookings_booking_send_again", args=[booking.pk]))
    assert "Some of this was delivered." in asked.content.decode()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    said = press(client, booking, "send_again", confirmed=1)
    road.work()

    assert said == "Sent again to 2 destinations."
    assert [row["Subject"] for row in sandbox.salesforce_records("Event")] == [event["Subject"]]
    assert len(sandbox.salesforce_records("Event")) == 1
    assert len(sandbox.slack_messages("#sales")) == 1
    assert logged() == {"Sent again as the booking is now."}


def test_one_destination_can_be_sent_to_alone(road, sandbox):
    booking, _ = book(road, sandbox)
    one = Delivery.objects.get(connection=road.slack)

    press(staff("operate"), booking, "send_again", delivery=one.pk, confirmed=1)

    waiting = Delivery.objects.filter(state="waiting")
    assert list(waiting) == [one]


@pytest.mark.parametrize(
    ("name", "may"),
    [("send_again", "operate"), ("no_show", "operate"), ("cancel", "cancel")],
)
def test_who_may_not_is_refused_and_nothing_is_asked(road, sandbox, name, may):
    booking, _ = book(road, sandbox)
    url = reverse(f"admin:bookings_booking_{name}", args=[booking.pk])
    given = {"confirmed": 1, "invitee": booking.invitees.get().pk}

    for other in {"look", "operate", "cancel"} - {may}:
        assert staff(other).post(url, given).status_code == 403
    assert staff(may).get(url).status_code == 405
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(StaffUserFactory.create(is_superuser=True))
    assert forged.post(url, given).status_code == 403
    assert posts(sandbox, "") == []
    assert logged() == set()
