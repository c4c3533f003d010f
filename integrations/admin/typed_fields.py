"""A form field for each thing that a typed model can be told, and the way back to the JSON that is stored.

What is left at its default is not written, so that the default can change later; what was written stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Mapping as AbstractMapping
from typing import Annotated, Any, Literal, get_args, get_origin

from django import forms
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from integrations.admin.typed_texts import JSONText, LinesText, PairsText, as_json
from integrations.options import Options

#: Values with labels that a provider offers for a field, by its name.
Choices = Mapping[str, Sequence[tuple[str, str]]]
_CAPITALS = {"url": "URL", "uri": "URI", "id": "ID", "api": "API", "utm": "UTM"}
#: A text that may be longer than this is written over several lines.
_LONG = 500
_NUMBERS: Mapping[type, type[forms.IntegerField]] = {
    int: forms.IntegerField,
    float: forms.FloatField,
}
_TRUTH: TypeAdapter[bool] = TypeAdapter(bool)


def form_fields(
    model: type[Options], *, values: Mapping[str, Any], choices: Choices
) -> dict[str, forms.Field]:
    """Return a field for each name of the model, filled with the values and, where they say nothing, the defaults."""
    return {
        name: _field(model, name, values=values, choices=choices) for name in model.model_fields
    }


def collect(
    model: type[Options], *, entered: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what is to be stored; names that the model does not know are kept, to be seen and corrected."""
    wanted = dict(before)
    for name, value in entered.items():
        info = model.model_fields[name]
        if value is PydanticUndefined or (value is None and _bare(info.annotation) in _NUMBERS):
            wanted.pop(name, None)
        elif _same(value, before.get(name, PydanticUndefined)):
            continue
        elif _same(value, default_of(info)):
            wanted.pop(name, None)
        else:
            wanted[name] = value
    return wanted


def default_of(info: FieldInfo) -> Any:
    """Return what holds where nothing is said, as JSON has it; undefined where something has to be said."""
    if info.is_required():
        return PydanticUndefined
    return to_jsonable_python(info.get_default(call_default_factory=True, validated_data={}))


def label_of(name: str, info: FieldInfo | None = None) -> str:
    """Return what a field is called for people."""
    if info and info.title:
        return info.title
    words = " ".join(_CAPITALS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


def in_words(model: type[Options] | None, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each thing that is set, with its label, for who may not change it."""
    fields = model.model_fields if model else {}
    labels = model.choice_labels if model else {}
    for name, value in values.items():
        yield label_of(name, fields.get(name)), _told(value, labels.get(name, {}))


def _told(value: Any, labels: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return labels.get(value, value) or "(empty)"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "(none)"
    return as_json(value)


def _field(
    model: type[Options], name: str, *, values: Mapping[str, Any], choices: Choices
) -> forms.Field:
    info = model.model_fields[name]
    kind, stored = _bare(info.annotation), values.get(name, PydanticUndefined)
    value = default_of(info) if stored is PydanticUndefined else stored
    common: dict[str, Any] = {"label": label_of(name, info), "required": info.is_required()}
    if kind is bool:
        common |= {"required": False, "help_text": _help(info), "widget": UnfoldBooleanWidget}
        return forms.BooleanField(**common, initial=_as_bool(value))
    if kind in _NUMBERS:
        common |= {"help_text": _help(info), "widget": UnfoldAdminIntegerFieldWidget}
        number = None if value is PydanticUndefined else value
        return _NUMBERS[kind](**common, **_limits(info), initial=number)
    if kind is str or get_origin(kind) is Literal:
        labels = model.choice_labels.get(name, {})
        own = [(one, labels.get(one, _plain(one))) for one in get_args(kind)]
        offered = own or choices.get(name, ())
        return _text(value, {**common, "help_text": _help(info)}, info=info, choices=offered)
    if _holds_texts(kind, list, tuple):
        return LinesText(**common, help_text=_help(info, "One on each line."), value=value)
    if _holds_texts(kind, dict, AbstractMapping):
        about = _help(info, "Name = value, one on each line.")
        return PairsText(**common, help_text=about, value=value)
    written = "As JSON." if info.is_required() else "As JSON; empty for none."
    return JSONText(**common, help_text=_help(info, written), value=stored, rows=3)


def _text(
    value: Any, common: Mapping[str, Any], *, info: FieldInfo, choices: Sequence[tuple[str, str]]
) -> forms.Field:
    text = "" if value is PydanticUndefined or value is None else value
    text = text if isinstance(text, str) else as_json(text)
    if choices:
        return _select(text, common, choices=choices)
    longest = next((item.max_length for item in info.metadata if hasattr(item, "max_length")), None)
    is_long = (longest or 0) >= _LONG or "\n" in text
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3}) if is_long else UnfoldAdminTextInputWidget()  # fmt: skip
    return forms.CharField(**common, initial=text, max_length=longest, widget=widget)


def _select(
    text: str, common: Mapping[str, Any], *, choices: Sequence[tuple[str, str]]
) -> forms.Field:
    """Offer the choices, and what is stored even where it is none of them: it is refused with words, not lost."""
    known = [value for value, _ in choices]
    nothing = [] if text in known and text else [("", "Choose ...")]
    strange = [(text, f"{text} (not known)")] if text and text not in known else []
    return forms.ChoiceField(**common, initial=text, choices=[*nothing, *choices, *strange], widget=UnfoldAdminSelectWidget)  # fmt: skip


def _bare(annotation: Any) -> Any:
    """Return a type without what is only noted about it."""
    return _bare(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def _holds_texts(kind: Any, *containers: type) -> bool:
    inner = [_bare(one) for one in get_args(kind) if one is not Ellipsis]
    return get_origin(kind) in containers and set(inner) == {str}


def _limits(info: FieldInfo) -> dict[str, Any]:
    found = {}
    for item in info.metadata:
        for theirs, ours in (("ge", "min_value"), ("le", "max_value")):
            if (limit := getattr(item, theirs, None)) is not None:
                found[ours] = limit
    return found


def _help(info: FieldInfo, *more: str) -> SafeString:
    """Return the description and what is said beside it, with an example of what is written as JSON."""
    told = [part.strip() for part in (info.description or "", *more) if part.strip()]
    text = " ".join(part if part.endswith((".", "?")) else f"{part}." for part in told)
    if not info.examples:
        return escape(text)
    shown = '{}<details class="cs-more"><summary>Example</summary><pre class="cs-example">{}</pre></details>'
    return format_html(shown, text, as_json(info.examples[0]))


def _plain(value: Any) -> str:
    return str(value).replace("_", " ")


def _as_bool(value: Any) -> bool:
    try:
        return _TRUTH.validate_python(value)
    except ValidationError:
        return False


def _same(one: Any, other: Any) -> bool:
    return bool(to_jsonable_python(one) == other) if other is not PydanticUndefined else False
