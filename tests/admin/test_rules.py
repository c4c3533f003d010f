"""Rules in the admin: what they wait for, and how a paused one is shown and resumed."""

import pytest
import redis
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.models import ClockEntry, Delivery, Rule
from tests.factories import (
    NOW,
    BookingEventFactory,
    ConnectionFactory,
    DeliveryFactory,
    InviteeFactory,
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
    assert (
        "Paused: #sales is archived. Choose another channel."
        in operator.get(reverse(LIST)).content.decode()
    )


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
    assert "It waits 1 minute for further changes and tells them together." in html
    assert "It waits for “Salesforce first”, 90 seconds at most." in html


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


def test_a_reminder_is_made_in_the_form_and_said_in_words(operator, paused):
    other = RuleFactory.create(name="Tell the host", kinds=[])
    given = {
        "kinds": ["starting"], "offset": "24", "offset_unit": "60", "late_policy": "other", "late_rule": other.pk,
        "grace_minutes": "30",
    }  # fmt: skip

    operator.post(page(paused), form(paused, **given))

    paused.refresh_from_db()
    assert (paused.kinds, paused.offset_minutes, paused.late_rule) == (["starting"], 1440, other)
    assert paused.clock_since is not None
    html = operator.get(reverse(LIST)).content.decode()
    assert "24 hours before the start" in html
    assert "Only where another rule names it" in html
    shown = operator.get(page(paused)).context["adminform"].form
    assert (shown["offset"].value(), shown["offset_unit"].value()) == (1, 1440)


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"kinds": ["starting"]}, "offset", "Say how long before the start: 24 hours, say."),
        ({"kinds": ["ended"], "offset": "31", "offset_unit": "1440"}, "offset", "30 days at most."),
        ({"kinds": ["ended"], "late_policy": "other"}, "late_rule", "Choose the rule that acts instead."),
        ({"kinds": ["ended"], "grace_minutes": "0"}, "grace_minutes", "A minute at least: the clock is never looked at in the very moment."),
        ({"kinds": ["ended"], "grace_minutes": "1441"}, "grace_minutes", "Ensure this value is less than or equal to 1440."),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_clock_is_refused_in_words(operator, paused, given, field, told):
    response = operator.post(page(paused), form(paused, **given))

    assert response.context["adminform"].form.errors[field] == [told]


def test_what_stands_in_hidden_fields_of_the_clock_counts_for_nothing(operator, paused):
    other = RuleFactory.create(name="Tell the host", kinds=[])
    left = {"offset": "1", "offset_unit": "60", "late_rule": other.pk, "grace_minutes": "9999"}

    operator.post(page(paused), form(paused, **left))

    paused.refresh_from_db()
    assert (paused.paused_at, paused.offset_minutes, paused.late_rule) == (None, 0, None)
    assert paused.grace_minutes == 60


def test_a_rule_without_kinds_is_saved_and_who_may_only_look_sees_when_a_rule_acts(
    operator, viewer, paused
):
    operator.post(page(paused), form(paused, kinds=[]))

    paused.refresh_from_db()
    assert paused.kinds == []
    Rule.objects.update(kinds=["starting"], offset_minutes=90)
    assert "90 minutes before the start" in viewer.get(page(paused)).content.decode()


def test_the_page_that_deletes_a_rule_reads_none_of_what_the_clock_decided(operator, paused):
    address = reverse("admin:integrations_rule_delete", args=[paused.pk])
    counts = []
    for number in (1, 20):
        for _ in range(number):
            chain = InviteeFactory.create()
            ClockEntry.objects.create(
                rule=paused, chain=chain, kind="ended", anchor_at=NOW, due_at=NOW, created_at=NOW,
                state="skipped", reason="the invitee did not come",
            )  # fmt: skip
        with CaptureQueriesContext(connection) as captured:
            html = operator.get(address).content.decode()
        assert "ended of" not in html
        counts.append(len(captured))

    assert counts[0] == counts[1]
    operator.post(address, {"post": "yes"})
    assert ClockEntry.objects.filter(rule=None).count() == 21
