"""Rules in the admin: what they wait for, and how a paused one is shown and resumed."""

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from integrations.models import Delivery, Rule
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    RuleFactory,
)

pytestmark = pytest.mark.django_db

LIST = "admin:integrations_rule_changelist"


@pytest.fixture
def paused(fake_provider) -> Rule:
    """A rule whose channel is gone, with one delivery that waits."""
    connection = ConnectionFactory.create(provider=fake_provider, name="CRM")
    rule = RuleFactory.create(
        connection=connection, name="Tell sales", action="write", options={"channel": "gone"},
        paused_at=NOW, paused_reason="#sales is archived.", paused_hint="Choose another channel.",
    )  # fmt: skip
    DeliveryFactory.create(rule=rule, event=BookingEventFactory.create(), attempt_count=1)
    return rule


def page(rule):
    return reverse("admin:integrations_rule_change", args=[rule.pk])


def form(rule, **given):
    filled = {
        "name": rule.name, "enabled": "on", "kinds": ["booked"], "connection": rule.connection_id,
        "action": "write", "options": '{"channel": "right"}', "position": "0",
        "debounce_seconds": "", "waits_for": "", "waits_at_most": "",
    }  # fmt: skip
    return {**filled, **given}


def test_a_paused_rule_says_why_and_what_to_do(operator, paused):
    html = operator.get(page(paused)).content.decode()

    assert "#sales is archived." in html
    assert "Choose another channel." in html
    assert "1 delivery waits" in html
    assert "paused: #sales is archived." in operator.get(reverse(LIST)).content.decode()


def test_saving_a_mended_rule_resumes_it(operator, paused):
    operator.post(page(paused), form(paused))

    paused.refresh_from_db()
    assert (paused.paused_at, paused.paused_reason) == (None, "")
    assert Delivery.objects.get().options == {"channel": "right"}


def test_workers_are_woken_when_the_mended_rule_is_stored_and_not_before(
    operator, paused, broker_url, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks() as stored:
        operator.post(page(paused), form(paused))

    with redis.from_url(broker_url) as client:
        assert client.llen("calsync") == 0
        for callback in stored:
            callback()
        assert client.llen("calsync") == 1


def test_the_button_resumes_it_and_is_logged(operator, paused):
    url = reverse("admin:integrations_rule_operate", args=[paused.pk, "resume"])

    operator.post(url)

    paused.refresh_from_db()
    assert paused.paused_at is None
    assert LogEntry.objects.get().get_change_message() == "Resumed."


def test_who_may_only_look_cannot_resume(viewer, paused):
    url = reverse("admin:integrations_rule_operate", args=[paused.pk, "resume"])

    assert viewer.post(url).status_code == 403
    assert "operate/resume" not in viewer.get(page(paused)).content.decode()


def test_a_rule_that_is_not_paused_offers_no_resume(operator, paused):
    Rule.objects.update(paused_at=None, paused_reason="", paused_hint="")

    assert "operate/resume" not in operator.get(page(paused)).content.decode()


def test_what_a_rule_waits_for_is_saved_and_listed(operator, paused):
    other = RuleFactory.create(name="Salesforce first")
    given = {"debounce_seconds": "60", "waits_for": other.pk, "waits_at_most": "90"}

    operator.post(page(paused), form(paused, **given))

    paused.refresh_from_db()
    assert paused.paused_at is None
    assert (paused.debounce_seconds, paused.waits_for, paused.waits_at_most) == (60, other, 90)
    html = operator.get(reverse(LIST)).content.decode()
    assert "1 min for changes, then for “Salesforce first”, 1 min 30 s at most" in html


@pytest.mark.parametrize("seconds", ["-1", "3601"])
def test_more_than_an_hour_is_refused_in_the_form(operator, paused, seconds):
    response = operator.post(page(paused), form(paused, debounce_seconds=seconds))

    assert "debounce_seconds" in response.context["adminform"].form.errors


def test_a_circle_is_refused_in_the_form(operator, paused):
    other = RuleFactory.create(name="Salesforce first", waits_for=paused)

    response = operator.post(page(paused), form(paused, waits_for=other.pk))

    (told,) = response.context["adminform"].form.errors["waits_for"]
    assert "“Tell sales” waits for “Salesforce first” waits for “Tell sales”" in told


def test_the_bookings_page_and_the_delivery_say_what_waits(operator, paused):
    delivery = Delivery.objects.get()
    booking = reverse("admin:bookings_booking_change", args=[delivery.event.booking_id])
    its_own = reverse("admin:integrations_delivery_change", args=[delivery.pk])

    for url in (booking, its_own):
        html = operator.get(url).content.decode()
        assert "Waits because its rule is paused: #sales is archived." in html


def test_the_booking_says_until_when_it_waits_for_changes(operator, paused):
    Rule.objects.update(paused_at=None, paused_reason="", paused_hint="")
    Delivery.objects.update(not_before="2100-01-01T10:05:00Z", held_until="2100-01-01T10:05:00Z")
    booking_id = Delivery.objects.get().event.booking_id

    html = operator.get(
        reverse("admin:bookings_booking_change", args=[booking_id])
    ).content.decode()

    assert html.count("Waits until 10:05:00 UTC for further changes.") == 2


def test_conditions_are_checked_with_their_places_and_saved(operator, paused):
    wrong = '{"and": [{"fact": "booking.durration", "op": "=", "value": 30}, {"fact": "answer"}]}'
    right = wrong.replace("rr", "r").replace('{"fact": "answer"}', '{"not": {"fact": "changed", "op": "is empty"}}')  # fmt: skip

    response = operator.post(page(paused), form(paused, conditions=wrong))
    operator.post(page(paused), form(paused, conditions=right))

    assert response.context["adminform"].form.errors["conditions"] == [
        "and > 1st > fact: There is no fact “booking.durration”. Did you mean “booking.duration”?",
        "and > 2nd > argument: Write the question that is meant.",
    ]
    assert "and &gt; 1st &gt; fact: There is no fact" in response.content.decode()
    paused.refresh_from_db()
    assert paused.conditions["and"][1] == {"not": {"fact": "changed", "op": "is empty"}}
