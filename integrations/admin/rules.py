"""Rules: which kinds of event go where, and how."""

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from bookings.browsing import ModelAdmin, display
from bookings.models import BookingEvent
from integrations.admin.fields import ReadableJSONField
from integrations.admin.providers import action_choices, check_options, describe, get_provider
from integrations.models import Rule


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Choose kinds, connection and action, and check that they fit together."""

    kinds = forms.MultipleChoiceField(
        choices=BookingEvent.Kind.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What has to happen.",
    )
    action = forms.ChoiceField(
        choices=action_choices,
        widget=UnfoldAdminSelectWidget,
        help_text="One of the actions of the connection's provider.",
    )
    options = ReadableJSONField()

    class Meta:
        model = Rule
        fields = ("name", "enabled", "kinds", "connection", "action", "options", "position")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "options" in self.fields:
            provider = get_provider(self.instance.connection.provider)
            self.fields["options"].help_text = describe(provider.options_model)

    def clean(self) -> dict[str, Any]:
        """Check the action and its options against the connection's provider."""
        cleaned = super().clean() or self.cleaned_data
        if not {"connection", "action", "options"} <= cleaned.keys():
            return cleaned
        provider = get_provider(cleaned["connection"].provider)
        if cleaned["action"] not in provider.actions:
            known = ", ".join(provider.actions.values()) or "none: nothing is sent there"
            self.add_error("action", f"{provider.label} knows other actions: {known}.")
            return cleaned
        try:
            check_options(provider.options_model, cleaned["options"])
        except forms.ValidationError as error:
            self.add_error("options", error)
        return cleaned


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    """The rules in their order."""

    form = RuleForm
    list_display = ("name", "enabled", "on", "connection", "action", "position")
    list_filter = ("enabled", "connection")
    list_select_related = ("connection",)
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "enabled", "position")}),
        ("When", {"fields": ("kinds",)}),
        ("Then", {"fields": ("connection", "action", "options")}),
    )

    @display(description="on")
    def on(self, rule: Rule) -> str:
        """Show the kinds of event it acts on."""
        labels = dict(BookingEvent.Kind.choices)
        return ", ".join(str(labels.get(kind, kind)) for kind in rule.kinds)
