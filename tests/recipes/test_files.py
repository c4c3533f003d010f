"""Rules as a file: written, read again, compared, and refused as a whole where one line is wrong."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.models import Rule
from integrations.recipes import UnusableFileError, What, export, load
from tests.factories import ConnectionFactory, RuleFactory

pytestmark = pytest.mark.django_db

FILE = """\
rules:
  - name: Cards
    connection: Chat
    kinds: [booked]
    action: post_card
    options:
      channel: "#sales"
  - name: Reminder
    connection: Mail
    kinds: [starting]
    offset_minutes: 60
    action: send_email
    options: {template: reminder, to: [invitee]}
    waits_for: Cards
"""
#: What is made wrong in the file, and what is told.
WRONG = [
    ("connection: Chat", "connection: Chatt", "Line 3: “Cards”: There is no connection “Chatt”. There are Chat, Mail."),
    ("kinds: [booked]", "kinds: [boked]", "Line 4: “Cards”: kinds: there is no kind boked"),
    ("action: post_card", "action: post_car", "Line 5: “Cards”: Slack knows other actions: post_card"),
    ("action: post_card", "action: post_card\n    colour: red", "Line 6: “Cards”: colour: there is no such name."),
    ('channel: "#sales"', "channel: sales", "Line 7: “Cards”: channel: 'sales' is no place in Slack"),
    ('channel: "#sales"', 'chanel: "#sales"', "Line 7: “Cards”: chanel: there is no such name."),
    ("kinds: [booked]", "kinds: [booked]\n    conditions: {fact: nothing, op: is, value: 1}", "Line 5: “Cards”: "),
    ("kinds: [booked]", "kinds: [booked]\n    conditions:\n      and:\n        - {fact: changed, op: has, value: start_at}\n        - fact: changed\n          op: has\n          value: x", "Line 10: “Cards”: and > 2nd > value: “x” is none of"),
    ("kinds: [booked]", "kinds: [booked]\n    position: 9999999", "Line 5: “Cards”: position: Input should be less"),
    ("kinds: [booked]", "kinds: [booked]\n    enabled: yes", "Line 5: “Cards”: enabled: Input should be a valid boolean"),
    ("kinds: [booked]", "kinds: [booked]\n    position: -1", "Line 5: “Cards”: position: Input should be greater"),
    ("kinds: [booked]", "kinds: [booked]\n    offset_minutes: 9", "Line 5: “Cards”: It says nothing without the kind"),
    ("kinds: [booked]", "kinds: [booked]\n    backfill_max_age_days: 9", "Line 5: “Cards”: An age says nothing"),
    ("offset_minutes: 60", "grace_minutes: 60", "Line 10: “Reminder”: Say in offset_minutes how long before"),
    ("offset_minutes: 60", "offset_minutes: 99999", "Line 11: “Reminder”: Ensure this value is less than"),
    ("offset_minutes: 60", "offset_minutes: 60\n    late_policy: other", "Line 12: “Reminder”: Say in late_rule"),
    ("offset_minutes: 60", "offset_minutes: 60\n    late_rule: Cards", "Line 12: “Reminder”: It is used for starting or ended alone"),
    ("template: reminder", "template: remindr", "Line 13: “Reminder”: template: there is no e-mail template 'remindr'."),
    ("waits_for: Cards", "waits_for: Crads", "Line 14: “Reminder”: There is no other rule “Crads”."),
    ("waits_for: Cards", "waits_for: Reminder", "Line 14: “Reminder”: There is no other rule “Reminder”."),
    ("kinds: [booked]", "kinds: [booked]\n    waits_for: Reminder", "Rules cannot wait for each other in a circle"),
    ("name: Reminder", "name: Cards", "Line 8: “Cards”: this name stands in the file twice."),
    ("rules:", "rules:\n  - just a text", "Line 2: Input should be"),
    ("rules:", "secrets: {}\nrules:", "Line 1: secrets: there is no such name."),
    ("rules:", "rule:", "A file of rules begins with"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def connections():
    return {
        "chat": ConnectionFactory.create(provider="slack", name="Chat", secrets={"bot_token": "xoxb-secret"}),
        "mail": ConnectionFactory.create(provider="email", name="Mail"),
    }  # fmt: skip


def made(text, **options):
    return [(change.rule.name, change.what) for change in load(text, now=timezone.now(), **options)]


def test_a_file_makes_rules_and_the_same_file_again_changes_nothing():
    assert made(FILE) == [("Cards", What.NEW), ("Reminder", What.NEW)]
    first = list(Rule.objects.values())

    assert made(FILE) == [("Cards", What.EQUAL), ("Reminder", What.EQUAL)]

    reminder = Rule.objects.get(name="Reminder")
    assert (reminder.waits_for, reminder.offset_minutes, reminder.position) == (
        Rule.objects.get(name="Cards"),
        60,
        2,
    )
    assert list(Rule.objects.values()) == first


def test_what_is_exported_is_equal_when_it_is_imported():
    load(FILE, now=timezone.now())
    RuleFactory.create(
        name="Late: #1 - ü", connection=Rule.objects.get(name="Cards").connection, action="post_card", enabled=False, stops=True,
        kinds=["ended"], conditions={"fact": "answer", "argument": "Größe?", "op": "is", "value": "no"},
        options={"channel": "#a", "show_utm": True}, late_policy="other", late_rule=Rule.objects.get(name="Cards"),
        acts_on_backfill=True, backfill_max_age_days=3, debounce_seconds=5, waits_at_most=9, position=7,
    )  # fmt: skip
    text = export()

    assert {what for _, what in made(text)} == {What.EQUAL}

    Rule.objects.all().delete()
    assert {what for _, what in made(text)} == {What.NEW}
    assert export() == text
    assert "xoxb" not in text


def test_a_change_is_shown_as_it_would_stand_in_the_file():
    load(FILE, now=timezone.now())

    (change, _) = load(FILE.replace('"#sales"', '"#demos"'), now=timezone.now())

    assert change.what == What.CHANGED
    assert [line for line in change.diff if line[0] in "+-"] == ["-  channel: '#sales'", "+  channel: '#demos'"]  # fmt: skip
    assert Rule.objects.get(name="Cards").options == {"channel": "#demos"}


def test_a_dry_run_says_the_same_and_does_nothing():
    assert made(FILE, dry_run=True) == [("Cards", What.NEW), ("Reminder", What.NEW)]
    assert not Rule.objects.exists()


def test_what_the_file_does_not_name_stays():
    other = RuleFactory.create(position=4)

    load(FILE, now=timezone.now())

    assert Rule.objects.filter(pk=other.pk).exists()
    assert list(Rule.objects.values_list("position", flat=True)) == [4, 5, 6]


@pytest.mark.parametrize(("old", "new", "told"), WRONG)
def test_one_wrong_line_is_told_and_nothing_of_the_file_is_done(old, new, told):
    assert old in FILE

    with pytest.raises(UnusableFileError) as caught:
        load(FILE.replace(old, new, 1), now=timezone.now())

    assert told in str(caught.value)
    assert not Rule.objects.exists()


def test_a_wrong_file_leaves_the_rules_that_are_there_as_they_are():
    load(FILE, now=timezone.now())
    before = list(Rule.objects.values())
    changed = FILE.replace('"#sales"', '"#demos"').replace("waits_for: Cards", "waits_for: Crads")

    with pytest.raises(UnusableFileError):
        load(changed, now=timezone.now())

    assert list(Rule.objects.values()) == before


def test_a_paused_rule_that_a_file_changes_goes_on():
    load(FILE, now=timezone.now())
    Rule.objects.update(paused_at=timezone.now(), paused_reason="Channel gone")

    load(FILE.replace('"#sales"', '"#demos"'), now=timezone.now())

    assert list(Rule.objects.filter(paused_at=None).values_list("name", flat=True)) == ["Cards"]


def test_the_first_rules_have_places_of_their_own():
    load(FILE, now=timezone.now())

    assert list(Rule.objects.values_list("name", "position")) == [("Cards", 1), ("Reminder", 2)]


def test_the_command_writes_checks_and_reads(tmp_path):
    file, out, again = tmp_path / "rules.yaml", StringIO(), StringIO()
    file.write_text(FILE)

    call_command("rule", "import", str(file), "--dry-run", stdout=out)
    assert "new: Cards" in out.getvalue()
    assert "Nothing was changed" in out.getvalue()
    assert not Rule.objects.exists()
    call_command("rule", "import", str(file), stdout=out)
    call_command("rule", "export", "Cards", stdout=again)

    assert "name: Cards" in again.getvalue()
    assert "Reminder" not in again.getvalue()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "None"], "There is no rule “None”."),
        (["import", "/nowhere.yaml"], "cannot be read"),
        (["recipes", "none"], "There are sales, consulting"),
    ],
)
def test_the_command_says_what_cannot_be_done(arguments, told):
    with pytest.raises(CommandError, match=told):
        call_command("rule", *arguments)


def test_rules_may_change_places_in_waiting_for_each_other_in_one_file():
    made(FILE)
    turned = FILE.replace("    waits_for: Cards\n", "").replace("kinds: [booked]", "kinds: [booked]\n    waits_for: Reminder")  # fmt: skip

    assert made(turned) == [("Cards", What.CHANGED), ("Reminder", What.CHANGED)]
    assert dict(Rule.objects.values_list("name", "waits_for__name")) == {"Cards": "Reminder", "Reminder": None}  # fmt: skip

    assert made(FILE) == [("Cards", What.CHANGED), ("Reminder", What.CHANGED)]
    assert dict(Rule.objects.values_list("name", "waits_for__name")) == {"Cards": None, "Reminder": "Cards"}  # fmt: skip
