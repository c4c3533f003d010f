"""Form fields of the admin: JSON that can be read, and secrets that can only be written."""

import json
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextareaWidget


class ReadableJSONField(forms.JSONField):
    """Edit JSON over several lines; what cannot be read is given back as it was typed."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "widget", UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"})
        )
        super().__init__(required=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Return the text for the form."""
        if isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return json.dumps(value or {}, indent=2, ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        """Return the object; an empty text is an empty object."""
        return super().clean(value) or {}


class _BlindTextarea(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # the package has no types
    """Take several lines and never show any."""

    def format_value(self, value: object) -> str:
        """Return nothing: what was typed is not sent back."""
        return ""


class SecretField(forms.CharField):
    """Take a new secret; empty keeps the stored one, which is never shown."""

    def __init__(
        self, *, about: str = "", stored: bool | None = None, lines: int = 1, **kwargs: Any
    ) -> None:
        state = {None: "", True: "Stored; leave empty to keep it.", False: "Not set yet."}[stored]
        if lines > 1:
            quiet = {"rows": lines, "autocomplete": "off", "spellcheck": "false"}
            widget = _BlindTextarea(attrs=quiet)
        else:
            widget = UnfoldAdminPasswordWidget(
                attrs={"autocomplete": "new-password"}, render_value=False
            )
        super().__init__(
            required=False, widget=widget, help_text=f"{about} {state}".strip(), **kwargs
        )
