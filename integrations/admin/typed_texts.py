"""Values that are written as text in a form: several lines, names with values, and JSON where nothing simpler will do.

Lines and names with values may be written as JSON too, and are shown so where a line could not hold them.
"""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from pydantic_core import PydanticUndefined
from unfold.widgets import UnfoldAdminTextareaWidget

_ROWS_AT_MOST = 24


def as_json(value: object) -> str:
    """Return JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


class WrittenField(forms.CharField):
    """Take a value as text; subclasses say how it is written and read."""

    def __init__(self, *, value: Any, rows: int = 2, **kwargs: Any) -> None:
        text = "" if value is PydanticUndefined else self.write(value)
        quiet = {"rows": max(rows, min(text.count("\n") + 1, _ROWS_AT_MOST)), "spellcheck": "false"}
        super().__init__(initial=text, widget=UnfoldAdminTextareaWidget(attrs=quiet), **kwargs)

    @classmethod
    def write(cls, value: Any) -> str:
        """Return the value as the form shows it."""
        return as_json(value)

    def read(self, text: str) -> Any:
        """Return what was written.

        Raises:
            ValidationError: it cannot be read.
        """
        raise NotImplementedError

    def to_python(self, value: Any) -> Any:
        """Return what was written as a value; nothing is no value."""
        text = super().to_python(value)
        return self.read(text) if text else self.nothing

    @property
    def nothing(self) -> Any:
        """Return what an empty text stands for."""
        return PydanticUndefined

    def validate(self, value: Any) -> None:
        """Refuse nothing where something is required."""
        if self.required and value == self.nothing:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """Leave the rest to the model."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare what is meant: browsers send other line ends than were shown."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


class JSONText(WrittenField):
    """Take what has parts of its own; empty is not set."""

    def read(self, text: str) -> Any:
        """Return the JSON."""
        try:
            return json.loads(text)
        except ValueError as error:
            raise forms.ValidationError(f"This is no JSON: {error}.", code="invalid") from error


class LinesText(WrittenField):
    """Take a list of texts, one on each line."""

    @property
    def nothing(self) -> Any:
        """Return the empty list."""
        return []

    @classmethod
    def write(cls, value: Any) -> str:
        """Return a line for each, unless a line cannot hold one."""
        if isinstance(value, list | tuple) and all(map(_fits_a_line, value)):
            return "\n".join(value)
        return as_json(value)

    def read(self, text: str) -> Any:
        """Return the lines that say something, or what they say as JSON."""
        found = _as_json(text, list)
        return (
            found
            if found is not None
            else [part for line in text.splitlines() if (part := line.strip())]
        )


class PairsText(WrittenField):
    """Take texts by name, `name = value` on each line."""

    @property
    def nothing(self) -> Any:
        """Return no names."""
        return {}

    @classmethod
    def write(cls, value: Any) -> str:
        """Return a line for each name, unless a line cannot hold one."""
        if isinstance(value, Mapping) and all(
            _fits_a_line(name) and _fits_a_line(text) and "=" not in name for name, text in value.items()
        ):  # fmt: skip
            return "\n".join(f"{name} = {text}" for name, text in value.items())
        return as_json(value)

    def read(self, text: str) -> Any:
        """Return the texts by name."""
        found = _as_json(text, dict)
        if found is not None:
            return found
        lines = [line for line in text.splitlines() if line.strip()]
        if wrong := next((line for line in lines if "=" not in line), None):
            told = f"Write name = value on each line; this has no “=”: {wrong.strip()}"
            raise forms.ValidationError(told, code="invalid")
        pairs = (line.split("=", 1) for line in lines)
        return {name.strip(): value.strip() for name, value in pairs}


def _fits_a_line(value: object) -> bool:
    return isinstance(value, str) and value == value.strip() != "" and len(value.splitlines()) == 1


def _as_json(text: str, kind: type) -> Any:
    """Return what the text says as JSON of this kind; None where it is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, kind) else None
