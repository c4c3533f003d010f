"""Files of rules: what is read, what is refused and in which line, and that what is written is read as it was."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.recipes.reading import MOST_TEXT, UnusableFileError, read, write

pytestmark = pytest.mark.db_independent

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.sampled_from(["no", "12:30", "1e5", "010", "2026-11-02", "<<", "0x1f", "~"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
@example({"\x85": "a\u2028b\rc"})
def test_what_is_written_is_read_as_it_was(value):
    assert read(write({"rules": value})).data == {"rules": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("2026-11-02", "2026-11-02"), ("010", "010"), ("1_000", "1_000"),
        ("true", True), ("null", None), ("", None), ("-7", -7), ("1.5", 1.5), (".nan", ".nan"),
    ],
)  # fmt: skip
def test_a_value_is_what_json_would_say_else_a_text(text, value):
    assert read(f"a: {text}").data == {"a": value}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: [1, 2", "Line 2: This is no YAML"),
        ("a: &x 1\nb: *x", "Line 1: Anchors and aliases"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]", "Line 2: The tag tag:yaml.org,2002:python"),
        ("a: 1\nb: 2\na: 3", "Line 3: a stands here a second time"),
        ("a:\n  1: x", "Line 2: A name is a text"),
        ('a: 1\nb: "x\\0"', "Line 2: A text cannot hold"),
        ("a: " + "[" * 60, "Line 1: This stands too deep"),
        ("a: " + "1" * 5000, "Exceeds the limit"),
        ("x" * (MOST_TEXT + 1), "too long"),
        ("a: 1\n---\nb: 2", "Line 2: This is no YAML"),
        ("a: \x07", "This is no YAML"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_told_with_its_line(text, told):
    with pytest.raises(UnusableFileError) as caught:
        read(text)

    assert told in str(caught.value)
