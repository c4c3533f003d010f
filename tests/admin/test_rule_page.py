"""Rules in their order, what one did lately, and who changed what."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from integrations.models import ClockEntry, EventPlan, Rule
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
def rules(fake_provider) -> list[Rule]:
    crm = ConnectionFactory.create(provider=fake_provider, name="CRM")
    return [
        RuleFactory.create(connection=crm, name=name, action="write", options={"channel": "sales"})
        for name in ("First", "Second", "Third")
    ]


def page(rule, name="change"):
    return reverse(f"admin:integrations_rule_{name}", args=[rule.pk])


def form(rule, **given):
    filled = {
        "name": rule.name, "enabled": "on", "kinds": rule.kinds, "connection": rule.connection_id, "action": "write",
        "options": '{"channel": "sales"}', "position": rule.position,
    }  # fmt: skip
    return {**filled, **given}


def order():
    return list(Rule.objects.values_list("name", "position"))


def operate(client, rule, name):
    url = reverse("admin:integrations_rule_operate", args=[rule.pk, name])
    return client.post(url, {"next": reverse(LIST)})


def test_a_new_rule_goes_last_and_one_that_is_moved_leaves_no_gap(operator, rules):
    operator.post(reverse("admin:integrations_rule_add"), form(rules[0], name="New", position=""))
    assert order() == [("First", 1), ("Second", 2), ("Third", 3), ("New", 4)]

    operator.post(page(rules[2]), form(rules[2], position="1"))
    assert order() == [("Third", 1), ("First", 2), ("Second", 3), ("New", 4)]

    operator.post(page(rules[0]), form(rules[0], position="99"))
    assert order() == [("Third", 1), ("Second", 2), ("New", 3), ("First", 4)]


def test_rules_that_share_a_place_keep_their_order_when_one_is_saved(operator, rules):
    Rule.objects.update(position=0)
    for rule in rules:
        rule.refresh_from_db()

    operator.post(page(rules[1]), form(rules[1]))

    assert order() == [("First", 1), ("Second", 2), ("Third", 3)]


def test_rules_are_moved_with_the_buttons_of_their_row_and_it_is_logged(operator, viewer, rules):
    assert operate(viewer, rules[1], "move_up").status_code == 403
    assert "move_up" not in viewer.get(reverse(LIST)).content.decode()

    response = operate(operator, rules[1], "move_up")
    operate(operator, rules[0], "move_down")
    operate(operator, rules[0], "move_down")

    assert response.url == reverse(LIST)
    assert order() == [("Second", 1), ("Third", 2), ("First", 3)]
    told = list(LogEntry.objects.order_by("id").values_list("object_repr", "change_message"))
    assert told == [("Second", "Moved to place 1."), ("First", "Moved to place 3.")]
    assert 'aria-label="Up: Second"' in operator.get(reverse(LIST)).content.decode()


def test_rules_are_switched_in_the_list_and_the_clock_begins_anew(operator, viewer, rules):
    first = rules[0]
    Rule.objects.filter(pk=first.pk).update(kinds=["ended"], enabled=False)
    assert operate(viewer, first, "switch_on").status_code == 403

    operate(operator, first, "switch_on")
    operator.post(reverse(LIST), {"action": "switch_off", "_selected_action": [rules[1].pk, first.pk]})  # fmt: skip

    first.refresh_from_db()
    assert first.clock_since is not None
    assert list(Rule.objects.values_list("enabled", flat=True)) == [False, False, True]
    assert LogEntry.objects.filter(change_message="Switched off.").count() == 2


def test_a_rule_says_what_it_does_and_what_it_did_lately_in_a_bounded_number_of_queries(
    operator, rules
):
    rule = rules[0]
    Rule.objects.filter(pk=rule.pk).update(
        kinds=["booked", "starting"], offset_minutes=60, late_policy="skip", stops=True,
        conditions={"fact": "booking.duration", "op": ">=", "value": 30},
    )  # fmt: skip
    counts = []
    for number in (1, 6):
        for _ in range(number):
            DeliveryFactory.create(rule=rule, event=BookingEventFactory.create(), skipped=True, result="It is so already.")  # fmt: skip
            reason = {"rule": rule.pk, "name": rule.name, "reason": "the duration in minutes is 15"}
            EventPlan.objects.create(event=BookingEventFactory.create(), withheld=[reason])
            ClockEntry.objects.create(
                rule=rule, chain=InviteeFactory.create(), kind="starting", anchor_at=NOW, due_at=NOW, state="skipped",
                created_at=NOW - timedelta(hours=1), reason="booked inside the hour",
            )  # fmt: skip
        with CaptureQueriesContext(connection) as captured:
            response = operator.get(page(rule))
        counts.append(len(captured))
        if number == 1:
            html = response.content.decode()

    assert counts[0] == counts[1]
    assert len(response.context["lately"]) == 10
    for words in (
        "60 minutes before the start, and only if the duration in minutes is at least 30", "it does nothing.",
        "Where it acts, the rules further down do not.", "It is so already.", "the duration in minutes is 15", "booked inside the hour",
    ):  # fmt: skip
        assert words.replace("60 minutes", "1 hour") in html or words in html


def test_a_moment_at_which_another_rule_acted_instead_is_told_once(operator, rules):
    rule, other, _ = rules
    reasons = {"booked late: “Second” acted instead": other, "booked late: sent at once": rule, "booked late: sent": None}  # fmt: skip
    for reason, by in reasons.items():
        event = BookingEventFactory.create(kind="starting")
        assert event.chain
        ClockEntry.objects.create(
            rule=rule, chain=event.chain, kind="starting", anchor_at=NOW, due_at=NOW, state="fired", created_at=NOW,
            reason=reason, event=event,
        )  # fmt: skip
        if by:
            DeliveryFactory.create(rule=by, event=event)

    deeds = {(deed.words, deed.reason) for deed in operator.get(page(rule)).context["lately"]}

    assert deeds == {("left to another rule", "booked late: “Second” acted instead"), ("acted: waiting", "")}  # fmt: skip


def test_a_rule_of_the_clock_alone_says_nothing_about_other_rules_and_further_changes(
    operator, rules
):
    Rule.objects.filter(pk=rules[0].pk).update(
        kinds=["starting"], offset_minutes=60, stops=True, debounce_seconds=60, waits_for=rules[1]
    )

    html = operator.get(page(rules[0])).content.decode()

    assert "1 hour before the start" in html
    assert "Where it acts, the rules further down do not." not in html
    assert "for further changes and tells them together" not in html
    assert f"It waits for “{rules[1]}”" not in html


def test_what_may_name_somebody_is_hidden_on_the_rules_page(rules, client):
    from tests.factories import StaffUserFactory

    invitee = InviteeFactory.create(name="Maria Lopez")
    event = BookingEventFactory.create(invitee=invitee)
    DeliveryFactory.create(rule=rules[0], event=event, skipped=True, result="Maria Lopez is there")
    client.force_login(StaffUserFactory.create(permissions=["integrations.view_rule"]))

    html = client.get(page(rules[0])).content.decode()

    assert "Lopez" not in html
    assert "(hidden)" in html


def test_the_history_says_who_changed_what_from_what_to_what_and_no_secret(operator, rules):
    rule = rules[0]
    Rule.objects.filter(pk=rule.pk).update(
        options={"channel": "sales", "api_key": "hunter2", "headers": {"Authorization": "hunter3"}}
    )
    given = {"name": "Renamed", "options": '{"channel": "<b>"}', "position": "2", "stops": "on"}
    operator.post(page(rule), form(rule, **given, conditions='{"fact": "booking.is_canceled", "op": "is", "value": true}'))  # fmt: skip

    html = operator.get(page(rule, "history")).content.decode()

    entry = LogEntry.objects.get()
    assert entry.get_change_message().startswith("Changed name, place in the list, conditions, stops")  # fmt: skip
    assert "hunter" not in entry.change_message
    for before, after in (("First", "Renamed"), ("sales", "&lt;b&gt;"), ("1", "2"), ("no", "yes"), ("always", "the meeting is canceled")):  # fmt: skip
        assert f"<td>{before}</td><td>{after}</td>" in html
