"""A file of rules asks the same of a rule as the form does: neither takes what the other refuses."""

import json
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.models import Rule
from integrations.recipes import UnusableFileError, What, export, load
from integrations.recipes.entry import as_data, entry_of
from tests.factories import ConnectionFactory, RuleFactory, StaffUserFactory

pytestmark = pytest.mark.django_db

USUAL: dict[str, Any] = {
    "name": "Cards", "connection": "Chat", "kinds": ["booked"], "action": "post_card",
    "options": {"channel": "#sales"},
}  # fmt: skip
FINE: list[dict[str, Any]] = [
    {},
    {"kinds": []},
    {"enabled": False, "stops": True, "debounce_seconds": 60, "waits_for": "Other", "waits_at_most": 5},
    {"conditions": {"not": {"fact": "answer", "argument": "Size", "op": "is empty"}}},
    {"kinds": ["starting"], "offset_minutes": 90, "late_policy": "other", "late_rule": "Other", "grace_minutes": 1},
    {"kinds": ["ended"]},
    {"kinds": ["booked", "ended"], "offset_minutes": 43_200, "late_policy": "skip", "grace_minutes": 1440},
    {"acts_on_backfill": True, "backfill_max_age_days": 30},
]  # fmt: skip
BAD: list[dict[str, Any]] = [
    {"name": ""},
    {"name": "x" * 101},
    {"kinds": ["bookd"]},
    {"action": "post_car"},
    {"action": "send_email", "options": {"template": "reminder", "to": ["invitee"]}},
    {"options": {"channel": "sales"}},
    {"options": {"chanel": "#sales"}},
    {"options": {}},
    {"conditions": {"fact": "nothing", "op": "is", "value": "x"}},
    {"conditions": {"fact": "booking.duration", "op": "is", "value": 30}},
    {"conditions": {"fact": "booking.duration", "op": ">=", "value": "long"}},
    {"conditions": {"and": []}},
    {"kinds": ["starting"]},
    {"kinds": ["starting"], "offset_minutes": 43_201},
    {"kinds": ["ended"], "grace_minutes": 1441},
    {"kinds": ["ended"], "grace_minutes": 0},
    {"kinds": ["ended"], "late_policy": "other"},
    {"kinds": ["ended"], "late_policy": "never"},
    {"debounce_seconds": 3601},
    {"debounce_seconds": -1},
    {"waits_for": "Other", "waits_at_most": 3601},
    {"backfill_max_age_days": 30},
]  # fmt: skip


@pytest.fixture
def other() -> Rule:
    chat = ConnectionFactory.create(name="Chat", provider="slack", settings={"team_id": "T1"})
    return RuleFactory.create(
        name="Other", connection=chat, action="post_card", kinds=[], options={"channel": "#others"}
    )


def filed(said: dict[str, Any]) -> bool:
    """Tell whether a file with this rule is taken."""
    try:
        load(json.dumps({"rules": [said]}), now=timezone.now())
    except UnusableFileError:
        return False
    return True


def typed(client: Any, other: Rule, said: dict[str, Any]) -> bool:
    """Tell whether the form takes this rule."""
    names = {**said, "connection": other.connection_id, "waits_for": other.pk if said.get("waits_for") else ""}  # fmt: skip
    names |= {"late_rule": other.pk if said.get("late_rule") else ""}
    names |= {"options": json.dumps(said["options"]), "conditions": json.dumps(said.get("conditions", {}))}  # fmt: skip
    names |= {"offset": said.get("offset_minutes", ""), "offset_unit": 1}
    posted = {name: "on" if value is True else value for name, value in names.items() if value is not False}  # fmt: skip
    if "enabled" not in said:
        posted["enabled"] = "on"
    client.force_login(StaffUserFactory.create(is_superuser=True))
    response = client.post(reverse("admin:integrations_rule_add"), posted)
    return bool(response.status_code == 302)


@pytest.mark.parametrize("change", FINE, ids=str)
def test_what_one_takes_the_other_takes_and_the_rule_is_the_same(client, other, change):
    said = {**USUAL, **change}

    assert filed(said)
    by_file = as_data(entry_of(Rule.objects.get(name="Cards")))
    Rule.objects.filter(name="Cards").delete()
    assert typed(client, other, said)
    by_form = as_data(entry_of(Rule.objects.get(name="Cards")))

    assert by_form == by_file
    assert {change.what for change in load(export([]), now=timezone.now())} == {What.EQUAL}


@pytest.mark.parametrize("change", BAD, ids=str)
def test_what_one_refuses_the_other_refuses(client, other, change):
    said = {**USUAL, **change}

    assert not filed(said)
    assert not typed(client, other, said)
    assert list(Rule.objects.all()) == [other]
