"""The language of conditions: what it accepts, what holds, and how it is put into words."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.models import BookingEvent
from integrations.conditions import FACTS, OPERATORS, Takes, Type, check, evaluate, in_words
from integrations.conditions.catalogue import CAUSES, KINDS
from integrations.conditions.language import MOST_COMPARISONS, MOST_DEPTH
from integrations.conditions.operators import MOST_NUMBER

pytestmark = pytest.mark.db_independent

DURATION, STATUS, REASON = "booking.duration", "booking.status", "booking.cancel_reason"
CANCELED, TEAMS, START = "booking.is_canceled", "host.teams", "booking.start_at"
LONG = {"fact": DURATION, "op": ">=", "value": 30}
BIG = {"fact": "answer", "argument": "Company size", "op": "is", "value": "51-200"}
NEVER_ASKED = {"fact": "answer", "argument": "Never asked", "op": "is", "value": "x"}


def leaf(fact, op, value=None, **more):
    return {"fact": fact, "op": op, **({} if value is None else {"value": value}), **more}


def of(values):
    """Facts with these values alone."""
    return lambda name, argument: values.get(argument or name)


def holds(tree, **values):
    return evaluate(tree, of({name.replace("__", "."): value for name, value in values.items()})).holds  # fmt: skip


NINE = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "op", "wanted", "true_of", "false_of"),
    [
        ("text", "is", " Legal  HOLD", ["legal hold", "LEGAL HOLD "], ["legal", ""]),
        ("text", "is not", "ill", ["well", ""], ["ILL "]),
        ("text", "contains", "sick", ["is Sick today"], ["ill", ""]),
        ("text", "does not contain", "sick", ["ill", ""], ["is Sick today"]),
        ("text", "starts with", "No ", ["no time"], ["a no"]),
        ("text", "ends with", "STRASSE", ["in der Straße"], ["Straße 5"]),
        ("text", "is", "Jose\u0301", ["Jos\u00e9", "JOSE\u0301"], ["Jose"]),
        ("text", "is one of", ["a", "B "], ["A", "b"], ["c", ""]),
        ("text", "is none of", ["a", "b"], ["c", ""], ["A"]),
        ("text", "is empty", None, ["", "  ", None], ["x"]),
        ("text", "is not empty", None, ["x"], ["", None]),
        ("number", "=", 30, [30, 30.0], [31]),
        ("number", "!=", 30, [31], [30]),
        ("number", "<", 30, [29.9], [30]),
        ("number", "<=", 30, [30], [30.1]),
        ("number", ">", 30, [31], [30]),
        ("number", ">=", 30, [30], [29]),
        ("number", "between", [15, 30], [15, 20.5, 30], [14, 31]),
        ("yes or no", "is", True, [True], [False]),
        ("yes or no", "is", False, [False], [True]),
        ("moment", "before", "2027-01-31T10:00:01+01:00", [NINE], [NINE.replace(hour=10)]),
        ("moment", "after", "2027-01-31T09:00:00+01:00", [NINE], [NINE.replace(hour=8)]),
        ("list", "has", "sales", [("Sales", "Support")], [("Support",), ()]),
        ("list", "has any of", ["Sales", "HR"], [("hr",)], [("Support",), ()]),
        ("list", "has none of", ["Sales", "HR"], [("Support",), ()], [("hr", "x")]),
        ("list", "has all of", ["Sales", "HR"], [("hr", "Sales", "x")], [("hr",)]),
        ("list", "is empty", None, [(), None], [("x",)]),
    ],
)
def test_an_operator_compares_as_its_name_says(kind, op, wanted, true_of, false_of):
    fact = {
        "text": REASON, "number": DURATION, "yes or no": CANCELED, "moment": START, "list": TEAMS,
    }[kind]  # fmt: skip
    tree = leaf(fact, op, wanted)

    assert check(tree) == []
    for value in true_of:
        assert evaluate(tree, of({fact: value})).holds, value
        assert not evaluate({"not": tree}, of({fact: value})).holds, value
    for value in false_of:
        assert not evaluate(tree, of({fact: value})).holds, value
        assert evaluate({"not": tree}, of({fact: value})).holds, value


@pytest.mark.parametrize(
    "tree",
    [
        NEVER_ASKED,
        {"not": NEVER_ASKED},
        {"not": {"not": NEVER_ASKED}},
        {**NEVER_ASKED, "op": "is not"},
        {**NEVER_ASKED, "op": "is none of", "value": ["x"]},
        {"and": [LONG, NEVER_ASKED]},
        {"not": {"and": [LONG, NEVER_ASKED]}},
        {"not": {"or": [NEVER_ASKED, {**LONG, "value": 90}]}},
    ],
)
def test_what_nobody_told_lets_nothing_hold_and_no_denial_of_it(tree):
    verdict = evaluate(tree, of({DURATION: 60}))

    assert not verdict.holds
    assert verdict.reason.endswith("the answer to “Never asked” is not known")


def test_what_is_not_known_gives_way_to_what_is():
    assert holds({"or": [NEVER_ASKED, LONG]}, booking__duration=60)
    assert holds({"not": {"and": [NEVER_ASKED, {**LONG, "value": 90}]}}, booking__duration=60)


def test_no_condition_holds_always():
    assert evaluate({}, of({})).holds
    assert in_words({}) == "always"


@pytest.mark.parametrize(
    ("tree", "values", "reason"),
    [
        (LONG, {DURATION: 15}, "the duration in minutes is 15, and the rule asks that it is at least 30"),
        ({"not": LONG}, {DURATION: 45}, "the duration in minutes is 45, and the rule asks that it is less than 30"),
        (leaf("booking.hours_ahead", "<", 2), {"booking.hours_ahead": 2.5}, "the number of hours from the event to the start is 2.5, and the rule asks that it is less than 2"),
        (leaf(STATUS, "is one of", ["booked", "no-show"]), {STATUS: "canceled"}, "the status of the meeting is “canceled”, and the rule asks that it is one of “booked”, “no-show”"),
        (leaf(CANCELED, "is", True), {CANCELED: False}, "it is not so that the meeting is canceled"),
        ({"not": leaf(CANCELED, "is", True)}, {CANCELED: True}, "the meeting is canceled"),
        (leaf(CANCELED, "is", True), {}, "it is not known whether the meeting is canceled"),
        (leaf(TEAMS, "has", "Sales"), {TEAMS: ("HR",)}, "the list of the hosts' teams has “HR”, and the rule asks that it has “Sales”"),
        (leaf(START, "before", "2027-01-31T09:00:00Z"), {START: NINE}, "the start of the meeting is 2027-01-31 09:00 UTC, and the rule asks that it is before 2027-01-31 09:00 UTC"),
        (BIG, {"Company size": "1-10"}, "the answer to “Company size” is not what the rule asks for"),
        ({"and": [LONG, leaf(STATUS, "is", "canceled")]}, {DURATION: 30, STATUS: "booked"}, "the status of the meeting is “booked”, and the rule asks that it is “canceled”"),
        ({"or": [BIG, LONG]}, {DURATION: 15}, "no alternative is so: the answer to “Company size” is not known"),
        ({"or": LONG}, {DURATION: 60}, "its conditions cannot be read; correct them in the rule"),
    ],
)  # fmt: skip
def test_the_reason_names_the_first_thing_that_decided(tree, values, reason):
    verdict = evaluate(tree, of(values))

    assert (verdict.holds, verdict.reason) == (False, reason)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (LONG, "the duration in minutes is at least 30"),
        ({"not": BIG}, "the answer to “Company size” is not “51-200”"),
        ({"not": leaf(CANCELED, "is", True)}, "it is not so that the meeting is canceled"),
        (leaf(DURATION, "between", [15, 45.5]), "the duration in minutes is between 15 and 45.5"),
        (leaf(REASON, "is empty"), "the reason of the cancellation is empty"),
        (
            {"and": [leaf("before.status", "is", "active"), {"or": [LONG, BIG]}, {"not": {"and": [LONG, BIG]}}]},
            "the status before the change is “active” and (the duration in minutes is at least 30 or the answer to "
            "“Company size” is “51-200”) and not (the duration in minutes is at least 30 and the answer to “Company size” "
            "is “51-200”)",
        ),
        (leaf(STATUS, "is", "unheard of"), ""),
    ],
)  # fmt: skip
def test_a_condition_is_put_into_one_sentence(tree, words):
    assert in_words(tree) == words


def nested(depth):
    return LONG if depth == 0 else {"not": nested(depth - 1)}


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ([], "Write an object, such as"),
        (None, "Write an object, such as"),
        ({"and": []}, "and: Write a list with one condition at least."),
        ({"or": LONG}, "or: Write a list with one condition at least."),
        ({"and": [{}]}, "and > 1st > fact: Name a fact"),
        ({"and": [LONG], "or": [LONG]}, "“and” stands alone; put what is beside it inside."),
        ({"and": [LONG, {"not": {**LONG, "value": "30"}}]}, "and > 2nd > not > value: Write a number; in JSON without quotes."),
        ({**LONG, "fact": "booking.durration"}, "fact: There is no fact “booking.durration”. Did you mean “booking.duration”?"),
        ({**LONG, "fact": 7}, "fact: Name a fact"),
        ({**LONG, "op": "matches"}, "op: “booking.duration” (number) is compared by “=”, “!=”, “<”"),
        ({**LONG, "negate": True}, "“negate” is not known here. Known are fact, argument, op and value"),
        ({**LONG, "argument": "Company size"}, "argument: “booking.duration” needs nothing beside it"),
        ({**BIG, "argument": " "}, "argument: Write the question that is meant."),
        ({**LONG, "value": True}, "value: Write a number"),
        ({**LONG, "value": float("nan")}, "value: Write a number"),
        ({**LONG, "value": MOST_NUMBER + 1}, "value: Write a number"),
        (leaf(DURATION, "between", [30, 15]), "value: Write two numbers, the lower one first; in JSON a list of them."),
        (leaf(CANCELED, "is", "true"), "value: Say yes or no; in JSON true or false, without quotes."),
        (leaf(START, "before", "2027-01-31T09:00:00"), "value: Write a moment with its time zone"),
        (leaf(START, "before", "0001-01-01T00:00:00+14:00"), "value: Write a moment with its time zone"),
        (leaf(REASON, "is", "  "), "value: Write a text of one to"),
        (leaf(REASON, "is one of", "ill"), "value: Write one to 200 texts; in JSON a list of them."),
        (leaf(REASON, "is empty", "x"), "value: “is empty” needs no value; leave it out."),
        (leaf(STATUS, "is", "cancelled"), "value: “cancelled” is none of its values: booked, rescheduled, canceled, no-show."),
        (leaf("changed", "has", "start"), "value: “start” is none of its values: start_at,"),
        (nested(MOST_DEPTH + 1), f"At most {MOST_DEPTH} conditions may stand in each other."),
        ({"or": [LONG] * (MOST_COMPARISONS + 1)}, f"or: There may be at most {MOST_COMPARISONS} comparisons."),
        ({"or": [{"and": [LONG] * 60}] * 2}, f"or > 2nd > and: There may be at most {MOST_COMPARISONS} comparisons."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(tree, problem):
    (told,) = check(tree)

    assert problem in str(told)
    assert not evaluate(tree, of({DURATION: 60})).holds
    assert in_words(tree) == ""


def test_everything_that_is_wrong_is_told_at_once():
    tree = {"or": [leaf("x", "is", "y"), LONG, {"not": leaf(DURATION, "is", 1)}]}

    assert [problem.place for problem in check(tree)] == ["or > 1st > fact", "or > 3rd > not > op"]


def test_as_deep_and_as_much_as_is_allowed_can_be_used():
    assert check(nested(MOST_DEPTH)) == []
    assert holds({"and": [LONG] * MOST_COMPARISONS}, booking__duration=30)


def test_the_catalogue_knows_the_kinds_and_causes_that_events_have():
    carried = set(BookingEvent.Kind.values) - {"routing_form_submitted"}

    assert (set(KINDS), set(CAUSES)) == (carried, set(BookingEvent.Cause.values))


def fact_rows():
    """The facts as `docs/rules.md` lists them."""
    for fact in FACTS.values():
        beside = f" with `argument`: the {fact.argument}" if fact.argument else ""
        values = f": {', '.join(fact.choices)}" if fact.choices else ""
        hidden = "yes" if fact.names_person else ""
        words = f"{fact.words} a {fact.argument}" if fact.argument else fact.words
        yield f"| `{fact.name}`{beside} | {words}{values} | {fact.type} | {hidden} |"


def operator_rows():
    """The operators as `docs/rules.md` lists them."""
    for kind, operators in OPERATORS.items():
        told = ", ".join(f"`{name}`" for name in operators)
        yield f"| {kind} | {told} |"


def test_the_docs_list_every_fact_and_operator():
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()

    assert "\n".join(fact_rows()) in text
    assert "\n".join(operator_rows()) in text


def test_the_examples_in_the_docs_can_be_used():
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)

    assert len(examples) >= 5
    assert not [problem for example in examples for problem in check(json.loads(example))]


TEXTS = st.text(max_size=8)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.datetimes(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["and", "or", "not", "fact", "op", "value", "argument"]) | st.integers(), inner, max_size=3
        )
    ),
    max_leaves=8,
)  # fmt: skip
ONE = {
    Type.TEXT: TEXTS, Type.LIST: TEXTS, Type.NUMBER: st.integers(-9, 9) | st.floats(), Type.YES_NO: st.booleans(),
    Type.MOMENT: st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
}  # fmt: skip
ALL_OPERATORS = sorted({name for operators in OPERATORS.values() for name in operators})


@st.composite
def leaves(draw):
    """A comparison that is right, or all but right."""
    fact = FACTS[draw(st.sampled_from(sorted(FACTS)))]
    op = draw(st.sampled_from(sorted(OPERATORS[fact.type])))
    one = st.sampled_from(fact.choices) if fact.choices else ONE[fact.type]
    wanted = {
        Takes.NOTHING: st.none(), Takes.ONE: one, Takes.MANY: st.lists(one, min_size=1, max_size=3),
        Takes.RANGE: st.lists(one, min_size=2, max_size=2).map(sorted),
    }  # fmt: skip
    tree = leaf(fact.name, op, draw(wanted[OPERATORS[fact.type][op].takes]))
    if fact.argument:
        tree["argument"] = "Company size"
    if draw(st.integers(0, 9)) == 0:
        tree[draw(st.sampled_from(["fact", "op", "value", "argument"]))] = draw(
            st.sampled_from([*ALL_OPERATORS, *FACTS]) | JUNK
        )
    return tree


TREES = st.recursive(
    leaves(),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)
ACTUAL = st.one_of(
    st.none(), TEXTS, st.booleans(), st.integers(-9, 9), st.floats(), st.datetimes(timezones=st.timezones()),
    st.lists(TEXTS, max_size=3).map(tuple), JUNK,
)  # fmt: skip


@st.composite
def facts(draw):
    drawn: dict[str, object] = {}

    def read(name, argument):
        if name not in drawn:
            kind = FACTS[name].type
            own = {Type.LIST: st.lists(TEXTS, max_size=3).map(tuple)}.get(kind, ONE[kind])
            choices = st.sampled_from(FACTS[name].choices or ("x",))
            drawn[name] = draw(st.one_of(own, st.none(), choices, ACTUAL))
        return drawn[name]

    return read


@given(tree=TREES | JUNK, read=facts())
def test_nothing_raises_and_what_check_refuses_never_holds(tree, read):
    problems = check(tree)
    verdict = evaluate(tree, read)

    assert verdict.reason
    assert bool(problems) == (
        verdict.reason == "its conditions cannot be read; correct them in the rule"
    )
    assert bool(problems) == (in_words(tree) == "")
    assert not (problems and verdict.holds)
    assert all(problem.message for problem in problems)


@given(parts=st.lists(TREES, min_size=1, max_size=3), read=facts())
def test_a_denied_and_is_the_or_of_the_denials_and_the_other_way_round(parts, read):
    denials = [{"not": part} for part in parts]

    for left, right in (("and", "or"), ("or", "and")):
        whole, pieces = {"not": {left: parts}}, {right: denials}
        if check(whole) == [] == check(pieces):
            assert evaluate(whole, read).holds == evaluate(pieces, read).holds


@given(tree=TREES, read=facts())
def test_a_condition_and_its_denial_never_both_hold(tree, read):
    assert not (evaluate(tree, read).holds and evaluate({"not": tree}, read).holds)


@given(tree=TREES)
def test_a_condition_means_the_same_after_the_database_had_it(tree):
    if check(tree) == []:
        assert check(json.loads(json.dumps(tree))) == []
        assert in_words(json.loads(json.dumps(tree))) == in_words(tree)
