"""The part of a rule's form that says what has to be true: rows, and the same as JSON for experts.

The rows count, unless the JSON itself was changed; where both were, a person is asked. A condition that has no rows is
edited as JSON alone. A request that does not say what was shown, from a script, is taken at its JSON's word.
"""

import json
from typing import Any

from django import forms

from integrations import conditions
from integrations.admin.condition_layout import Layout, layout_of, tree_of
from integrations.admin.condition_widget import ConditionsWidget, known_questions, problems_of
from integrations.admin.typed_form import SHOWN, parsed

ROWS, TRUTH = "asks", "conditions"

_BOTH = "Both the rows and this JSON were changed. Empty this to keep what the rows say, or load the page again and change one of them."  # fmt: skip


def fill(form: forms.ModelForm) -> None:  # type: ignore[type-arg]  # not generic at run time
    """Show the conditions as rows, and carry along what was shown."""
    if ROWS not in form.fields:
        return
    tree = _shown(form)
    if tree is None:
        tree = form.get_initial_for_field(form.fields[TRUTH], TRUTH) or {}
    widget: Any = form.fields[TRUTH].widget
    widget.mark, widget.shown = TRUTH, json.dumps(tree)
    rows: Any = form.fields[ROWS].widget
    form.fields[ROWS].initial = layout_of(tree)
    rows.beyond = conditions.in_words(tree) if form.fields[ROWS].initial is None else None
    rows.questions = known_questions()
    text = json.dumps(tree, indent=2)
    widget.attrs["rows"] = max(6, min(text.count("\n") + 2, 30))


def check(form: forms.ModelForm, cleaned: dict[str, Any]) -> None:  # type: ignore[type-arg]  # as above
    """Put what is to be stored in the place of the JSON, every fault where it was made."""
    if ROWS not in form.fields:
        return
    shown, written = _shown(form), str(form.data.get(TRUTH, ""))
    before = layout_of(shown) if shown is not None else None
    if before is None:
        _check_json(form, cleaned)
        return
    entered = cleaned.get(ROWS) or Layout()
    is_written = bool(written.strip()) and parsed(written) != shown
    if is_written and entered != before:
        form.add_error(TRUTH, _BOTH)
    elif is_written:
        _check_json(form, cleaned)
    elif entered == before:
        cleaned[TRUTH] = shown
    else:
        _check_rows(form, cleaned, entered)


def _shown(form: forms.ModelForm) -> dict[str, Any] | None:  # type: ignore[type-arg]  # as above
    """Return the conditions that the page showed that was sent; None where it does not say."""
    return parsed(form.data.get(TRUTH + SHOWN, "")) if form.is_bound else None


def _check_json(form: forms.ModelForm, cleaned: dict[str, Any]) -> None:  # type: ignore[type-arg]  # as above
    if TRUTH not in cleaned:
        return
    if problems := conditions.check(cleaned[TRUTH]):
        form.add_error(TRUTH, [str(problem) for problem in problems])


def _check_rows(
    form: forms.ModelForm,  # type: ignore[type-arg]  # as above
    cleaned: dict[str, Any],
    entered: Layout,
) -> None:
    tree = cleaned[TRUTH] = tree_of(entered)
    if problems := conditions.check(tree):
        at_rows = problems_of(entered)
        widget = form.fields[ROWS].widget
        if isinstance(widget, ConditionsWidget):
            widget.problems = at_rows
        told = [str(problem) for problem in problems]
        form.add_error(ROWS, ["Correct the conditions that are marked."] if at_rows else told)
