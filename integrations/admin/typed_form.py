"""A form whose JSON can be filled in field by field: the fields count, unless the JSON itself was changed.

The JSON is what is stored. The page carries along for which model it was made and what its JSON was, so that it shows what
was changed, and that a page made for another action is not taken for this one's. A request without either, from a
script, is taken at its JSON's word.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString
from pydantic import ValidationError as OptionsError
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.admin.fields import ReadableJSONField
from integrations.admin.providers import check_options, describe
from integrations.admin.typed_fields import Choices, collect, form_fields
from integrations.options import Options, told

_FOR, SHOWN = "-for", "-shown"
_PLACE = re.compile(r"^(\w+)[.:\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Say what the JSON has to be just now; `mark` names that, and `check` tells what well-formed values cannot mean."""

    model: type[Options] | None = None
    mark: str = ""
    choices: Choices = field(default_factory=dict)
    check: Callable[[Mapping[str, Any]], Sequence[str]] = lambda _values: ()


class _TruthWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # the package has no types
    """Show the JSON, and carry along what it was and what it is for."""

    mark, shown = "", ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the text area and two fields that nobody sees."""
        hidden = (
            '{}<input type="hidden" name="{}" value="{}"><input type="hidden" name="{}" value="{}">'
        )
        area = super().render(name, value, attrs, renderer)
        return format_html(hidden, area, name + _FOR, self.mark, name + SHOWN, self.shown)


def truth_field(label: str) -> ReadableJSONField:
    """Return the field of the JSON itself."""
    quiet = {"rows": 6, "spellcheck": "false"}
    return ReadableJSONField(label=label, widget=_TruthWidget(attrs=quiet))


class TypedForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Fill in JSON field by field; `typed_form` gives a subclass its fields."""

    truth: ClassVar[str]
    #: The field whose choice decides which fields there are.
    chosen_by: ClassVar[str] = ""
    shape: ClassVar[Shape] = Shape()
    before: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Whether the page was made for other fields than there are now.
        self.is_other = False
        #: Whether the JSON counts rather than the fields.
        self.is_raw = True
        if self.truth not in self.fields:
            return
        self.fields[self.truth].help_text = describe(self.shape.model)
        widget: Any = self.fields[self.truth].widget
        widget.mark, widget.shown = self.shape.mark, json.dumps(self.before)
        if self.is_bound:
            self._look(widget)
        text = str(self.data.get(self.truth) or json.dumps(self.before, indent=2))
        widget.attrs["rows"] = max(6, min(text.count("\n") + 2, 30))

    @property
    def typed_names(self) -> list[str]:
        """Return the names of the model that have a field here."""
        names = self.shape.model.model_fields if self.shape.model else ()
        return [name for name in names if field_name(self.truth, name) in self.fields]

    def _look(self, widget: Any) -> None:
        """Find out what counts, and let the fields show what the JSON says where they were not filled in for it."""
        mark, written = self.data.get(self.truth + _FOR), self.data.get(self.truth, "")
        shown = parsed(self.data.get(self.truth + SHOWN, ""))
        now = parsed(written)
        is_changed = bool(written.strip()) and now != shown
        self.is_other = mark is not None and mark != self.shape.mark and not is_changed
        self.is_raw = mark is None or is_changed
        if self.is_other:
            known = self.shape.model.model_fields if self.shape.model else {}
            now = {name: value for name, value in (shown or {}).items() if name in known}
        if mark is None or self.is_other:
            self._refill(now)
            widget.shown = json.dumps(now or {})
        else:
            widget.shown = self.data.get(self.truth + SHOWN, "")

    def _refill(self, values: Mapping[str, Any] | None) -> None:
        data: Any = self.data
        data = data.copy()
        model = self.shape.model
        if self.is_other:
            data[self.truth] = json.dumps(values or {}, indent=2, ensure_ascii=False)
        for name, one in (form_fields(model, values=values or {}, choices={}) if model else {}).items():  # fmt: skip
            place = field_name(self.truth, name)
            data.pop(place, None)
            if one.initial is not None and one.initial is not False:
                data[place] = one.initial
        self.data = data

    def clean(self) -> dict[str, Any]:
        """Put what is to be stored in the place of the JSON, every error at its field."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.truth in self.fields:
            self._settle(cleaned)
        return cleaned

    def _settle(self, cleaned: dict[str, Any]) -> None:
        names = {name: field_name(self.truth, name) for name in self.typed_names}
        entered = {name: cleaned[place] for name, place in names.items() if place in cleaned}
        shown = parsed(self.data.get(self.truth + SHOWN, "")) or {}
        filled = (
            collect(self.shape.model, entered=entered, before=shown) if self.shape.model else {}
        )
        if self.is_other and names:
            for place in names.values():
                self.errors.pop(place, None)
            self.add_error(self.chosen_by, "This has other fields, which are below now: fill them in, and save again.")  # fmt: skip
            return
        if not self.is_raw and self.shape.model:
            cleaned[self.truth] = filled
            self._check_fields(filled)
            if any(place in self.errors for place in names.values()):
                cleaned.pop(self.truth, None)
            return
        for place in names.values():
            self.errors.pop(place, None)
        if self.truth not in cleaned:
            return
        if self.data.get(self.truth + _FOR) is not None and shown != filled != cleaned[self.truth]:
            words = "Both the fields and this JSON were changed. Empty this to keep what the fields say, or load the page again and change one of them."  # fmt: skip
            self.add_error(self.truth, words)
            return
        self._check_raw(cleaned[self.truth])

    def _check_raw(self, values: Any) -> None:
        try:
            check_options(self.shape.model, values)
        except forms.ValidationError as error:
            self.add_error(self.truth, error)
            return
        if wrong := self.shape.check(values):
            self.add_error(self.truth, list(wrong))

    def _check_fields(self, values: Mapping[str, Any]) -> None:
        unread = frozenset(self.errors)  # what stands there is not what was entered
        try:
            if self.shape.model:
                self.shape.model.model_validate(dict(values))
        except OptionsError as error:
            for problem in error.errors():
                if field_name(self.truth, _first(problem)) not in unread:
                    self._place(problem["loc"], told(problem))
        if not self.errors:
            for words in self.shape.check(values):
                self._place_words(words)

    def _place(self, loc: Sequence[int | str], words: str) -> None:
        """Put what is wrong at its field; of several together, the message may name the place itself."""
        if not loc:
            self._place_words(words)
            return
        name, inside = str(loc[0]), ".".join(map(str, loc[1:]))
        place = field_name(self.truth, name)
        if place in self.fields:
            self.add_error(place, f"{inside}: {words}" if inside else words)
        else:
            self.add_error(self.truth, f"{name}: {words}")

    def _place_words(self, words: str) -> None:
        named = _PLACE.match(words)
        place = field_name(self.truth, named[1]) if named else ""
        self.add_error(place if place in self.fields else None, words)

    def refuse(self, name: str, words: str) -> None:
        """Say what is wrong with one name: at its field where the fields count, else at the JSON."""
        place = field_name(self.truth, name)
        self.add_error(self.truth if self.is_raw or place not in self.fields else place, words)


def typed_form(
    base: type[TypedForm], shape: Shape, *, values: Mapping[str, Any], **more: forms.Field
) -> type[TypedForm]:
    """Return the form with a field for each thing that the model can be told, and the fields that are given beside."""
    made = form_fields(shape.model, values=values, choices=shape.choices) if shape.model else {}
    fields = {field_name(base.truth, name): one for name, one in made.items()}
    return type(base.__name__, (base,), {**fields, **more, "shape": shape, "before": dict(values)})


def sections(truth: str, shape: Shape, *, heading: str) -> Iterator[tuple[str, list[str]]]:
    """Yield headings with the fields below them: first what is in no section."""
    model = shape.model
    if model is None or not model.model_fields:
        return
    grouped = {name for names in model.sections.values() for name in names}
    first = [name for name in model.model_fields if name not in grouped]
    for title, names in {heading: first, **model.sections}.items():
        if names:
            yield title, [field_name(truth, name) for name in names]


def posted_values(data: QueryDict, truth: str, *, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the fields of a posted page began with; of one that carries nothing along, what is stored."""
    return parsed(data.get(truth + SHOWN, "")) or stored


def field_name(truth: str, name: str) -> str:
    """Return the name of a form's field."""
    return f"{truth}__{name}"


def parsed(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text holds, or None."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _first(problem: Any) -> str:
    """Return the name that a model's problem is about; empty where it is about several together."""
    return str(problem["loc"][0]) if problem["loc"] else ""
