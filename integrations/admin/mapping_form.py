"""The rows of a field mapping as forms: what is typed stays as it is until it can be written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from integrations.connectors.base import TargetField
from integrations.connectors.values import SOURCES, Source
from integrations.models import FieldMapping, MappedField

Choices = list[tuple[str, Any]]
Mode = FieldMapping.WriteMode


_MODES: Mapping[str, str] = {
    Mode.IF_EMPTY.value: "if empty",
    Mode.ALWAYS.value: "always",
    Mode.ON_CREATE.value: "on create",
    Mode.APPEND.value: "append",
}


class RowForm(forms.Form):
    """One field and what fills it. Nothing is required here: a whole row is checked by its connector."""

    field = forms.CharField(required=False, max_length=128)
    source = forms.CharField(required=False, max_length=64)
    argument = forms.CharField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 1, "spellcheck": "false"})
    )
    write_mode = forms.ChoiceField(
        required=False, choices=list(_MODES.items()), widget=UnfoldAdminSelectWidget
    )

    def __init__(
        self, *args: Any, offered: Sequence[TargetField] | None, sources: Choices, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.problem = ""
        self.preview: Any = None
        self.fields["source"].widget = UnfoldAdminSelectWidget(
            choices=_with(sources, self.given("source"))
        )
        self.fields["field"].widget = _field_widget(offered, self.given("field"))
        for name, label in _LABELS.items():
            self.fields[name].label = label

    def given(self, name: str) -> str:
        """Return what was typed or stored, in words as they came."""
        return str(self[name].value() or "").strip()

    @property
    def is_blank(self) -> bool:
        """Tell whether nothing was entered: such a row is nothing."""
        return not (self.given("field") or self.given("source") or self.given("argument"))

    @property
    def is_deleted(self) -> bool:
        """Tell whether staff ticked the row away."""
        return bool(self.is_bound and self["DELETE"].value())

    def row(self, object_type: str) -> MappedField:
        """Return the row as it would be stored."""
        return MappedField(
            object_type=object_type,
            field=self.given("field"),
            source=self.given("source"),
            argument=self.given("argument"),
            write_mode=self.given("write_mode") or Mode.IF_EMPTY,
        )


_LABELS: Mapping[str, str] = {
    "field": "Field",
    "source": "Value",
    "argument": "Question, text or template",
    "write_mode": "Written",
}

RowFormSet = forms.formset_factory(
    RowForm, extra=0, can_delete=True, max_num=500, absolute_max=500, validate_max=True
)


def initial(rows: Iterable[MappedField]) -> list[dict[str, str]]:
    """Return rows as a formset begins with them."""
    return [
        {
            "field": row.field,
            "source": row.source,
            "argument": row.argument,
            "write_mode": row.write_mode,
        }
        for row in rows
    ]


def posted(prefix: str, rows: Sequence[MappedField]) -> dict[str, str]:
    """Return rows as if staff had typed them."""
    data = {f"{prefix}-TOTAL_FORMS": str(len(rows)), f"{prefix}-INITIAL_FORMS": "0"}
    for number, values in enumerate(initial(rows)):
        data |= {f"{prefix}-{number}-{name}": value for name, value in values.items()}
    return data


def source_choices(own: Mapping[str, Source]) -> Choices:
    """Return every value that can be chosen, by group, a connector's own first."""
    groups: dict[str, Choices] = {}
    for source in [*own.values(), *SOURCES.values()]:
        groups.setdefault(source.group, []).append((source.name, source.label))
    return [("", "Choose a value"), *groups.items()]


def _with(choices: Choices, chosen: str) -> Choices:
    """Return the choices with what was chosen, even if it is offered no more: nothing typed is lost."""
    known = {value for _, group in choices if isinstance(group, list) for value, _ in group}
    return choices if not chosen or chosen in known else [*choices, (chosen, f"{chosen} (unknown)")]


def _field_widget(offered: Sequence[TargetField] | None, chosen: str) -> forms.Widget:
    """Return a list of the fields; a text where the provider could not be asked."""
    widget: forms.Widget
    if offered is None:
        attrs = {"placeholder": "API name, such as Title", "spellcheck": "false"}
        widget = UnfoldAdminTextInputWidget(attrs=attrs)
        return widget
    choices = [("", "Choose a field"), *((item.name, _words(item)) for item in offered)]
    if chosen and chosen not in {item.name for item in offered}:
        choices.append((chosen, f"{chosen} (cannot be written)"))
    widget = UnfoldAdminSelectWidget(choices=choices)
    return widget


def _words(item: TargetField) -> str:
    required = ", required" if item.is_required else ""
    return f"{item.label} ({item.name}, {item.type}{required})"
