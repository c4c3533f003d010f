"""Conditions as rows: what is shown comes back as it was, faults stand at their rows, and the JSON is for experts."""

import json
from typing import Any

import pytest
from django.http import QueryDict
from django.urls import reverse
from django.utils.html import escape

from integrations.admin.condition_layout import Layout, Row, RowGroup, layout_of, tree_of
from integrations.admin.condition_widget import ConditionsWidget, known_questions, problems_of
from integrations.conditions import FACTS, OPERATORS, Takes, Type, check
from integrations.models import Rule
from tests.factories import ConnectionFactory, InviteeFactory, RuleFactory

LONG = {"fact": "booking.duration", "op": ">=", "value": 30}
FREE = {"fact": "invitee.is_free_mail", "op": "is", "value": True}
SIZE = {"fact": "answer", "argument": "Company size", "op": "is one of", "value": ["201-500", "501+"]}  # fmt: skip
LATE = {"fact": "booking.start_at", "op": "before", "value": "2027-01-31T09:00:00+00:00"}

_ONE: dict[Type, Any] = {
    Type.TEXT: "two words", Type.NUMBER: 2.5, Type.YES_NO: False, Type.MOMENT: "2027-01-31T09:00:30+00:00", Type.LIST: "name",
}  # fmt: skip


def comparisons():
    """Yield a comparison with every operator of a fact of each type."""
    facts = ("booking.cancel_reason", "booking.status", "booking.duration", "booking.is_canceled", "booking.start_at", "host.teams", "changed")  # fmt: skip
    for fact in map(FACTS.__getitem__, facts):
        for operator in OPERATORS[fact.type].values():
            one = (*fact.choices, _ONE[fact.type])[0]
            value = {Takes.ONE: one, Takes.MANY: [one, (*fact.choices, one)[-1]], Takes.RANGE: [1, 2.5]}  # fmt: skip
            made = {"fact": fact.name, "op": operator.name}
            yield made if operator.takes is Takes.NOTHING else {**made, "value": value[operator.takes]}  # fmt: skip


def sent(layout, name="asks"):
    """What a browser sends of the rows."""
    data = QueryDict(mutable=True)
    data[f"{name}__join"] = layout.join
    for g, group in enumerate(layout.groups):
        data[f"{name}__{g}-mode"] = group.mode
        for r, row in enumerate(group.rows):
            for part in ("fact", "argument", "op", "value"):
                data[f"{name}__{g}-{r}-{part}"] = getattr(row, part).replace("\n", "\r\n")
            data[f"{name}__{g}-9{r}-fact"] = ""
    return data


@pytest.mark.db_independent
@pytest.mark.parametrize(
    "tree", list(comparisons()), ids=lambda tree: f"{tree['fact']} {tree['op']}"
)
def test_every_comparison_comes_back_from_its_row_as_it_was(tree):
    assert check(tree) == []

    back = ConditionsWidget().value_from_datadict(sent(layout_of(tree)), {}, "asks")

    assert back == layout_of(tree)
    assert tree_of(back) == tree


@pytest.mark.db_independent
@pytest.mark.parametrize(
    "tree",
    [
        {},
        LONG,
        {"not": LONG},
        {"and": [LONG, FREE]},
        {"not": {"or": [LONG, FREE]}},
        {"not": {"and": [LONG, FREE]}},
        {"and": [LONG, {"not": FREE}, LATE]},
        {"or": [{"and": [LONG, FREE]}, SIZE]},
        {"and": [{"or": [LONG, FREE]}, {"or": [SIZE, LATE]}, {"not": {"or": [LONG, LATE]}}]},
    ],
)
def test_two_levels_are_shown_as_groups_and_come_back(tree):
    back = ConditionsWidget().value_from_datadict(sent(layout_of(tree)), {}, "asks")

    assert tree_of(back) == tree


@pytest.mark.db_independent
@pytest.mark.parametrize(
    "tree",
    [
        {"and": [LONG, {"or": [FREE, {"and": [SIZE, LATE]}]}]},
        {"not": {"and": [LONG, {"or": [FREE, SIZE]}]}},
        {"not": {"not": LONG}},
        {"fact": "gone", "op": "is", "value": "x"},
        {**LATE, "value": "2027-01-31T09:00:00.5+00:00"},
        {"fact": "host.teams", "op": "has any of", "value": ["a", 1]},
    ],
)
def test_what_rows_could_not_give_back_has_none(tree):
    assert layout_of(tree) is None


@pytest.mark.db_independent
@pytest.mark.parametrize(
    ("row", "place", "told"),
    [
        ({"fact": "booking.duration", "op": ">=", "value": "long"}, "value", "Write a number"),
        ({"fact": "booking.duration", "op": ">=", "value": "true"}, "value", "Write a number"),
        ({"fact": "booking.duration", "op": "between", "value": "5"}, "value", "Write two numbers"),
        ({"fact": "booking.duration", "op": "contains", "value": "5"}, "op", "is compared by"),
        ({"fact": "", "op": "is", "value": "5"}, "fact", "Name a fact"),
        ({"fact": "answer", "op": "is", "value": "5"}, "argument", "Write the question"),
        ({"fact": "booking.start_at", "op": "before", "value": "soon"}, "value", "Write a moment"),
        ({"fact": "booking.status", "op": "is", "value": "gone"}, "value", "none of its values"),
        ({"fact": "host.teams", "op": "has any of", "value": ""}, "value", "Write one to"),
    ],
)
def test_a_fault_stands_at_its_row(row, place, told):
    right = Row(fact="booking.duration", op="=", value="30")
    layout = Layout(groups=(RowGroup(rows=(right, Row(**row))),))

    ((where, problem),) = problems_of(layout).items()

    assert (where, problem.place) == ((0, 1), place)
    assert told in problem.message
    html = ConditionsWidget().render("asks", layout)
    assert all(escape(text) in html for text in row.values())


