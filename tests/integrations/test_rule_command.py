import io

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse

from integrations.models import Connection, Rule
from tests.factories import BookingEventFactory, RuleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule():
    return RuleFactory.create(
        name="Cards", enabled=False, conditions={"fact": "booking.duration", "op": "<", "value": 60}
    )


def call(*args):
    """Return the exit status, and what was said on the two channels."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("rule", *args, stdout=out, stderr=err)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_rules_are_listed_and_switched(rule):
    assert call("enable", "Cards")[1] == "“Cards” is on.\n"
    assert Rule.objects.get().enabled
    assert call("list")[1].startswith("on      Cards: When a booking is made")
    assert call("disable", "Cards")[1] == "“Cards” is off.\n"
    assert call("disable", "Cards")[1] == "“Cards” is off already.\n"


def test_what_the_command_line_changes_stands_in_the_history_by_an_account_nobody_signs_in_with(
    rule, tmp_path, admin_client
):
    Rule.objects.filter(pk=rule.pk).update(action="post_card", options={"channel": "#a"})
    Connection.objects.filter(pk=rule.connection_id).update(provider="slack")
    call("enable", "Cards")
    call("enable", "Cards")
    file = tmp_path / "rules.yaml"
    file.write_text(call("export")[1].replace("#a", "#b"))
    call("import", str(file), "--dry-run")
    call("import", str(file))
    call("import", str(file))

    page = admin_client.get(reverse("admin:integrations_rule_history", args=[rule.pk]))

    told = [entry.get_change_message() for entry in LogEntry.objects.order_by("id")]
    assert told == ["Switched on.", "Changed option channel."]
    assert "<td>#a</td><td>#b</td>" in page.content.decode()
    account = User.objects.get(username="command-line")
    assert not account.is_active
    assert not account.has_usable_password()


def test_a_test_says_each_condition_and_its_status_whether_the_rule_would_act(rule):
    booking = BookingEventFactory.create().booking
    assert booking is not None
    uri = booking.uri

    acts = call("test", "Cards", "--booking", uri, "--conditions-only")
    Rule.objects.update(kinds=["canceled"])
    rests = call("test", "Cards", "--booking", uri, "--conditions-only")

    assert acts[0] == 0
    assert "booked, 2026-11-20 09:00 UTC: rule would act" in acts[1]
    assert "  yes  the duration in minutes is less than 60" in acts[1]
    assert rests[0] == 1
    assert "Nothing happened to this booking that the rule asks for." in rests[1]


def test_a_simulation_draws_its_progress_and_sums_up(rule):
    BookingEventFactory.create()

    status, out, err = call("simulate", "Cards", "--last", "5", "--conditions-only")

    assert status == 0
    assert "1 of 1 bookings, the rule would act on 1" in err
    assert "1  rule would act" in out
    assert "Done." in out


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("enable", "Card"), "There are: “Cards”."),
        (("test", "Cards", "--booking", "x"), "No booking has the URI x."),
        (("simulate", "Cards", "--last", "501"), "Choose from 1 to 500 bookings."),
    ],
)
def test_what_cannot_be_done_says_what_can(rule, args, told):
    with pytest.raises(CommandError, match=told):
        call(*args)
