"""Values fitted to fields, and which of them an existing record gets."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.connectors.salesforce import coercion, fields
from integrations.connectors.salesforce.coercion import fit
from integrations.connectors.salesforce.fields import Wanted, WantedRecord
from integrations.connectors.salesforce.schema import FieldType, make_schema, read_schema
from integrations.errors import RuleError, TemporaryError

NINE = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
LATE = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
HEAT = {"choices": (("hot", "Hot lead"), ("cold", "Cold"))}


def kind(named, **more):
    return FieldType(name="F", type=named, **more)


@pytest.mark.parametrize(
    ("named", "more", "value", "expected", "note"),
    [
        ("string", {"length": 5}, "  a \n b ", "a b", ""),
        ("string", {"length": 5}, "abcdefg", "abcde", "cut from 7 to 5"),
        ("string", {"length": 3}, "ab🙂", "ab", "cut from 4 to 3"),
        ("string", {}, "\x00\x07", None, ""),
        ("string", {"length": 9}, 30, "30", ""),
        ("string", {"length": 9}, True, "yes", ""),
        ("string", {"length": 40}, NINE, "2026-12-01 09:00 UTC", ""),
        ("textarea", {"length": 50}, " a\r\nb\n", "a\nb", ""),
        ("phone", {"length": 40}, "+49 30 1", "+49 30 1", ""),
        ("email", {"length": 80}, "ida@x.example", "ida@x.example", ""),
        ("email", {"length": 80}, "ida at x", None, "is no e-mail address"),
        ("email", {"length": 10}, "ida@long.example", None, "is too long"),
        ("url", {"length": 10}, "https://too.long.example", None, "is too long"),
        ("url", {"length": 255}, "acme.example", "acme.example", ""),
        ("boolean", {}, True, True, ""),
        ("boolean", {}, "Yes", True, ""),
        ("boolean", {}, "nein", False, ""),
        ("boolean", {}, "perhaps", None, "neither yes nor no"),
        ("int", {}, "1,000", 1000, ""),
        ("int", {}, "25.0", 25, ""),
        ("int", {}, 30, 30, ""),
        ("int", {}, "10-50", None, "is no whole number"),
        ("int", {}, "2.5", None, "is no whole number"),
        ("int", {}, "99999999999", None, "is too large"),
        ("int", {}, True, None, "is no whole number"),
        ("int", {}, NINE, None, "is no whole number"),
        ("double", {}, "-2.5", -2.5, ""),
        ("double", {"precision": 5, "scale": 2}, "12.345", 12.35, ""),
        ("double", {"precision": 5, "scale": 2}, "1000", None, "is too large"),
        ("currency", {"precision": 18, "scale": 2}, "5 000.50", 5000.5, ""),
        ("currency", {}, "1,50", None, "is no number"),
        ("double", {}, "nan", None, "is no number"),
        ("percent", {}, "12 %", 12.0, ""),
        ("date", {}, NINE, "2026-12-01", ""),
        ("date", {}, LATE, "2026-12-02", ""),
        ("date", {}, "2026-02-03", "2026-02-03", ""),
        ("date", {}, "tomorrow", None, "is no date"),
        ("datetime", {}, NINE, "2026-12-01T09:00:00Z", ""),
        ("datetime", {}, "2026-12-01T10:00:00+01:00", "2026-12-01T09:00:00Z", ""),
        ("datetime", {}, "soon", None, "is no date and time"),
        ("time", {}, NINE, "10:00:00.000Z", ""),
        ("picklist", HEAT, "hot", "hot", ""),
        ("picklist", HEAT, " HOT ", "hot", ""),
        ("picklist", HEAT, "hot  lead", "hot", ""),
        ("picklist", {**HEAT, "length": 255}, "Warm", "Warm", ""),
        ("picklist", {**HEAT, "restricted": True}, "Warm", None, "is none of hot, cold"),
        ("multipicklist", {**HEAT, "restricted": True}, "Hot\nCold;hot", "hot;cold", ""),
        ("multipicklist", {**HEAT, "restricted": True}, "Hot\nWarm", "hot", "is none of"),
        ("reference", {}, "0015g00000AAAAA", "0015g00000AAAAA", ""),
        ("reference", {}, "0015g00000AAAAAQAZ", "0015g00000AAAAAQAZ", ""),
        ("reference", {}, "Acme Ltd", None, "is no id"),
        ("location", {}, "52.5,13.4", None, "cannot write such a field"),
        ("string", {}, None, None, ""),
        ("string", {}, "", None, ""),
    ],
)  # fmt: skip
def test_a_value_is_fitted_to_its_field(named, more, value, expected, note):
    fitted = fit(value, kind(named, **more), zone="Europe/Berlin")

    assert fitted.value == expected
    assert isinstance(fitted.value, bool) is isinstance(expected, bool)
    assert bool(fitted.notes) is bool(note)
    assert note in "".join(fitted.notes)


def test_a_misfit_shows_no_more_of_a_text_than_staff_need():
    fitted = fit("x" * 5_000, kind("int"))

    assert len(fitted.notes[0]) < 150


def record(*items, by_staff=True):
    schema = make_schema("Lead", *(item for item, _, _ in items))
    wanted = tuple(Wanted(field=item.name, value=value, mode=mode) for item, value, mode in items)
    return fields.fitted(
        WantedRecord(object_type="Lead", fields=wanted, by_staff=by_staff), schema
    )  # fmt: skip


TITLE = FieldType(name="Title", length=128)
NOTES = FieldType(name="Notes__c", type="textarea", length=20)


@pytest.mark.parametrize(
    ("mode", "value", "held", "written"),
    [
        ("always", "CEO", None, "CEO"),
        ("always", "CEO", "CFO", "CEO"),
        ("always", "CEO", "CEO", None),
        ("always", "", "CFO", ""),
        ("always", "", None, None),
        ("always", None, "CFO", None),
        ("if_empty", "CEO", None, "CEO"),
        ("if_empty", "CEO", "", "CEO"),
        ("if_empty", "CEO", "CFO", None),
        ("if_empty", "CEO", "[not provided]", "CEO"),
        ("if_empty", "", None, None),
        ("on_create", "CEO", None, None),
        ("on_create", "CEO", "CFO", None),
        ("append", "CEO", None, "CEO"),
        ("append", "CEO", "CFO", "CFO; CEO"),
        ("append", "CEO", "CFO; CEO", None),
        ("append", "CEO", "CEO; CFO", None),
        ("append", "CE", "CEO", "CEO; CE"),
        ("append", "", "CFO", None),
        ("append", None, "CFO", None),
    ],
)
def test_the_mode_decides_what_an_existing_field_gets(mode, value, held, written):
    change = fields.change(record((TITLE, value, mode)), {"Title": held})

    if written is None:
        assert change.fields == {}
    else:
        assert (change.fields["Title"] or "") == written
        assert change.before == {"Title": held}


@pytest.mark.parametrize("mode", ["always", "if_empty", "on_create", "append"])
def test_a_new_record_gets_every_value_that_there_is(mode):
    made = record((TITLE, "CEO", mode), (NOTES, "", mode))

    assert fields.new_record(made, last_resort={}) == {"Title": "CEO"}


def test_a_new_record_lacks_nothing_that_it_must_have():
    company = FieldType(name="Company", length=255)
    resort = {"Company": "[not provided]", "LastName": "ida", "Email": ""}

    empty = fields.new_record(record((company, None, "always")), last_resort=resort)
    given = fields.new_record(record((company, "Acme", "always")), last_resort=resort)

    assert empty == {"Company": "[not provided]", "LastName": "ida"}
    assert given == {"Company": "Acme", "LastName": "ida"}


@pytest.mark.parametrize(
    ("named", "value", "held"),
    [
        ("datetime", NINE, "2026-12-01T09:00:00.000+0000"),
        ("double", 5, 5.0),
        ("reference", "0015g00000AAAAA", "0015g00000AAAAAQAZ"),
        ("email", "Ida@X.example", "ida@x.example"),
        ("textarea", "a\nb", "a\r\nb"),
        ("multipicklist", "b;a", "a;b"),
    ],
)
def test_what_salesforce_holds_for_the_same_is_not_written_again(named, value, held):
    assert fields.change(record((kind(named), value, "always")), {"F": held}).fields == {}


@pytest.mark.parametrize(
    ("named", "value", "held", "written"),
    [
        ("boolean", True, False, True),
        ("boolean", False, None, None),
        ("double", 7, 0, None),
        ("int", 0, None, 0),
    ],
)
def test_an_unticked_box_is_empty_and_a_zero_is_not(named, value, held, written):
    change = fields.change(record((kind(named), value, "if_empty")), {"F": held})

    assert change.fields == ({} if written is None else {"F": written})


def test_without_having_looked_only_what_is_always_written_is():
    made = record((TITLE, "CEO", "always"))

    assert fields.change(made, None).fields == {"Title": "CEO"}


def test_what_has_no_room_is_not_appended_in_part_and_it_is_said():
    change = fields.change(record((NOTES, "twelve chars", "append")), {"Notes__c": "ten chars!"})

    assert change.fields == {}
    assert "no room" in change.notes[0]


_words = st.text(alphabet=string.ascii_letters + " ;\n\r🙂.", max_size=12)


@given(held=st.none() | _words, texts=st.lists(_words, max_size=6), order=st.randoms())
@pytest.mark.parametrize("named", ["string", "textarea", "multipicklist"])
@pytest.mark.parametrize("length", [12, 255])
def test_appending_again_in_any_order_changes_nothing(named, length, held, texts, order):
    item = FieldType(name="F", type=named, length=length)

    def append(text):
        nonlocal held
        held = fields.change(record((item, text, "append")), {"F": held}).fields.get("F", held)

    for text in texts:
        append(text)
    settled = held
    order.shuffle(texts)
    for text in texts:
        append(text)

    if length == 255:
        assert held == settled
    for _ in range(2):
        settled = held
        for text in texts:
            append(text)
    assert held == settled


@pytest.mark.parametrize(
    ("name", "mode", "words"),
    [
        ("Titel", "always", "Perhaps Title?"),
        ("Formula__c", "always", "cannot be written"),
        ("Fixed__c", "if_empty", "choose 'on create'"),
        ("Later__c", "on_create", "choose another mode"),
        ("Amount", "append", "is no text"),
    ],
)
def test_a_field_that_cannot_be_written_needs_a_person_and_says_how(name, mode, words):
    schema = make_schema(
        "Lead",
        TITLE,
        FieldType(name="Formula__c", createable=False, updateable=False),
        FieldType(name="Fixed__c", updateable=False),
        FieldType(name="Later__c", createable=False),
        FieldType(name="Amount", type="currency"),
    )
    wanted = WantedRecord(
        object_type="Lead", fields=(Wanted(field=name, value=None, mode=mode),), by_staff=True
    )

    with pytest.raises(RuleError) as caught:
        fields.fitted(wanted, schema)

    assert words in str(caught.value)
    assert name in str(caught.value)
    assert "Field mapping" in caught.value.hint


def test_a_field_is_found_in_any_case_and_written_as_it_is_spelled():
    wanted = WantedRecord(
        object_type="Lead", fields=(Wanted(field="TITLE", value="CEO", mode="always"),)
    )

    fitted = fields.fitted(wanted, make_schema("Lead", TITLE))

    assert fields.change(fitted, None).fields == {"Title": "CEO"}


def test_what_only_new_records_get_is_no_reason_to_look_at_an_old_one():
    only = WantedRecord(
        object_type="Lead", fields=(Wanted(field="Title", value="CEO", mode="on_create"),)
    )
    other = WantedRecord(
        object_type="Lead", fields=(Wanted(field="Title", value=NINE, mode="if_empty"),)
    )

    assert only.content_hash == ""
    assert other.content_hash != ""
    assert (only.looks, other.looks) == (False, True)


@pytest.mark.parametrize("body", [None, [], {}, {"fields": 1}, {"fields": [{}]}, "<html>"])
def test_an_answer_that_describes_nothing_is_tried_again(body):
    with pytest.raises(TemporaryError):
        read_schema("Lead", body)


def test_a_retired_value_of_a_list_is_none_of_it():
    values = [{"value": "a", "label": "A", "active": True}, {"value": "b", "active": False}]
    field = {"name": "F", "type": "picklist", "restrictedPicklist": True, "picklistValues": values}

    found = read_schema("Lead", {"fields": [field]}).find("f")

    assert found is not None
    assert found.choices == (("a", "A"),)
    assert coercion.fit("b", found).value is None