@pytest.fixture
def rule(fake_provider) -> Rule:
    connection = ConnectionFactory.create(provider=fake_provider, name="CRM")
    return RuleFactory.create(
        connection=connection, name="Tell sales", action="write", options={"channel": "sales"},
        conditions={"and": [LONG, FREE]},
    )  # fmt: skip


def page(rule):
    return reverse("admin:integrations_rule_change", args=[rule.pk])


def form(rule, layout=None, **given):
    filled = {
        "name": rule.name, "enabled": "on", "kinds": ["booked"], "connection": rule.connection_id, "action": "write",
        "options": json.dumps(rule.options), "conditions": json.dumps(rule.conditions, indent=2),
        "conditions-for": "conditions", "conditions-shown": json.dumps(rule.conditions), "position": rule.position,
    }  # fmt: skip
    rows = sent(layout or layout_of(rule.conditions)) if layout_of(rule.conditions) else {}
    return {**filled, **{key: rows[key] for key in rows}, **given}


@pytest.mark.django_db
def test_rows_are_saved_and_what_was_not_touched_stays_as_it_was_written(operator, rule):
    operator.post(page(rule), form(rule, layout_of({"or": [LONG, SIZE]})))
    rule.refresh_from_db()
    assert rule.conditions == {"or": [LONG, SIZE]}

    as_written = {"or": [{"and": [LONG]}, {**LATE, "value": "2027-01-31T10:00:00+01:00"}]}
    Rule.objects.update(conditions=as_written)
    rule.refresh_from_db()
    operator.post(page(rule), form(rule))

    rule.refresh_from_db()
    assert rule.conditions == as_written


@pytest.mark.django_db
def test_a_refused_page_keeps_what_was_typed_and_marks_the_row(operator, rule):
    wrong = Layout(groups=(RowGroup(rows=(Row(fact="booking.duration", op=">=", value="half <an> hour"),)),))  # fmt: skip

    response = operator.post(page(rule), form(rule, wrong))

    html = response.content.decode()
    assert response.context["adminform"].form.errors == {"asks": ["Correct the conditions that are marked."]}  # fmt: skip
    assert "half &lt;an&gt; hour" in html
    assert 'id="asks__0-0-error">Write a number' in html
    rule.refresh_from_db()
    assert rule.conditions == {"and": [LONG, FREE]}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tree", "written", "stored", "told"),
    [
        ({"and": [LONG, FREE]}, json.dumps(SIZE), SIZE, ""),
        (SIZE, json.dumps(LATE), None, "Both the rows and this JSON were changed."),
        (SIZE, "", SIZE, ""),
        ({"and": [LONG, FREE]}, '{"fact": "no"}', None, "There is no fact “no”."),
        ({"and": [LONG, FREE]}, "{oops", None, "Enter a valid JSON."),
    ],
)
def test_json_that_was_changed_counts_and_both_are_asked_about(
    operator, rule, tree, written, stored, told
):
    response = operator.post(page(rule), form(rule, layout_of(tree), conditions=written))

    rule.refresh_from_db()
    assert rule.conditions == (stored or {"and": [LONG, FREE]})
    if told:
        assert told in str(response.context["adminform"].form.errors["conditions"])


@pytest.mark.django_db
def test_what_stands_deeper_is_told_in_words_and_edited_as_json(operator, rule):
    deep = {"and": [LONG, {"or": [FREE, {"and": [SIZE, LATE]}]}]}
    Rule.objects.update(conditions=deep)
    rule.refresh_from_db()

    html = operator.get(page(rule)).content.decode()
    operator.post(page(rule), form(rule))
    rule.refresh_from_db()
    assert rule.conditions == deep
    operator.post(page(rule), form(rule, conditions=json.dumps(LONG)))

    assert "deeper in each other than rows can show" in html
    assert "data-conditions" not in html
    rule.refresh_from_db()
    assert rule.conditions == LONG


@pytest.mark.django_db
def test_who_may_only_look_reads_the_conditions_in_words(viewer, rule):
    html = viewer.get(page(rule)).content.decode()

    assert "the duration in minutes is at least 30 and the invitee&#x27;s address is" in html
    assert 'name="conditions"' not in html
    assert "data-conditions" not in html
    assert viewer.post(page(rule), form(rule, layout_of(SIZE))).status_code == 403


@pytest.mark.django_db
def test_questions_of_recent_bookings_are_offered_once(operator, rule):
    for number in range(3):
        InviteeFactory.create(answers=[{"question": "Company size", "answer": str(number)}])

    assert known_questions() == ["Company size"]
    assert '<option value="Company size">' in operator.get(page(rule)).content.decode()
